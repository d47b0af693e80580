//! The page about a room: its people, and the forms for its owner, which work without scripts.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        conversations::FIRST_POSITION,
        names::Name,
        rooms::{Changes, Owner, RoomInvitee, RoomMember, RoomName},
    },
    error::Faults,
    html::{NavItem, Shell, feeds, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, Query, from_path},
        session::{Caller, ClientAddr, as_owner, find_or_join_room},
    },
    ids::{AccountId, HookId},
    store::{accounts::AccountKind, conversations::MembershipRow, hooks::Hook},
    wire::{
        filters,
        format::{date_and_time, initials},
        hooks::url as hook_url,
        rooms,
    },
};

/// The most people on the page.
const MAX_PEOPLE: i64 = 500;

#[derive(Template)]
#[template(path = "room_about.html")]
struct AboutPage {
    shell: Shell,
    room_member: RoomMember,
    /// The room's current link.
    url: String,
    people: Vec<MembershipRow>,
    hooks: Vec<Hook>,
    feed: Option<String>,
    /// The URL of a hook that was just created, which is shown this once.
    hook: Option<String>,
    saved: bool,
    form: RoomForm,
    error: Option<Error>,
    hook_form: HookForm,
    hook_error: Option<Error>,
}

impl AboutPage {
    async fn new(app: &App, room_member: RoomMember) -> Result<Self> {
        let id = room_member.participant.conversation.id;
        let (viewer, owner) = (room_member.clone(), room_member.clone().owner().ok());
        let is_owner = owner.is_some();
        let (people, hooks) = app
            .db
            .read(move |read| {
                let hooks = owner.as_ref().map_or(Ok(Vec::new()), |owner| owner.hooks(read))?;
                Ok((viewer.people(read, FIRST_POSITION, MAX_PEOPLE)?.people, hooks))
            })
            .await?;
        let base = app.config.base_url.as_str();
        let account = &room_member.participant.account;
        let feed = is_owner
            .then(|| format!("{base}{}", feeds::room_path(app, &room_member.link.key, id, account.id)));
        Ok(AboutPage {
            shell: Shell::new(app, &Caller::from(account), NavItem::Rooms).await?,
            url: rooms::url(base, &room_member.link.key),
            people,
            hooks,
            feed,
            hook: None,
            saved: false,
            form: RoomForm::of(&room_member),
            error: None,
            hook_form: HookForm::default(),
            hook_error: None,
            room_member,
        })
    }

    fn initials(&self, row: &MembershipRow) -> String {
        initials(&row.account.name)
    }

    fn tag(&self, row: &MembershipRow) -> Option<&'static str> {
        if self.room_member.participant.conversation.owner == Some(row.account.id) {
            Some("owner")
        } else if row.account.kind == AccountKind::Guest {
            Some("guest")
        } else {
            None
        }
    }

    fn is_viewer(&self, row: &MembershipRow) -> bool {
        row.account.id == self.room_member.participant.id()
    }

    fn when(&self, at: &Time) -> String {
        date_and_time(*at)
    }

    fn field_error(&self, field: &str) -> Option<&str> {
        field_error(self.error.as_ref(), field)
    }

    fn hook_fault(&self) -> Option<&str> {
        field_error(self.hook_error.as_ref(), "name")
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["name", "uses_left", "expires_at"])
            .or_else(|| form_error(self.hook_error.as_ref(), &["name"]))
    }
}

/// The query after a form was saved.
#[derive(Deserialize)]
pub struct Saved {
    saved: Option<String>,
}

/// `GET /rooms/{key}/about`
pub async fn about(
    State(app): State<Arc<App>>,
    room_member: RoomMember,
    Query(Saved { saved }): Query<Saved>,
) -> Result<Response> {
    page(&AboutPage { saved: saved.is_some(), ..AboutPage::new(&app, room_member).await? })
}

/// The owner's form. Browsers leave out switches that are off.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct RoomForm {
    name: String,
    locked: Option<String>,
    expires_at: String,
    uses_left: String,
}

impl RoomForm {
    fn of(room_member: &RoomMember) -> Self {
        let (room, link) = (&room_member.participant.conversation, &room_member.link);
        // Browsers show times to the minute.
        let format = |at: Time| at.utc().strftime("%Y-%m-%dT%H:%M").to_string();
        RoomForm {
            name: room.name.clone(),
            locked: room.locked.then(String::new),
            expires_at: link.expires_at.map(format).unwrap_or_default(),
            uses_left: link.uses_left.map(|uses| uses.to_string()).unwrap_or_default(),
        }
    }

    fn changes(&self, current: &RoomForm) -> Result<Changes> {
        let mut faults = Faults::default();
        let name = faults.check(RoomName::parse(&self.name))?;
        let expires_at = faults.check(parse_time(&self.expires_at))?;
        let uses_left = faults.check(parse_uses(&self.uses_left))?;
        faults.done()?;
        Ok(Changes {
            name: name.filter(|name| name.as_str() != current.name),
            locked: Some(self.locked.is_some()),
            // An unchanged time is not set again, because it may have passed meanwhile.
            expires_at: expires_at.filter(|_| self.expires_at != current.expires_at),
            uses_left: uses_left.filter(|_| self.uses_left != current.uses_left),
        })
    }
}

