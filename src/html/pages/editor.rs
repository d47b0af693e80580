//! The editor of a member's page. Every change is a form of its own and is stored in the draft. The preview beside the
//! forms is rendered by the template of the page. `editor.js` sends the forms while the member types.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{
        Multipart, Path, State,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    pictures,
    view::{Home, PageData, Renderer},
};
use crate::{
    Error, Result,
    app::App,
    domain::{
        accounts::Member,
        attachments::MAX_FILE_BYTES,
        pages::{
            Audience,
            content::Content,
            draft::OwnPage,
            form::Fields,
            hero::Backdrop,
            host::Host,
            interests::Interest,
            links::Link,
            list::Item,
            look::{Look, Theme},
            projects::Project,
        },
    },
    error::Faults,
    events::Tx,
    html::{NavItem, Shell, field_error, is_form_error, page, render_form_error},
    http::{
        input::{Input, Query},
        respond::{FRAGMENT, Framed, status_and_headers},
        session::{Caller, ClientAddr},
    },
    ids::PictureId,
    store::rooms::OpenRoom,
    wire::filters,
};

#[derive(Template)]
#[template(path = "page/editor.html")]
struct EditorPage {
    shell: Shell,
    username: String,
    own_page: OwnPage,
    sections: Vec<SectionForm>,
    rooms: Vec<OpenRoom>,
    /// Pictures of the draft, with the narrowest file of each.
    thumbs: Vec<(PictureId, String)>,
    look: Fields,
    host: String,
    /// The form that was refused, by a section’s id or as `look`, `host` or `kind`, and its error.
    failed_form: Option<(String, Error)>,
    /// The section that is open.
    open: Option<u32>,
}

/// A section, and the fields of its form.
struct SectionForm {
    id: u32,
    content: Content,
    audience: Audience,
    fields: Fields,
    error: Option<Error>,
}

impl SectionForm {
    fn get(&self, name: &str) -> &str {
        self.fields.get(name)
    }

    fn at(&self, name: &str, at: &usize) -> &str {
        self.fields.get(&format!("{name}.{at}"))
    }

    /// Returns the value of a field of an item.
    fn end(&self, name: &str, ending: &str) -> &str {
        self.fields.get(&format!("{name}{ending}"))
    }

    fn is_on(&self, name: &str) -> bool {
        self.fields.is_on(name)
    }

    fn fault_end(&self, name: &str, ending: &str) -> Option<&str> {
        field_error(self.error.as_ref(), &format!("{name}{ending}"))
    }

    /// Returns whether this is the empty item at the end.
    fn is_last(&self, at: &usize) -> bool {
        *at + 1 == self.items().end && self.at("item_title", at).is_empty() && self.at("link", at).is_empty()
    }

    fn fault_at(&self, name: &str, at: &usize) -> Option<&str> {
        field_error(self.error.as_ref(), &format!("{name}.{at}"))
    }

    fn ticks(&self, room: &OpenRoom) -> bool {
        self.fields.is_on(&format!("room.{}", room.id))
    }

    fn field_error(&self, name: &str) -> Option<&str> {
        field_error(self.error.as_ref(), name)
    }

    /// Returns the error about the form as a whole.
    fn form_error(&self) -> Option<String> {
        match &self.error {
            Some(Error::Invalid(faults)) => {
                faults.iter().find(|fault| fault.field.is_empty()).map(|fault| fault.message.clone())
            }
            other => other.as_ref().map(Error::sentence),
        }
    }

    /// Returns the indexes of the items of the section's list, and of an empty one.
    fn items(&self) -> std::ops::Range<usize> {
        let (name, max) = match self.content {
            Content::Links(_) => (Link::FIELD, Link::MAX),
            Content::Projects(_) => (Project::FIELD, Project::MAX),
            _ => (Interest::FIELD, Interest::MAX),
        };
        let count = self.fields.count(name);
        0..(count + 1).min(max)
    }
}

