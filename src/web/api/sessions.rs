//! Sessions for programs: a name, and a token to act with.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::messages::Account;
use crate::{
    Result,
    app::App,
    domain::{names::Name, sessions},
    web::{
        input::Input,
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
    from: ClientAddr,
    Input(new): Input<New>,
) -> Result<(StatusCode, Json<Session>)> {
    let (guest, token) = welcome(&app, from, Name::parse(&new.name)?).await?;
    let account = Account::new(guest.id, guest.kind, None, &guest.name);
    Ok((StatusCode::CREATED, Json(Session { account, token: token.as_str().into() })))
}

/// `DELETE /api/v1/sessions/current`: the token opens nothing any more.
pub async fn end(State(app): State<Arc<App>>, viewer: Viewer) -> Result<StatusCode> {
    let token = viewer.token.filter(|_| viewer.account.is_some()).ok_or(crate::Error::Unauthenticated)?;
    app.db.write(move |tx| sessions::end(tx, &token)).await?;
    Ok(StatusCode::NO_CONTENT)
}
