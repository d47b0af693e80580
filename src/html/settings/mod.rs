//! Settings, and the unsubscription from emails, which needs no login.

pub mod apps;
pub mod tokens;
pub mod webhooks;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{NavItem, Shell, page};
use crate::{
    Error, Result,
    app::App,
    domain::accounts::{self, Member},
    http::{
        input::{Input, Query, from_path},
        session::{Caller, ClientAddr},
    },
    ids::AccountId,
    jobs::mail::UNSUBSCRIBE,
    wire::filters,
};

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    member: Member,
    email: String,
    saved: bool,
}

/// The query after a form was saved.
#[derive(Deserialize)]
pub struct Saved {
    saved: Option<String>,
}

/// `GET /settings`
pub async fn form(
    State(app): State<Arc<App>>,
    Query(Saved { saved }): Query<Saved>,
    member: Member,
) -> Result<Response> {
    let id = member.id();
    let email = app.db.read(move |read| accounts::email(read, id)).await?.unwrap_or_default();
    let shell = Shell::new(&app, &Caller::from(&member), NavItem::Settings).await?;
    page(&SettingsPage { shell, member, email, saved: saved.is_some() })
}

/// The form of the settings. Browsers leave out switches that are off.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SettingsForm {
    mention_mail: Option<String>,
}

/// `POST /settings`
pub async fn save(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Input(form): Input<SettingsForm>,
) -> Result<Response> {
    app.limits.post(origin, member.id())?;
    let enabled = form.mention_mail.is_some();
    app.db.write(move |tx| member.set_mention_mail(tx, enabled)).await?;
    Ok(Redirect::to("/settings?saved=1").into_response())
}

#[derive(Template)]
#[template(path = "unsubscribe.html")]
struct UnsubscribePage {
    shell: Shell,
    path: String,
    done: bool,
}

/// `GET /unsubscribe/{token}`: asks for confirmation, because mail programs open links by themselves.
pub async fn unsubscribe_form(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    caller: Caller,
) -> Result<Response> {
    subscriber(&app, &token)?;
    let shell = Shell::new(&app, &caller, NavItem::Elsewhere).await?;
    page(&UnsubscribePage { shell, path: format!("/unsubscribe/{token}"), done: false })
}

/// `POST /unsubscribe/{token}`: by the page's button or a mail program's (RFC 8058), which has no session and no
/// origin. The token in the address is the permission.
pub async fn unsubscribe(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    ClientAddr(origin): ClientAddr,
    caller: Caller,
) -> Result<Response> {
    let account = subscriber(&app, &token)?;
    app.limits.write(origin)?;
    app.db.write(move |tx| accounts::stop_mention_mail(tx, account)).await?;
    let shell = Shell::new(&app, &caller, NavItem::Elsewhere).await?;
    page(&UnsubscribePage { shell, path: String::new(), done: true })
}

/// Returns the account of an unsubscription link; 404 if its signature is invalid.
fn subscriber(app: &App, token: &str) -> Result<AccountId> {
    let (id, signature) = token.split_once('-').ok_or(Error::NotFound)?;
    let expected = app.data.sign(UNSUBSCRIBE, id);
    let is_valid = subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), signature.as_bytes());
    if bool::from(is_valid) { from_path(id) } else { Err(Error::NotFound) }
}
