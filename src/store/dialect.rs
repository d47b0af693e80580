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
