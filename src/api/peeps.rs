//! Peeps, which Mastodon calls statuses: <https://docs.joinmastodon.org/methods/statuses/>.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::{
    IntoParams, ToSchema,
    openapi::schema::{Object, ObjectBuilder, SchemaType, Type},
};

use crate::{
    Error, Result,
    app::App,
    domain::{
        self,
        accounts::Member,
        peeps::{Body, Draft},
        text::RefusedWords,
        viewer::Viewer,
    },
    events::Tx,
    http::{
        cached,
        idempotent::{EmptyBody, Idempotent, Post, answer},
        input::{Input, Query, from_path},
        session::{Caller, ClientAddr, has_session},
    },
    ids::PeepId,
    services::page_cache::{PublicPage, Rendered},
    store::{
        idempotency::{About, Answer},
        peeps::{Peep, PeepRange, Scope},
    },
    wire::peeps::{Context, Status, StatusEdit},
};

/// The default number of statuses on a page.
const DEFAULT_LIMIT: i64 = 20;

/// The largest number of statuses on a page.
const MAX_LIMIT: i64 = 40;

/// A page of a timeline: <https://docs.joinmastodon.org/api/guidelines/#pagination>.
#[derive(Deserialize, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    limit: Option<i64>,
    max_id: Option<PeepId>,
    since_id: Option<PeepId>,
    min_id: Option<PeepId>,
}

impl Paging {
    fn is_default(&self) -> bool {
        self.limit.is_none_or(|n| n == DEFAULT_LIMIT)
            && self.max_id.is_none()
            && self.since_id.is_none()
            && self.min_id.is_none()
    }

    fn range(&self) -> PeepRange {
        PeepRange {
            before: self.max_id,
            after: self.min_id.or(self.since_id),
            oldest: self.min_id.is_some(),
            limit: self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        }
    }
}

/// Everyone’s peeps, newest first.
///
/// The `Link` header has `next` for older and `prev` for newer ones.
#[utoipa::path(
    get, path = "/api/v1/timelines/public", params(Paging),
    security((), ("token" = [])),
    responses((status = 200, description = "A page of them.", body = Vec<Status>)),
)]
pub async fn public_timeline(
    State(app): State<Arc<App>>,
    Query(paging): Query<Paging>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    if paging.is_default() && !has_session(&app.config, &headers) {
        let render = async {
            let peeps = app
                .db
                .read(|read| {
                    let range = Paging::default().range();
                    domain::peeps::timeline(read, Viewer::STRANGER, &Scope::Public, range)
                })
                .await?;
            let link = links(&app, &peeps, DEFAULT_LIMIT);
            let body = serde_json::to_string(&statuses(&app, peeps)).map_err(Error::internal)?;
            Ok(Rendered { kind: "application/json", link, body })
        };
        return app
            .page_cache
            .public(PublicPage::Timeline, render)
            .await
            .map(|page| cached::respond(&page, &headers));
    }
    let caller = Caller::find(&app, &Method::GET, &uri, &headers).await?;
    let (viewer, range) = (caller.viewer(), paging.range());
    let peeps = app.db.read(move |read| domain::peeps::timeline(read, viewer, &Scope::Public, range)).await?;
    let link = links(&app, &peeps, range.limit);
    let mut response = Json(statuses(&app, peeps)).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn statuses(app: &App, peeps: Vec<Peep>) -> Vec<Status> {
    peeps.into_iter().map(|peep| Status::new(peep, app.config.base_url.as_str())).collect()
}

/// Returns the answer about a peep, which is deleted with the peep.
fn peep_answer(peep: Peep, base: &str) -> Result<Answer> {
    let about = About::Peep(peep.id);
    Ok(Answer { about, ..answer(StatusCode::OK, &Status::new(peep, base))? })
}

fn status(app: &App, peep: Peep) -> Json<Status> {
    Json(Status::new(peep, app.config.base_url.as_str()))
}

/// Returns the `Link` header (RFC 8288) to the pages before and after.
fn links(app: &App, peeps: &[Peep], limit: i64) -> Option<String> {
    let (newest, oldest) = (peeps.first()?, peeps.last()?);
    let url = format!("{}/api/v1/timelines/public?limit={limit}", app.config.base_url.as_str());
    Some(format!("<{url}&max_id={}>; rel=\"next\", <{url}&min_id={}>; rel=\"prev\"", oldest.id, newest.id))
}

/// A status to be posted. Features that do not exist yet (pictures, polls) are refused instead of ignored.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = NewStatus, example = json!({ "status": "Good morning" }))]
#[serde(default)]
pub struct NewStatus {
    /// 1 to 280 characters.
    #[schema(required, min_length = 1)]
    status: String,
    /// The peep that this one answers. Mastodon’s clients may send a number.
    #[schema(schema_with = id_or_number)]
    in_reply_to_id: Option<PeepId>,
    /// Only `public` is accepted.
    #[schema(pattern = "^public$")]
    visibility: Option<String>,
    #[schema(ignore)]
    media_ids: Option<Vec<String>>,
    #[schema(ignore)]
    poll: Option<serde_json::Value>,
    #[schema(ignore)]
    scheduled_at: Option<String>,
    #[schema(ignore)]
    spoiler_text: Option<String>,
}

fn id_or_number() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Integer, Type::Null])).build()
}

