//! Visits: how often a page was opened each day, and each link on it followed. Nothing about by whom.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{Result, clock::Time, db::Read, domain::accounts::Member, events::Tx, ids::AccountId, store};

/// Days that are shown.
pub const SHOWN: i64 = 30;

/// Days that are kept: as long as one compares with last year.
const KEPT: i64 = 400;

const DAY: i64 = 24 * 3600 * 1000;

/// What is counted: whose page, on which day, and where the link leads; nowhere, where the page itself was opened.
pub type Counted = BTreeMap<(AccountId, i64, String), i64>;

/// Counts in memory: a page that is opened costs no commit.
#[derive(Debug, Default)]
pub struct Counter(Mutex<Counted>);

/// Whose pages and which links are counted at once, before they are written down: more would be somebody's game.
const AT_ONCE: usize = 50_000;

impl Counter {
    /// The page was opened, or this link on it followed.
    pub fn count(&self, account: AccountId, at: Time, link: &str) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() < AT_ONCE {
            *counted.entry((account, day(at), link.to_owned())).or_default() += 1;
        }
    }

    /// What was counted since it was taken last.
    pub fn take(&self) -> Counted {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be written down.
    pub fn put_back(&self, taken: Counted) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, count) in taken {
            *counted.entry(key).or_default() += count;
        }
    }
}

/// The day of a moment, since 1970 and in UTC.
pub fn day(at: Time) -> i64 {
    at.ms().div_euclid(DAY)
}

/// The moment when a day begins.
pub fn begin(day: i64) -> Time {
    Time::from_ms(day * DAY)
}

/// Adds what was counted.
pub fn add(tx: &mut Tx<'_>, counted: &Counted) -> Result<()> {
    for ((account, day, link), count) in counted {
        store::pages::visits::add(tx, *account, *day, link, *count)?;
    }
    Ok(())
}

/// The last days of one's page.
#[derive(Clone, Debug)]
pub struct Visits {
    /// How often it was opened, the oldest day first.
    pub days: Vec<(i64, i64)>,
    /// How often each link was followed in all of them, the most first.
    pub links: Vec<(String, i64)>,
}

impl Member {
    /// The last days of one's page.
    pub fn visits(&self, read: &Read<'_>) -> Result<Visits> {
        let today = day(read.now());
        let counted = store::pages::visits::since(read, self.id(), today - SHOWN + 1)?;
        let mut days: BTreeMap<i64, i64> = (today - SHOWN + 1..=today).map(|day| (day, 0)).collect();
        let mut links: BTreeMap<String, i64> = BTreeMap::new();
        for (day, link, count) in counted {
            if link.is_empty() {
                *days.entry(day).or_default() += count;
            } else {
                *links.entry(link).or_default() += count;
            }
        }
        let mut links: Vec<_> = links.into_iter().collect();
        links.sort_by_key(|(_, count)| -count);
        Ok(Visits { days: days.into_iter().collect(), links })
    }
}

/// Forgets what was counted more than a year ago.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = day(tx.now()) - KEPT;
    store::pages::visits::purge(tx, before)
}
