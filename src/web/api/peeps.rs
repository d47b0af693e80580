//! Peeps, which Mastodon calls statuses: <https://docs.joinmastodon.org/methods/statuses/>.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::entities::{Context, Status, StatusEdit};
use crate::{
    Error, Result,
    app::App,
    domain::{
        self,
        accounts::Member,
        peeps::{Body, Draft},
    },
    events::Tx,
    ids::PeepId,
    store::{
        self,
        idempotency::{About, Answer},
        peeps::{Peep, Scope, Span},
    },
    web::{
        input::{Input, Query, from_path},
        once::{Bare, Once, Post, answer},
        public::{Made, Public},
        session::{ClientAddr, Viewer, has_session},
    },
};

/// Statuses in an answer, unless another number is asked for.
const PAGE: i64 = 20;

/// The most that can be asked for.
const MOST: i64 = 40;

/// Which stretch of a timeline: <https://docs.joinmastodon.org/api/guidelines/#pagination>.
#[derive(Deserialize, Default)]
pub struct Paging {
    limit: Option<i64>,
    max_id: Option<PeepId>,
    since_id: Option<PeepId>,
    min_id: Option<PeepId>,
}

impl Paging {
    fn is_plain(&self) -> bool {
        self.limit.is_none_or(|n| n == PAGE)
            && self.max_id.is_none()
            && self.since_id.is_none()
            && self.min_id.is_none()
    }

    fn span(&self) -> Span {
        Span {
            before: self.max_id,
            after: self.min_id.or(self.since_id),
            oldest: self.min_id.is_some(),
            limit: self.limit.unwrap_or(PAGE).clamp(1, MOST),
        }
    }
}

/// `GET /api/v1/timelines/public`
pub async fn public_timeline(
    State(app): State<Arc<App>>,
    Query(paging): Query<Paging>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    if paging.is_plain() && !has_session(&app.config, &headers) {
        let make = async {
            let peeps = app
                .db
                .read(|read| store::peeps::list(read, None, &Scope::Public, Paging::default().span()))
                .await?;
            let link = links(&app, &peeps, PAGE);
            let body = serde_json::to_string(&statuses(&app, peeps)).map_err(Error::internal)?;
            Ok(Made { kind: "application/json", link, body })
        };
        return app.public.answer(&app, Public::Timeline, &headers, make).await;
    }
    let viewer = Viewer::find(&app, &Method::GET, &uri, &headers).await?;
    let (id, span) = (viewer.account.map(|a| a.id), paging.span());
    let peeps = app.db.read(move |read| store::peeps::list(read, id, &Scope::Public, span)).await?;
    let link = links(&app, &peeps, span.limit);
    let mut response = Json(statuses(&app, peeps)).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn statuses(app: &App, peeps: Vec<Peep>) -> Vec<Status> {
    peeps.into_iter().map(|peep| Status::new(peep, app.config.base_url.as_str())).collect()
}

/// The answer about a peep, which goes with it.
fn told(peep: Peep, base: &str) -> Result<Answer> {
    let about = About::Peep(peep.id);
    Ok(Answer { about, ..answer(StatusCode::OK, &Status::new(peep, base))? })
}

fn status(app: &App, peep: Peep) -> Json<Status> {
    Json(Status::new(peep, app.config.base_url.as_str()))
}

/// The `Link` header (RFC 8288) to the pages before and after.
fn links(app: &App, peeps: &[Peep], limit: i64) -> Option<String> {
    let (newest, oldest) = (peeps.first()?, peeps.last()?);
    let url = format!("{}/api/v1/timelines/public?limit={limit}", app.config.base_url.as_str());
    Some(format!("<{url}&max_id={}>; rel=\"next\", <{url}&min_id={}>; rel=\"prev\"", oldest.id, newest.id))
}

/// What a program posts. What we do not have yet (pictures, polls) is refused, not lost in silence.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Posted {
    status: String,
    in_reply_to_id: Option<PeepId>,
    visibility: Option<String>,
    media_ids: Option<Vec<String>>,
    poll: Option<serde_json::Value>,
}