impl NewStatus {
    fn body(&self, refused: &RefusedWords) -> Result<Body> {
        if self.media_ids.as_ref().is_some_and(|ids| !ids.is_empty()) || self.poll.is_some() {
            return Err(Error::invalid("media_ids", "There are no pictures and no polls here yet."));
        }
        if self.scheduled_at.is_some() {
            return Err(Error::invalid("scheduled_at", "Peeps are posted at once. Nothing was posted."));
        }
        if self.spoiler_text.as_ref().is_some_and(|text| !text.is_empty()) {
            return Err(Error::invalid(
                "spoiler_text",
                "There are no warnings before peeps yet. Nothing was posted.",
            ));
        }
        if self.visibility.as_ref().is_some_and(|v| v != "public") {
            return Err(Error::invalid("visibility", "Peeps are public. Nothing was posted."));
        }
        Body::parse(&self.status, refused).map_err(renamed)
    }
}

/// Renames the fields of an error to their names in Mastodon's API.
fn renamed(error: Error) -> Error {
    let Error::Invalid(mut faults) = error else { return error };
    for fault in &mut faults {
        match &*fault.field {
            "body" => fault.field = "status".into(),
            "reply_to" => fault.field = "in_reply_to_id".into(),
            _ => {}
        }
    }
    Error::Invalid(faults)
}

/// Posts a peep. For members.
#[utoipa::path(
    post, path = "/api/v1/statuses", request_body = NewStatus,
    responses((status = 200, description = "The peep.", body = Status)),
)]
pub async fn post(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Post(idempotent, new): Post<NewStatus>,
) -> Result<Response> {
    let allowance = app.limits.post(origin, member.id())?;
    let draft = Draft {
        body: new.body(&app.config.refused_words)?,
        reply_to: new.in_reply_to_id,
        idempotency_key: None,
    };
    let base = app.config.base_url.clone();
    let post = move |tx: &mut Tx<'_>| peep_answer(member.post(tx, &draft).map_err(renamed)?, base.as_str());
    idempotent.with_rate_limit(allowance).answer(&app, post).await
}

/// A peep.
#[utoipa::path(
    get, path = "/api/v1/statuses/{id}", params(("id" = PeepId, Path, description = "The peep’s id.")),
    security((), ("token" = [])),
    responses((status = 200, description = "The peep.", body = Status)),
)]
pub async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Status>> {
    let (id, viewer) = (from_path(&id)?, caller.viewer());
    let peep = app.db.read(move |read| domain::peeps::existing(read, viewer, id)).await?;
    Ok(status(&app, peep))
}

