//! The state of an account's match on a socket, sent whenever it changes. All of it is read from the database, so
//! the next event makes up for a missed one.

use std::{cmp::Ordering, sync::Arc};

use super::writer::{Closed, SocketWriter};
use crate::{
    app::App,
    domain::matches::{self, Current},
    events::{Event, Format, Topic},
    ids::AccountId,
    realtime::hub::Mailbox,
    services::limits::Held,
    store::matches::State,
    wire::{
        frames::{MatchFrame, MatchName},
        match_state,
        matches::Match,
    },
};

/// A subscription to the account's own match. As long as a window is open, the account keeps its place in the queue or
/// the match.
pub(super) struct MatchStream {
    account: AccountId,
    /// The state that was sent last.
    sent: Option<Current>,
    window: Window,
}

/// An open window. After the last one has closed, the account keeps its place for a grace period only.
struct Window {
    app: Arc<App>,
    account: AccountId,
    permit: Option<Held<AccountId>>,
}

impl Drop for Window {
    fn drop(&mut self) {
        drop(self.permit.take());
        if self.app.match_windows.count(&self.account) > 0 {
            return;
        }
        let (app, account) = (Arc::clone(&self.app), self.account);
        self.app.tasks.spawn(async move {
            if let Err(error) = app.db.write(move |tx| matches::set_away(tx, account)).await {
                tracing::warn!(%error, "Can't store that an account has no window open");
            }
        });
    }
}

impl MatchStream {
    /// Subscribes at the hub, and sends the current state.
    pub(super) async fn begin(
        writer: &mut SocketWriter,
        mailbox: &mut Mailbox<Topic, Event>,
        account: AccountId,
    ) -> Result<Self, Closed> {
        mailbox.subscribe(Topic::Account(account));
        mailbox.subscribe(Topic::WaitingQueue);
        let app = Arc::clone(&writer.app);
        let permit = Some(app.match_windows.hold_one(account));
        let window = Window { app, account, permit };
        let mut stream = MatchStream { account, sent: None, window };
        stream.record_presence().await;
        stream.sent = stream.read(writer).await?;
        let frame = stream.frame(MatchName::Subscribed, writer);
        writer.send(&frame).await?;
        Ok(stream)
    }

    pub(super) fn account(&self) -> AccountId {
        self.account
    }

    /// Records that the window is still open.
    pub(super) async fn record_presence(&self) {
        let account = self.account;
        if let Err(error) = self.window.app.db.write(move |tx| matches::set_present(tx, account)).await {
            tracing::warn!(%error, "Can't store that an account has a window open");
        }
    }

    pub(super) async fn deliver(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<(), Closed> {
        match event {
            Event::MatchChanged => self.catch_up(writer).await,
            Event::WaitingQueueChanged(queue) => {
                let Some(sent) = self.sent.as_mut().filter(|sent| sent.ticket.state == State::Waiting) else {
                    return Ok(());
                };
                let position = matches::queue_position_in(queue, &sent.ticket);
                if position == sent.queue_position {
                    return Ok(());
                }
                sent.queue_position = position;
                let frame = self.frame(MatchName::Waiting, writer);
                writer.send(&frame).await
            }
            _ => Ok(()),
        }
    }

    /// Reads the current state and sends it, unless there is none and was none before.
    pub(super) async fn catch_up(&mut self, writer: &mut SocketWriter) -> Result<(), Closed> {
        let current = self.read(writer).await?;
        let event = change_name(self.sent.as_ref(), current.as_ref());
        let has_begun = current.as_ref().is_some_and(|current| current.ticket.state != State::Ended)
            && self.sent.as_ref().is_none_or(|sent| sent.ticket.state == State::Ended);
        self.sent = current;
        if has_begun {
            self.record_presence().await; // the window was open before there was a ticket
        }
        if let Some(event) = event {
            let frame = self.frame(event, writer);
            writer.send(&frame).await?;
        }
        Ok(())
    }

    async fn read(&self, writer: &mut SocketWriter) -> Result<Option<Current>, Closed> {
        let account = self.account;
        match writer.app.db.read(move |read| matches::current(read, account)).await {
            Ok(current) => Ok(current),
            Err(_) => writer.close_with_error().await,
        }
    }

    fn frame(&self, event: MatchName, writer: &SocketWriter) -> MatchFrame {
        let sent = self.sent.as_ref();
        let rendered = sent.filter(|_| writer.format == Format::Html).map(|sent| {
            (match_state::match_fragment(sent, writer.app.clock.now()), match_state::status(sent))
        });
        MatchFrame::new(event, sent.map(Match::new), rendered)
    }
}

/// Returns the name of the change between two states, if there is one to report.
fn change_name(before: Option<&Current>, now: Option<&Current>) -> Option<MatchName> {
    let Some(now) = now else { return before.map(|_| MatchName::Ended) };
    let Some(before) = before else { return Some(state_name(now)) };
    let is_same =
        before.ticket.state == now.ticket.state && before.ticket.conversation == now.ticket.conversation;
    if !is_same {
        return Some(state_name(now));
    }
    let away = |current: &Current| current.partners.iter().filter(|partner| partner.away).count();
    match away(now).cmp(&away(before)) {
        Ordering::Greater => Some(MatchName::Reconnecting),
        Ordering::Less if now.partners.len() >= before.partners.len() => Some(MatchName::Reconnected),
        _ => Some(MatchName::Changed),
    }
}

fn state_name(current: &Current) -> MatchName {
    match current.ticket.state {
        State::Waiting => MatchName::Waiting,
        State::Matched => MatchName::Matched,
        State::Ended if current.ticket.went => MatchName::Ended,
        State::Ended => MatchName::PartnerLeft,
    }
}
