//! The people who have a conversation open, sent to everyone who has it open.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, Time},
    domain::conversations::Participant,
    events::{Encoded, Event, Events, Person, PresenceChanged, Topic},
    ids::{AccountId, ConversationId},
    realtime,
};

/// The time that an account counts as present after its last window closed: a train in a tunnel, a phone in a pocket.
const GRACE: Duration = Duration::from_secs(30);

/// The shortest time between two events about one conversation: a thousand people who arrive at once would otherwise
/// cause a million frames.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// The number of people who are sent by name; the rest are only counted.
const MAX_NAMED: usize = 30;

/// The people who have a conversation open.
pub struct Presence {
    people: realtime::presence::Presence<ConversationId, AccountId, Person>,
    clock: Clock,
}

impl Presence {
    /// Creates the service with nobody present anywhere.
    pub fn new(clock: Clock) -> Self {
        let (grace, interval) = (GRACE.as_millis() as i64, UPDATE_INTERVAL.as_millis() as i64);
        Presence { people: realtime::presence::Presence::new(grace, interval), clock }
    }

    /// Opens a window of the participant on its conversation.
    pub fn open(self: &Arc<Self>, participant: &Participant) -> Window {
        let (conversation, account) = (participant.conversation.id, participant.id());
        self.people.enter(conversation, account, participant.person());
        Window { presence: Arc::clone(self), conversation, account }
    }

    /// Removes an account at once, without the grace that a closed window has.
    pub fn remove(&self, conversation: ConversationId, account: AccountId) {
        self.people.remove(&conversation, &account);
    }

    /// Returns the people who have the conversation open.
    pub fn people(&self, conversation: ConversationId) -> Vec<Person> {
        self.people.people(&conversation)
    }

    /// Publishes the people of a conversation whenever they change, until the server stops.
    pub async fn run(&self, events: &Events, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let due = self.people.due(self.clock.now().ms());
            for (conversation, people) in due.audiences {
                let event = Event::PresenceChanged(Arc::new(Encoded::new(summary(conversation, people))));
                events.publish(&Topic::Conversation(conversation), &event);
            }
            let wake = async {
                match due.wake_at {
                    Some(at) => self.clock.sleep_until(Time::from_ms(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.people.changed() => {}
                () = wake => {}
            }
        }
    }
}

/// An open window on a conversation. Dropping it closes it.
pub struct Window {
    presence: Arc<Presence>,
    conversation: ConversationId,
    account: AccountId,
}

impl Drop for Window {
    fn drop(&mut self) {
        let now = self.presence.clock.now().ms();
        self.presence.people.leave(&self.conversation, &self.account, now);
    }
}

/// Returns the counts and the first names of the people who have a conversation open.
pub fn summary(conversation: ConversationId, mut people: Vec<Person>) -> PresenceChanged {
    let (count, guests) = (people.len(), people.iter().filter(|person| person.guest).count());
    people.truncate(MAX_NAMED);
    PresenceChanged { conversation, count, guests, people }
}
