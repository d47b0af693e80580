//! The calls for matches, which `docs/api.md` describes.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Error, Result,
    app::App,
    domain::matches::{self, Complaint, Interests, Language, Search},
    events::Tx,
    http::{
        idempotent::{EmptyBody, Post, answer, no_content},
        session::{ClientAddr, ip_hash},
    },
    ids::AccountId,
    store,
    wire::matches::Match,
};

/// The stranger to be found.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = Wishes, example = json!({ "adult": true, "interests": ["bread"] }))]
#[serde(default, deny_unknown_fields)]
pub struct MatchRequest {
    /// The caller is 18 or older; has to be stated once.
    adult: bool,
    /// Up to five, of 1 to 24 characters.
    interests: Vec<String>,
    /// A code such as `de`.
    language: Option<String>,
    /// True if three to eight people are matched instead of two.
    group: bool,
    /// True if a member’s username is shown from the beginning.
    shows_name: bool,
}

/// Starts waiting for a stranger, or changes the search while waiting.
///
/// `adult` has to be `true` the first time.
#[utoipa::path(
    post, path = "/api/v1/matches", request_body = Option<MatchRequest>,
    responses((status = 201, description = "The state of the match.", body = Match)),
)]
pub async fn seek(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    Post(idempotent, new): Post<MatchRequest>,
) -> Result<Response> {
    app.config.require_matching()?;
    let allowance = app.limits.seek(origin)?;
    let search = Search {
        interests: Interests::parse(new.interests.iter().map(String::as_str))?,
        language: Language::parse(new.language.as_deref().unwrap_or_default())?,
        group: new.group,
        shows_name: new.shows_name,
    };
    let ip_hash = ip_hash(&app, origin);
    let seek = move |tx: &mut Tx<'_>| {
        matches::seek(tx, &account, &ip_hash, &search, new.adult)?;
        answer(StatusCode::CREATED, &matches::current(tx, account.id)?.as_ref().map(Match::new))
    };
    idempotent.with_rate_limit(allowance).answer(&app, seek).await
}

/// The state of the caller’s match.
///
/// Each call keeps the caller’s place. Without a call for 30 seconds, or an open socket, the place is given up.
#[utoipa::path(
    get, path = "/api/v1/matches/current",
    responses((status = 200, description = "The state of the match.", body = Match)),
)]
pub async fn get(State(app): State<Arc<App>>, account: store::accounts::Account) -> Result<Json<Match>> {
    app.config.require_matching()?;
    let id = account.id;
    let current = app.db.read(move |read| matches::current(read, id)).await?.ok_or(Error::NotFound)?;
    if matches::needs_sign_of_life(&current.ticket, app.clock.now()) {
        app.db.write(move |tx| matches::asks(tx, id)).await?;
    }
    Ok(Json(Match::new(&current)))
}

/// Leaves the waiting queue, or the conversation, which then ends for both.
#[utoipa::path(
    delete, path = "/api/v1/matches/current",
    responses((status = 204, description = "One has no part in it any more.")),
)]
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
) -> Result<StatusCode> {
    app.limits.write(origin)?;
    app.db.write(move |tx| matches::leave(tx, account.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves the conversation, and waits again with the same search.
#[utoipa::path(
    post, path = "/api/v1/matches/current/next",
    responses((status = 200, description = "The state of the match.", body = Match)),
)]
pub async fn next(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    EmptyBody(idempotent): EmptyBody,
) -> Result<Response> {
    app.config.require_matching()?;
    app.limits.seek(origin)?;
    let ip_hash = ip_hash(&app, origin);
    let next = move |tx: &mut Tx<'_>| {
        matches::next(tx, &account, &ip_hash)?;
        answer(StatusCode::OK, &matches::current(tx, account.id)?.as_ref().map(Match::new))
    };
    idempotent.answer(&app, next).await
}

/// The person to be blocked.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = Block)]
#[serde(default, deny_unknown_fields)]
pub struct Block {
    /// The id of the person’s mask, in a group.
    account_id: Option<AccountId>,
}

/// Blocks the other person for future matches, and leaves the conversation.
///
/// `account_id` is the id of a mask, and needed in a group.
#[utoipa::path(
    post, path = "/api/v1/matches/current/block", request_body = Option<Block>,
    responses((status = 204, description = "They are kept apart.")),
)]
pub async fn block(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    Post(idempotent, request): Post<Block>,
) -> Result<Response> {
    app.limits.write(origin)?;
    let block =
        move |tx: &mut Tx<'_>| matches::block(tx, account.id, request.account_id).map(|()| no_content());
    idempotent.answer(&app, block).await
}

/// A report.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = Report, example = json!({ "reason": "spam", "words": "Sells watches" }))]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// The id of the person’s mask, in a group.
    account_id: Option<AccountId>,
    #[schema(required, pattern = "^(harassment|sexual|minor|harm|spam|other)$")]
    reason: String,
    words: String,
}

/// Reports somebody: the messages are kept, sealed, for the administrators.
///
/// Also possible up to an hour after the end. A second report about the same person replaces the first.
#[utoipa::path(
    post, path = "/api/v1/matches/current/report", request_body = Report,
    responses((status = 204, description = "It is kept.")),
)]
pub async fn report(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    Post(idempotent, request): Post<Report>,
) -> Result<Response> {
    let complaint = Complaint::parse(&request.reason, &request.words)?;
    app.limits.report(origin, account.id)?;
    let id = account.id;
    let mask = request.account_id;
    // The error of a failed read is left to the transaction: a repeated request gets its first response, although the
    // talk may be deleted by now.
    let evidence = app.db.read(move |read| matches::evidence(read, id, mask)).await.ok();
    let sealing_app = Arc::clone(&app);
    let report = move |tx: &mut Tx<'_>| {
        let seal = |report: &str| sealing_app.data.seal(report);
        match &evidence {
            Some(evidence) => matches::report(tx, id, evidence, &complaint, seal)?,
            None => {
                let evidence = matches::evidence(tx, id, mask)?;
                matches::report(tx, id, &evidence, &complaint, seal)?;
            }
        }
        Ok(no_content())
    };
    let response = idempotent.answer(&app, report).await?;
    tracing::warn!("Somebody was reported in a match: look into the reports");
    Ok(response)
}

/// Offers to reveal the caller’s name. When everyone in the conversation has offered, all names are shown.
#[utoipa::path(
    post, path = "/api/v1/matches/current/reveal",
    responses((status = 204, description = "It is offered.")),
)]
pub async fn reveal(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    EmptyBody(idempotent): EmptyBody,
) -> Result<Response> {
    app.limits.write(origin)?;
    idempotent.answer(&app, move |tx| matches::reveal(tx, account.id).map(|()| no_content())).await
}

/// Agrees to pictures. When everyone in the conversation has agreed, pictures can be sent.
#[utoipa::path(
    post, path = "/api/v1/matches/current/pictures",
    responses((status = 204, description = "One agrees.")),
)]
pub async fn allow_pictures(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    EmptyBody(idempotent): EmptyBody,
) -> Result<Response> {
    app.limits.write(origin)?;
    idempotent.answer(&app, move |tx| matches::allow_pictures(tx, account.id).map(|()| no_content())).await
}
