//! The few statements that the two engines want in different words.

use crate::{db::Engine, sql};

/// Claims due jobs: `$1` node, `$2` end of the lease, `$3` now, `$4` limit.
pub(super) fn claim_jobs(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!(
            "UPDATE jobs SET attempts = attempts + 1, node = $1, run_at = $2
             WHERE id IN (SELECT id FROM jobs WHERE run_at <= $3 ORDER BY run_at, id LIMIT $4)
             RETURNING id, work, attempts, created_at"
        ),
        // Several nodes claim at once: each steps over what another is just taking.
        Engine::Postgres => sql!(
            "UPDATE jobs SET attempts = attempts + 1, node = $1, run_at = $2
             WHERE id IN (SELECT id FROM jobs WHERE run_at <= $3 ORDER BY run_at, id LIMIT $4
                          FOR UPDATE SKIP LOCKED)
             RETURNING id, work, attempts, created_at"
        ),
    }
}

/// Holds the peep `$1` until the transaction ends. SQLite has one writer, so there is nothing to hold.
pub(super) fn lock_peep(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT id FROM peeps WHERE id = $1"),
        Engine::Postgres => sql!("SELECT id FROM peeps WHERE id = $1 FOR UPDATE"),
    }
}

/// Those who wait and are to be looked for by `$1`, at most `$2`, held until the transaction ends. On
/// PostgreSQL several nodes look at once: each steps over those whom another is just looking for.
pub(super) fn due_seekers(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!(
            "SELECT account_id FROM seekers WHERE state = 'waiting' AND look_at <= $1
             ORDER BY look_at, account_id LIMIT $2"
        ),
        Engine::Postgres => sql!(
            "SELECT account_id FROM seekers WHERE state = 'waiting' AND look_at <= $1
             ORDER BY look_at, account_id LIMIT $2 FOR UPDATE SKIP LOCKED"
        ),
    }
}

/// The seeker `$1`, if it waits and nobody else holds it; held until the transaction ends.
pub(super) fn hold_seeker(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT account_id FROM seekers WHERE account_id = $1 AND state = 'waiting'"),
        Engine::Postgres => sql!(
            "SELECT account_id FROM seekers WHERE account_id = $1 AND state = 'waiting'
             FOR UPDATE SKIP LOCKED"
        ),
    }
}

/// Holds the seeker `$1` until the transaction ends, and waits for whoever holds it.
pub(super) fn lock_seeker(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT account_id FROM seekers WHERE account_id = $1"),
        Engine::Postgres => sql!("SELECT account_id FROM seekers WHERE account_id = $1 FOR UPDATE"),
    }
}

/// Holds the looking for matches until the transaction ends: what one who looks has written, the next one
/// sees. Any number will do, as long as nobody else of ours takes it.
pub(super) fn lock_looking(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => sql!("SELECT 1"),
        Engine::Postgres => sql!("SELECT 1 FROM (SELECT pg_advisory_xact_lock(2448838)) AS held"),
    }
}
