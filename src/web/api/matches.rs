//! Matches: <docs/api.md> describes them.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::messages::Account;
use crate::{
    Error, Result,
    app::App,
    domain::matches::{self, Complaint, Current, Interests, Language, Partner, Search},
    events::Tx,
    ids::{AccountId, ConversationId},
    store::{
        self,
        matches::{Pool, State as Stage},
    },
    web::{
        once::{Bare, Post, answer, nothing},
        session::{ClientAddr, place},
    },
};

/// How far one is in the matching.
#[derive(Serialize, ToSchema)]
pub struct Match {
    #[schema(pattern = "^(waiting|matched|ended)$")]
    state: &'static str,
    group: bool,
    #[schema(required)]
    language: Option<String>,
    interests: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    talk: Option<Talk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(you|partner)$")]
    ended_by: Option<&'static str>,
}

/// A place in the line.
#[derive(Serialize, ToSchema)]
struct Waiting {
    /// One’s place in the line.
    place: i64,
    /// How many wait.
    count: i64,
    #[schema(format = DateTime)]
    since: String,
    #[schema(pattern = "^(all_interests|any_interest|anyone)$")]
    looks_for: &'static str,
}

/// Who is in a talk, and what they have agreed to.
#[derive(Serialize, ToSchema)]
struct Talk {
    /// One’s own mask.
    #[schema(required)]
    account_id: Option<AccountId>,
    partners: Vec<Other>,
    reveals: bool,
    revealed: bool,
    agrees_to_pictures: bool,
    pictures: bool,
}

/// Another one in the talk.
#[derive(Serialize, ToSchema)]
#[schema(as = Partner)]
struct Other {
    account: Account,
    here: bool,
    reveals: bool,
    agrees_to_pictures: bool,
}

impl Other {
    fn new(partner: &Partner) -> Self {
        let mask = &partner.mask;
        Other {
            account: Account::new(mask.id, mask.kind, partner.username.as_deref(), &mask.name),
            here: !partner.away,
            reveals: partner.reveals,
            agrees_to_pictures: partner.pictures,
        }
    }
}

impl Match {
    /// How far this one is.
    pub fn new(current: &Current) -> Self {
        let seeker = &current.seeker;
        let (state, waits, talks) = match seeker.state {
            Stage::Waiting => ("waiting", true, false),
            Stage::Matched => ("matched", false, true),
            Stage::Ended => ("ended", false, false),
        };
        let (before, count) = current.line;
        Match {
            state,
            group: seeker.pool == Pool::Group,
            language: Some(seeker.language.clone()).filter(|language| !language.is_empty()),
            interests: matches::tags(&seeker.interests).into_iter().map(Into::into).collect(),
            waiting: waits.then(|| Waiting {
                place: before + 1,
                count,
                since: seeker.since.rfc3339(),
                looks_for: ["all_interests", "any_interest", "anyone"][seeker.stage.clamp(0, 2) as usize],
            }),
            conversation_id: seeker.conversation,
            talk: talks.then(|| Talk {
                account_id: seeker.mask,
                partners: current.partners.iter().map(Other::new).collect(),
                reveals: seeker.reveals,
                revealed: current.revealed,
                agrees_to_pictures: seeker.pictures,
                pictures: current.pictures,
            }),
            ended_by: (seeker.state == Stage::Ended).then_some(if seeker.went { "you" } else { "partner" }),
        }
    }
}

/// What is looked for.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = Wishes, example = json!({ "adult": true, "interests": ["bread"] }))]
#[serde(default, deny_unknown_fields)]
pub struct New {
    /// One is 18 or older: has to be said once.
    adult: bool,
    /// Up to five, of 1 to 24 characters.
    interests: Vec<String>,
    /// A code such as `de`.
    language: Option<String>,
    /// Three to eight are brought together.
    group: bool,
    /// A member’s username is shown from the beginning.
    shows_name: bool,
}

/// Refuses everything where strangers are not matched.
pub fn is_on(app: &App) -> Result<()> {
    if app.config.matching { Ok(()) } else { Err(Error::Forbidden("Strangers are not matched here.")) }
}

/// Begins to wait for a stranger; while one waits, thinks again.
///
/// `adult` has to be `true` once.
#[utoipa::path(
    post, path = "/api/v1/matches", request_body = Option<New>,
    responses((status = 201, description = "How far one is.", body = Match)),
)]
pub async fn seek(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
    Post(once, new): Post<New>,
) -> Result<Response> {
    is_on(&app)?;
    let allowance = app.limits.seek(from)?;
    let search = Search {
        interests: Interests::parse(new.interests.iter().map(String::as_str))?,
        language: Language::parse(new.language.as_deref().unwrap_or_default())?,
        group: new.group,
        shows_name: new.shows_name,
    };
    let place = place(&app, from);
    let seek = move |tx: &mut Tx<'_>| {
        matches::seek(tx, &account, &place, &search, new.adult)?;
        answer(StatusCode::CREATED, &matches::current(tx, account.id)?.as_ref().map(Match::new))
    };
    once.telling(allowance).answer(&app, seek).await
}

