//! Atom feeds (RFC 4287): everyone's peeps, and one person's.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::words;
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain,
    store::{
        self,
        peeps::{Peep, Scope, Span},
    },
    web::public::{Made, Public},
};

const KIND: &str = "application/atom+xml; charset=utf-8";

/// Entries in a feed.
const ENTRIES: Span = Span { before: None, after: None, oldest: false, limit: 40 };

/// A feed, ready to be rendered.
#[derive(Template)]
#[template(path = "feed.xml")]
pub(super) struct Feed<'a> {
    pub(super) title: String,
    /// The base URL.
    pub(super) base: &'a str,
    /// The page that it is of.
    pub(super) page: String,
    /// Its own address, and its id.
    pub(super) own: String,
    pub(super) entries: Vec<Entry>,
}

pub(super) struct Entry {
    pub(super) title: String,
    pub(super) url: String,
    pub(super) published: Time,
    pub(super) updated: Time,
    pub(super) author: String,
    /// Where the author's page is, if there is one.
    pub(super) author_url: Option<String>,
    pub(super) html: String,
}

impl Feed<'_> {
    fn updated(&self) -> Time {
        self.entries.iter().map(|entry| entry.updated).max().unwrap_or(Time::from_ms(0))
    }

    /// The feed as an answer.
    pub(super) fn answer(&self) -> Result<Response> {
        let body = self.render().map_err(Error::internal)?;
        Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(KIND))], body).into_response())
    }
}

fn entry(peep: &Peep, base: &str) -> Entry {
    let author_url = format!("{base}/@{}", peep.author.username);
    Entry {
        title: super::card::excerpt(&peep.body, 80),
        url: format!("{author_url}/{}", peep.id),
        published: peep.created_at,
        updated: peep.edited_at.unwrap_or(peep.created_at),
        author: peep.author.name.clone(),
        author_url: Some(author_url),
        html: words::html(&peep.body, &peep.mentions, base),
    }
}

/// `GET /feed.atom`
pub async fn everyone(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response> {
    let make = async {
        let peeps = app.db.read(|read| store::peeps::list(read, None, &Scope::Public, ENTRIES)).await?;
        let feed = feed(&app, app.config.name.clone(), "/", "/feed.atom", &peeps);
        let body = feed.render().map_err(Error::internal)?;
        Ok(Made { kind: KIND, link: None, body })
    };
    app.public.answer(&app, Public::Feed, &headers, make).await
}

/// `GET /@{username}.atom`
pub(super) async fn person(app: &App, username: &str) -> Result<Response> {
    let username = username.to_owned();
    let (person, peeps) = app
        .db
        .read(move |read| {
            let person = domain::accounts::member(read, &username)?;
            let peeps = store::peeps::list(read, None, &Scope::Account(person.id()), ENTRIES)?;
            Ok((person, peeps))
        })
        .await?;
    let path = format!("/@{}", person.username);
    let title = format!("{} on {}", person.account.name, app.config.name);
    feed(app, title, &path, &format!("{path}.atom"), &peeps).answer()
}

fn feed<'a>(app: &'a App, title: String, page: &str, own: &str, peeps: &[Peep]) -> Feed<'a> {
    let base = app.config.base_url.as_str();
    Feed {
        title,
        base,
        page: format!("{base}{page}"),
        own: format!("{base}{own}"),
        entries: peeps.iter().map(|peep| entry(peep, base)).collect(),
    }
}
