//! Messages as they are shown: one template for pages and for the socket.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{match_talk::talk_page, rooms, threads::ThreadPage};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        access::Door,
        conversations::{Page, Participant},
        messages::{Body, Draft},
        rooms::Visitor,
    },
    html::{accounts::is_note, page_refused},
    http::{
        input::Input,
        respond::{FRAGMENT, head},
        session::{ClientAddr, Viewer, come_in, enter},
    },
    ids::{AccountId, AttachmentId, IdempotencyKey, MessageId},
    store::messages::{Message, Speaker},
    wire::bubble::{Bubble, message_fragment},
};

/// What one person says within so long is shown as one breath. `chat-messages.js` says the same.
const BREATH: Duration = Duration::from_secs(5 * 60);

/// What stands in the list of messages.
pub(super) enum Row {
    Day(String, Time),
    /// What follows is new since the viewer was here last.
    Since,
    Message(Box<Bubble>),
}

/// What one is about to say, for the page's script to fill in: the same template as what was said.
pub(super) fn blank(participant: &Participant, now: Time) -> Bubble {
    let author = Speaker {
        id: participant.id(),
        kind: participant.account.kind,
        username: participant.account.username.clone(),
        name: participant.name().to_owned(),
    };
    let message = Message {
        id: MessageId(0),
        conversation: participant.conversation.id,
        seq: 0,
        change: 0,
        author,
        body: "…".into(),
        mentions: Vec::new(),
        reply_to: None,
        reactions: Vec::new(),
        attachments: Vec::new(),
        created_at: now,
        edited_at: None,
        deleted_at: None,
    };
    Bubble::new(message, Some(participant.id()))
}

/// The list: messages in breaths and days, and where the new ones begin. Days are UTC's until the
/// page's script tells them in the reader's own time.
pub(super) fn rows(messages: Vec<Message>, me: AccountId, read_seq: i64) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(messages.len() + 4);
    let mut since_told = false;
    let mut day = None;
    for message in messages {
        let date = message.created_at.utc().date();
        if day != Some(date) {
            rows.push(Row::Day(date.strftime("%A, %-d %B %Y").to_string(), message.created_at));
            day = Some(date);
        }
        // Where one has read nothing at all, everything is new, and a line says nothing.
        let new = message.seq > read_seq && read_seq > 0 && message.author.id != me;
        if new && !since_told {
            rows.push(Row::Since);
            since_told = true;
        }
        let mut bubble = Bubble::new(message, Some(me));
        if let Some(Row::Message(above)) = rows.last_mut() {
            let close = bubble.message.created_at.since(above.message.created_at) < BREATH;
            if close
                && above.message.author.id == bubble.message.author.id
                && above.message.author.name == bubble.message.author.name
            {
                above.ends = false;
                bubble.starts = false;
            }
        }
        rows.push(Row::Message(Box::new(bubble)));
    }
    rows
}

/// The form that something is said with.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SayForm {
    pub(super) body: String,
    reply_to: String,
    /// Ids of files, with spaces between them.
    attachments: String,
    pub(super) idempotency_key: String,
}

impl SayForm {
    fn draft(&self) -> Result<Draft> {
        let reply_to = Some(self.reply_to.as_str()).filter(|id| !id.is_empty());
        let reply_to: Option<MessageId> = reply_to
            .map(|id| id.parse().map_err(|_| Error::invalid("reply_to", "There is no such message.")))
            .transpose()?;
        let attachments = self
            .attachments
            .split_whitespace()
            .map(|id| id.parse().map_err(|_| Error::invalid("attachments", "There is no such file.")));
        let attachments: Vec<AttachmentId> = attachments.collect::<Result<_>>()?;
        let key = Some(self.idempotency_key.as_str()).filter(|key| !key.is_empty());
        let only_files = self.body.trim().is_empty() && !attachments.is_empty();
        Ok(Draft {
            body: if only_files { Body::empty() } else { Body::parse(&self.body)? },
            reply_to,
            attachments,
            idempotency_key: key.map(IdempotencyKey::parse).transpose()?,
        })
    }
}

/// `POST /rooms/{key}/messages` and `POST /conversations/{conversation}/messages`
pub async fn say(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    door: Door,
    headers: HeaderMap,
    Input(form): Input<SayForm>,
) -> Result<Response> {
    let by_script = headers.contains_key(FRAGMENT);
    let draft = app
        .limits
        .say(from, door.account().id)
        .and_then(|_| app.config.refused_words.check(&form.body))
        .and_then(|()| form.draft());
    let said = match draft {
        Ok(draft) => {
            let (door, thread_limit) = (door.clone(), app.config.thread_limit);
            app.db.write(move |tx| door.say(tx, &draft, thread_limit)).await
        }
        Err(error) => Err(error),
    };
    match said {
        Ok(message) if by_script => {
            Ok((StatusCode::CREATED, Html(message_fragment(&message))).into_response())
        }
        Ok(message) => {
            let page = page_of(&app, &door).await?;
            Ok(Redirect::to(&format!("{page}#m{}", message.seq)).into_response())
        }
        // The sender is no longer in the conversation, or the conversation is gone.
        Err(Error::NotFound) if !by_script => {
            let page = app.db.read(move |read| door.leave_to(read)).await?;
            Ok(Redirect::to(page).into_response())
        }
        Err(error) if by_script || !is_note(&error) => Err(error),
        Err(error) => refused(&app, &door, form, &error).await,
    }
}

/// The page of a conversation, with a form whose message was refused.
async fn refused(app: &App, door: &Door, form: SayForm, error: &Error) -> Result<Response> {
    let (participant, refused) = (come_in(app, door).await?, Some((form, error)));
    match (door, participant.policy().page) {
        (Door::Room(visitor), _) => {
            let inside = enter(app, visitor).await?;
            page_refused(head(error), &rooms::room_page(app, &inside, None, refused).await?)
        }
        (_, Page::Thread) => {
            let viewer = Viewer::from(door.account());
            let page = ThreadPage::new(app, &viewer, &participant, None, refused).await?;
            page_refused(head(error), &page)
        }
        _ => page_refused(head(error), &talk_page(app, door.account(), None, refused).await?),
    }
}

/// The address of the page of a conversation.
async fn page_of(app: &App, door: &Door) -> Result<String> {
    if let Door::Room(visitor) = door {
        return Ok(format!("/rooms/{}", visitor.key.as_str()));
    }
    let participant = come_in(app, door).await?;
    let policy = participant.policy();
    Ok(match policy.page {
        Page::Thread => format!("{}/{}", policy.leave_to, participant.conversation.id),
        Page::Room | Page::Match => policy.leave_to.into(),
    })
}

/// `POST /rooms/{key}/read`: up to the last message, for those without scripts.
pub async fn read(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    visitor: Visitor,
) -> Result<Response> {
    app.limits.write(from)?;
    let key = visitor.key.as_str().to_owned();
    app.db
        .write(move |tx| {
            let participant = visitor.enter(tx)?.participant;
            participant.read(tx, participant.conversation.last_seq)
        })
        .await?;
    Ok(Redirect::to(&format!("/rooms/{key}")).into_response())
}
