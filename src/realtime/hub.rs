//! The hub hands what is published on a topic to the mailboxes that subscribed to it.
//!
//! The contract: **at most once**, in the order of publishing, within this process. A mailbox holds
//! a bounded number of letters, so that a slow reader costs no memory and holds nobody up; when it
//! overflows, its letters are thrown away and its reader is told that it lagged. The truth is
//! in the database: whoever lagged reads there what it missed.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;

/// Hands events out by topic. `T` is a topic, `E` an event, which should be cheap to clone.
#[derive(Debug)]
pub struct Hub<T, E> {
    topics: RwLock<Topics<T, E>>,
    made: AtomicU64,
}

/// Who subscribed to what.
type Topics<T, E> = HashMap<T, Vec<Arc<Slot<T, E>>>>;

/// The hub's end of a mailbox.
#[derive(Debug)]
struct Slot<T, E> {
    id: u64,
    letters: mpsc::Sender<(T, E)>,
    lagged: AtomicBool,
}

impl<T, E> Default for Hub<T, E> {
    fn default() -> Self {
        Hub { topics: RwLock::default(), made: AtomicU64::new(0) }
    }
}

impl<T: Clone + Eq + Hash, E: Clone> Hub<T, E> {
    /// Puts the event into every mailbox that subscribed to the topic. Never waits.
    pub fn publish(&self, topic: &T, event: &E) {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        for slot in topics.get(topic).into_iter().flatten() {
            if slot.letters.try_send((topic.clone(), event.clone())).is_err() {
                slot.lagged.store(true, Ordering::Release);
                // A reader that has just emptied it would sleep now, and not see that it lagged. Either
                // this letter wakes it, or there are others that it has yet to take.
                let _ = slot.letters.try_send((topic.clone(), event.clone()));
            }
        }
    }

    /// A mailbox for up to `capacity` letters, subscribed to nothing yet.
    pub fn mailbox(self: &Arc<Self>, capacity: usize) -> Mailbox<T, E> {
        let (letters, received) = mpsc::channel(capacity);
        let id = self.made.fetch_add(1, Ordering::Relaxed);
        Mailbox {
            hub: Arc::clone(self),
            slot: Arc::new(Slot { id, letters, lagged: AtomicBool::new(false) }),
            topics: Vec::new(),
            received,
        }
    }

    /// How many mailboxes are subscribed to the topic.
    pub fn subscribers(&self, topic: &T) -> usize {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic).map_or(0, Vec::len)
    }

    fn unsubscribe(&self, topic: &T, id: u64) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(slots) = topics.get_mut(topic) {
            slots.retain(|slot| slot.id != id);
            if slots.is_empty() {
                topics.remove(topic);
            }
        }
    }
}

/// A reader's end: letters in order, or the word that some were thrown away. Dropping it ends all
/// its subscriptions.
#[derive(Debug)]
pub struct Mailbox<T: Clone + Eq + Hash, E: Clone> {
    hub: Arc<Hub<T, E>>,
    slot: Arc<Slot<T, E>>,
    topics: Vec<T>,
    received: mpsc::Receiver<(T, E)>,
}

/// What comes out of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery<T, E> {
    /// An event, and the topic it was published on.
    Letter(T, E),
    /// The mailbox overflowed and was emptied. What was missed is in the database.
    Lagged,
}

impl<T: Clone + Eq + Hash, E: Clone> Mailbox<T, E> {
    /// From now on hears the topic. Twice is once.
    pub fn subscribe(&mut self, topic: T) {
        if !self.topics.contains(&topic) {
            let mut topics = self.hub.topics.write().unwrap_or_else(PoisonError::into_inner);
            topics.entry(topic.clone()).or_default().push(Arc::clone(&self.slot));
            self.topics.push(topic);
        }
    }

    /// No longer hears the topic; letters that wait still come.
    pub fn unsubscribe(&mut self, topic: &T) {
        self.topics.retain(|t| t != topic);
        self.hub.unsubscribe(topic, self.slot.id);
    }

    /// The next letter, as soon as there is one. Safe to cancel: no letter is lost.
    pub async fn receive(&mut self) -> Delivery<T, E> {
        loop {
            if let Some(delivery) = self.try_receive() {
                return delivery;
            }
            // It never closes: the mailbox holds a sender itself.
            if let Some((topic, event)) = self.received.recv().await
                && !self.slot.lagged.load(Ordering::Acquire)
            {
                return Delivery::Letter(topic, event);
            }
            // It overflowed meanwhile; then that was not the next one any more.
        }
    }

    /// The next letter, if one is waiting.
    pub fn try_receive(&mut self) -> Option<Delivery<T, E>> {
        if self.slot.lagged.swap(false, Ordering::AcqRel) {
            while self.received.try_recv().is_ok() {}
            return Some(Delivery::Lagged);
        }
        self.received.try_recv().ok().map(|(topic, event)| Delivery::Letter(topic, event))
    }
}

impl<T: Clone + Eq + Hash, E: Clone> Drop for Mailbox<T, E> {
    fn drop(&mut self) {
        for topic in std::mem::take(&mut self.topics) {
            self.hub.unsubscribe(&topic, self.slot.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> Arc<Hub<&'static str, u32>> {
        Arc::default()
    }

    #[tokio::test]
    async fn letters_come_in_order_and_only_on_subscribed_topics() {
        let hub = hub();
        let mut nell = hub.mailbox(8);
        nell.subscribe("slip");
        hub.publish(&"slip", &1);
        hub.publish(&"quay", &2);
        hub.publish(&"slip", &3);
        assert_eq!(nell.receive().await, Delivery::Letter("slip", 1));
        assert_eq!(nell.receive().await, Delivery::Letter("slip", 3));
        assert_eq!(nell.try_receive(), None);
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_that_it_lagged_and_then_goes_on() {
        let hub = hub();
        let mut slow = hub.mailbox(2);
        let mut quick = hub.mailbox(8);
        slow.subscribe("slip");
        quick.subscribe("slip");
        for n in 0..5 {
            hub.publish(&"slip", &n);
        }
        assert_eq!(slow.receive().await, Delivery::Lagged);
        hub.publish(&"slip", &5);
        assert_eq!(slow.receive().await, Delivery::Letter("slip", 5));
        for n in 0..6 {
            assert_eq!(quick.receive().await, Delivery::Letter("slip", n), "the quick one missed nothing");
        }
    }

    #[tokio::test]
    async fn a_dropped_mailbox_is_forgotten() {
        let hub = hub();
        let mut gone = hub.mailbox(2);
        gone.subscribe("slip");
        gone.subscribe("slip");
        assert_eq!(hub.subscribers(&"slip"), 1);
        drop(gone);
        assert_eq!(hub.subscribers(&"slip"), 0);
    }
}
