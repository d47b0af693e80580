//! The calls for accounts, which `docs/api.md` describes.

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

/// The most members in a response: a list below an input field has no space for more.
const MAX_RESULTS: i64 = 8;

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
    ClientAddr(origin): ClientAddr,
    member: Member,
    Query(Search { q }): Query<Search>,
) -> Result<List<Account>> {
    app.limits.write(origin)?;
    let members =
        app.db.read(move |read| accounts::search(read, member.id().into(), &q, MAX_RESULTS)).await?;
    Ok(List::new(members.iter().map(Account::from).collect()))
}
