//! Rooms: the list of one's own, and the room itself.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use qrcode::{Color, EcLevel, QrCode};
use serde::Deserialize;
use serde_json::json;

use super::{
    Place, Shell,
    card::{ago, date_and_time, initials},
    fault,
    messages::{Bubble, Row, SayForm, blank, rows},
    note, page, page_refused,
};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        messages::{LIMIT, Query as Words},
        rooms::{self, Inside, RoomName},
    },
    events::{Here, Somebody},
    ids::{IdempotencyKey, random},
    store::{self, accounts::Account, messages::Message, rooms::Mine},
    web::{
        api, presence,
        respond::{Input, head},
        session::{ClientAddr, Viewer, place},
    },
};

/// Messages on a page.
const PAGE: i64 = 50;

/// Messages that are found at once.
const FOUND: i64 = 50;

#[derive(Template)]
#[template(path = "rooms.html")]
struct RoomsPage {
    shell: Shell,
    mine: Vec<Mine>,
    name: String,
    error: Option<Error>,
    now: Time,
    /// One was in a room until a moment ago.
    left: bool,
}

impl RoomsPage {
    async fn new(app: &App, account: &Account, name: String, error: Option<Error>) -> Result<Self> {
        let id = account.id;
        let mine = app.db.read(move |read| rooms::of(read, id)).await?;
        let shell = Shell::new(app, &Viewer::from(account), Place::Rooms).await?;
        Ok(RoomsPage { shell, mine, name, error, now: app.clock.now(), left: false })
    }

    fn fault(&self) -> Option<&str> {
        fault(self.error.as_ref(), "name")
    }

    fn note(&self) -> Option<String> {
        note(self.error.as_ref(), &["name"])
    }

    fn ago(&self, mine: &Mine) -> String {
        ago(self.now, mine.room.active_at)
    }

    fn people(&self, mine: &Mine) -> String {
        match mine.room.size {
            1 => "just you".into(),
            n => format!("{n} people"),
        }
    }

    fn unread(&self, mine: &Mine) -> i64 {
        (mine.room.last_seq - mine.seat.read_seq).max(0)
    }
}

/// Whether one was in a room until a moment ago.
#[derive(Deserialize)]
pub struct Left {
    left: Option<String>,
}

/// `GET /rooms`
pub async fn list(
    State(app): State<Arc<App>>,
    account: Account,
    Query(Left { left }): Query<Left>,
) -> Result<Response> {
    page(&RoomsPage { left: left.is_some(), ..RoomsPage::new(&app, &account, String::new(), None).await? })
}

/// The form that a room is made with.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct NewRoom {
    name: String,
}

/// `POST /rooms`: leads straight into the new room.
pub async fn create(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: Account,
    Input(form): Input<NewRoom>,
) -> Result<Response> {
    let create = async {
        let name = RoomName::parse(&form.name)?;
        app.limits.room(from, &account)?;
        let (maker, place) = (account.clone(), place(&app, from));
        app.db.write(move |tx| rooms::create(tx, &maker, &name, &place)).await
    };
    match create.await {
        Ok(inside) => Ok(Redirect::to(&format!("/rooms/{}", inside.link.key)).into_response()),
        Err(error) if super::accounts::is_note(&error) => {
            page_refused(head(&error), &RoomsPage::new(&app, &account, form.name, Some(error)).await?)
        }
        Err(error) => Err(error),
    }
}

#[derive(Template)]
#[template(path = "room.html")]
pub(super) struct RoomPage {
    shell: Shell,
    inside: Inside,
    url: String,
    qr: Qr,
    rows: Vec<Row>,
    /// What the page's script shows while something is being sent.
    bubble: Bubble,
    here: Here,
    /// Where the messages before these are, and the latest ones.
    older: Option<String>,
    newest: Option<String>,
    limit: usize,
    body: String,
    key: String,
    error: Option<String>,
}

impl RoomPage {
    fn guest(&self) -> bool {
        self.shell.guest.is_some()
    }

    fn flock(&self) -> String {
        Flock { people: &self.here.people }.render().unwrap_or_default()
    }

    fn here_now(&self) -> String {
        here_now(&self.here)
    }

    /// Until when and for how many the link works, if there is an end to it.
    fn link_limits(&self) -> Option<String> {
        let link = &self.inside.link;
        let until = link.expires_at.map(|at| format!("until {}", date_and_time(at)));
        let uses = link.uses_left.map(|uses| match uses {
            1 => "for one more person".to_owned(),
            n => format!("for {n} more people"),
        });
        let limits: Vec<_> = [until, uses].into_iter().flatten().collect();
        (!limits.is_empty()).then(|| format!("Works {}.", limits.join(", ")))
    }
}

/// The first of those who are here, as a row of avatars.
#[derive(Template)]
#[template(path = "flock.html")]
struct Flock<'a> {
    people: &'a [Somebody],
}

impl Flock<'_> {
    fn initials(&self, name: &str) -> String {
        initials(name)
    }
}

/// Who is here, as the socket tells it to our own pages.
pub fn here_fragment(here: &Here) -> Bytes {
    let flock = Flock { people: &here.people }.render().unwrap_or_default();
    json!({ "event": "here", "conversation_id": here.conversation, "text": here_now(here), "html": flock })
        .to_string()
        .into()
}

/// "7 here, 2 guests"
fn here_now(here: &Here) -> String {
    let guests = match here.guests {
        0 => String::new(),
        1 => ", 1 guest".into(),
        n => format!(", {n} guests"),
    };
    format!("{} here{guests}", here.count)
}

