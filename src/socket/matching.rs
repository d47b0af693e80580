//! A match on a socket: how far someone is in the matching, told whenever that changes. It is all in the
//! database, so whoever misses something sees it the next time.

use std::sync::Arc;

use serde_json::json;

use super::{Closed, SocketWriter};
use crate::{
    app::App,
    domain::matches::{self, Current},
    events::{Event, Format, Topic},
    ids::AccountId,
    realtime::hub::Mailbox,
    services::limits::Held,
    store::matches::State,
    wire::{match_state, matches::Match},
};

/// A subscription to one's own match. It is a window: as long as one is open, its place is kept.
pub(super) struct MatchStream {
    account: AccountId,
    /// How it was when it was told last.
    told: Option<Current>,
    window: Window,
}

/// An open window. When the last one has closed, the place is kept only for a while.
struct Window {
    app: Arc<App>,
    account: AccountId,
    held: Option<Held<AccountId>>,
}

impl Drop for Window {
    fn drop(&mut self) {
        drop(self.held.take());
        if self.app.match_windows.count(&self.account) > 0 {
            return;
        }
        let (app, account) = (Arc::clone(&self.app), self.account);
        self.app.tasks.spawn(async move {
            if let Err(error) = app.db.write(move |tx| matches::is_away(tx, account)).await {
                tracing::warn!(%error, "Can't note that somebody is away");
            }
        });
    }
}

impl MatchStream {
    /// Is subscribed at the hub, and tells how far it is.
    pub(super) async fn begin(
        writer: &mut SocketWriter,
        mailbox: &mut Mailbox<Topic, Event>,
        account: AccountId,
    ) -> Result<Self, Closed> {
        mailbox.subscribe(Topic::Account(account));
        mailbox.subscribe(Topic::WaitingQueue);
        let app = Arc::clone(&writer.app);
        let held = Some(app.match_windows.hold_one(account));
        let window = Window { app, account, held };
        let mut stream = MatchStream { account, told: None, window };
        stream.is_here().await;
        stream.told = stream.read(writer).await?;
        let frame = stream.frame("subscribed", writer);
        writer.say(&frame).await?;
        Ok(stream)
    }

    pub(super) fn account(&self) -> AccountId {
        self.account
    }

    /// Notes that the window is still open.
    pub(super) async fn is_here(&self) {
        let account = self.account;
        if let Err(error) = self.window.app.db.write(move |tx| matches::is_here(tx, account)).await {
            tracing::warn!(%error, "Can't note that somebody is here");
        }
    }

    pub(super) async fn hear(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<(), Closed> {
        match event {
            Event::MatchChanged => self.look(writer).await,
            Event::WaitingQueueChanged(queue) => {
                let Some(told) = self.told.as_mut().filter(|told| told.seeker.state == State::Waiting) else {
                    return Ok(());
                };
                let place = matches::place_in(queue, &told.seeker);
                if place == told.line {
                    return Ok(());
                }
                told.line = place;
                let frame = self.frame("waiting", writer);
                writer.say(&frame).await
            }
            _ => Ok(()),
        }
    }

    /// Looks how far it is, and tells what is otherwise.
    pub(super) async fn look(&mut self, writer: &mut SocketWriter) -> Result<(), Closed> {
        let now = self.read(writer).await?;
        let event = happened(self.told.as_ref(), now.as_ref());
        let begins = now.as_ref().is_some_and(|now| now.seeker.state != State::Ended)
            && self.told.as_ref().is_none_or(|told| told.seeker.state == State::Ended);
        self.told = now;
        if begins {
            self.is_here().await; // the window was open before there was anything to be here for
        }
        if let Some(event) = event {
            let frame = self.frame(event, writer);
            writer.say(&frame).await?;
        }
        Ok(())
    }

    async fn read(&self, writer: &mut SocketWriter) -> Result<Option<Current>, Closed> {
        let account = self.account;
        match writer.app.db.read(move |read| matches::current(read, account)).await {
            Ok(current) => Ok(current),
            Err(_) => writer.broken().await,
        }
    }

    fn frame(&self, event: &'static str, writer: &SocketWriter) -> serde_json::Value {
        let told = self.told.as_ref();
        let mut frame = json!({ "event": event, "stream": "match", "match": told.map(Match::new) });
        if writer.format == Format::Html
            && let Some(told) = told
        {
            frame["html"] = match_state::match_fragment(told, writer.app.clock.now()).into();
            frame["status"] = match_state::status(told).into();
        }
        frame
    }
}

/// What has happened between the two, by name.
fn happened(before: Option<&Current>, now: Option<&Current>) -> Option<&'static str> {
    let Some(now) = now else { return before.map(|_| "ended") };
    let Some(before) = before else { return Some(name(now)) };
    let same =
        before.seeker.state == now.seeker.state && before.seeker.conversation == now.seeker.conversation;
    if !same {
        return Some(name(now));
    }
    let away = |current: &Current| current.partners.iter().filter(|one| one.away).count();
    match away(now).cmp(&away(before)) {
        std::cmp::Ordering::Greater => Some("reconnecting"),
        std::cmp::Ordering::Less if now.partners.len() >= before.partners.len() => Some("reconnected"),
        _ => Some("changed"),
    }
}

fn name(current: &Current) -> &'static str {
    match current.seeker.state {
        State::Waiting => "waiting",
        State::Matched => "matched",
        State::Ended if current.seeker.went => "ended",
        State::Ended => "partner_left",
    }
}
