//! Mail, a file per kind. Each kind reads what the mail is about, builds a [`Mail`] and sends it.

pub mod contact;
pub mod mention;
pub mod pair;
pub mod webhook;

use std::time::{Duration, UNIX_EPOCH};

use askama::Template;
use lettre::{
    Address, Message,
    message::{
        Mailbox, Mailboxes, MultiPart,
        header::{HeaderName, HeaderValue, ReplyTo},
    },
};

use super::Outcome;
use crate::{Error, Result, app::App, domain::accounts::Recipient, ids::JobId};

pub use mention::UNSUBSCRIBE;

/// The parts of a mail that differ between the kinds.
struct Mail<'a> {
    job: JobId,
    /// Part of the message id, because a job may send mail of one kind only.
    kind: &'static str,
    to: &'a Recipient,
    subject: String,
    reply_to: Option<Mailbox>,
    /// Headers beyond those that every mail has.
    headers: Vec<(&'static str, String)>,
}

impl<'a> Mail<'a> {
    fn new(job: JobId, kind: &'static str, to: &'a Recipient, subject: String) -> Self {
        Mail { job, kind, to, subject, reply_to: None, headers: Vec::new() }
    }

    fn reply_to(mut self, mailbox: Mailbox) -> Self {
        self.reply_to = Some(mailbox);
        self
    }

    fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Renders both forms of the mail and sends it. A mail that can't be sent is a failed attempt; one that can't be
    /// built is an error.
    async fn send(self, app: &App, text: impl Template, html: impl Template) -> Result<Outcome> {
        let job = self.job;
        let message = self.build(app, &text, &html)?;
        Ok(match app.mailer.send(job, message).await {
            Ok(()) => Outcome::Done,
            Err(reason) => Outcome::Failed(reason),
        })
    }

    fn build(self, app: &App, text: &impl Template, html: &impl Template) -> Result<Message> {
        let address = self.to.address.parse::<Address>().map_err(Error::internal)?;
        let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(app.clock.now().ms()).unwrap_or(0));
        let (text, html) = (text.render().map_err(Error::internal)?, html.render().map_err(Error::internal)?);
        let mut message = Message::builder()
            .from(app.config.mail_from.clone())
            .to(Mailbox::new(Some(self.to.account.name.clone()), address))
            .subject(self.subject)
            .date(date)
            // The id is the same for each attempt, so that a server that received the mail twice can drop one of them.
            .message_id(Some(format!("<{}.{}@{}>", self.job, self.kind, app.config.base_url.host())))
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(Error::internal)?;
        let headers = message.headers_mut();
        // RFC 3834: automatic responders do not answer this mail.
        let automatic = ("Auto-Submitted", "auto-generated".to_owned());
        for (name, value) in [automatic].into_iter().chain(self.headers) {
            headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
        }
        if let Some(mailbox) = self.reply_to {
            headers.set(ReplyTo::from(Mailboxes::from(mailbox)));
        }
        Ok(message)
    }
}
