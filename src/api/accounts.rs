//! Accounts: <docs/api.md> describes them.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::List;
use crate::{
    Result,
    app::App,
    domain::accounts::{self, Member},
    http::{input::Query, session::ClientAddr},
    wire::accounts::Account,
};

/// The most members in a response: what fits below a field.
const FOUND: i64 = 8;

/// A search for members.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// The beginning of the username or name.
    #[param(required, example = "if")]
    q: String,
}

/// Finds members by the beginning of their username or name. For members.
#[utoipa::path(
    get, path = "/api/v1/accounts/search", params(Search),
    responses((status = 200, description = "The first eight.", body = List<Account>)),
)]
pub async fn search(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
    Query(Search { q }): Query<Search>,
) -> Result<List<Account>> {
    app.limits.write(from)?;
    let found = app.db.read(move |read| accounts::search(read, member.id().into(), &q, FOUND)).await?;
    Ok(List::whole(found.iter().map(Account::from).collect()))
}