impl EditorPage {
    async fn new(app: &App, member: &Member) -> Result<Self> {
        let reader = member.clone();
        let read = app.db.read(move |read| {
            let own_page = reader.page(read)?;
            let data = PageData::of(read, &reader, &own_page.draft)?;
            Ok((reader.open_rooms(read)?, data, own_page))
        });
        let (rooms, data, own_page) = read.await?;
        let sections = own_page.draft.sections.iter().map(|section| SectionForm {
            id: section.id,
            fields: section.content.fields(),
            content: section.content.clone(),
            audience: section.audience,
            error: None,
        });
        let mut look = Fields::default();
        look.set("theme", own_page.draft.look.theme.name());
        look.set("accent", own_page.draft.look.accent().to_string());
        look.tick("own_accent", own_page.draft.look.accent.is_some());
        let mut thumbs: Vec<(PictureId, String)> = Vec::new();
        for file in data.files() {
            if !thumbs.iter().any(|(id, _)| *id == file.picture) {
                thumbs.push((file.picture, format!("/pictures/{}.webp", file.id)));
            }
        }
        Ok(EditorPage {
            shell: Shell::new(app, &Caller::from(member), NavItem::Settings).await?,
            username: member.username.clone(),
            host: own_page.host.clone().unwrap_or_default(),
            sections: sections.collect(),
            own_page,
            rooms,
            thumbs,
            look,
            failed_form: None,
            open: None,
        })
    }

    fn thumb(&self, id: &str) -> Option<&str> {
        let id: PictureId = id.parse().ok()?;
        self.thumbs.iter().find(|(thumb, _)| *thumb == id).map(|(_, src)| src.as_str())
    }

    fn error_of(&self, form: &str) -> Option<String> {
        self.failed_form.as_ref().filter(|(failed, _)| failed == form).map(|(_, error)| error.sentence())
    }

    fn is_open(&self, section: &SectionForm) -> bool {
        section.error.is_some() || self.open == Some(section.id)
    }
}

/// The query of the editor: the open section.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Opened {
    section: Option<u32>,
}

/// `GET /settings/page`
pub async fn show(
    State(app): State<Arc<App>>,
    Query(opened): Query<Opened>,
    member: Member,
) -> Result<Response> {
    page(&EditorPage { open: opened.section, ..EditorPage::new(&app, &member).await? })
}

/// `GET /settings/page/preview`: the rendered draft. The editor shows it in a frame.
pub async fn preview(State(app): State<Arc<App>>, member: Member) -> Result<Response> {
    let reader = member.clone();
    let read = app.db.read(move |read| {
        let own_page = reader.page(read)?;
        Ok((PageData::of(read, &reader, &own_page.draft)?, own_page))
    });
    let (data, own_page) = read.await?;
    let renderer = Renderer {
        owner: &member,
        page: &own_page.draft,
        audience: Audience::Nobody,
        host: None,
        home: Home::Site,
        is_own: false,
    };
    let mut response = page(&renderer.view(&app.config, &data))?;
    response.extensions_mut().insert(Framed);
    Ok(response)
}

/// A request to change a page: by a form, or by the site's script.
pub struct Change {
    app: Arc<App>,
    member: Member,
    addr: ClientAddr,
    by_script: bool,
}

impl axum::extract::FromRequestParts<Arc<App>> for Change {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &Arc<App>) -> Result<Self> {
        let member = Member::from_request_parts(parts, app).await?;
        let addr = ClientAddr::from_request_parts(parts, app).await?;
        let by_script = parts.headers.contains_key(FRAGMENT);
        Ok(Change { app: Arc::clone(app), member, addr, by_script })
    }
}

