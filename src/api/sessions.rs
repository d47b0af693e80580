//! Sessions for programs: a guest, and the token to authenticate with.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Result,
    app::App,
    domain::{names::Name, sessions},
    events::Tx,
    http::{
        idempotent::{Post, answer},
        session::{Caller, ClientAddr, start_guest_session},
    },
    wire::accounts::Account,
};

/// A guest to be created.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = NewGuest, example = json!({ "name": "Teo" }))]
#[serde(default, deny_unknown_fields)]
pub struct NewGuest {
    /// 1 to 50 characters.
    #[schema(required, min_length = 1)]
    name: String,
}

/// A guest, and the token to authenticate with.
#[derive(Serialize, ToSchema)]
pub struct Session {
    account: Account,
    /// For `Authorization: Bearer`.
    token: String,
}

/// Creates a guest.
///
/// A name of a member, or one that looks like it, is refused. The response has the token to authenticate with, which is
/// sent this once. A guest who says nothing for 30 days is removed.
#[utoipa::path(
    post, path = "/api/v1/sessions", security(()),
    request_body = NewGuest,
    responses((status = 201, description = "The guest, and its token.", body = Session)),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    Post(idempotent, new): Post<NewGuest>,
) -> Result<Response> {
    let name = Name::parse(&new.name)?;
    app.limits.guest(origin)?;
    let create = move |tx: &mut Tx<'_>| {
        let (guest, token) = start_guest_session(tx, &name)?;
        let session = Session { account: Account::from(&guest), token: token.as_str().into() };
        answer(StatusCode::CREATED, &session)
    };
    idempotent.with_secret().answer(&app, create).await
}

/// Ends the session whose token is sent.
#[utoipa::path(
    delete, path = "/api/v1/sessions/current",
    responses((status = 204, description = "The token opens nothing any more.")),
)]
pub async fn end(State(app): State<Arc<App>>, caller: Caller) -> Result<StatusCode> {
    let token = caller.token.filter(|_| caller.account.is_some()).ok_or(crate::Error::Unauthenticated)?;
    app.db.write(move |tx| sessions::end(tx, &token)).await?;
    Ok(StatusCode::NO_CONTENT)
}
