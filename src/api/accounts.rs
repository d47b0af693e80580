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

/// Members that are found at once: what fits below a field.
const FOUND: i64 = 8;

/// What somebody's username or name begins with.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// How it begins.
    #[param(required, example = "if")]
    q: String,
}

/// Members whose username or name begins so. For members.
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
    let found = app.db.read(move |read| accounts::search(read, &q, member.id(), FOUND)).await?;
    Ok(List::whole(found.iter().map(Account::from).collect()))
}
