//! Lists of peeps: the stream, one person's, and those with a tag.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{NavItem, Shell, composer::Composer, page, pages::show};
use crate::{
    Error, Result,
    app::App,
    db::Read,
    domain::{self, accounts::Member, peeps, viewer::Viewer},
    http::{
        cached,
        input::{Query, from_path},
        session::{Caller, has_session},
    },
    ids::PeepId,
    services::page_cache::{PublicPage, Rendered},
    store::peeps::{Peep, PeepRange, Scope},
    wire::{filters, format::initials, markup, peep_card::Card},
};

/// The most peeps on a page.
const PAGE_SIZE: i64 = 20;

/// A page of a list.
#[derive(Deserialize, Default)]
pub struct Paging {
    /// Only peeps older than this one.
    before: Option<String>,
}

impl Paging {
    fn before(&self) -> Result<Option<PeepId>> {
        self.before.as_deref().map(from_path).transpose()
    }
}

/// The heading of a list of peeps.
pub(super) enum Heading {
    Stream,
    Person {
        name: String,
        username: String,
        initials: String,
        tone: u64,
        joined: String,
        you: bool,
        page: bool,
    },
    Tag {
        tag: String,
    },
}

#[derive(Template)]
#[template(path = "stream.html")]
pub(super) struct ListPage {
    shell: Shell,
    heading: Heading,
    composer: Option<Composer>,
    cards: Vec<Card>,
    older: Option<String>,
    newest: Option<String>,
    seq: i64,
    /// The peeps that belong to this list when they arrive by the socket.
    live: String,
}

/// The data of a list page.
struct List {
    seq: i64,
    peeps: Vec<Peep>,
    has_more: bool,
}

fn list(read: &Read<'_>, viewer: Viewer, scope: &Scope, before: Option<PeepId>) -> Result<List> {
    // The number is read first: a change between the two reads is replayed, and the page's script skips what it has.
    let seq = peeps::last_seq(read)?;
    let range = PeepRange { before, after: None, oldest: false, limit: PAGE_SIZE + 1 };
    let mut peeps = peeps::timeline(read, viewer, scope, range)?;
    let has_more = peeps.len() > PAGE_SIZE as usize;
    peeps.truncate(PAGE_SIZE as usize);
    Ok(List { seq, peeps, has_more })
}

/// A list to be read and rendered.
struct ListRequest<'a> {
    caller: &'a Caller,
    scope: Scope,
    heading: Heading,
    path: String,
    paging: &'a Paging,
}

async fn list_page(app: &App, request: ListRequest<'_>, composer: Option<Composer>) -> Result<ListPage> {
    let ListRequest { caller, scope, heading, path, paging } = request;
    let before = paging.before()?;
    let member = caller.member();
    let (viewer, live) = (caller.viewer(), live(&scope));
    let data = app.db.read(move |read| list(read, viewer, &scope, before)).await?;
    let now = app.clock.now();
    let at = match &heading {
        Heading::Stream => NavItem::Stream,
        Heading::Person { you: true, .. } => NavItem::You,
        _ => NavItem::Elsewhere,
    };
    let older = data.peeps.last().filter(|_| data.has_more).map(|last| format!("{path}?before={}", last.id));
    Ok(ListPage {
        shell: Shell::new(app, caller, at).await?,
        heading,
        composer,
        cards: data.peeps.into_iter().map(|p| Card::new(p, member.as_ref(), now)).collect(),
        older,
        newest: before.map(|_| path),
        seq: data.seq,
        live,
    })
}

/// Returns the filter by which the page's script accepts arriving peeps.
fn live(scope: &Scope) -> String {
    match scope {
        Scope::Public => "all".into(),
        Scope::Account(id) => format!("author {id}"),
        Scope::Tag(tag) => format!("tag {tag}"),
    }
}

/// `GET /`: the stream, unless a member's page is the front page.
pub async fn front(
    State(app): State<Arc<App>>,
    Query(paging): Query<Paging>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(username) = &app.config.home {
        let request = show::PageRequest { method, uri: uri.clone(), headers: headers.clone() };
        if let Some(page) = show::front(&app, username, &request).await? {
            return Ok(page);
        }
    }
    stream(State(app), Query(paging), uri, headers).await
}

/// `GET /stream`
pub async fn stream(
    State(app): State<Arc<App>>,
    Query(paging): Query<Paging>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    if paging.before.is_none() && !has_session(&app.config, &headers) {
        let render = async {
            let page = stream_page(&app, &Caller::default(), &paging, None).await?;
            let body = page.render().map_err(Error::internal)?;
            Ok(Rendered { kind: "text/html; charset=utf-8", link: None, body })
        };
        return app
            .page_cache
            .public(PublicPage::Stream, render)
            .await
            .map(|page| cached::respond(&page, &headers));
    }
    let caller = Caller::find(&app, &Method::GET, &uri, &headers).await?;
    let composer = caller.member().map(|member| Composer::new(&app, &member, None)).transpose()?;
    page(&stream_page(&app, &caller, &paging, composer).await?)
}

pub(super) async fn stream_page(
    app: &App,
    caller: &Caller,
    paging: &Paging,
    composer: Option<Composer>,
) -> Result<ListPage> {
    let path = app.config.stream_path().into();
    let request = ListRequest { caller, scope: Scope::Public, heading: Heading::Stream, path, paging };
    list_page(app, request, composer).await
}

/// `GET /tags/{tag}`
pub async fn tag(
    State(app): State<Arc<App>>,
    Path(raw): Path<String>,
    Query(paging): Query<Paging>,
    caller: Caller,
) -> Result<Response> {
    let tag = domain::text::stored_tag(&raw).ok_or(Error::NotFound)?;
    if tag != raw {
        return Ok(Redirect::permanent(&markup::tag_path("", &tag)).into_response());
    }
    let path = markup::tag_path("", &tag);
    let heading = Heading::Tag { tag: tag.clone() };
    let request = ListRequest { caller: &caller, scope: Scope::Tag(tag), heading, path, paging: &paging };
    page(&list_page(&app, request, None).await?)
}

/// Renders the list of a member's peeps at this path.
pub(super) async fn peeps_of(
    app: &App,
    person: &Member,
    caller: &Caller,
    paging: &Paging,
    path: String,
) -> Result<Response> {
    let heading = Heading::Person {
        name: person.account.name.clone(),
        username: person.username.clone(),
        initials: initials(&person.account.name),
        tone: person.id().tone(),
        joined: person.account.created_at.utc().strftime("%B %Y").to_string(),
        you: caller.account.as_ref().is_some_and(|caller| caller.id == person.id()),
        page: path.ends_with("/peeps"),
    };
    let request = ListRequest { caller, scope: Scope::Account(person.id()), heading, path, paging };
    page(&list_page(app, request, None).await?)
}
