//! Mail: to a real server, or into `data/outbox` for whoever looks there.

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
use crate::{
    Error, Result,
    app::App,
    domain::{pages::letters, pairings, peeps, webhooks},
    ids::{AccountId, ConversationId, JobId, LetterId, PeepId, WebhookId},
    store::{accounts::Account, pages::letters::Letter, peeps::Peep},
};

/// What keeps a link to stop the emails about mentions from passing for another link.
pub const UNSUBSCRIBE: &str = "unsubscribe from mentions";

async fn send(app: &App, job: JobId, message: Message) -> Result<Outcome> {
    Ok(match app.mailer.send(job, message).await {
        Ok(()) => Outcome::Done,
        Err(why) => Outcome::Failed(why),
    })
}

/// Tells a member that a peep mentions it; unless the peep or the wish for it is gone.
pub async fn mention(app: &App, job: JobId, peep: PeepId, to: AccountId) -> Result<Outcome> {
    let found = app.db.read(move |read| peeps::mention_notice(read, peep, to)).await?;
    let Some((peep, account, address)) = found else {
        return Ok(Outcome::Moot);
    };
    if app.limits.mail(to).is_err() {
        // Promised all the same: it comes when the flood has passed.
        return Ok(Outcome::Failed("its member gets very many mails".into()));
    }
    send(app, job, mention_mail(app, job, &peep, &account, &address)?).await
}

/// Tells a member with whom it is paired this week; unless the talk is gone, or it has left.
pub async fn pair(app: &App, job: JobId, conversation: ConversationId, to: AccountId) -> Result<Outcome> {
    let found = app.db.read(move |read| pairings::pair_notice(read, conversation, to)).await?;
    let Some((account, others, address)) = found else { return Ok(Outcome::Moot) };
    let base = app.config.base_url.as_str();
    let (place, url) = (app.config.name.as_str(), format!("{base}/threads/{conversation}"));
    let weekly = format!("{base}/match/weekly");
    let names: Vec<&str> = others.iter().map(|one| one.name.as_str()).collect();
    let who = names.join(" and ");
    let text = PairText { place, account: &account, who: &who, url: &url, weekly: &weekly };
    let html = PairHtml { place, account: &account, who: &who, url: &url, weekly: &weekly };
    let subject = format!("This week: you and {who}");
    let mail = Mail { job, kind: "pair", account: &account, address: &address, subject };
    let message = build(app, &mail, text.render(), html.render())?;
    send(app, job, message).await
}

/// Tells a member that a webhook of its app was given up; unless it is tried again, or gone.
pub async fn webhook(app: &App, job: JobId, id: WebhookId) -> Result<Outcome> {
    let found = app.db.read(move |read| webhooks::failure_notice(read, id)).await?;
    let Some((account, address, of, name)) = found else { return Ok(Outcome::Moot) };
    let (base, place) = (app.config.base_url.as_str(), app.config.name.as_str());
    let url = format!("{base}/settings/apps/{of}/webhooks");
    let text = WebhookText { place, account: &account, name: &name, url: &url };
    let html = WebhookHtml { place, account: &account, name: &name, url: &url };
    let subject = format!("A webhook of {name} is off");
    let mail = Mail { job, kind: "webhook", account: &account, address: &address, subject };
    let message = build(app, &mail, text.render(), html.render())?;
    send(app, job, message).await
}

/// Passes a letter on to the owner of a page, and forgets what it says.
pub async fn letter(app: &App, job: JobId, id: LetterId) -> Result<Outcome> {
    let found = app.db.read(move |read| letters::pending(read, id)).await?;
    let Some((letter, account, address)) = found else { return Ok(Outcome::Moot) };
    let url = format!("{}/settings/page", app.config.base_url.as_str());
    let text = LetterText { letter: &letter, url: &url };
    let html = LetterHtml { letter: &letter, url: &url };
    let subject = format!("{} wrote to you", letter.name);
    let mail = Mail { job, kind: "letter", account: &account, address: &address, subject };
    let mut message = build(app, &mail, text.render(), html.render())?;
    let back = Mailbox::new(Some(letter.name.clone()), letter.email.parse().map_err(Error::internal)?);
    message.headers_mut().set(ReplyTo::from(Mailboxes::from(back)));
    let outcome = send(app, job, message).await?;
    if matches!(outcome, Outcome::Done) {
        app.db.write(move |tx| letters::clear(tx, id)).await?;
    }
    Ok(outcome)
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct LetterText<'a> {
    letter: &'a Letter,
    url: &'a str,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct LetterHtml<'a> {
    letter: &'a Letter,
    url: &'a str,
}

#[derive(Template)]
#[template(path = "mail/webhook.txt")]
struct WebhookText<'a> {
    place: &'a str,
    account: &'a Account,
    name: &'a str,
    url: &'a str,
}