/// How far one is.
///
/// To ask is a sign of life: without one for 30 seconds, or an open socket, a place is given up.
#[utoipa::path(
    get, path = "/api/v1/matches/current",
    responses((status = 200, description = "How far one is.", body = Match)),
)]
pub async fn get(State(app): State<Arc<App>>, account: store::accounts::Account) -> Result<Json<Match>> {
    is_on(&app)?;
    let id = account.id;
    let current = app.db.read(move |read| matches::current(read, id)).await?.ok_or(Error::NotFound)?;
    if matches::is_to_be_noted(&current.seeker, app.clock.now()) {
        app.db.write(move |tx| matches::asks(tx, id)).await?;
    }
    Ok(Json(Match::new(&current)))
}

/// Leaves the line, or the talk, which is then gone for both.
#[utoipa::path(
    delete, path = "/api/v1/matches/current",
    responses((status = 204, description = "One has no part in it any more.")),
)]
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
) -> Result<StatusCode> {
    app.limits.write(from)?;
    app.db.write(move |tx| matches::leave(tx, account.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves the talk, and waits again with the same wishes.
#[utoipa::path(
    post, path = "/api/v1/matches/current/next",
    responses((status = 200, description = "How far one is.", body = Match)),
)]
pub async fn next(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
    Bare(once): Bare,
) -> Result<Response> {
    is_on(&app)?;
    app.limits.seek(from)?;
    let place = place(&app, from);
    let next = move |tx: &mut Tx<'_>| {
        matches::next(tx, &account, &place)?;
        answer(StatusCode::OK, &matches::current(tx, account.id)?.as_ref().map(Match::new))
    };
    once.answer(&app, next).await
}

/// Whom it is about, where there are several; and what one reports.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = Block)]
#[serde(default, deny_unknown_fields)]
pub struct About {
    /// Whose mask, in a group.
    account_id: Option<AccountId>,
}

/// Is never matched with this one again, and leaves the talk.
///
/// `account_id` is a mask, and needed in a group.
#[utoipa::path(
    post, path = "/api/v1/matches/current/block", request_body = Option<About>,
    responses((status = 204, description = "They are kept apart.")),
)]
pub async fn block(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
    Post(once, about): Post<About>,
) -> Result<Response> {
    app.limits.write(from)?;
    let block = move |tx: &mut Tx<'_>| matches::block(tx, account.id, about.account_id).map(|()| nothing());
    once.answer(&app, block).await
}

/// What is reported of whom.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = Report, example = json!({ "reason": "spam", "words": "Sells watches" }))]
#[serde(default, deny_unknown_fields)]
pub struct Reported {
    /// Whose mask, in a group.
    account_id: Option<AccountId>,
    #[schema(required, pattern = "^(harassment|sexual|minor|harm|spam|other)$")]
    reason: String,
    words: String,
}

/// Reports somebody: what was said is kept, sealed, for those who look after the place.
///
/// Up to an hour after the end too.
#[utoipa::path(
    post, path = "/api/v1/matches/current/report", request_body = Reported,
    responses((status = 204, description = "It is kept.")),
)]
pub async fn report(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
    Post(once, reported): Post<Reported>,
) -> Result<Response> {
    let complaint = Complaint::parse(&reported.reason, &reported.words)?;
    app.limits.write(from)?;
    let keeper = Arc::clone(&app);
    let report = move |tx: &mut Tx<'_>| {
        sealed(&keeper, tx, account.id, reported.account_id, &complaint).map(|()| nothing())
    };
    let answered = once.answer(&app, report).await?;
    tracing::warn!("Somebody was reported in a match: look into the reports");
    Ok(answered)
}

/// Keeps a report, sealed with the server's own key.
fn sealed(
    app: &App,
    tx: &mut Tx<'_>,
    account: AccountId,
    about: Option<AccountId>,
    complaint: &Complaint,
) -> Result<()> {
    let seal = |what: &str| app.data.sign("the seal of a report", what);
    matches::report(tx, account, about, complaint, &seal)
}

/// The same, for the form.
pub async fn file_report(
    app: &Arc<App>,
    from: crate::web::limits::Origin,
    account: AccountId,
    about: Option<AccountId>,
    complaint: Complaint,
) -> Result<()> {
    app.limits.write(from)?;
    let keeper = Arc::clone(app);
    app.db.write(move |tx| sealed(&keeper, tx, account, about, &complaint)).await?;
    tracing::warn!("Somebody was reported in a match: look into the reports");
    Ok(())
}

/// Offers to say who one is: when everyone in the talk does, everyone is told.
#[utoipa::path(
    post, path = "/api/v1/matches/current/reveal",
    responses((status = 204, description = "It is offered.")),
)]
pub async fn reveal(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
    Bare(once): Bare,
) -> Result<Response> {
    app.limits.write(from)?;
    once.answer(&app, move |tx| matches::reveal(tx, account.id).map(|()| nothing())).await
}

/// Agrees to pictures: when everyone in the talk does, they can be sent.
#[utoipa::path(
    post, path = "/api/v1/matches/current/pictures",
    responses((status = 204, description = "One agrees.")),
)]
pub async fn allow_pictures(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
    Bare(once): Bare,
) -> Result<Response> {
    app.limits.write(from)?;
    once.answer(&app, move |tx| matches::allow_pictures(tx, account.id).map(|()| nothing())).await
}