fn parse_time(raw: &str) -> Result<Option<Time>> {
    match raw.trim() {
        "" => Ok(None),
        raw => Time::parse(&format!("{raw}Z"))
            .or_else(|| Time::parse(raw))
            .map(Some)
            .ok_or_else(|| Error::invalid("expires_at", "Write a moment as 2026-11-23T18:00.")),
    }
}

fn parse_uses(raw: &str) -> Result<Option<i64>> {
    match raw.trim() {
        "" => Ok(None),
        raw => raw.parse().map(Some).map_err(|_| Error::invalid("uses_left", "Write a number, or nothing.")),
    }
}

/// `POST /rooms/{key}/about`
pub async fn change(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Input(form): Input<RoomForm>,
) -> Result<Response> {
    let room_member = find_or_join_room(&app, &invitee).await?;
    let changed = match form.changes(&RoomForm::of(&room_member)) {
        Ok(changes) => as_owner(&app, addr, &invitee, move |owner, tx| owner.change(tx, &changes)).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => Ok(to_about_page(&invitee)),
        Err(error) => {
            show_form_error(error, async |error| {
                let page = AboutPage::new(&app, find_or_join_room(&app, &invitee).await?).await?;
                Ok(AboutPage { form, error: Some(error), ..page })
            })
            .await
        }
    }
}

fn to_about_page(invitee: &RoomInvitee) -> Response {
    Redirect::to(&format!("/rooms/{}/about?saved=1", invitee.key.as_str())).into_response()
}

/// The form for a new link.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct LinkForm {
    everyone_leaves: Option<String>,
}

/// `POST /rooms/{key}/link`: creates a new link.
pub async fn renew_link(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Input(form): Input<LinkForm>,
) -> Result<Response> {
    let all_stay = form.everyone_leaves.is_none();
    let link = as_owner(&app, addr, &invitee, move |owner, tx| owner.renew_link(tx, all_stay)).await?;
    Ok(Redirect::to(&format!("/rooms/{}/about?saved=1", link.key)).into_response())
}

/// `POST /rooms/{key}/people/{id}/remove`
pub async fn remove(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let id: AccountId = from_path(&id)?;
    as_owner(&app, addr, &invitee, move |owner, tx| owner.remove(tx, id)).await?;
    Ok(to_about_page(&invitee))
}

/// `POST /rooms/{key}/people/{id}/readmit`
pub async fn readmit(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let id: AccountId = from_path(&id)?;
    as_owner(&app, addr, &invitee, move |owner, tx| owner.unban(tx, id)).await?;
    Ok(to_about_page(&invitee))
}

/// `GET /rooms/{key}/hooks`: redirects browsers that reload the page after a hook was created.
pub async fn back_to_about(Path(key): Path<String>) -> Redirect {
    Redirect::to(&format!("/rooms/{key}/about"))
}

/// The form for a new hook.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct HookForm {
    hook_name: String,
}

/// `POST /rooms/{key}/hooks`: creates a hook, whose address is shown this once.
pub async fn open_hook(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Input(form): Input<HookForm>,
) -> Result<Response> {
    let opened = match Name::parse(&form.hook_name) {
        Ok(name) => as_owner(&app, addr, &invitee, move |owner, tx| owner.open_hook(tx, &name)).await,
        Err(error) => Err(error),
    };
    let about = AboutPage::new(&app, find_or_join_room(&app, &invitee).await?).await?;
    match opened {
        Ok((_, token)) => {
            let hook = Some(hook_url(app.config.base_url.as_str(), &token));
            page(&AboutPage { hook, ..about })
        }
        Err(error) => {
            show_form_error(error, async |error| {
                Ok(AboutPage { hook_form: form, hook_error: Some(error), ..about })
            })
            .await
        }
    }
}

/// `POST /rooms/{key}/hooks/{id}/delete`
pub async fn close_hook(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let id: HookId = from_path(&id)?;
    as_owner(&app, addr, &invitee, move |owner, tx| owner.close_hook(tx, id)).await?;
    Ok(to_about_page(&invitee))
}

#[derive(Template)]
#[template(path = "room_end.html")]
struct EndPage {
    shell: Shell,
    room_member: RoomMember,
    /// True if the page asks to confirm a deletion; false for leaving.
    delete: bool,
}

/// `GET /rooms/{key}/leave`
pub async fn leave_form(State(app): State<Arc<App>>, room_member: RoomMember) -> Result<Response> {
    let shell = Shell::new(&app, &Caller::from(&room_member.participant.account), NavItem::Rooms).await?;
    page(&EndPage { shell, room_member, delete: false })
}

/// `POST /rooms/{key}/leave`
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    invitee: RoomInvitee,
) -> Result<Response> {
    app.limits.write(origin)?;
    app.db.write(move |tx| invitee.join(tx)?.leave(tx)).await?;
    Ok(Redirect::to("/rooms").into_response())
}

/// `GET /rooms/{key}/delete`
pub async fn delete_form(State(app): State<Arc<App>>, room_member: RoomMember) -> Result<Response> {
    let shell = Shell::new(&app, &Caller::from(&room_member.participant.account), NavItem::Rooms).await?;
    let owner = room_member.owner()?;
    page(&EndPage { shell, room_member: owner.room_member().clone(), delete: true })
}

/// `POST /rooms/{key}/delete`
pub async fn delete(State(app): State<Arc<App>>, addr: ClientAddr, invitee: RoomInvitee) -> Result<Response> {
    as_owner(&app, addr, &invitee, Owner::delete).await?;
    Ok(Redirect::to("/rooms").into_response())
}