#[derive(Template)]
#[template(path = "mail/webhook.html")]
struct WebhookHtml<'a> {
    place: &'a str,
    account: &'a Account,
    name: &'a str,
    url: &'a str,
}

#[derive(Template)]
#[template(path = "mail/pair.txt")]
struct PairText<'a> {
    place: &'a str,
    account: &'a Account,
    who: &'a str,
    url: &'a str,
    weekly: &'a str,
}

#[derive(Template)]
#[template(path = "mail/pair.html")]
struct PairHtml<'a> {
    place: &'a str,
    account: &'a Account,
    who: &'a str,
    url: &'a str,
    weekly: &'a str,
}

#[derive(Template)]
#[template(path = "mail/mention.txt")]
struct MentionText<'a> {
    place: &'a str,
    account: &'a Account,
    peep: &'a Peep,
    url: &'a str,
    unsubscribe: &'a str,
}

#[derive(Template)]
#[template(path = "mail/mention.html")]
struct MentionHtml<'a> {
    place: &'a str,
    account: &'a Account,
    peep: &'a Peep,
    url: &'a str,
    unsubscribe: &'a str,
}

/// The address of the page that stops the emails about mentions to an account.
pub fn unsubscribe_path(app: &App, account: AccountId) -> String {
    format!("/unsubscribe/{account}-{}", app.data.sign(UNSUBSCRIBE, &account.to_string()))
}

fn mention_mail(app: &App, job: JobId, peep: &Peep, account: &Account, address: &str) -> Result<Message> {
    let base = app.config.base_url.as_str();
    let place = app.config.name.as_str();
    let url = format!("{base}/@{}/{}", peep.author.username, peep.id);
    let unsubscribe = format!("{base}{}", unsubscribe_path(app, account.id));
    let (url, unsubscribe) = (url.as_str(), unsubscribe.as_str());
    let text = MentionText { place, account, peep, url, unsubscribe };
    let html = MentionHtml { place, account, peep, url, unsubscribe };
    let subject = format!("{} mentioned you on {place}", peep.author.name);
    let mail = Mail { job, kind: "mention", account, address, subject };
    let mut message = build(app, &mail, text.render(), html.render())?;
    // RFC 8058: mail programs show a button that unsubscribes with one click.
    for (name, value) in [
        ("List-Unsubscribe", format!("<{unsubscribe}>")),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()),
    ] {
        message.headers_mut().insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    Ok(message)
}

/// What stands on the envelope.
struct Mail<'a> {
    job: JobId,
    /// What sort of mail it is, for its id.
    kind: &'a str,
    account: &'a Account,
    address: &'a str,
    subject: String,
}

fn build(
    app: &App,
    mail: &Mail<'_>,
    text: askama::Result<String>,
    html: askama::Result<String>,
) -> Result<Message> {
    let address = mail.address.parse::<Address>().map_err(Error::internal)?;
    let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(app.clock.now().ms()).unwrap_or(0));
    let (text, html) = (text.map_err(Error::internal)?, html.map_err(Error::internal)?);
    let mut message = Message::builder()
        .from(app.config.mail_from.clone())
        .to(Mailbox::new(Some(mail.account.name.clone()), address))
        .subject(&mail.subject)
        .date(date)
        // The same for each try, so that a server that got it twice can tell.
        .message_id(Some(format!("<{}.{}@{}>", mail.job, mail.kind, app.config.base_url.host())))
        .multipart(MultiPart::alternative_plain_html(text, html))
        .map_err(Error::internal)?;
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    message.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".into()));
    Ok(message)
}
