//! Who has what open. Someone is there from the first window on, until a while after the last one
//! closed: a reload is no farewell. News of it is gathered, so that a thousand who come at once are
//! told in a few frames and not in a million.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

/// Who has what open: `T` is what, `K` who, and `P` what is told of them. Times are milliseconds of
/// whatever clock the caller has.
#[derive(Debug)]
pub struct Presence<T, K, P> {
    grace: i64,
    pause: i64,
    places: Mutex<HashMap<T, Place<K, P>>>,
    changed: Notify,
}

#[derive(Debug)]
struct Place<K, P> {
    people: HashMap<K, Attendee<P>>,
    came: u64,
    told_at: Option<i64>,
    news: bool,
}

impl<K, P> Default for Place<K, P> {
    fn default() -> Self {
        Place { people: HashMap::new(), came: 0, told_at: None, news: false }
    }
}

#[derive(Debug)]
struct Attendee<P> {
    about: P,
    windows: usize,
    order: u64,
    gone_at: Option<i64>,
}

/// What is to be told now, and when to look again.
#[derive(Debug)]
pub struct Due<T, P> {
    /// Each place of which there is news, with who is there, in the order in which they came.
    pub places: Vec<(T, Vec<P>)>,
    /// When something will be due, if nothing happens before.
    pub wake_at: Option<i64>,
}

impl<T: Clone + Eq + Hash, K: Clone + Eq + Hash, P: Clone + PartialEq> Presence<T, K, P> {
    /// Nobody anywhere. One is there for `grace` after the last window closed, and a place is told of
    /// once in `pause`.
    pub fn new(grace: i64, pause: i64) -> Self {
        Presence { grace, pause, places: Mutex::default(), changed: Notify::new() }
    }

    /// Someone opened a window.
    pub fn enter(&self, place: T, who: K, about: P) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(place).or_default();
        place.came += 1;
        let order = place.came;
        match place.people.get_mut(&who) {
            Some(attendee) => {
                attendee.windows += 1;
                attendee.gone_at = None;
                place.news |= attendee.about != about;
                attendee.about = about;
            }
            None => {
                place.people.insert(who, Attendee { about, windows: 1, order, gone_at: None });
                place.news = true;
            }
        }
        drop(places);
        self.changed.notify_one();
    }

    /// Someone closed a window.
    pub fn leave(&self, place: &T, who: &K, now: i64) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attendee) = places.get_mut(place).and_then(|place| place.people.get_mut(who)) {
            attendee.windows = attendee.windows.saturating_sub(1);
            if attendee.windows == 0 {
                attendee.gone_at = Some(now + self.grace);
            }
        }
        drop(places);
        self.changed.notify_one();
    }

    /// Someone is to be there no longer, whatever windows are open.
    pub fn remove(&self, place: &T, who: &K) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get_mut(place) {
            place.news |= place.people.remove(who).is_some();
        }
        drop(places);
        self.changed.notify_one();
    }

    /// Who is there, in the order in which they came.
    pub fn people(&self, place: &T) -> Vec<P> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(place).map(Place::in_order).unwrap_or_default()
    }

    /// Returns when something has happened since the last look.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is to be told at `now`.
    pub fn due(&self, now: i64) -> Due<T, P> {
        let mut due = Due { places: Vec::new(), wake_at: None };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|name, place| {
            let before = place.people.len();
            place.people.retain(|_, attendee| attendee.gone_at.is_none_or(|at| at > now));
            place.news |= place.people.len() < before;
            let mut next = place.people.values().filter_map(|attendee| attendee.gone_at).min();
            if place.news {
                let from = place.told_at.map_or(now, |told| told + self.pause);
                if from <= now {
                    place.news = false;
                    place.told_at = Some(now);
                    due.places.push((name.clone(), place.in_order()));
                } else {
                    next = Some(next.map_or(from, |next| next.min(from)));
                }
            }
            if let Some(next) = next {
                due.wake_at = Some(due.wake_at.map_or(next, |wake| wake.min(next)));
            }
            !place.people.is_empty() || place.news
        });
        due
    }
}

impl<K, P: Clone> Place<K, P> {
    fn in_order(&self) -> Vec<P> {
        let mut people: Vec<_> = self.people.values().collect();
        people.sort_unstable_by_key(|attendee| attendee.order);
        people.into_iter().map(|attendee| attendee.about.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence() -> Presence<&'static str, u32, &'static str> {
        Presence::new(30_000, 1_000)
    }

    #[test]
    fn whoever_has_a_window_open_is_there_until_a_while_after_the_last_one_closed() {
        let presence = presence();
        presence.enter("slip", 1, "nell");
        presence.enter("slip", 1, "nell");
        assert_eq!(presence.due(0).places, [("slip", vec!["nell"])]);
        presence.leave(&"slip", &1, 5_000);
        assert_eq!(presence.due(100_000).wake_at, None, "the other window is open");
        presence.leave(&"slip", &1, 100_000);
        assert_eq!(presence.due(129_999).wake_at, Some(130_000));
        assert_eq!(presence.people(&"slip"), ["nell"]);
        assert_eq!(presence.due(130_000).places, [("slip", vec![])]);
    }

    #[test]
    fn a_reload_is_no_farewell() {
        let presence = presence();
        presence.enter("slip", 1, "nell");
        presence.due(0);
        presence.leave(&"slip", &1, 5_000);
        presence.enter("slip", 1, "nell");
        let due = presence.due(60_000);
        assert!(due.places.is_empty() && due.wake_at.is_none(), "{due:?}");
    }

    #[test]
    fn many_who_come_at_once_are_told_of_together() {
        let presence = presence();
        presence.enter("slip", 1, "nell");
        presence.due(0);
        presence.enter("slip", 2, "ify");
        presence.enter("slip", 3, "teo");
        let due = presence.due(400);
        assert!(due.places.is_empty());
        assert_eq!(due.wake_at, Some(1_000));
        assert_eq!(presence.due(1_000).places, [("slip", vec!["nell", "ify", "teo"])]);
    }

    #[test]
    fn whoever_is_removed_is_gone_at_once_and_an_empty_place_is_forgotten() {
        let presence = presence();
        presence.enter("slip", 1, "nell");
        presence.due(0);
        presence.remove(&"slip", &1);
        assert_eq!(presence.due(2_000).places, [("slip", vec![])]);
        presence.due(3_000);
        assert!(presence.places.lock().expect("not poisoned").is_empty());
    }
}
