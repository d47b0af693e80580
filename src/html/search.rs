//! The page of a search in a conversation.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;

use super::{NavItem, Shell, conversations::threads, page};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        conversations::Participant, messages::Query as MessageQuery, rooms::RoomMember, threads::Thread,
    },
    http::{
        input::Query,
        session::{Caller, ClientAddr},
    },
    store::messages::Message,
    wire::{
        filters,
        format::{ago, date_and_time},
    },
};

/// The most messages on a page of results.
const PAGE_SIZE: i64 = 50;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    shell: Shell,
    /// The title of the conversation.
    title: String,
    /// The path of the conversation.
    path: String,
    q: String,
    messages: Vec<Message>,
    error: Option<String>,
    older: Option<String>,
    now: Time,
}

impl SearchPage {
    fn body_html(&self, message: &Message) -> String {
        crate::wire::markup::message(&message.body, &message.mentions, "")
    }

    fn when(&self, message: &Message) -> String {
        date_and_time(message.created_at)
    }

    fn ago(&self, message: &Message) -> String {
        ago(self.now, message.created_at)
    }
}

/// The query of a search.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Search {
    q: String,
    before: Option<i64>,
}

/// `GET /rooms/{key}/search`
pub async fn room(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    room_member: RoomMember,
    Query(search): Query<Search>,
) -> Result<Response> {
    let path = format!("/rooms/{}", room_member.link.key);
    let title = room_member.participant.conversation.name.clone();
    search_page(&app, addr, &room_member.participant, NavItem::Rooms, (title, path), search).await
}

/// `GET /threads/{thread}/search`
pub async fn thread(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    thread: Thread,
    Query(search): Query<Search>,
) -> Result<Response> {
    let participant = thread.participant();
    let path = format!("/threads/{}", participant.conversation.id);
    let title = threads::title_of(&app, participant).await?;
    search_page(&app, addr, participant, NavItem::Threads, (title, path), search).await
}

async fn search_page(
    app: &App,
    ClientAddr(origin): ClientAddr,
    participant: &Participant,
    at: NavItem,
    (title, path): (String, String),
    Search { q, before }: Search,
) -> Result<Response> {
    let find = async {
        if q.trim().is_empty() {
            return Ok(Vec::new());
        }
        app.limits.write(origin)?;
        let query = MessageQuery::parse(&q)?;
        let participant = participant.clone();
        app.db.read_long(move |read| query.run(read, &participant, before, PAGE_SIZE)).await
    };
    let (messages, error): (Vec<Message>, _) = match find.await {
        Ok(messages) => (messages, None),
        Err(error @ (Error::Invalid(_) | Error::TooMany { .. })) => (Vec::new(), Some(error.sentence())),
        Err(error) => return Err(error),
    };
    let older = messages.last().filter(|_| messages.len() == PAGE_SIZE as usize);
    let encoded = super::encoded(&q);
    let older = older.map(|last| format!("{path}/search?q={encoded}&before={}", last.seq));
    let shell = Shell::new(app, &Caller::from(&participant.account), at).await?;
    page(&SearchPage { shell, title, path, q, messages, error, older, now: app.clock.now() })
}
