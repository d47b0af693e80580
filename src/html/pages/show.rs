//! The published page, its peeps and its stylesheet.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    about::url,
    contact,
    style::css,
    view::{Home, PageData, Renderer, View},
};
use crate::{
    Error, Result,
    app::App,
    assets,
    clock::Time,
    domain::{
        self,
        accounts::Member,
        pages::{
            self, Audience, Published,
            look::{Colours, Look},
        },
    },
    html::{
        feeds, page,
        stream::{Paging, peeps_of},
    },
    http::{
        cached,
        input::Query,
        session::{Caller, ClientAddr, has_session},
    },
    services::{cards, page_cache::Rendered},
};

/// Finds a member, and the published page if there is one.
pub(super) async fn find(app: &App, username: &str) -> Result<(Member, Option<Published>)> {
    let username = username.to_owned();
    app.db
        .read(move |read| {
            let owner = domain::accounts::member(read, &username)?;
            let published = pages::published(read, &owner)?;
            Ok((owner, published))
        })
        .await
}

/// Finds a member and the published page; 404 if there is none.
pub(super) async fn published(app: &App, username: &str) -> Result<(Member, Published)> {
    let (owner, published) = find(app, username).await?;
    Ok((owner, published.ok_or(Error::NotFound)?))
}

async fn view(app: &App, owner: &Member, published: &Published, caller: Option<&Caller>) -> Result<View> {
    let (page_owner, page) = (owner.clone(), published.page.clone());
    let data = app.db.read(move |read| PageData::of(read, &page_owner, &page)).await?;
    let member = caller.and_then(Caller::member);
    let renderer = Renderer {
        owner,
        page: &published.page,
        audience: if member.is_some() { Audience::Members } else { Audience::Everyone },
        host: published.host.as_deref(),
        home: Home::Site,
        is_own: member.is_some_and(|member| member.id() == owner.id()),
    };
    Ok(renderer.view(&app.config, &data))
}

/// `GET /@{username}`, `/@{username}.atom` and `/@{username}.vcf`. A member without a page has a list of peeps here.
pub async fn person(
    State(app): State<Arc<App>>,
    Path(username): Path<String>,
    Query(paging): Query<Paging>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(username) = username.strip_suffix(".atom") {
        return feeds::person(&app, username).await;
    }
    if let Some(username) = username.strip_suffix(".vcf") {
        return contact::vcard(&app, username).await;
    }
    let request = PageRequest { method, uri, headers };
    if !request.has_session(&app)
        && let Some(response) = request.cached_response(&app, &username)
    {
        return Ok(response);
    }
    let (owner, published) = find(&app, &username).await?;
    if owner.username != username {
        return Ok(Redirect::permanent(&format!("/@{}", owner.username)).into_response());
    }
    match published {
        Some(published) => request.respond(&app, &owner, &published).await,
        None => {
            let viewer = request.viewer(&app).await?;
            peeps_of(&app, &owner, &viewer, &paging, format!("/@{username}")).await
        }
    }
}

