//! Presence: the people who have something open.
//!
//! A person is present from the first window until a grace period after the last one closed, so that a reload does not
//! count as leaving. Changes are collected, so that a thousand people who arrive at once cause a few events and not a
//! million frames.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

/// The people who have each topic open. `T` is the type of topics, `K` that of people's keys, and `P` the data about a
/// person. Times are milliseconds of the caller's clock.
#[derive(Debug)]
pub struct Presence<T, K, P> {
    grace: i64,
    interval: i64,
    audiences: Mutex<HashMap<T, Audience<K, P>>>,
    changed: Notify,
}

#[derive(Debug)]
struct Audience<K, P> {
    people: HashMap<K, Attendee<P>>,
    /// The number of arrivals so far.
    arrivals: u64,
    reported_at: Option<i64>,
    /// True if something has changed since the last report.
    changed: bool,
}

impl<K, P> Default for Audience<K, P> {
    fn default() -> Self {
        Audience { people: HashMap::new(), arrivals: 0, reported_at: None, changed: false }
    }
}

#[derive(Debug)]
struct Attendee<P> {
    data: P,
    windows: usize,
    /// The value of `Audience::arrivals` at the arrival.
    order: u64,
    /// The end of the grace period, once the last window has closed.
    gone_at: Option<i64>,
}

/// The changes to report now, and the time of the next call.
#[derive(Debug)]
pub struct Due<T, P> {
    /// Each topic whose audience has changed, with the people present in the order of their arrival.
    pub audiences: Vec<(T, Vec<P>)>,
    /// The time at which the next report is due if nothing changes before.
    pub wake_at: Option<i64>,
}

impl<T: Clone + Eq + Hash, K: Clone + Eq + Hash, P: Clone + PartialEq> Presence<T, K, P> {
    /// Creates a presence without people. A person stays for `grace` after the last window closed, and a topic is
    /// reported at most once in `interval`.
    pub fn new(grace: i64, interval: i64) -> Self {
        Presence { grace, interval, audiences: Mutex::default(), changed: Notify::new() }
    }

    /// Records that a person opened a window.
    pub fn enter(&self, topic: T, key: K, data: P) {
        let mut audiences = self.audiences.lock().unwrap_or_else(PoisonError::into_inner);
        let audience = audiences.entry(topic).or_default();
        audience.arrivals += 1;
        let order = audience.arrivals;
        match audience.people.get_mut(&key) {
            Some(attendee) => {
                attendee.windows += 1;
                attendee.gone_at = None;
                audience.changed |= attendee.data != data;
                attendee.data = data;
            }
            None => {
                audience.people.insert(key, Attendee { data, windows: 1, order, gone_at: None });
                audience.changed = true;
            }
        }
        drop(audiences);
        self.changed.notify_one();
    }

    /// Records that a person closed a window.
    pub fn leave(&self, topic: &T, key: &K, now: i64) {
        let mut audiences = self.audiences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attendee) = audiences.get_mut(topic).and_then(|audience| audience.people.get_mut(key)) {
            attendee.windows = attendee.windows.saturating_sub(1);
            if attendee.windows == 0 {
                attendee.gone_at = Some(now + self.grace);
            }
        }
        drop(audiences);
        self.changed.notify_one();
    }

    /// Removes a person at once, with all its windows.
    pub fn remove(&self, topic: &T, key: &K) {
        let mut audiences = self.audiences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(audience) = audiences.get_mut(topic) {
            audience.changed |= audience.people.remove(key).is_some();
        }
        drop(audiences);
        self.changed.notify_one();
    }

    /// Returns the people present, in the order of their arrival.
    pub fn people(&self, topic: &T) -> Vec<P> {
        let audiences = self.audiences.lock().unwrap_or_else(PoisonError::into_inner);
        audiences.get(topic).map(Audience::in_order).unwrap_or_default()
    }

    /// Waits until something has changed since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the changes to report at `now`, and counts them as reported.
    pub fn due(&self, now: i64) -> Due<T, P> {
        let mut due = Due { audiences: Vec::new(), wake_at: None };
        let mut audiences = self.audiences.lock().unwrap_or_else(PoisonError::into_inner);
        audiences.retain(|topic, audience| {
            let before = audience.people.len();
            audience.people.retain(|_, attendee| attendee.gone_at.is_none_or(|at| at > now));
            audience.changed |= audience.people.len() < before;
            let mut next = audience.people.values().filter_map(|attendee| attendee.gone_at).min();
            if audience.changed {
                let due_at = audience.reported_at.map_or(now, |reported| reported + self.interval);
                if due_at <= now {
                    audience.changed = false;
                    audience.reported_at = Some(now);
                    due.audiences.push((topic.clone(), audience.in_order()));
                } else {
                    next = Some(next.map_or(due_at, |next| next.min(due_at)));
                }
            }
            if let Some(next) = next {
                due.wake_at = Some(due.wake_at.map_or(next, |wake| wake.min(next)));
            }
            !audience.people.is_empty() || audience.changed
        });
        due
    }
}

impl<K, P: Clone> Audience<K, P> {
    fn in_order(&self) -> Vec<P> {
        let mut people: Vec<_> = self.people.values().collect();
        people.sort_unstable_by_key(|attendee| attendee.order);
        people.into_iter().map(|attendee| attendee.data.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence() -> Presence<&'static str, u32, &'static str> {
        Presence::new(30_000, 1_000)
    }

    #[test]
    fn a_person_is_present_until_the_grace_period_after_the_last_window_closed() {
        let presence = presence();
        presence.enter("slip", 1, "nell");
        presence.enter("slip", 1, "nell");
        assert_eq!(presence.due(0).audiences, [("slip", vec!["nell"])]);
        presence.leave(&"slip", &1, 5_000);
        assert_eq!(presence.due(100_000).wake_at, None, "the other window is still open");
        presence.leave(&"slip", &1, 100_000);
        assert_eq!(presence.due(129_999).wake_at, Some(130_000));
        assert_eq!(presence.people(&"slip"), ["nell"]);
        assert_eq!(presence.due(130_000).audiences, [("slip", vec![])]);
    }

    #[test]
    fn a_reload_does_not_count_as_leaving() {
        let presence = presence();
        presence.enter("slip", 1, "nell");
        presence.due(0);
        presence.leave(&"slip", &1, 5_000);
        presence.enter("slip", 1, "nell");
        let due = presence.due(60_000);
        assert!(due.audiences.is_empty() && due.wake_at.is_none(), "{due:?}");
    }

    #[test]
    fn many_who_arrive_at_once_are_reported_together() {
        let presence = presence();
        presence.enter("slip", 1, "nell");
        presence.due(0);
        presence.enter("slip", 2, "ify");
        presence.enter("slip", 3, "teo");
        let due = presence.due(400);
        assert!(due.audiences.is_empty());
        assert_eq!(due.wake_at, Some(1_000));
        assert_eq!(presence.due(1_000).audiences, [("slip", vec!["nell", "ify", "teo"])]);
    }

    #[test]
    fn a_removed_person_is_gone_at_once_and_an_empty_audience_is_dropped() {
        let presence = presence();
        presence.enter("slip", 1, "nell");
        presence.due(0);
        presence.remove(&"slip", &1);
        assert_eq!(presence.due(2_000).audiences, [("slip", vec![])]);
        presence.due(3_000);
        assert!(presence.audiences.lock().expect("not poisoned").is_empty());
    }
}
