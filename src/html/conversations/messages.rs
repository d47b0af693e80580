//! Sending a message by a form, and marking messages as read.

use std::sync::Arc;

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
    domain::{
        access::Access,
        conversations::Page,
        messages::{Body, Draft},
        rooms::RoomInvitee,
        text::RefusedWords,
    },
    html::{is_form_error, render_form_error},
    http::{
        input::Input,
        respond::{FRAGMENT, status_and_headers},
        session::{Caller, ClientAddr, find_or_join, find_or_join_room},
    },
    ids::{AttachmentId, IdempotencyKey, MessageId},
    wire::bubble::message_fragment,
};

/// The form for a message.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MessageForm {
    pub(super) body: String,
    reply_to: String,
    /// Ids of files, with spaces between them.
    attachments: String,
    pub(super) idempotency_key: String,
}

impl MessageForm {
    fn draft(&self, refused: &RefusedWords) -> Result<Draft> {
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
            body: if only_files { Body::empty() } else { Body::parse(&self.body, refused)? },
            reply_to,
            attachments,
            idempotency_key: key.map(IdempotencyKey::parse).transpose()?,
        })
    }
}

/// `POST /rooms/{key}/messages` and `POST /conversations/{conversation}/messages`
pub async fn say(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    access: Access,
    headers: HeaderMap,
    Input(form): Input<MessageForm>,
) -> Result<Response> {
    let by_script = headers.contains_key(FRAGMENT);
    let draft =
        app.limits.say(origin, access.account().id).and_then(|_| form.draft(&app.config.refused_words));
    let sent = match draft {
        Ok(draft) => {
            let (access, thread_limit) = (access.clone(), app.config.thread_limit);
            app.db.write(move |tx| access.say(tx, &draft, thread_limit)).await
        }
        Err(error) => Err(error),
    };
    match sent {
        Ok(message) if by_script => {
            Ok((StatusCode::CREATED, Html(message_fragment(&message))).into_response())
        }
        Ok(message) => {
            let path = page_path(&app, &access).await?;
            Ok(Redirect::to(&format!("{path}#m{}", message.seq)).into_response())
        }
        // The sender is no longer in the conversation, or the conversation is gone.
        Err(Error::NotFound) if !by_script => {
            let path = app.db.read(move |read| access.leave_to(read)).await?;
            Ok(Redirect::to(path).into_response())
        }
        Err(error) if by_script || !is_form_error(&error) => Err(error),
        Err(error) => render_refused(&app, &access, form, &error).await,
    }
}

/// Renders the page of a conversation with the form of a message that was refused.
async fn render_refused(app: &App, access: &Access, form: MessageForm, error: &Error) -> Result<Response> {
    let (participant, refused) = (find_or_join(app, access).await?, Some((form, error)));
    match (access, participant.policy().page) {
        (Access::Room(invitee), _) => {
            let room_member = find_or_join_room(app, invitee).await?;
            render_form_error(
                status_and_headers(error),
                &rooms::room_page(app, &room_member, None, refused).await?,
            )
        }
        (_, Page::Thread) => {
            let caller = Caller::from(access.account());
            let page = ThreadPage::new(app, &caller, &participant, None, refused).await?;
            render_form_error(status_and_headers(error), &page)
        }
        _ => render_form_error(
            status_and_headers(error),
            &talk_page(app, access.account(), None, refused).await?,
        ),
    }
}

/// Returns the path of the page of a conversation.
async fn page_path(app: &App, access: &Access) -> Result<String> {
    if let Access::Room(invitee) = access {
        return Ok(format!("/rooms/{}", invitee.key.as_str()));
    }
    let participant = find_or_join(app, access).await?;
    let policy = participant.policy();
    Ok(match policy.page {
        Page::Thread => format!("{}/{}", policy.leave_to, participant.conversation.id),
        Page::Room | Page::Match => policy.leave_to.into(),
    })
}

/// `POST /rooms/{key}/read`: marks all messages as read, for browsers without scripts.
pub async fn read(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    invitee: RoomInvitee,
) -> Result<Response> {
    app.limits.write(origin)?;
    let key = invitee.key.as_str().to_owned();
    app.db
        .write(move |tx| {
            let participant = invitee.join(tx)?.participant;
            participant.read(tx, participant.conversation.last_seq)
        })
        .await?;
    Ok(Redirect::to(&format!("/rooms/{key}")).into_response())
}
