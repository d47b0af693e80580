//! Visit counts: the number of visits to a page and of clicks on its links, by day. Nothing is stored about the
//! visitors.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{Result, clock::Time, db::Read, domain::accounts::Member, events::Tx, ids::AccountId, store};

/// The number of days that are shown.
pub const DAYS_SHOWN: i64 = 30;

/// The number of days for which counts are stored: enough for a comparison with last year.
const RETENTION_DAYS: i64 = 400;

/// A day in milliseconds.
const DAY: i64 = 24 * 3600 * 1000;

/// Counts by the owner of the page, the day, and the URL of the link, which is empty for a visit to the page itself.
pub type VisitCounts = BTreeMap<(AccountId, i64, String), i64>;

/// The counts since the last write to the database, in memory, because a commit for each visit would cost too much.
#[derive(Debug, Default)]
pub struct Counter(Mutex<VisitCounts>);

/// The maximum number of counts in memory. Further ones are dropped: only a program that invents links causes so many.
const MAX_COUNTERS: usize = 50_000;

impl Counter {
    /// Counts a visit to the page, or a click on `link` where it is not empty.
    pub fn count(&self, account: AccountId, at: Time, link: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < MAX_COUNTERS {
            *counts.entry((account, day(at), link.to_owned())).or_default() += 1;
        }
    }

    /// Returns the counts since the last call.
    pub fn take(&self) -> VisitCounts {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds the counts of [`Counter::take`] again, because they could not be written to the database.
    pub fn put_back(&self, taken: VisitCounts) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, count) in taken {
            *counts.entry(key).or_default() += count;
        }
    }
}

/// Returns the number of days since 1970, in UTC.
pub fn day(at: Time) -> i64 {
    at.ms().div_euclid(DAY)
}

/// Returns the beginning of a day.
pub fn start(day: i64) -> Time {
    Time::from_ms(day * DAY)
}

/// Adds counts to those in the database.
pub fn add(tx: &mut Tx<'_>, counts: &VisitCounts) -> Result<()> {
    for ((account, day, link), count) in counts {
        store::pages::visits::add(tx, *account, *day, link, *count)?;
    }
    Ok(())
}

/// The visits to a page in the last [`DAYS_SHOWN`] days.
#[derive(Clone, Debug)]
pub struct Visits {
    /// Days with the number of visits, the oldest day first.
    pub days: Vec<(i64, i64)>,
    /// Links with the number of clicks, the highest first.
    pub links: Vec<(String, i64)>,
}

impl Member {
    /// Returns the visits to the member's page.
    pub fn visits(&self, read: &Read<'_>) -> Result<Visits> {
        let today = day(read.now());
        let counts = store::pages::visits::since(read, self.id(), today - DAYS_SHOWN + 1)?;
        let mut days: BTreeMap<i64, i64> = (today - DAYS_SHOWN + 1..=today).map(|day| (day, 0)).collect();
        let mut links: BTreeMap<String, i64> = BTreeMap::new();
        for (day, link, count) in counts {
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

/// Deletes counts that are more than 400 days old.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = day(tx.now()) - RETENTION_DAYS;
    store::pages::visits::purge(tx, before)
}
