//! The mail that passes a message from a page's contact form on to the page's owner.

use askama::Template;
use lettre::message::Mailbox;

use super::Mail;
use crate::{
    Error, Result,
    app::App,
    domain::pages::contact_messages,
    ids::{ContactMessageId, JobId},
    jobs::Outcome,
    store::pages::contact_messages::ContactMessage,
};

/// Sends the message to the owner of the page, and deletes its text here once it is sent.
pub async fn send(app: &App, job: JobId, id: ContactMessageId) -> Result<Outcome> {
    let pending = app.db.read(move |read| contact_messages::pending(read, id)).await?;
    let Some((letter, to)) = pending else { return Ok(Outcome::Obsolete) };
    let url = format!("{}/settings/page", app.config.base_url.as_str());
    let sender = Mailbox::new(Some(letter.name.clone()), letter.email.parse().map_err(Error::internal)?);
    let outcome = Mail::new(job, "letter", &to, format!("{} wrote to you", letter.name))
        .reply_to(sender)
        .send(app, Text { letter: &letter, url: &url }, Html { letter: &letter, url: &url })
        .await?;
    if matches!(outcome, Outcome::Done) {
        app.db.write(move |tx| contact_messages::clear(tx, id)).await?;
    }
    Ok(outcome)
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    letter: &'a ContactMessage,
    url: &'a str,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    letter: &'a ContactMessage,
    url: &'a str,
}