impl Change {
    /// Makes a change, and redirects to the editor at its section. A refused form is shown again with the typed values.
    async fn apply(
        self,
        form: &str,
        typed: Option<Fields>,
        change: impl AsyncFnOnce(&App, &Member) -> Result<Option<u32>>,
    ) -> Result<Response> {
        let changed = match self.app.limits.write(self.addr.0) {
            Ok(()) => change(&self.app, &self.member).await,
            Err(error) => Err(error),
        };
        match changed {
            Ok(_) if self.by_script => Ok(StatusCode::NO_CONTENT.into_response()),
            Ok(Some(section)) => {
                Ok(Redirect::to(&format!("/settings/page?section={section}#section-{section}"))
                    .into_response())
            }
            Ok(None) => Ok(Redirect::to("/settings/page").into_response()),
            Err(error) if is_form_error(&error) && !self.by_script => {
                let mut editor = EditorPage::new(&self.app, &self.member).await?;
                let head: (StatusCode, HeaderMap) = status_and_headers(&error);
                match editor.sections.iter_mut().find(|section| section.id.to_string() == form) {
                    Some(section) => {
                        // Fields that were not received, because the form was cut off, keep their values.
                        section.fields = typed.unwrap_or_default().fill_missing(&section.fields);
                        section.audience =
                            Audience::parse(section.fields.get("audience")).unwrap_or(section.audience);
                        section.error = Some(error);
                    }
                    None => {
                        match (form, typed) {
                            ("look", Some(typed)) => editor.look = typed,
                            ("host", Some(typed)) => editor.host = typed.get("host").to_owned(),
                            _ => {}
                        }
                        editor.failed_form = Some((form.to_owned(), error));
                    }
                }
                render_form_error(head, &editor)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a change in one transaction.
    async fn write(
        self,
        form: &str,
        change: impl Fn(&Member, &mut Tx<'_>) -> Result<Option<u32>> + Send + Sync + 'static,
    ) -> Result<Response> {
        self.apply(form, None, async |app, member| {
            let member = member.clone();
            app.db.write(move |tx| change(&member, tx)).await
        })
        .await
    }
}

/// The form for a new section.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct NewSection {
    kind: String,
}

/// `POST /settings/page/sections`
pub async fn add(change: Change, Input(NewSection { kind }): Input<NewSection>) -> Result<Response> {
    change.write("kind", move |member, tx| member.add_section(tx, &kind).map(Some)).await
}

/// `POST /settings/page/sections/{id}`: the fields of the section's kind, `audience`, pictures as `file` and `file.0`,
/// and a button that moves an item up (`up`) or removes it (`without`).
pub async fn fill(change: Change, Path(id): Path<u32>, form: Multipart) -> Result<Response> {
    let mut fields = Fields::default();
    let received = receive(&change, form, &mut fields).await;
    let audience = fields.get("audience").to_owned();
    if let Ok(at) = fields.get("without").parse() {
        fields.remove_item(at);
    }
    if let Ok(at @ 1..) = fields.get("up").parse::<usize>() {
        fields.swap_items(at, at - 1);
    }
    let typed = fields.clone();
    let set = async move |app: &App, member: &Member| {
        received?;
        let (member, audience) = (member.clone(), Audience::parse(&audience)?);
        app.db.write(move |tx| member.set_section(tx, id, audience, &fields).map(|()| Some(id))).await
    };
    change.apply(&id.to_string(), Some(typed), set).await
}

/// Reads the fields of a form. Its pictures are stored, and their ids are the values of the fields. The other fields
/// are read even if a picture is refused.
async fn receive(change: &Change, mut form: Multipart, fields: &mut Fields) -> Result<()> {
    let _turn = change.app.limits.upload(&change.member.account)?;
    let mut faults = Faults::default();
    while let Some(field) = form.next_field().await.map_err(|error| form_read_error(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        let Some(ending) = name.strip_prefix("file") else {
            fields.set(name, field.text().await.map_err(|error| form_read_error(&error))?);
            continue;
        };
        let stored = store_picture(change, field).await.map_err(|error| error.about(&name));
        if let Some(id) = faults.check(stored)?.flatten() {
            fields.set(format!("picture{ending}"), id.to_string());
            fields.set(format!("no_picture{ending}"), "");
            if ending.is_empty() {
                fields.set("backdrop", "picture"); // a picture that was sent is meant to be shown
            }
        }
    }
    faults.done()
}

/// Returns the error of a form that can't be read to its end.
fn form_read_error(error: &MultipartError) -> Error {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::invalid("", TOO_LARGE),
        _ => Error::Malformed("That is no form that we can read.".into()),
    }
}

/// The error of a picture that is too large.
const TOO_LARGE: &str = "That picture is larger than 20 MB. Send a smaller one.";

/// Stores a picture of a form, and returns its id; `None` if none was chosen.
async fn store_picture(change: &Change, mut field: Field<'_>) -> Result<Option<PictureId>> {
    let mut incoming = change.app.files.receive().await?;
    let mut is_large = false;
    while let Some(chunk) = field.chunk().await.map_err(|error| form_read_error(&error))? {
        is_large |= incoming.bytes() + chunk.len() > MAX_FILE_BYTES;
        if !is_large {
            incoming.write(&chunk).await?;
        }
    }
    if is_large {
        return Err(Error::invalid("", TOO_LARGE));
    }
    if incoming.bytes() == 0 {
        return Ok(None);
    }
    incoming.finish().await?;
    change.app.limits.post(change.addr.0, change.member.id())?;
    pictures::store(&change.app, &change.member, incoming).await.map(Some)
}

/// The form to move a section.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Move {
    to: usize,
}

/// `POST /settings/page/sections/{id}/move`
pub async fn move_section(
    change: Change,
    Path(id): Path<u32>,
    Input(Move { to }): Input<Move>,
) -> Result<Response> {
    change.write("", move |member, tx| member.move_section(tx, id, to).map(|()| None)).await
}

/// `POST /settings/page/sections/{id}/delete`
pub async fn delete(change: Change, Path(id): Path<u32>) -> Result<Response> {
    change.write("", move |member, tx| member.delete_section(tx, id).map(|()| None)).await
}

/// `POST /settings/page/look`
pub async fn change_look(
    change: Change,
    Input(form): Input<std::collections::BTreeMap<String, String>>,
) -> Result<Response> {
    let fields = Fields::new(form);
    change
        .apply("look", Some(fields.clone()), async move |app, member| {
            let (member, look) = (member.clone(), Look::from_fields(&fields)?);
            app.db.write(move |tx| member.set_appearance(tx, &look)).await.map(|()| None)
        })
        .await
}

/// `POST /settings/page/publish`
pub async fn publish(change: Change) -> Result<Response> {
    change.write("", |member, tx| member.publish(tx).map(|()| None)).await
}

/// `POST /settings/page/unpublish`
pub async fn unpublish(change: Change) -> Result<Response> {
    change.write("", |member, tx| member.unpublish(tx).map(|()| None)).await
}

/// `POST /settings/page/discard`
pub async fn discard(change: Change) -> Result<Response> {
    change.write("", |member, tx| member.discard_draft(tx).map(|()| None)).await
}

/// The form for a host name.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct HostForm {
    host: String,
}

/// `POST /settings/page/host`
pub async fn set_host(change: Change, Input(HostForm { host }): Input<HostForm>) -> Result<Response> {
    let mut typed = Fields::default();
    typed.set("host", &host);
    change
        .apply("host", Some(typed), async move |app, member| {
            let site_host = app.config.base_url.host();
            let host = if host.trim().is_empty() { None } else { Some(Host::parse(&host, site_host)?) };
            let allowed = app.config.page_hosts.as_ref();
            if let (Some(host), Some(allowed)) = (&host, allowed)
                && !allowed.iter().any(|name| name == host.as_str())
            {
                return Err(Error::invalid(
                    "host",
                    "Whoever runs this place has to let that name in first: CHITTER_PAGE_HOSTS.",
                ));
            }
            let member = member.clone();
            app.db.write(move |tx| member.set_host(tx, host.as_ref())).await.map(|()| None)
        })
        .await
}
