//! The hub hands what is published on a topic to those who subscribed to it.
//!
//! The contract: **at most once**, in the order of publishing, within this process. A subscriber has a
//! mailbox for a bounded number of events, so that a slow reader costs no memory and holds nobody up;
//! when it overflows, its events are thrown away and its reader is told that it lagged. The truth is
//! in the database: whoever lagged reads there what it missed.
//!
//! Publishing only puts the event into a queue per shard. From there a dispatcher takes it to the
//! shard's subscribers, one after the other: to whoever has an [`DirectSink`] directly, which costs no more
//! than what the sink does with it, and to the others by their mailboxes, which wakes a task for each.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Mutex, mpsc};

/// Events that may wait for a dispatcher: a second in a house that is full. Beyond it, whoever would
/// have heard the next one has lagged.
const QUEUE: usize = 1024;

/// Subscribers that a dispatcher serves before others may have its thread: well under a millisecond.
const AT_ONCE: usize = 64;

/// Hands events out by topic. `T` is a topic, `E` an event, which should be cheap to clone.
pub struct Hub<T, E> {
    shards: Vec<Shard<T, E>>,
    made: AtomicUsize,
}

/// Some of the subscribers, and the queue of their dispatcher.
struct Shard<T, E> {
    topics: RwLock<Topics<T, E>>,
    queue: mpsc::Sender<(T, E)>,
    queued: Mutex<mpsc::Receiver<(T, E)>>,
}

/// Who subscribed to what. A dispatcher goes through a list while others come and go.
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

/// What a subscriber does with an event on the dispatcher's thread, without waiting for anything.
pub trait DirectSink<E>: Send + Sync {
    /// Hears the event. False: it is to come by the mailbox.
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
        // A reader that has just emptied it would sleep now, and not see that it lagged. Either
        // this event wakes it, or there are others that it has yet to take.
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
    /// A hub with so many dispatchers, each of which is run by [`Hub::dispatch`].
    pub fn new(dispatchers: usize) -> Self {
        let shard = |_| {
            let (queue, queued) = mpsc::channel(QUEUE);
            Shard { topics: RwLock::default(), queue, queued: Mutex::new(queued) }
        };
        Hub { shards: (0..dispatchers.max(1)).map(shard).collect(), made: AtomicUsize::new(0) }
    }

    /// Tells everyone who subscribed to the topic. Never waits.
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

    /// How many dispatchers there are.
    pub fn dispatchers(&self) -> usize {
        self.shards.len()
    }

    /// Runs a dispatcher for as long as it is polled; one of each number at a time.
    pub async fn dispatch(&self, number: usize) {
        let Some(shard) = self.shards.get(number) else { return };
        let mut queued = shard.queued.lock().await;
        while let Some((topic, event)) = queued.recv().await {
            let Some(subscribers) = shard.read().get(&topic).map(Arc::clone) else { continue };
            for some in subscribers.chunks(AT_ONCE) {
                for Subscriber { slot, sink } in some {
                    if !sink.as_ref().is_some_and(|sink| sink.try_deliver(&event)) {
                        slot.put(&topic, &event);
                    }
                }
                if some.len() == AT_ONCE {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// A mailbox for up to `capacity` events, subscribed to nothing yet.
    pub fn mailbox(self: &Arc<Self>, capacity: usize) -> Mailbox<T, E> {
        let (events, received) = mpsc::channel(capacity);
        let id = self.made.fetch_add(1, Ordering::Relaxed);
        Mailbox {
            hub: Arc::clone(self),
            slot: Arc::new(Slot { id, events, lagged: AtomicBool::new(false) }),
            topics: Vec::new(),
            received,
        }
    }

    /// How many mailboxes are subscribed to the topic.
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

/// A reader's end: events in order, or the word that some were thrown away. Dropping it ends all
/// its subscriptions.
pub struct Mailbox<T: Clone + Eq + Hash, E: Clone> {
    hub: Arc<Hub<T, E>>,
    slot: Arc<Slot<T, E>>,
    topics: Vec<T>,
    received: mpsc::Receiver<(T, E)>,
}

/// What comes out of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received<T, E> {
    /// An event, and the topic it was published on.
    Event(T, E),
    /// The mailbox overflowed and was emptied. What was missed is in the database.
    Lagged,
}

impl<T: Clone + Eq + Hash, E: Clone> Mailbox<T, E> {
    /// From now on hears the topic. Twice is once.
    pub fn subscribe(&mut self, topic: T) {
        self.add(topic, None);
    }

    /// From now on hears the topic: what the sink does not take comes by event. Twice is once.
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

    /// No longer hears the topic; events that wait still come.
    pub fn unsubscribe(&mut self, topic: &T) {
        self.topics.retain(|t| t != topic);
        self.hub.unsubscribe(topic, self.slot.id);
    }

    /// The next event, as soon as there is one. Safe to cancel: no event is lost.
    pub async fn receive(&mut self) -> Received<T, E> {
        loop {
            if let Some(delivery) = self.try_receive() {
                return delivery;
            }
            // It never closes: the mailbox holds a sender itself.
            if let Some((topic, event)) = self.received.recv().await
                && !self.slot.lagged.load(Ordering::Acquire)
            {
                return Received::Event(topic, event);
            }
            // It overflowed meanwhile; then that was not the next one any more.
        }
    }

    /// The next event, if one is waiting.
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
    async fn letters_come_in_order_and_only_on_subscribed_topics() {
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
    async fn a_slow_reader_is_told_that_it_lagged_and_then_goes_on() {
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

    /// Hears even numbers itself.
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
    async fn what_an_ear_does_not_take_comes_by_letter() {
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
    async fn when_too_much_is_published_at_once_everyone_is_told_that_they_lagged() {
        let hub = hub();
        let (mut nell, sink) = (hub.mailbox(8), Arc::new(Even::default()));
        nell.subscribe_with("slip", Arc::clone(&sink) as _);
        for n in 0..=QUEUE as u32 {
            hub.publish(&"slip", &(2 * n));
        }
        assert_eq!(nell.receive().await, Received::Lagged, "one of them did not fit");
        while sink.0.lock().expect("nobody panicked").len() < QUEUE {
            tokio::task::yield_now().await;
        }
        hub.publish(&"slip", &1);
        assert_eq!(nell.receive().await, Received::Event("slip", 1));
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
