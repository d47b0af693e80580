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

#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed<'a> {
    title: String,
    base: &'a str,
    page: String,
    own: String,
    updated: Time,
    peeps: Vec<Peep>,
}

impl Feed<'_> {
    fn words(&self, peep: &Peep) -> String {
        words::html(&peep.body, &peep.mentions, self.base)
    }

    fn updated_of(&self, peep: &Peep) -> Time {
        updated(peep)
    }

    fn title_of(&self, peep: &Peep) -> String {
        super::card::excerpt(&peep.body, 80)
    }
}

/// When the peep became what it is.
fn updated(peep: &Peep) -> Time {
    peep.edited_at.unwrap_or(peep.created_at)
}

/// `GET /feed.atom`
pub async fn everyone(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response> {
    let make = async {
        let peeps = app.db.read(|read| store::peeps::list(read, None, &Scope::Public, ENTRIES)).await?;
        let body = feed(&app, app.config.name.clone(), "", "/feed.atom", peeps)?;
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
    let body = feed(app, title, &path, &format!("{path}.atom"), peeps)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(KIND))], body).into_response())
}

fn feed(app: &App, title: String, page: &str, own: &str, peeps: Vec<Peep>) -> Result<String> {
    let base = app.config.base_url.as_str();
    let feed = Feed {
        title,
        base,
        page: format!("{base}{}", if page.is_empty() { "/" } else { page }),
        own: format!("{base}{own}"),
        updated: peeps.iter().map(updated).max().unwrap_or(Time::from_ms(0)),
        peeps,
    };
    feed.render().map_err(Error::internal)
}