/// Edits the caller’s own peep.
#[utoipa::path(
    put, path = "/api/v1/statuses/{id}", params(("id" = PeepId, Path, description = "The peep’s id.")),
    request_body = NewStatus,
    responses((status = 200, description = "The peep as it is now.", body = Status)),
)]
pub async fn edit(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Input(new): Input<NewStatus>,
) -> Result<Json<Status>> {
    let id = from_path(&id)?;
    app.limits.post(origin, member.id())?;
    let body = new.body(&app.config.refused_words)?;
    let peep = app.db.write(move |tx| member.edit(tx, id, &body)).await?;
    Ok(status(&app, peep))
}

/// Deletes the caller’s own peep.
#[utoipa::path(
    delete, path = "/api/v1/statuses/{id}", params(("id" = PeepId, Path, description = "The peep’s id.")),
    responses(
        (status = 200, description = "The peep as it was, so that it can be drafted anew.", body = Status),
    ),
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(origin): ClientAddr,
    member: Member,
) -> Result<Json<Status>> {
    let id = from_path(&id)?;
    app.limits.post(origin, member.id())?;
    let peep = app.db.write(move |tx| member.delete(tx, id)).await?;
    Ok(status(&app, peep))
}

/// The peeps that a peep answers, and those that answer it.
#[utoipa::path(
    get, path = "/api/v1/statuses/{id}/context",
    params(("id" = PeepId, Path, description = "The peep’s id.")),
    security((), ("token" = [])),
    responses((status = 200, description = "What stands above and below it.", body = Context)),
)]
pub async fn context(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Context>> {
    let (id, viewer) = (from_path(&id)?, caller.viewer());
    let conversation = app.db.read(move |read| domain::peeps::conversation(read, viewer, id)).await?;
    let existing = |mut peeps: Vec<Peep>| {
        peeps.retain(|peep| peep.deleted_at.is_none());
        statuses(&app, peeps)
    };
    Ok(Json(Context { ancestors: existing(conversation.above), descendants: existing(conversation.below) }))
}

/// All versions of a peep, oldest first.
#[utoipa::path(
    get, path = "/api/v1/statuses/{id}/history",
    params(("id" = PeepId, Path, description = "The peep’s id.")),
    security((), ("token" = [])),
    responses((status = 200, description = "All of them.", body = Vec<StatusEdit>)),
)]
pub async fn history(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Vec<StatusEdit>>> {
    let (id, viewer) = (from_path(&id)?, caller.viewer());
    let (peep, versions) = app.db.read(move |read| domain::peeps::history(read, viewer, id)).await?;
    let base = app.config.base_url.as_str();
    Ok(Json(versions.iter().map(|version| StatusEdit::new(version, &peep, base)).collect()))
}

/// Likes a peep.
#[utoipa::path(
    post, path = "/api/v1/statuses/{id}/favourite",
    params(("id" = PeepId, Path, description = "The peep’s id.")),
    responses((status = 200, description = "The peep, liked.", body = Status)),
)]
pub async fn favourite(
    app: State<Arc<App>>,
    id: Path<String>,
    addr: ClientAddr,
    member: Member,
    EmptyBody(idempotent): EmptyBody,
) -> Result<Response> {
    like(app, id, addr, member, idempotent, true).await
}

/// Removes the caller’s like from a peep.
#[utoipa::path(
    post, path = "/api/v1/statuses/{id}/unfavourite",
    params(("id" = PeepId, Path, description = "The peep’s id.")),
    responses((status = 200, description = "The peep, no longer liked.", body = Status)),
)]
pub async fn unfavourite(
    app: State<Arc<App>>,
    id: Path<String>,
    addr: ClientAddr,
    member: Member,
    EmptyBody(idempotent): EmptyBody,
) -> Result<Response> {
    like(app, id, addr, member, idempotent, false).await
}

async fn like(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    idempotent: Idempotent,
    likes: bool,
) -> Result<Response> {
    let id = from_path(&id)?;
    app.limits.post(origin, member.id())?;
    let base = app.config.base_url.clone();
    let like = move |tx: &mut Tx<'_>| peep_answer(member.like(tx, id, likes)?, base.as_str());
    idempotent.answer(&app, like).await
}
