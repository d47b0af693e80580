//! The mail to the owner of an app whose webhook was switched off because its deliveries failed.

use askama::Template;

use super::Mail;
use crate::{
    Result,
    app::App,
    domain::webhooks,
    ids::{JobId, WebhookId},
    jobs::Outcome,
    store::accounts::Account,
};

/// Sends the mail, unless the webhook was deleted or is on again.
pub async fn send(app: &App, job: JobId, id: WebhookId) -> Result<Outcome> {
    let notice = app.db.read(move |read| webhooks::failure_notice(read, id)).await?;
    let Some((to, app_id, name)) = notice else { return Ok(Outcome::Obsolete) };
    let content = Webhook {
        instance_name: &app.config.name,
        account: &to.account,
        name: &name,
        url: &format!("{}/settings/apps/{app_id}/webhooks", app.config.base_url.as_str()),
    };
    Mail::new(job, "webhook", &to, format!("A webhook of {name} is off"))
        .send(app, Text { mail: &content }, Html { mail: &content })
        .await
}

struct Webhook<'a> {
    instance_name: &'a str,
    account: &'a Account,
    name: &'a str,
    url: &'a str,
}

#[derive(Template)]
#[template(path = "mail/webhook.txt")]
struct Text<'a> {
    mail: &'a Webhook<'a>,
}

#[derive(Template)]
#[template(path = "mail/webhook.html")]
struct Html<'a> {
    mail: &'a Webhook<'a>,
}
