//! Statements whose SQL differs between the two engines.

use crate::{db::Engine, sql};

/// Claims due jobs: `$1` node, `$2` end of the lease, `$3` now, `$4` queue, `$5` limit.
pub(super) fn claim_jobs(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!(
            "UPDATE jobs SET attempts = attempts + 1, node = $1, run_at = $2
             WHERE id IN (SELECT id FROM jobs WHERE run_at <= $3 AND queue = $4
                          ORDER BY run_at, id LIMIT $5)
             RETURNING id, work, attempts, created_at"
        ),
        // Several nodes claim at once: each skips the rows that another node is claiming.
        Engine::Postgres => sql!(
            "UPDATE jobs SET attempts = attempts + 1, node = $1, run_at = $2
             WHERE id IN (SELECT id FROM jobs WHERE run_at <= $3 AND queue = $4
                          ORDER BY run_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)
             RETURNING id, work, attempts, created_at"
        ),
    }
}

/// Returns the sync version of this transaction. PostgreSQL runs several at once and already numbers each.
pub(super) fn sync_version(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => {
            sql!("UPDATE streams SET last_seq = last_seq + 1 WHERE name = 'sync_versions' RETURNING last_seq")
        }
        Engine::Postgres => sql!(
            "SELECT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) + last_seq
             FROM streams WHERE name = 'sync_versions'"
        ),
    }
}

/// Returns the latest sync version up to which everything is committed. On PostgreSQL other transactions of this
/// database may still write under lower versions. Transactions that began after the statement's snapshot (`xmax`) are
/// not counted. Of the transactions that began before it, the lowest one that is still running is the bound. (The
/// snapshot's own `xmin` would also wait for the other databases of the cluster.) `backend_xid` is the lower half of a
/// transaction's id. The result is correct where each statement has a snapshot of its own, as in reads, because the
/// running transactions are listed after the snapshot was taken.
pub(super) fn latest_sync_version(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT last_seq FROM streams WHERE name = 'sync_versions'"),
        Engine::Postgres => sql!(
            "SELECT s.xmax - 1 + t.last_seq - COALESCE(
                 (SELECT MAX(w.behind) FROM
                      (SELECT (s.xmax - CAST(CAST(a.backend_xid AS TEXT) AS BIGINT)) & 4294967295 AS behind
                       FROM pg_stat_activity a
                       WHERE a.datname = current_database() AND a.backend_xid IS NOT NULL) w
                  WHERE w.behind < 2147483648), 0)
             FROM (SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT) AS xmax) s,
                  streams t
             WHERE t.name = 'sync_versions'"
        ),
    }
}

/// Returns a sync version that is at least as high as those of all earlier commits.
pub(super) fn sync_version_now(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => latest_sync_version(engine),
        Engine::Postgres => sync_version(engine),
    }
}

/// Locks the peep `$1` until the transaction ends. SQLite has one writer, so there is nothing to lock.
pub(super) fn lock_peep(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT id FROM peeps WHERE id = $1"),
        Engine::Postgres => sql!("SELECT id FROM peeps WHERE id = $1 FOR UPDATE"),
    }
}

/// Returns at most `$2` waiting tickets that are due by `$1`, locked until the transaction ends. On PostgreSQL several
/// nodes run the matching at once: each skips the tickets that another node has locked.
pub(super) fn due_tickets(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!(
            "SELECT account_id FROM tickets WHERE state = 'waiting' AND run_at <= $1
             ORDER BY run_at, account_id LIMIT $2"
        ),
        Engine::Postgres => sql!(
            "SELECT account_id FROM tickets WHERE state = 'waiting' AND run_at <= $1
             ORDER BY run_at, account_id LIMIT $2 FOR UPDATE SKIP LOCKED"
        ),
    }
}

/// Locks the waiting ticket of account `$1` until the transaction ends. Returns nothing where another transaction holds
/// the lock.
pub(super) fn try_lock_ticket(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT account_id FROM tickets WHERE account_id = $1 AND state = 'waiting'"),
        Engine::Postgres => sql!(
            "SELECT account_id FROM tickets WHERE account_id = $1 AND state = 'waiting'
             FOR UPDATE SKIP LOCKED"
        ),
    }
}

/// Locks the ticket of account `$1` until the transaction ends. Waits while another transaction holds the lock.
pub(super) fn lock_ticket(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT account_id FROM tickets WHERE account_id = $1"),
        Engine::Postgres => sql!("SELECT account_id FROM tickets WHERE account_id = $1 FOR UPDATE"),
    }
}

/// Locks the matching until the transaction ends, so that each run reads the changes of the one before. The number is
/// arbitrary, but no other advisory lock of Chitter may use it.
pub(super) fn lock_matching(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT 1"),
        Engine::Postgres => sql!("SELECT 1 FROM (SELECT pg_advisory_xact_lock(2448838)) AS held"),
    }
}
