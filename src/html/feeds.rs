//! Atom feeds (RFC 4287): everyone's peeps, one person's, and a room's for its owner.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;

use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{self, messages, peeps, rooms::Key, viewer::Viewer},
    http::{cached, input::from_path},
    ids::{AccountId, ConversationId},
    services::page_cache::{PublicPage, Rendered},
    store::peeps::{Peep, PeepRange, Scope},
    wire::{format::excerpt, markup, rooms::url as room_url},
};

const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";

/// The most entries in a feed.
const ENTRIES: i64 = 40;
const LATEST: PeepRange = PeepRange { before: None, after: None, oldest: false, limit: ENTRIES };

/// The purpose of the signature, so that it is not valid for other signed addresses.
const ROOM_FEED: &str = "the feed of a room";

/// A feed, ready to be rendered.
#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed<'a> {
    title: String,
    /// The base URL.
    base: &'a str,
    /// The page that the feed belongs to.
    page: String,
    /// The feed's own address, which is also its id.
    own_url: String,
    entries: Vec<Entry>,
}

struct Entry {
    title: String,
    url: String,
    published: Time,
    updated: Time,
    author: String,
    /// The address of the author's page, if there is one.
    author_url: Option<String>,
    html: String,
}

impl Feed<'_> {
    fn updated(&self) -> Time {
        self.entries.iter().map(|entry| entry.updated).max().unwrap_or(Time::from_ms(0))
    }

    /// Renders the feed as a response.
    fn respond(&self) -> Result<Response> {
        let body = self.render().map_err(Error::internal)?;
        Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], body).into_response())
    }
}

fn entry(peep: &Peep, base: &str) -> Entry {
    let author_url = format!("{base}/@{}", peep.author.username);
    Entry {
        title: excerpt(&peep.body, 80),
        url: format!("{author_url}/{}", peep.id),
        published: peep.created_at,
        updated: peep.edited_at.unwrap_or(peep.created_at),
        author: peep.author.name.clone(),
        author_url: Some(author_url),
        html: markup::html(&peep.body, &peep.mentions, base),
    }
}

/// `GET /feed.atom`
pub async fn everyone(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response> {
    let render = async {
        let peeps =
            app.db.read(|read| peeps::timeline(read, Viewer::STRANGER, &Scope::Public, LATEST)).await?;
        let feed = feed(&app, app.config.name.clone(), app.config.stream_path(), "/feed.atom", &peeps);
        let body = feed.render().map_err(Error::internal)?;
        Ok(Rendered { kind: MEDIA_TYPE, link: None, body })
    };
    app.page_cache.public(PublicPage::Feed, render).await.map(|page| cached::respond(&page, &headers))
}

/// `GET /@{username}.atom`
pub(super) async fn person(app: &App, username: &str) -> Result<Response> {
    let username = username.to_owned();
    let (person, peeps) = app
        .db
        .read(move |read| {
            let person = domain::accounts::member(read, &username)?;
            let peeps = peeps::timeline(read, Viewer::STRANGER, &Scope::Account(person.id()), LATEST)?;
            Ok((person, peeps))
        })
        .await?;
    let path = format!("/@{}", person.username);
    let title = format!("{} on {}", person.account.name, app.config.name);
    feed(app, title, &path, &format!("{path}.atom"), &peeps).respond()
}

fn feed<'a>(app: &'a App, title: String, page: &str, own_url: &str, peeps: &[Peep]) -> Feed<'a> {
    let base = app.config.base_url.as_str();
    Feed {
        title,
        base,
        page: format!("{base}{page}"),
        own_url: format!("{base}{own_url}"),
        entries: peeps.iter().map(|peep| entry(peep, base)).collect(),
    }
}

/// Returns the path of a room's feed, for its owner alone. Feed readers have no cookie, so the URL is the secret. The
/// URL is valid as long as the room has the same link and the same owner.
pub(super) fn room_path(app: &App, key: &str, room: ConversationId, owner: AccountId) -> String {
    format!("/rooms/{key}/feed/{owner}-{}.atom", app.data.sign(ROOM_FEED, &format!("{room} {owner}")))
}

/// `GET /rooms/{key}/feed/{secret}`
pub async fn room(
    State(app): State<Arc<App>>,
    Path((key, secret)): Path<(String, String)>,
) -> Result<Response> {
    let owner: AccountId = from_path(secret.split('-').next().unwrap_or_default())?;
    let room_key = Key::parse(&key)?;
    let (room, messages) = app.db.read(move |read| messages::feed(read, &room_key, ENTRIES)).await?;
    let own_url = room_path(&app, &key, room.id, owner);
    let is_valid = own_url
        .rsplit('/')
        .next()
        .is_some_and(|expected| expected.as_bytes().ct_eq(secret.as_bytes()).into());
    if !is_valid || room.owner != Some(owner) {
        return Err(Error::NotFound);
    }
    let base = app.config.base_url.as_str();
    let page = room_url(base, &key);
    let entries = messages.iter().rev().filter(|message| message.deleted_at.is_none()).map(|message| Entry {
        title: excerpt(&message.body, 80),
        url: format!("{page}?at={}#m{}", message.seq, message.seq),
        published: message.created_at,
        updated: message.edited_at.unwrap_or(message.created_at),
        author: message.author.name.clone(),
        author_url: message.author.username.as_ref().map(|username| format!("{base}/@{username}")),
        html: markup::message(&message.body, &message.mentions, base),
    });
    let feed = Feed {
        title: format!("{} on {}", room.name, app.config.name),
        base,
        page: page.clone(),
        own_url: format!("{base}{own_url}"),
        entries: entries.collect(),
    };
    let mut response = feed.respond()?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}
