//! Sessions for programs: a name, and a token to act with.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::messages::Account;
use crate::{
    Result,
    app::App,
    domain::{
        accounts,
        names::Name,
        sessions::{self, Token},
    },
    store,
    web::{
        respond::Input,
        session::{ClientAddr, Viewer},
    },
};

/// What a guest is called.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct New {
    name: String,
}

/// A guest, and the token that it acts with.
#[derive(Serialize)]
pub struct Session {
    account: Account,
    token: String,
}

/// `POST /api/v1/sessions`: a guest session, for `Authorization: Bearer`.
pub async fn create(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    Input(new): Input<New>,
) -> Result<(StatusCode, Json<Session>)> {
    let name = Name::parse(&new.name)?;
    app.limits.guest(from)?;
    let (guest, token) = welcome(&app, name).await?;
    let account = Account::new(guest.id, guest.kind, None, &guest.name);
    Ok((StatusCode::CREATED, Json(Session { account, token: token.as_str().into() })))
}

/// Lets a guest in, with a session of its own.
pub async fn welcome(app: &App, name: Name) -> Result<(store::accounts::Account, Token)> {
    let token = Token::random()?;
    let started = token.clone();
    let guest = app
        .db
        .write(move |tx| {
            let guest = accounts::welcome(tx, &name)?;
            sessions::start(tx, &started, guest.id)?;
            Ok(guest)
        })
        .await?;
    Ok((guest, token))
}

/// `DELETE /api/v1/sessions/current`: the token opens nothing any more.
pub async fn end(State(app): State<Arc<App>>, viewer: Viewer) -> Result<StatusCode> {
    let token = viewer.token.filter(|_| viewer.account.is_some()).ok_or(crate::Error::Unauthenticated)?;
    app.db.write(move |tx| sessions::end(tx, &token)).await?;
    Ok(StatusCode::NO_CONTENT)
}