impl Posted {
    fn body(&self) -> Result<Body> {
        if self.media_ids.as_ref().is_some_and(|ids| !ids.is_empty()) || self.poll.is_some() {
            return Err(Error::invalid("media_ids", "There are no pictures and no polls here yet."));
        }
        if self.visibility.as_ref().is_some_and(|v| v != "public") {
            return Err(Error::invalid("visibility", "Peeps are public. Nothing was posted."));
        }
        Body::parse(&self.status).map_err(|error| match error {
            // The field has another name in this API.
            Error::Invalid(mut faults) => {
                faults.iter_mut().for_each(|fault| fault.field = "status".into());
                Error::Invalid(faults)
            }
            other => other,
        })
    }
}

/// `POST /api/v1/statuses`
pub async fn post(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
    Post(once, posted): Post<Posted>,
) -> Result<Response> {
    let allowance = app.limits.post(from, member.id())?;
    let draft = Draft { body: posted.body()?, reply_to: posted.in_reply_to_id, idempotency_key: None };
    let base = app.config.base_url.clone();
    let post = move |tx: &mut Tx<'_>| told(member.post(tx, &draft)?, base.as_str());
    once.telling(allowance).answer(&app, post).await
}

/// `GET /api/v1/statuses/{id}`
pub async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    viewer: Viewer,
) -> Result<Json<Status>> {
    let (id, viewer) = (from_path(&id)?, viewer.account.map(|a| a.id));
    let peep = app.db.read(move |read| domain::peeps::existing(read, viewer, id)).await?;
    Ok(status(&app, peep))
}

/// `PUT /api/v1/statuses/{id}`
pub async fn edit(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(from): ClientAddr,
    member: Member,
    Input(posted): Input<Posted>,
) -> Result<Json<Status>> {
    let id = from_path(&id)?;
    app.limits.post(from, member.id())?;
    let body = posted.body()?;
    let peep = app.db.write(move |tx| member.edit(tx, id, &body)).await?;
    Ok(status(&app, peep))
}

/// `DELETE /api/v1/statuses/{id}`: answers with the status as it was, so that it can be drafted anew.
pub async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(from): ClientAddr,
    member: Member,
) -> Result<Json<Status>> {
    let id = from_path(&id)?;
    app.limits.post(from, member.id())?;
    let peep = app.db.write(move |tx| member.delete(tx, id)).await?;
    Ok(status(&app, peep))
}

/// `GET /api/v1/statuses/{id}/context`
pub async fn context(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    viewer: Viewer,
) -> Result<Json<Context>> {
    let (id, viewer) = (from_path(&id)?, viewer.account.map(|a| a.id));
    let found = app.db.read(move |read| domain::peeps::conversation(read, viewer, id)).await?;
    let present = |mut peeps: Vec<Peep>| {
        peeps.retain(|peep| peep.deleted_at.is_none());
        statuses(&app, peeps)
    };
    Ok(Json(Context { ancestors: present(found.above), descendants: present(found.below) }))
}

/// `GET /api/v1/statuses/{id}/history`
pub async fn history(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Vec<StatusEdit>>> {
    let id = from_path(&id)?;
    let (peep, versions) = app.db.read(move |read| domain::peeps::history(read, id)).await?;
    let base = app.config.base_url.as_str();
    Ok(Json(versions.iter().map(|version| StatusEdit::new(version, &peep, base)).collect()))
}

/// `POST /api/v1/statuses/{id}/favourite`
pub async fn favourite(
    app: State<Arc<App>>,
    id: Path<String>,
    from: ClientAddr,
    member: Member,
    Bare(once): Bare,
) -> Result<Response> {
    like(app, id, from, member, once, true).await
}

/// `POST /api/v1/statuses/{id}/unfavourite`
pub async fn unfavourite(
    app: State<Arc<App>>,
    id: Path<String>,
    from: ClientAddr,
    member: Member,
    Bare(once): Bare,
) -> Result<Response> {
    like(app, id, from, member, once, false).await
}

async fn like(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(from): ClientAddr,
    member: Member,
    once: Once,
    likes: bool,
) -> Result<Response> {
    let id = from_path(&id)?;
    app.limits.post(from, member.id())?;
    let base = app.config.base_url.clone();
    let like = move |tx: &mut Tx<'_>| told(member.like(tx, id, likes)?, base.as_str());
    once.answer(&app, like).await
}
