//! Rooms: the list of one's own, and the room itself.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use qrcode::{Color, EcLevel, QrCode};
use serde::Deserialize;

use super::{
    chat::{Chat, Stretch},
    messages::{Row, SayForm},
};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::rooms::{self, Inside, RoomName},
    events::PresenceChanged,
    html::{Place, Shell, fault, note, page, page_refused},
    http::{
        input::{Input, Query},
        respond::head,
        session::{ClientAddr, Viewer, place},
    },
    services::presence,
    store::{accounts::Account, rooms::Mine},
    wire::{
        avatars::{flock, here_now},
        format::{ago, date_and_time},
        rooms::url as room_url,
    },
};

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
        Err(error) if crate::html::accounts::is_note(&error) => {
            page_refused(head(&error), &RoomsPage::new(&app, &account, form.name, Some(error)).await?)
        }
        Err(error) => Err(error),
    }
}

#[derive(Template)]
#[template(path = "room.html")]
pub(super) struct RoomPage {
    shell: Shell,
    chat: Chat,
    inside: Inside,
    url: String,
    qr: Qr,
    here: PresenceChanged,
}

impl RoomPage {
    fn guest(&self) -> bool {
        self.shell.guest.is_some()
    }

    fn flock(&self) -> String {
        flock(&self.here)
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
    let (id, me) = (participant.conversation.id, participant.id());
    let path = format!("/rooms/{}", inside.link.key);
    let chat = Chat::new(app, participant, &path, format!("{path}/messages"), end, refused).await?;
    let mut people = app.presence.people(id);
    if !people.iter().any(|one| one.id == me) {
        people.push(participant.person()); // who reads this is here
    }
    let url = room_url(app.config.base_url.as_str(), &inside.link.key);
    Ok(RoomPage {
        shell: Shell::new(app, &Viewer::from(&participant.account), Place::Rooms).await?,
        qr: Qr::of(&url)?,
        url,
        here: presence::here(id, people),
        inside: inside.clone(),
        chat,
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
