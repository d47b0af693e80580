//! The calls for weekly pairs, which `docs/api.md` describes.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Result,
    app::App,
    domain::{accounts::Member, pairings},
    http::session::ClientAddr,
    ids::ConversationId,
    wire::accounts::Account,
};

/// The caller’s state in the weekly pairs.
#[derive(Serialize, ToSchema)]
pub struct Weekly {
    takes_part: bool,
    members: i64,
    /// The time at which the next pairs are made.
    #[schema(format = DateTime)]
    next_at: String,
    #[schema(required)]
    conversation_id: Option<ConversationId>,
    partners: Vec<Account>,
}

/// The caller’s state in the weekly pairs. For members.
#[utoipa::path(
    get, path = "/api/v1/matches/weekly",
    responses((status = 200, description = "How one stands.", body = Weekly)),
)]
pub async fn get(State(app): State<Arc<App>>, member: Member) -> Result<Json<Weekly>> {
    app.config.require_matching()?;
    let id = member.id();
    let weekly = app.db.read(move |read| pairings::weekly(read, id)).await?;
    let (conversation_id, partners) = weekly.talk.unzip();
    let partner = |account: &crate::store::accounts::Account| {
        Account::new(account.id, account.kind, account.username.as_deref(), &account.name)
    };
    Ok(Json(Weekly {
        takes_part: weekly.takes_part,
        members: weekly.members,
        next_at: weekly.next.rfc3339(),
        conversation_id,
        partners: partners.unwrap_or_default().iter().map(partner).collect(),
    }))
}

/// Joins the weekly pairs from the next Monday on.
#[utoipa::path(
    put, path = "/api/v1/matches/weekly",
    responses((status = 204, description = "One takes part.")),
)]
pub async fn join(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
) -> Result<StatusCode> {
    app.config.require_matching()?;
    app.limits.write(origin)?;
    app.db.write(move |tx| member.join_weekly(tx)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves the weekly pairs.
#[utoipa::path(
    delete, path = "/api/v1/matches/weekly",
    responses((status = 204, description = "One takes no part.")),
)]
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
) -> Result<StatusCode> {
    app.limits.write(origin)?;
    app.db.write(move |tx| member.leave_weekly(tx)).await?;
    Ok(StatusCode::NO_CONTENT)
}
