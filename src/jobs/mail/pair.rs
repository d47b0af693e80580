//! The mail to a member about the people with whom it is paired this week.

use askama::Template;

use super::Mail;
use crate::{
    Result,
    app::App,
    domain::pairings,
    ids::{AccountId, ConversationId, JobId},
    jobs::Outcome,
    store::accounts::Account,
};

/// Sends the mail, unless the member has left the conversation or has no address.
pub async fn send(app: &App, job: JobId, conversation: ConversationId, to: AccountId) -> Result<Outcome> {
    let notice = app.db.read(move |read| pairings::pair_notice(read, conversation, to)).await?;
    let Some((to, others)) = notice else { return Ok(Outcome::Obsolete) };
    let base = app.config.base_url.as_str();
    let names: Vec<&str> = others.iter().map(|other| other.name.as_str()).collect();
    let who = names.join(" and ");
    let content = Pair {
        instance_name: &app.config.name,
        account: &to.account,
        who: &who,
        url: &format!("{base}/threads/{conversation}"),
        weekly: &format!("{base}/match/weekly"),
    };
    Mail::new(job, "pair", &to, format!("This week: you and {who}"))
        .send(app, Text { mail: &content }, Html { mail: &content })
        .await
}

struct Pair<'a> {
    instance_name: &'a str,
    account: &'a Account,
    who: &'a str,
    url: &'a str,
    weekly: &'a str,
}

#[derive(Template)]
#[template(path = "mail/pair.txt")]
struct Text<'a> {
    mail: &'a Pair<'a>,
}

#[derive(Template)]
#[template(path = "mail/pair.html")]
struct Html<'a> {
    mail: &'a Pair<'a>,
}
