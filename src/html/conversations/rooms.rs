//! The list of the viewer's rooms, and a room's page.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use qrcode::{Color, EcLevel, QrCode};
use serde::Deserialize;

use super::{
    chat::{Chat, MessageRange},
    message_list::Row,
    messages::MessageForm,
};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::rooms::{self, RoomMember, RoomName},
    events::PresenceChanged,
    html::{NavItem, Shell, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, Query},
        session::{Caller, ClientAddr, ip_hash},
    },
    services::presence,
    store::{accounts::Account, rooms::JoinedRoom},
    wire::{
        avatars::{avatars, here_now},
        filters,
        format::{ago, date_and_time},
        rooms::url as room_url,
    },
};

#[derive(Template)]
#[template(path = "rooms.html")]
struct RoomsPage {
    shell: Shell,
    rooms: Vec<JoinedRoom>,
    name: String,
    error: Option<Error>,
    now: Time,
    /// True if the viewer has just left a room.
    left: bool,
}

impl RoomsPage {
    async fn new(app: &App, account: &Account, name: String, error: Option<Error>) -> Result<Self> {
        let id = account.id;
        let rooms = app.db.read(move |read| rooms::joined(read, id)).await?;
        let shell = Shell::new(app, &Caller::from(account), NavItem::Rooms).await?;
        Ok(RoomsPage { shell, rooms, name, error, now: app.clock.now(), left: false })
    }

    fn field_error(&self) -> Option<&str> {
        field_error(self.error.as_ref(), "name")
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["name"])
    }

    fn ago(&self, row: &JoinedRoom) -> String {
        ago(self.now, row.room.active_at)
    }

    fn people(&self, row: &JoinedRoom) -> String {
        match row.room.size {
            1 => "just you".into(),
            n => format!("{n} people"),
        }
    }

    fn unread(&self, row: &JoinedRoom) -> i64 {
        (row.room.last_seq - row.membership.read_seq).max(0)
    }
}

/// The query after leaving a room.
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

/// The form for a new room.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct NewRoom {
    name: String,
}

/// `POST /rooms`: creates a room, and redirects to it.
pub async fn create(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: Account,
    Input(form): Input<NewRoom>,
) -> Result<Response> {
    let create = async {
        let name = RoomName::parse(&form.name)?;
        app.limits.room(origin, &account)?;
        let (creator, ip_hash) = (account.clone(), ip_hash(&app, origin));
        app.db.write(move |tx| rooms::create(tx, &creator, &name, &ip_hash)).await
    };
    match create.await {
        Ok(room_member) => Ok(Redirect::to(&format!("/rooms/{}", room_member.link.key)).into_response()),
        Err(error) => {
            show_form_error(error, async |error| RoomsPage::new(&app, &account, form.name, Some(error)).await)
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "room.html")]
pub(super) struct RoomPage {
    shell: Shell,
    chat: Chat,
    room_member: RoomMember,
    url: String,
    qr: Qr,
    presence: PresenceChanged,
}

impl RoomPage {
    fn guest(&self) -> bool {
        self.shell.guest.is_some()
    }

    fn avatars(&self) -> String {
        avatars(&self.presence)
    }

    fn here_now(&self) -> String {
        here_now(&self.presence)
    }

    /// Returns the limits of the link, if there are any.
    fn link_limits(&self) -> Option<String> {
        let link = &self.room_member.link;
        let until = link.expires_at.map(|at| format!("until {}", date_and_time(at)));
        let uses = link.uses_left.map(|uses| match uses {
            1 => "for one more person".to_owned(),
            n => format!("for {n} more people"),
        });
        let limits: Vec<_> = [until, uses].into_iter().flatten().collect();
        (!limits.is_empty()).then(|| format!("Works {}.", limits.join(", ")))
    }
}

/// `GET /rooms/{key}`: joins the room, if the viewer is not in it yet.
pub async fn room(
    State(app): State<Arc<App>>,
    room_member: RoomMember,
    Path(key): Path<String>,
    Query(range): Query<MessageRange>,
) -> Result<Response> {
    if room_member.link.key != key {
        return Ok(Redirect::to(&format!("/rooms/{}", room_member.link.key)).into_response());
    }
    page(&room_page(&app, &room_member, range.end(), None).await?)
}

/// Returns the page of a room with its latest messages, or those before `end`. `refused` is a form that is shown
/// again, with its error.
pub(super) async fn room_page(
    app: &App,
    room_member: &RoomMember,
    end: Option<i64>,
    refused: Option<(MessageForm, &Error)>,
) -> Result<RoomPage> {
    let participant = &room_member.participant;
    let (id, viewer) = (participant.conversation.id, participant.id());
    let path = format!("/rooms/{}", room_member.link.key);
    let chat = Chat::new(app, participant, &path, format!("{path}/messages"), end, refused).await?;
    let mut people = app.presence.people(id);
    if !people.iter().any(|person| person.id == viewer) {
        people.push(participant.person()); // the viewer of the page is present
    }
    let url = room_url(app.config.base_url.as_str(), &room_member.link.key);
    Ok(RoomPage {
        shell: Shell::new(app, &Caller::from(&participant.account), NavItem::Rooms).await?,
        qr: Qr::of(&url)?,
        url,
        presence: presence::summary(id, people),
        room_member: room_member.clone(),
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
            for run in modules.chunk_by(|a, b| a == b) {
                if run.first() == Some(&Color::Dark) {
                    path.push_str(&format!("M{x} {row}h{n}v1h-{n}z", n = run.len()));
                }
                x += run.len();
            }
        }
        Ok(Qr { width, path })
    }
}