/// Which messages of a room.
#[derive(Deserialize, Default)]
pub struct Stretch {
    /// Only those before this one.
    before: Option<i64>,
    /// Those around this one.
    at: Option<i64>,
}

impl Stretch {
    /// The first message that is not shown any more; `None` for the latest.
    fn end(&self) -> Option<i64> {
        self.at.map(|at| at.saturating_add(PAGE / 2)).or(self.before)
    }
}

/// `GET /rooms/{key}`: whoever opens it is in it.
pub async fn room(
    State(app): State<Arc<App>>,
    inside: Inside,
    Path(key): Path<String>,
    Query(stretch): Query<Stretch>,
) -> Result<Response> {
    if inside.link.key != key {
        return Ok(Redirect::to(&format!("/rooms/{}", inside.link.key)).into_response());
    }
    page(&room_page(&app, &inside, stretch.end(), None).await?)
}

/// The page of a room: its latest messages, or those before `end`; with what could not be said.
pub(super) async fn room_page(
    app: &App,
    inside: &Inside,
    end: Option<i64>,
    refused: Option<(SayForm, &Error)>,
) -> Result<RoomPage> {
    let participant = &inside.participant;
    let (id, me, last_seq) =
        (participant.conversation.id, participant.id(), participant.conversation.last_seq);
    let end = end.filter(|end| *end <= last_seq);
    let before = end.unwrap_or(i64::MAX);
    let messages = app.db.read(move |read| store::messages::before(read, id, before, PAGE)).await?;
    let path = format!("/rooms/{}", inside.link.key);
    let older =
        messages.first().filter(|first| first.seq > 1).map(|first| format!("{path}?before={}", first.seq));
    let mut inside = inside.clone();
    if let Some(latest) = messages.last()
        && end.is_none()
    {
        // Something may have been said since the room was looked up: it is on the page already.
        inside.participant.conversation.last_seq = latest.seq;
    }
    let mut people = app.presence.people(&id);
    if !people.iter().any(|one| one.id == me) {
        people.push(participant.somebody()); // who reads this is here
    }
    let mut fresh_key = BASE64_URL_SAFE_NO_PAD.encode(random::<12>()?);
    let (mut body, mut error) = (String::new(), None);
    if let Some((form, why)) = refused {
        error = fault(Some(why), "body").map(Into::into).or_else(|| note(Some(why), &["body"]));
        body = form.body;
        // Not every error knows whether it was said all the same.
        if IdempotencyKey::parse(&form.idempotency_key).is_ok() && !matches!(why, Error::Conflict(_)) {
            fresh_key = form.idempotency_key;
        }
    }
    let url = api::rooms::url(app.config.base_url.as_str(), &inside.link.key);
    Ok(RoomPage {
        shell: Shell::new(app, &Viewer::from(&participant.account), Place::Rooms).await?,
        qr: Qr::of(&url)?,
        url,
        rows: rows(messages, me, participant.seat.read_seq),
        bubble: blank(participant, app.clock.now()),
        here: presence::here(id, people),
        older,
        newest: end.map(|_| path),
        limit: LIMIT,
        body,
        key: fresh_key,
        error,
        inside,
    })
}

/// A QR code as the path of an SVG.
struct Qr {
    width: usize,
    path: String,
}

impl Qr {
    fn of(text: &str) -> Result<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(Error::internal)?;
        let width = code.width();
        let mut path = String::new();
        for (row, modules) in code.to_colors().chunks(width).enumerate() {
            let mut x = 0;
            for stretch in modules.chunk_by(|a, b| a == b) {
                if stretch.first() == Some(&Color::Dark) {
                    path.push_str(&format!("M{x} {row}h{n}v1h-{n}z", n = stretch.len()));
                }
                x += stretch.len();
            }
        }
        Ok(Qr { width, path })
    }
}

#[derive(Template)]
#[template(path = "room_search.html")]
struct SearchPage {
    shell: Shell,
    inside: Inside,
    q: String,
    found: Vec<Message>,
    error: Option<String>,
    older: Option<String>,
    now: Time,
}

impl SearchPage {
    fn words(&self, message: &Message) -> String {
        super::words::message(&message.body, &message.mentions, "")
    }

    fn when(&self, message: &Message) -> String {
        date_and_time(message.created_at)
    }

    fn ago(&self, message: &Message) -> String {
        ago(self.now, message.created_at)
    }
}

/// What is looked for.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Search {
    q: String,
    before: Option<i64>,
}

/// `GET /rooms/{key}/search`
pub async fn search(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    inside: Inside,
    Query(Search { q, before }): Query<Search>,
) -> Result<Response> {
    let find = async {
        if q.trim().is_empty() {
            return Ok(Vec::new());
        }
        app.limits.write(from)?;
        let words = Words::parse(&q)?;
        let participant = inside.participant.clone();
        app.db.read_long(move |read| words.run(read, &participant, before, FOUND)).await
    };
    let (found, error): (Vec<Message>, _) = match find.await {
        Ok(found) => (found, None),
        Err(error @ (Error::Invalid(_) | Error::TooMany { .. })) => (Vec::new(), Some(error.sentence())),
        Err(error) => return Err(error),
    };
    let older = found.last().filter(|_| found.len() == FOUND as usize);
    let encoded = super::encoded(&q);
    let older =
        older.map(|last| format!("/rooms/{}/search?q={encoded}&before={}", inside.link.key, last.seq));
    let shell = Shell::new(&app, &Viewer::from(&inside.participant.account), Place::Rooms).await?;
    page(&SearchPage { shell, inside, q, found, error, older, now: app.clock.now() })
}