/// Returns the page of a member as the front page; `None` if the member has published none.
pub async fn front(app: &App, username: &str, request: &PageRequest) -> Result<Option<Response>> {
    if !request.has_session(app)
        && let Some(response) = request.cached_response(app, username)
    {
        return Ok(Some(response));
    }
    match find(app, username).await {
        Ok((owner, Some(published))) => request.respond(app, &owner, &published).await.map(Some),
        Ok((_, None)) | Err(Error::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The request of a page.
pub struct PageRequest {
    /// `GET` or `HEAD`.
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
}

impl PageRequest {
    fn has_session(&self, app: &App) -> bool {
        has_session(&app.config, &self.headers)
    }

    async fn viewer(&self, app: &App) -> Result<Caller> {
        Caller::find(app, &self.method, &self.uri, &self.headers).await
    }

    /// Returns the page from the cache, for strangers.
    fn cached_response(&self, app: &App, username: &str) -> Option<Response> {
        let (account, page) = app.page_cache.member(username)?;
        let response = cached::respond(&page, &self.headers);
        if self.is_visit() {
            app.visits.count(account, app.clock.now(), "");
        }
        Some(response)
    }

    async fn respond(&self, app: &App, owner: &Member, published: &Published) -> Result<Response> {
        let viewer = if self.has_session(app) { Some(self.viewer(app).await?) } else { None };
        let is_own = viewer.as_ref().and_then(Caller::member).is_some_and(|member| member.id() == owner.id());
        if self.is_visit() && !is_own {
            app.visits.count(owner.id(), app.clock.now(), "");
        }
        if let Some(viewer) = &viewer {
            return page(&view(app, owner, published, Some(viewer)).await?);
        }
        let render = async {
            // The page is read again, because it may have changed in the meantime.
            let (owner, published) = self::published(app, &owner.username).await?;
            let body = view(app, &owner, &published, None).await?.render().map_err(Error::internal)?;
            Ok(Rendered { kind: "text/html; charset=utf-8", link: None, body })
        };
        let page = app.page_cache.render_member(&owner.username, owner.id(), render).await?;
        Ok(cached::respond(&page, &self.headers))
    }

    /// Returns whether the request counts as a visit: by a person, not by a crawler or a prefetch.
    fn is_visit(&self) -> bool {
        let header = |name: &str| {
            let value = self.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_ascii_lowercase()
        };
        let agent = header("user-agent");
        self.method == Method::GET
            && !["bot", "crawl", "spider", "preview", "slurp"].iter().any(|marker| agent.contains(marker))
            && !header("sec-purpose").contains("prefetch")
    }
}

/// `GET /@{username}/peeps`
pub async fn peeps(
    State(app): State<Arc<App>>,
    Path(username): Path<String>,
    Query(paging): Query<Paging>,
    caller: Caller,
) -> Result<Response> {
    let (owner, published) = find(&app, &username).await?;
    if owner.username != username || published.is_none() {
        let path = if published.is_none() { "" } else { "/peeps" };
        return Ok(Redirect::to(&format!("/@{}{path}", owner.username)).into_response());
    }
    peeps_of(&app, &owner, &caller, &paging, format!("/@{username}/peeps")).await
}

/// The query of a ping: the link that a visitor clicked.
#[derive(Deserialize)]
pub struct Click {
    link: String,
}

/// `POST /@{username}/visits`: a browser reports that a visitor clicked a link on the page (`ping` in HTML).
pub async fn count_click(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    Path(username): Path<String>,
    Query(Click { link }): Query<Click>,
) -> Result<Response> {
    app.limits.write(origin)?;
    let (owner, published) = published(&app, &username).await?;
    if !published.page.leads_to(&link) {
        return Err(Error::NotFound);
    }
    app.visits.count(owner.id(), app.clock.now(), &link);
    Ok(axum::http::StatusCode::NO_CONTENT.into_response())
}

/// `GET /@{username}/card.png`: the picture of the page's link preview.
pub async fn card(State(app): State<Arc<App>>, Path(username): Path<String>) -> Result<Response> {
    let (owner, published) = published(&app, &username).await?;
    let name = published.page.name().unwrap_or(&owner.account.name).to_owned();
    let line = published.page.hero().map(|hero| hero.line.clone()).unwrap_or_default();
    let address = url(&app.config, &owner, published.host.as_deref());
    let address = address.split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/').to_owned();
    let colours = published.page.look.colours(false);
    let card = cards::Card { name, line, address, colours };
    let png = app.cards.png(&app.pictures, card).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    Ok((headers, png).into_response())
}

#[derive(Template)]
#[template(path = "sitemap.xml")]
struct Sitemap<'a> {
    base: &'a str,
    pages: Vec<(String, Time)>,
}

/// The most pages in the sitemap, whose standard allows 50,000 URLs.
const MAX_SITEMAP_PAGES: i64 = 49_000;

/// `GET /sitemap.xml`: the front page, and every page that is published (<https://www.sitemaps.org/protocol.html>).
pub async fn sitemap(State(app): State<Arc<App>>) -> Result<Response> {
    let mut pages = app.db.read(|read| pages::all_published(read, MAX_SITEMAP_PAGES)).await?;
    pages.retain(|(username, _)| app.config.home.as_ref() != Some(username)); // the front page is listed already
    let sitemap = Sitemap { base: app.config.base_url.as_str(), pages };
    let body = sitemap.render().map_err(Error::internal)?;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

#[derive(Template)]
#[template(path = "page/look.svg", escape = "xml")]
struct Swatch {
    day: Colours,
    night: Colours,
}

/// `GET /looks/{version}/{name}.css`: the stylesheet of a look; with `.svg` a small swatch of its colours.
pub async fn look(Path((version, name)): Path<(String, String)>) -> Result<Response> {
    let (name, kind) = name.rsplit_once('.').ok_or(Error::NotFound)?;
    let look = Look::parse(name)?;
    let (kind, body) = match kind {
        "css" => ("text/css; charset=utf-8", css(&look)?),
        "svg" => {
            let swatch = Swatch { day: look.colours(false), night: look.colours(true) };
            ("image/svg+xml", swatch.render().map_err(Error::internal)?)
        }
        _ => return Err(Error::NotFound),
    };
    let cache_control =
        if version == *assets::VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache_control)),
    ];
    Ok((headers, body).into_response())
}
