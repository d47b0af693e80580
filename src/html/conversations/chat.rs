//! The data of `chat.html`, which shows every kind of conversation.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{
    message_list::{Row, blank, rows},
    messages::MessageForm,
};
use crate::{
    Error, Result,
    app::App,
    domain::conversations::Participant,
    html::{field_error, form_error},
    ids::{IdempotencyKey, random},
    wire::bubble::Bubble,
};

/// The most messages on a page.
const PAGE_SIZE: i64 = 50;

/// A range of messages.
#[derive(Deserialize, Default)]
pub struct MessageRange {
    /// Only messages before this number.
    before: Option<i64>,
    /// Messages around this number.
    at: Option<i64>,
}

impl MessageRange {
    /// Returns the number of the first message after the range; `None` for the latest messages.
    pub(super) fn end(&self) -> Option<i64> {
        self.at.map(|at| at.saturating_add(PAGE_SIZE / 2)).or(self.before)
    }
}

/// The messages, and the form for the next one.
pub(super) struct Chat {
    /// The viewer as a participant.
    pub(super) participant: Participant,
    /// The title for the viewer.
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
    /// The template of a message that is being sent, for the page's script.
    pub(super) bubble: Bubble,
    /// The URL of the page with earlier messages.
    pub(super) older: Option<String>,
    /// The URL of the page with the latest messages.
    pub(super) newest: Option<String>,
    /// The address that the form is sent to.
    pub(super) action: String,
    pub(super) limit: usize,
    pub(super) body: String,
    pub(super) key: String,
    pub(super) error: Option<String>,
}

impl Chat {
    /// Reads the latest messages, or those before `end`. `path` is the page's path; `refused` is a form that is shown
    /// again, with its error.
    pub(super) async fn new(
        app: &App,
        participant: &Participant,
        path: &str,
        action: String,
        end: Option<i64>,
        refused: Option<(MessageForm, &Error)>,
    ) -> Result<Self> {
        let mut participant = participant.clone();
        let end = end.filter(|end| *end <= participant.conversation.last_seq);
        let before = end.unwrap_or(i64::MAX);
        let reader = participant.clone();
        let messages = app.db.read(move |read| reader.messages_before(read, before, PAGE_SIZE)).await?;
        let older = messages.first().filter(|first| first.seq > participant.history().after + 1);
        let older = older.map(|first| format!("{path}?before={}", first.seq));
        if let Some(latest) = messages.last()
            && end.is_none()
        {
            // The page has messages that were sent after the conversation was read.
            participant.conversation.last_seq = latest.seq;
        }
        let mut key = BASE64_URL_SAFE_NO_PAD.encode(random::<12>()?);
        let (mut body, mut error) = (String::new(), None);
        if let Some((form, reason)) = refused {
            error = field_error(Some(reason), "body")
                .map(Into::into)
                .or_else(|| form_error(Some(reason), &["body"]));
            body = form.body;
            // The key stays the same, because after some errors the message may have been stored nevertheless.
            if IdempotencyKey::parse(&form.idempotency_key).is_ok() && !matches!(reason, Error::Conflict(_)) {
                key = form.idempotency_key;
            }
        }
        Ok(Chat {
            title: participant.conversation.name.clone(),
            rows: rows(messages, participant.id(), participant.membership.read_seq),
            bubble: blank(&participant, app.clock.now()),
            older,
            newest: end.map(|_| path.to_owned()),
            action,
            limit: participant.policy().max_body(app.config.thread_limit),
            body,
            key,
            error,
            participant,
        })
    }
}
