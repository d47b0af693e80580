//! Tests of migrating a database of an earlier version.

use crate::common::{Instance, World};

/// The migrations that the earlier version had.
const EARLIER: [&str; 10] = [
    include_str!("../../migrations/0001_accounts_and_peeps.sql"),
    include_str!("../../migrations/0002_rooms.sql"),
    include_str!("../../migrations/0003_matches.sql"),
    include_str!("../../migrations/0004_pairings.sql"),
    include_str!("../../migrations/0005_threads.sql"),
    include_str!("../../migrations/0006_apps.sql"),
    include_str!("../../migrations/0007_idempotency.sql"),
    include_str!("../../migrations/0008_sync.sql"),
    include_str!("../../migrations/0009_webhooks.sql"),
    include_str!("../../migrations/0010_pages.sql"),
];

/// Rows as the earlier version wrote them.
const ROWS: &str = r#"
    INSERT INTO accounts (id, kind, username, name, created_at) VALUES
        (1, 'member', 'nell', 'Nell', 1), (2, 'member', 'ify', 'Ify', 1), (3, 'guest', NULL, 'Teo', 1);
    INSERT INTO conversations (id, kind, name, owner_id, active_at, created_at) VALUES
        (11, 'room', 'Repair café', 1, 1, 1), (12, 'match', '', NULL, 1, 1), (13, 'thread', 'Cake day', 1, 1, 1);
    INSERT INTO blocks (one, other, blocker_id, created_at) VALUES
        ('a1', 'a3', 1, 1), ('a3', 'a1', 1, 1), ('a1', 'p5f', 1, 1), ('p5f', 'a1', 1, 1);
    INSERT INTO jobs (id, work, run_at, created_at) VALUES
        (21, '{"do":"call_webhook","delivery":"7"}', 9999999999999, 1),
        (22, '{"do":"clear_conversations"}', 9999999999999, 1);
"#;

/// Creates the database of the earlier version, and serves the instance, which migrates it.
async fn migrated(instance: Instance) -> World {
    let table = "CREATE TABLE migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL);";
    let records = (1..=EARLIER.len()).map(|n| format!("INSERT INTO migrations VALUES ({n}, 'earlier', 1);"));
    std::fs::create_dir_all(instance.data()).expect("the data folder");
    let statements = [table.to_owned(), EARLIER.join("\n"), records.collect(), ROWS.to_owned()];
    instance.run_sql(&statements.join("\n"));
    instance.open().await
}

on_both! {
    async fn conversations_get_the_rules_of_their_kinds(instance: Instance) {
        let world = migrated(instance).await;
        let rooms = "SELECT COUNT(*) FROM conversations
                     WHERE id = 11 AND kind = 'room' AND by_link AND NOT shows_people AND in_sync AND files";
        assert_eq!(world.counts(rooms).await, 1);
        let matches = "SELECT COUNT(*) FROM conversations
                       WHERE id = 12 AND kind = 'match' AND NOT by_link AND NOT shows_people AND NOT in_sync";
        assert_eq!(world.counts(matches).await, 1);
        let threads = "SELECT COUNT(*) FROM conversations
                       WHERE id = 13 AND kind = 'thread' AND NOT by_link AND shows_people AND in_sync";
        assert_eq!(world.counts(threads).await, 1);
    }

    async fn blocks_keep_their_sides(instance: Instance) {
        let world = migrated(instance).await;
        assert_eq!(world.counts("SELECT COUNT(*) FROM blocks").await, 4);
        let guest = "SELECT COUNT(*) FROM blocks WHERE account_id = 3 AND other_account_id = 1 AND blocker_id = 1";
        assert_eq!(world.counts(guest).await, 1);
        let address = "SELECT COUNT(*) FROM blocks WHERE account_id = 1 AND other_account_id IS NULL
                       AND other_ip_hash = '5f'";
        assert_eq!(world.counts(address).await, 1);
    }

    async fn jobs_are_assigned_to_their_queues(instance: Instance) {
        let world = migrated(instance).await;
        assert_eq!(world.counts("SELECT id FROM jobs WHERE queue = 'outbound'").await, 21);
        assert_eq!(world.counts("SELECT id FROM jobs WHERE queue = 'internal'").await, 22);
    }
}
