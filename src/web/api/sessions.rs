//! Sessions for programs: a name, and a token to act with.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};

use super::messages::Account;
use crate::{
    Result,
    app::App,
    domain::{names::Name, sessions},
    events::Tx,
    web::{
        once::{Post, answer},
        session::{ClientAddr, Viewer, welcome},
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
    Post(once, new): Post<New>,
) -> Result<Response> {
    let name = Name::parse(&new.name)?;
    app.limits.guest(from)?;
    let come = move |tx: &mut Tx<'_>| {
        let (guest, token) = welcome(tx, &name)?;
        let session = Session { account: Account::from(&guest), token: token.as_str().into() };
        answer(StatusCode::CREATED, &session)
    };
    once.with_secret().answer(&app, come).await
}

/// `DELETE /api/v1/sessions/current`: the token opens nothing any more.
pub async fn end(State(app): State<Arc<App>>, viewer: Viewer) -> Result<StatusCode> {
    let token = viewer.token.filter(|_| viewer.account.is_some()).ok_or(crate::Error::Unauthenticated)?;
    app.db.write(move |tx| sessions::end(tx, &token)).await?;
    Ok(StatusCode::NO_CONTENT)
}
