//! The mail to a member whom a peep mentions.

use askama::Template;

use super::Mail;
use crate::{
    Result,
    app::App,
    domain::peeps,
    ids::{AccountId, JobId, PeepId},
    jobs::Outcome,
    store::{accounts::Account, peeps::Peep},
};

/// The purpose for which unsubscribe links are signed, so that a link signed for another purpose is not valid here.
pub const UNSUBSCRIBE: &str = "unsubscribe from mentions";

/// Sends the mail, unless the peep was deleted, no longer mentions the member, or the member has unsubscribed.
pub async fn send(app: &App, job: JobId, peep: PeepId, to: AccountId) -> Result<Outcome> {
    let Some((peep, to)) = app.db.read(move |read| peeps::mention_notice(read, peep, to)).await? else {
        return Ok(Outcome::Obsolete);
    };
    if app.limits.mail(to.account.id).is_err() {
        // The job was enqueued with the peep, so it is retried once the limit allows another mail.
        return Ok(Outcome::Failed("the recipient's rate limit of mail is reached".into()));
    }
    let base = app.config.base_url.as_str();
    let instance_name = app.config.name.as_str();
    let unsubscribe = format!("{base}{}", unsubscribe_path(app, to.account.id));
    let content = Mention {
        instance_name,
        account: &to.account,
        peep: &peep,
        url: &format!("{base}/@{}/{}", peep.author.username, peep.id),
        unsubscribe: &unsubscribe,
    };
    Mail::new(job, "mention", &to, format!("{} mentioned you on {instance_name}", peep.author.name))
        // RFC 8058: mail programs show a button that unsubscribes with one click.
        .header("List-Unsubscribe", format!("<{unsubscribe}>"))
        .header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into())
        .send(app, Text { mail: &content }, Html { mail: &content })
        .await
}

/// Returns the path of the page that stops the mails about mentions to an account.
fn unsubscribe_path(app: &App, account: AccountId) -> String {
    format!("/unsubscribe/{account}-{}", app.data.sign(UNSUBSCRIBE, &account.to_string()))
}

struct Mention<'a> {
    instance_name: &'a str,
    account: &'a Account,
    peep: &'a Peep,
    url: &'a str,
    unsubscribe: &'a str,
}

#[derive(Template)]
#[template(path = "mail/mention.txt")]
struct Text<'a> {
    mail: &'a Mention<'a>,
}

#[derive(Template)]
#[template(path = "mail/mention.html")]
struct Html<'a> {
    mail: &'a Mention<'a>,
}
