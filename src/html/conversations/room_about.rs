//! About a room: its people, and the forms for its owner, which work without scripts.

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
        names::Name,
        rooms::{Changes, FIRST, Inside, Owner, RoomName, Visitor},
    },
    error::Faults,
    html::{NavItem, Shell, feeds, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, Query, from_path},
        session::{ClientAddr, Viewer, enter, rule},
    },
    ids::{AccountId, HookId},
    store::{accounts::Kind, conversations::Participant, hooks::Hook},
    wire::{
        filters,
        format::{date_and_time, initials},
        hooks::url as hook_url,
        rooms,
    },
};

/// People on the page.
const PEOPLE: i64 = 500;

#[derive(Template)]
#[template(path = "room_about.html")]
struct AboutPage {
    shell: Shell,
    inside: Inside,
    /// The room's current link.
    url: String,
    people: Vec<Participant>,
    hooks: Vec<Hook>,
    feed: Option<String>,
    /// The address of a hook that was just created, which is shown this once.
    hook: Option<String>,
    saved: bool,
    form: RoomForm,
    error: Option<Error>,
    hook_form: HookForm,
    hook_error: Option<Error>,
}

impl AboutPage {
    async fn new(app: &App, inside: Inside) -> Result<Self> {
        let id = inside.participant.conversation.id;
        let (viewer, owner) = (inside.clone(), inside.clone().owner().ok());
        let is_owner = owner.is_some();
        let (people, hooks) = app
            .db
            .read(move |read| {
                let hooks = owner.as_ref().map_or(Ok(Vec::new()), |owner| owner.hooks(read))?;
                Ok((viewer.people(read, FIRST, PEOPLE)?.people, hooks))
            })
            .await?;
        let base = app.config.base_url.as_str();
        let account = &inside.participant.account;
        let feed =
            is_owner.then(|| format!("{base}{}", feeds::room_path(app, &inside.link.key, id, account.id)));
        Ok(AboutPage {
            shell: Shell::new(app, &Viewer::from(account), NavItem::Rooms).await?,
            url: rooms::url(base, &inside.link.key),
            people,
            hooks,
            feed,
            hook: None,
            saved: false,
            form: RoomForm::of(&inside),
            error: None,
            hook_form: HookForm::default(),
            hook_error: None,
            inside,
        })
    }

    fn initials(&self, one: &Participant) -> String {
        initials(&one.account.name)
    }

    fn tag(&self, one: &Participant) -> Option<&'static str> {
        if self.inside.participant.conversation.owner == Some(one.account.id) {
            Some("owner")
        } else if one.account.kind == Kind::Guest {
            Some("guest")
        } else {
            None
        }
    }

    fn me(&self, one: &Participant) -> bool {
        one.account.id == self.inside.participant.id()
    }

    fn when(&self, moment: &Time) -> String {
        date_and_time(*moment)
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
    inside: Inside,
    Query(Saved { saved }): Query<Saved>,
) -> Result<Response> {
    page(&AboutPage { saved: saved.is_some(), ..AboutPage::new(&app, inside).await? })
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
    fn of(inside: &Inside) -> Self {
        let (room, link) = (&inside.participant.conversation, &inside.link);
        // Browsers show times to the minute.
        let moment = |at: Time| at.utc().strftime("%Y-%m-%dT%H:%M").to_string();
        RoomForm {
            name: room.name.clone(),
            locked: room.locked.then(String::new),
            expires_at: link.expires_at.map(moment).unwrap_or_default(),
            uses_left: link.uses_left.map(|uses| uses.to_string()).unwrap_or_default(),
        }
    }

    fn changes(&self, before: &RoomForm) -> Result<Changes> {
        let mut faults = Faults::default();
        let name = faults.check(RoomName::parse(&self.name))?;
        let expires_at = faults.check(moment(&self.expires_at))?;
        let uses_left = faults.check(count(&self.uses_left))?;
        faults.done()?;
        Ok(Changes {
            name: name.filter(|name| name.as_str() != before.name),
            locked: Some(self.locked.is_some()),
            // An unchanged time is not set again, because it may have passed meanwhile.
            expires_at: expires_at.filter(|_| self.expires_at != before.expires_at),
            uses_left: uses_left.filter(|_| self.uses_left != before.uses_left),
        })
    }
}

fn moment(raw: &str) -> Result<Option<Time>> {
    match raw.trim() {
        "" => Ok(None),
        raw => Time::parse(&format!("{raw}Z"))
            .or_else(|| Time::parse(raw))
            .map(Some)
            .ok_or_else(|| Error::invalid("expires_at", "Write a moment as 2026-11-23T18:00.")),
    }
}

