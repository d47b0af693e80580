//! The hub delivers each event that is published on a topic to the topic's subscribers.
//!
//! The contract: **at most once**, in the order of publishing, within this process. A subscriber has a mailbox for a
//! bounded number of events, so that a slow reader costs no memory and delays nobody. When the mailbox overflows, its
//! events are dropped and the reader is notified that it lagged. The database is the source of truth, so a reader that
//! lagged reads there what it missed.
//!
//! Publishing only puts the event into a queue per shard. From there a dispatcher delivers it to the shard's
//! subscribers, one after the other: to those with a [`DirectSink`] directly, which costs no more than the sink's own
//! work, and to the others by their mailboxes, which wakes a task for each.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Mutex, mpsc};

/// The number of events that may wait for a dispatcher: one second of a busy instance. Where the queue is full, the
/// subscribers of the next event have lagged.
const QUEUE: usize = 1024;

/// The number of subscribers that a dispatcher serves before it yields its thread: well under a millisecond of work.
const MAX_PER_TURN: usize = 64;

/// A publish-subscribe hub. `T` is the type of topics, `E` that of events, which should be cheap to clone.
pub struct Hub<T, E> {
    shards: Vec<Shard<T, E>>,
    next_id: AtomicUsize,
}

/// A part of the subscribers with the queue of their dispatcher.
struct Shard<T, E> {
    topics: RwLock<Topics<T, E>>,
    queue: mpsc::Sender<(T, E)>,
    queued: Mutex<mpsc::Receiver<(T, E)>>,
}

/// The subscribers by topic. A dispatcher holds its own `Arc` of a list, so others may subscribe and unsubscribe
/// meanwhile.
type Topics<T, E> = HashMap<T, Arc<Vec<Subscriber<T, E>>>>;

struct Subscriber<T, E> {
    slot: Arc<Slot<T, E>>,
    sink: Option<Arc<dyn DirectSink<E>>>,
}

impl<T, E> Clone for Subscriber<T, E> {
    fn clone(&self) -> Self {
        Subscriber { slot: Arc::clone(&self.slot), sink: self.sink.clone() }
    }
}

/// A subscriber's handler of events on the dispatcher's thread. It never blocks.
pub trait DirectSink<E>: Send + Sync {
    /// Handles the event and returns true, or returns false, so that the event is put into the mailbox.
    fn try_deliver(&self, event: &E) -> bool;
}

/// The hub's end of a mailbox.
#[derive(Debug)]
struct Slot<T, E> {
    id: usize,
    events: mpsc::Sender<(T, E)>,
    lagged: AtomicBool,
}

impl<T: Clone, E: Clone> Slot<T, E> {
    fn put(&self, topic: &T, event: &E) {
        if self.events.try_send((topic.clone(), event.clone())).is_err() {
            self.lag(topic, event);
        }
    }

    fn lag(&self, topic: &T, event: &E) {
        self.lagged.store(true, Ordering::Release);
        // A reader that has just emptied the mailbox would sleep now without noticing that it lagged. This event wakes
        // the reader, or, where it does not fit, events are in the mailbox that the reader has yet to receive.
        let _ = self.events.try_send((topic.clone(), event.clone()));
    }
}

impl<T: Eq + Hash, E> Shard<T, E> {
    fn read(&self) -> RwLockReadGuard<'_, Topics<T, E>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Topics<T, E>> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Eq + Hash, E: Clone> Hub<T, E> {
    /// Creates a hub with this number of dispatchers, each of which is run by [`Hub::dispatch`].
    pub fn new(dispatchers: usize) -> Self {
        let shard = |_| {
            let (queue, queued) = mpsc::channel(QUEUE);
            Shard { topics: RwLock::default(), queue, queued: Mutex::new(queued) }
        };
        Hub { shards: (0..dispatchers.max(1)).map(shard).collect(), next_id: AtomicUsize::new(0) }
    }

    /// Queues an event for all subscribers of the topic. Never waits.
    pub fn publish(&self, topic: &T, event: &E) {
        for shard in &self.shards {
            let Some(subscribers) = shard.read().get(topic).map(Arc::clone) else { continue };
            if shard.queue.try_send((topic.clone(), event.clone())).is_err() {
                for subscriber in subscribers.iter() {
                    subscriber.slot.lag(topic, event);
                }
            }
        }
    }

