//! The map of host names to members' pages, cached.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::{Clock, Time},
    domain::pages,
    events::Db,
};

/// The time after which the map is read again, because another server may have mapped a host name.
const MAX_AGE: Duration = Duration::from_secs(20);

/// The cached map of host names to usernames.
pub struct Hosts {
    db: Db,
    clock: Clock,
    allowed: Option<HashSet<String>>,
    cached: RwLock<Option<Cached>>,
    changes: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Cached {
    read_at: Time,
    /// The number of changes when the map was read.
    version: u64,
    users: Arc<HashMap<String, String>>,
}

impl Hosts {
    /// Creates an empty cache. Host names that are not in `allowed` are ignored; `None` allows all. `changes` counts
    /// how often a host name may have changed.
    pub fn new(db: Db, clock: Clock, allowed: Option<HashSet<String>>, changes: Arc<AtomicU64>) -> Self {
        Hosts { db, clock, allowed, cached: RwLock::default(), changes }
    }

    /// Returns the username of the member whose page the host name leads to.
    pub async fn user(&self, host: &str) -> Option<String> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (now, latest) = (self.clock.now(), self.changes.load(Ordering::Acquire));
        let current = match cached {
            Some(cached) if cached.version == latest && now.since(cached.read_at) < MAX_AGE => cached,
            cached => match self.db.read(pages::host::hosts).await {
                Ok(users) => {
                    let is_allowed =
                        |host: &String| self.allowed.as_ref().is_none_or(|allowed| allowed.contains(host));
                    let users = Arc::new(users.into_iter().filter(|(host, _)| is_allowed(host)).collect());
                    let new = Cached { read_at: now, version: latest, users };
                    *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
                    new
                }
                // Without a database, an outdated map is better than none.
                Err(_) => cached?,
            },
        };
        current.users.get(host).cloned()
    }
}