fn count(raw: &str) -> Result<Option<i64>> {
    match raw.trim() {
        "" => Ok(None),
        raw => raw.parse().map(Some).map_err(|_| Error::invalid("uses_left", "Write a number, or nothing.")),
    }
}

/// `POST /rooms/{key}/about`
pub async fn change(
    State(app): State<Arc<App>>,
    from: ClientAddr,
    visitor: Visitor,
    Input(form): Input<RoomForm>,
) -> Result<Response> {
    let inside = enter(&app, &visitor).await?;
    let changed = match form.changes(&RoomForm::of(&inside)) {
        Ok(changes) => rule(&app, from, &visitor, move |owner, tx| owner.change(tx, &changes)).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => Ok(back(&visitor)),
        Err(error) => {
            show_form_error(error, async |error| {
                let page = AboutPage::new(&app, enter(&app, &visitor).await?).await?;
                Ok(AboutPage { form, error: Some(error), ..page })
            })
            .await
        }
    }
}

fn back(visitor: &Visitor) -> Response {
    Redirect::to(&format!("/rooms/{}/about?saved=1", visitor.key.as_str())).into_response()
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
    from: ClientAddr,
    visitor: Visitor,
    Input(form): Input<LinkForm>,
) -> Result<Response> {
    let all_stay = form.everyone_leaves.is_none();
    let link = rule(&app, from, &visitor, move |owner, tx| owner.renew_link(tx, all_stay)).await?;
    Ok(Redirect::to(&format!("/rooms/{}/about?saved=1", link.key)).into_response())
}

/// `POST /rooms/{key}/people/{id}/remove`
pub async fn remove(
    State(app): State<Arc<App>>,
    from: ClientAddr,
    visitor: Visitor,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let id: AccountId = from_path(&id)?;
    rule(&app, from, &visitor, move |owner, tx| owner.remove(tx, id)).await?;
    Ok(back(&visitor))
}

/// `POST /rooms/{key}/people/{id}/readmit`
pub async fn readmit(
    State(app): State<Arc<App>>,
    from: ClientAddr,
    visitor: Visitor,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let id: AccountId = from_path(&id)?;
    rule(&app, from, &visitor, move |owner, tx| owner.unbar(tx, id)).await?;
    Ok(back(&visitor))
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
    from: ClientAddr,
    visitor: Visitor,
    Input(form): Input<HookForm>,
) -> Result<Response> {
    let opened = match Name::parse(&form.hook_name) {
        Ok(name) => rule(&app, from, &visitor, move |owner, tx| owner.open_hook(tx, &name)).await,
        Err(error) => Err(error),
    };
    let about = AboutPage::new(&app, enter(&app, &visitor).await?).await?;
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
    from: ClientAddr,
    visitor: Visitor,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let id: HookId = from_path(&id)?;
    rule(&app, from, &visitor, move |owner, tx| owner.close_hook(tx, id)).await?;
    Ok(back(&visitor))
}

#[derive(Template)]
#[template(path = "room_end.html")]
struct EndPage {
    shell: Shell,
    inside: Inside,
    /// True if the page confirms a deletion, or else leaving.
    delete: bool,
}

/// `GET /rooms/{key}/leave`
pub async fn leave_form(State(app): State<Arc<App>>, inside: Inside) -> Result<Response> {
    let shell = Shell::new(&app, &Viewer::from(&inside.participant.account), NavItem::Rooms).await?;
    page(&EndPage { shell, inside, delete: false })
}

/// `POST /rooms/{key}/leave`
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    visitor: Visitor,
) -> Result<Response> {
    app.limits.write(from)?;
    app.db.write(move |tx| visitor.enter(tx)?.leave(tx)).await?;
    Ok(Redirect::to("/rooms").into_response())
}

/// `GET /rooms/{key}/delete`
pub async fn delete_form(State(app): State<Arc<App>>, inside: Inside) -> Result<Response> {
    let shell = Shell::new(&app, &Viewer::from(&inside.participant.account), NavItem::Rooms).await?;
    let owner = inside.owner()?;
    page(&EndPage { shell, inside: owner.inside().clone(), delete: true })
}

/// `POST /rooms/{key}/delete`
pub async fn delete(State(app): State<Arc<App>>, from: ClientAddr, visitor: Visitor) -> Result<Response> {
    rule(&app, from, &visitor, Owner::delete).await?;
    Ok(Redirect::to("/rooms").into_response())
}
