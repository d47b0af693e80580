//! The migrations of the schema. Each file of `migrations/` runs once, in a transaction of its own, when the server
//! starts. A file that has been released is never edited.

use postgres::Client;
use rusqlite::Connection;

use crate::{Error, Result, clock::Time};

/// All migrations in order. The number of a migration is its position, counted from 1.
const ALL: &[(&str, &str)] = &[
    ("0001_accounts_and_peeps", include_str!("../../migrations/0001_accounts_and_peeps.sql")),
    ("0002_rooms", include_str!("../../migrations/0002_rooms.sql")),
    ("0003_matches", include_str!("../../migrations/0003_matches.sql")),
    ("0004_pairings", include_str!("../../migrations/0004_pairings.sql")),
    ("0005_threads", include_str!("../../migrations/0005_threads.sql")),
    ("0006_apps", include_str!("../../migrations/0006_apps.sql")),
    ("0007_idempotency", include_str!("../../migrations/0007_idempotency.sql")),
    ("0008_sync", include_str!("../../migrations/0008_sync.sql")),
    ("0009_webhooks", include_str!("../../migrations/0009_webhooks.sql")),
    ("0010_pages", include_str!("../../migrations/0010_pages.sql")),
    ("0011_job_queues", include_str!("../../migrations/0011_job_queues.sql")),
    ("0012_conversation_rules", include_str!("../../migrations/0012_conversation_rules.sql")),
    ("0013_blocks", include_str!("../../migrations/0013_blocks.sql")),
    ("0014_names", include_str!("../../migrations/0014_names.sql")),
    ("0015_block_scopes", include_str!("../../migrations/0015_block_scopes.sql")),
];

/// The type of an id column and its form for SQLite: there only `INTEGER PRIMARY KEY` is the rowid itself, and `BIGINT`
/// would add a second index.
const SQLITE_ID: (&str, &str) = ("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY");

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";
const LATEST: &str = "SELECT COALESCE(MAX(version), 0) FROM migrations";
const RECORD: &str = "INSERT INTO migrations (version, name, applied_at) VALUES ($1, $2, $3)";

/// Runs the pending migrations on a SQLite file.
pub(super) fn sqlite(conn: &Connection, now: Time) -> Result<()> {
    let fail = super::sqlite::error;
    conn.execute_batch(&CREATE_TABLE.replace(SQLITE_ID.0, SQLITE_ID.1)).map_err(fail)?;
    let latest = conn.query_row(LATEST, [], |row| row.get(0)).map_err(fail)?;
    for (version, name, text) in pending(latest)? {
        let tx = conn.unchecked_transaction().map_err(fail)?;
        tx.execute_batch(&text.replace(SQLITE_ID.0, SQLITE_ID.1)).map_err(fail)?;
        tx.execute(RECORD, (version, name, now.ms())).map_err(fail)?;
        tx.commit().map_err(fail)?;
        tracing::info!(name, "Migrated the database");
    }
    Ok(())
}

/// Runs the pending migrations on a PostgreSQL database. Several nodes may start at once: one of them migrates, and the
/// others wait for it.
pub(super) fn postgres(client: &mut Client, now: Time) -> Result<()> {
    let fail = super::postgres::error;
    let mut tx = client.transaction().map_err(fail)?;
    // The number is arbitrary, but no other advisory lock of Chitter may use it: "chitter" on a telephone's keys.
    tx.execute("SELECT pg_advisory_xact_lock(2448837)", &[]).map_err(fail)?;
    tx.batch_execute(CREATE_TABLE).map_err(fail)?;
    let latest = tx.query_one(LATEST, &[]).map_err(fail)?.get(0);
    for (version, name, text) in pending(latest)? {
        tx.batch_execute(text).map_err(fail)?;
        tx.execute(RECORD, &[&version, &name, &now.ms()]).map_err(fail)?;
        tracing::info!(name, "Migrated the database");
    }
    tx.commit().map_err(fail)
}

fn pending(latest: i64) -> Result<impl Iterator<Item = (i64, &'static str, &'static str)>> {
    let all = (1..).zip(ALL).map(|(version, (name, text))| (version, *name, *text));
    if latest > ALL.len() as i64 {
        return Err(Error::internal(
            "the database was last used by a newer chitter: use that one, or restore a backup",
        ));
    }
    Ok(all.filter(move |(version, ..)| *version > latest))
}