    pub fn dispatchers(&self) -> usize {
        self.shards.len()
    }

    /// Runs a dispatcher for as long as it is polled. Each number has one dispatcher, which runs once at a time.
    pub async fn dispatch(&self, number: usize) {
        let Some(shard) = self.shards.get(number) else { return };
        let mut queued = shard.queued.lock().await;
        while let Some((topic, event)) = queued.recv().await {
            let Some(subscribers) = shard.read().get(&topic).map(Arc::clone) else { continue };
            for chunk in subscribers.chunks(MAX_PER_TURN) {
                for Subscriber { slot, sink } in chunk {
                    if !sink.as_ref().is_some_and(|sink| sink.try_deliver(&event)) {
                        slot.put(&topic, &event);
                    }
                }
                if chunk.len() == MAX_PER_TURN {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Creates a mailbox for up to `capacity` events, subscribed to nothing yet.
    pub fn mailbox(self: &Arc<Self>, capacity: usize) -> Mailbox<T, E> {
        let (events, received) = mpsc::channel(capacity);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        Mailbox {
            hub: Arc::clone(self),
            slot: Arc::new(Slot { id, events, lagged: AtomicBool::new(false) }),
            topics: Vec::new(),
            received,
        }
    }

    /// Returns the number of mailboxes that are subscribed to the topic.
    pub fn subscribers(&self, topic: &T) -> usize {
        self.shards.iter().map(|shard| shard.read().get(topic).map_or(0, |all| all.len())).sum()
    }

    fn shard(&self, id: usize) -> &Shard<T, E> {
        &self.shards[id % self.shards.len()]
    }

    fn unsubscribe(&self, topic: &T, id: usize) {
        let mut topics = self.shard(id).write();
        if let Some(subscribers) = topics.get_mut(topic) {
            Arc::make_mut(subscribers).retain(|subscriber| subscriber.slot.id != id);
            if subscribers.is_empty() {
                topics.remove(topic);
            }
        }
    }
}

/// A subscriber's end of the hub: events in order, or the notice that some were dropped. Dropping the mailbox ends all
/// its subscriptions.
pub struct Mailbox<T: Clone + Eq + Hash, E: Clone> {
    hub: Arc<Hub<T, E>>,
    slot: Arc<Slot<T, E>>,
    topics: Vec<T>,
    received: mpsc::Receiver<(T, E)>,
}

/// An item that is received from a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received<T, E> {
    /// An event, and the topic it was published on.
    Event(T, E),
    /// The mailbox overflowed and was emptied. The missed events are in the database.
    Lagged,
}

impl<T: Clone + Eq + Hash, E: Clone> Mailbox<T, E> {
    /// Subscribes to the topic; a second time has no effect.
    pub fn subscribe(&mut self, topic: T) {
        self.add(topic, None);
    }

    /// Subscribes to the topic with a sink: the events that it refuses arrive in the mailbox. A second time has no
    /// effect.
    pub fn subscribe_with(&mut self, topic: T, sink: Arc<dyn DirectSink<E>>) {
        self.add(topic, Some(sink));
    }

    fn add(&mut self, topic: T, sink: Option<Arc<dyn DirectSink<E>>>) {
        if !self.topics.contains(&topic) {
            let mut topics = self.hub.shard(self.slot.id).write();
            let subscribers = Arc::make_mut(topics.entry(topic.clone()).or_default());
            subscribers.push(Subscriber { slot: Arc::clone(&self.slot), sink });
            self.topics.push(topic);
        }
    }

    /// Ends the subscription to the topic; events that are in the mailbox already still arrive.
    pub fn unsubscribe(&mut self, topic: &T) {
        self.topics.retain(|t| t != topic);
        self.hub.unsubscribe(topic, self.slot.id);
    }

    /// Waits for the next event. Safe to cancel: no event is lost.
    pub async fn receive(&mut self) -> Received<T, E> {
        loop {
            if let Some(received) = self.try_receive() {
                return received;
            }
            // The channel never closes: the mailbox holds a sender itself.
            if let Some((topic, event)) = self.received.recv().await
                && !self.slot.lagged.load(Ordering::Acquire)
            {
                return Received::Event(topic, event);
            }
            // The mailbox overflowed meanwhile, so the event that was just received may not be the next one.
        }
    }

    /// Returns the next event, if one is waiting.
    pub fn try_receive(&mut self) -> Option<Received<T, E>> {
        if self.slot.lagged.swap(false, Ordering::AcqRel) {
            while self.received.try_recv().is_ok() {}
            return Some(Received::Lagged);
        }
        self.received.try_recv().ok().map(|(topic, event)| Received::Event(topic, event))
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
        let hub = Arc::new(Hub::new(2));
        for number in 0..hub.dispatchers() {
            let hub = Arc::clone(&hub);
            tokio::spawn(async move { hub.dispatch(number).await });
        }
        hub
    }

    #[tokio::test]
    async fn events_arrive_in_order_and_only_on_subscribed_topics() {
        let hub = hub();
        let mut nell = hub.mailbox(8);
        nell.subscribe("slip");
        hub.publish(&"slip", &1);
        hub.publish(&"quay", &2);
        hub.publish(&"slip", &3);
        assert_eq!(nell.receive().await, Received::Event("slip", 1));
        assert_eq!(nell.receive().await, Received::Event("slip", 3));
        assert_eq!(nell.try_receive(), None);
    }

    #[tokio::test]
    async fn a_slow_reader_is_notified_that_it_lagged_and_then_continues() {
        let hub = hub();
        let mut slow = hub.mailbox(2);
        let mut quick = hub.mailbox(8);
        slow.subscribe("slip");
        quick.subscribe("slip");
        for n in 0..5 {
            hub.publish(&"slip", &n);
        }
        assert_eq!(slow.receive().await, Received::Lagged);
        hub.publish(&"slip", &5);
        assert_eq!(slow.receive().await, Received::Event("slip", 5));
        for n in 0..6 {
            assert_eq!(quick.receive().await, Received::Event("slip", n), "the quick one missed nothing");
        }
    }

    /// A sink that takes even numbers.
    #[derive(Default)]
    struct Even(std::sync::Mutex<Vec<u32>>);

    impl DirectSink<u32> for Even {
        fn try_deliver(&self, event: &u32) -> bool {
            let even = event.is_multiple_of(2);
            if even {
                self.0.lock().expect("nobody panicked").push(*event);
            }
            even
        }
    }

    #[tokio::test]
    async fn events_that_a_sink_refuses_arrive_in_the_mailbox() {
        let hub = hub();
        let (mut nell, sink) = (hub.mailbox(8), Arc::new(Even::default()));
        nell.subscribe_with("slip", Arc::clone(&sink) as _);
        for n in 1..=4 {
            hub.publish(&"slip", &n);
        }
        assert_eq!(nell.receive().await, Received::Event("slip", 1));
        assert_eq!(nell.receive().await, Received::Event("slip", 3));
        assert_eq!(*sink.0.lock().expect("nobody panicked"), [2, 4]);
        assert_eq!(nell.try_receive(), None);
    }

    #[tokio::test]
    async fn when_too_much_is_published_at_once_everyone_is_notified_that_they_lagged() {
        let hub = hub();
        let (mut nell, sink) = (hub.mailbox(8), Arc::new(Even::default()));
        nell.subscribe_with("slip", Arc::clone(&sink) as _);
        for n in 0..=QUEUE as u32 {
            hub.publish(&"slip", &(2 * n));
        }
        assert_eq!(nell.receive().await, Received::Lagged, "the last event did not fit");
        while sink.0.lock().expect("nobody panicked").len() < QUEUE {
            tokio::task::yield_now().await;
        }
        hub.publish(&"slip", &1);
        assert_eq!(nell.receive().await, Received::Event("slip", 1));
    }

    #[tokio::test]
    async fn a_dropped_mailbox_is_unsubscribed() {
        let hub = hub();
        let mut dropped = hub.mailbox(2);
        dropped.subscribe("slip");
        dropped.subscribe("slip");
        assert_eq!(hub.subscribers(&"slip"), 1);
        drop(dropped);
        assert_eq!(hub.subscribers(&"slip"), 0);
    }
}
