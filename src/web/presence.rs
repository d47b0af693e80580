//! Who has a conversation open, told to all who have.

use std::{sync::Arc, time::Duration};

use crate::{
    app::App,
    clock::Time,
    domain::conversations::Participant,
    events::{Event, Here, Somebody, Told, Topic},
    ids::{AccountId, ConversationId},
    realtime,
};

/// One is there for so long after the last window closed: a train's tunnel, a phone's pocket.
const GRACE: Duration = Duration::from_secs(30);

/// News of a room are told once in so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Of those who are there, how many are told by name.
const NAMED: usize = 30;

/// Who has what conversation open.
pub type Presence = realtime::presence::Presence<ConversationId, AccountId, Somebody>;

/// Nobody anywhere.
pub fn nobody() -> Presence {
    Presence::new(GRACE.as_millis() as i64, PAUSE.as_millis() as i64)
}

/// One window of somebody's on a conversation. It is closed by being dropped.
pub struct Window {
    app: Arc<App>,
    conversation: ConversationId,
    account: AccountId,
}

impl Window {
    /// Opens it.
    pub fn open(app: &Arc<App>, participant: &Participant) -> Self {
        let (conversation, account) = (participant.conversation.id, participant.id());
        app.presence.enter(conversation, account, participant.somebody());
        Window { app: Arc::clone(app), conversation, account }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.app.presence.leave(&self.conversation, &self.account, self.app.clock.now().ms());
    }
}

/// What is told of those who are there.
pub fn here(conversation: ConversationId, mut people: Vec<Somebody>) -> Here {
    let (count, guests) = (people.len(), people.iter().filter(|one| one.guest).count());
    people.truncate(NAMED);
    Here { conversation, count, guests, people }
}

/// Tells who is there whenever that changes, until the server stops.
pub async fn tell(app: Arc<App>) {
    while !app.stop.is_cancelled() {
        let due = app.presence.due(app.clock.now().ms());
        for (conversation, people) in due.places {
            let event = Event::Here(Arc::new(Told::new(here(conversation, people))));
            app.hub.publish(&Topic::Conversation(conversation), &event);
        }
        let wake = async {
            match due.wake_at {
                Some(at) => app.clock.sleep_until(Time::from_ms(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = app.stop.cancelled() => {}
            () = app.presence.changed() => {}
            () = wake => {}
        }
    }
}
