//! A thread: people who are named, and what they say to each other.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Place, Shell,
    chat::{Chat, Stretch},
    messages::{Row, SayForm},
    page,
    rooms::{flock, here_now},
};
use crate::{
    Error, Result,
    app::App,
    domain::conversations::Participant,
    events::Here,
    store::{self, conversations::Kind},
    web::{input::Query, presence, session::Viewer},
};

#[derive(Template)]
#[template(path = "thread.html")]
pub(super) struct ThreadPage {
    shell: Shell,
    chat: Chat,
    here: Here,
}

impl ThreadPage {
    /// The latest messages, or those before `end`; with what could not be said.
    pub(super) async fn new(
        app: &App,
        viewer: &Viewer,
        participant: &Participant,
        end: Option<i64>,
        refused: Option<(SayForm, &Error)>,
    ) -> Result<Self> {
        let id = participant.conversation.id;
        let action = format!("/conversations/{id}/messages");
        let mut chat = Chat::new(app, participant, &format!("/threads/{id}"), action, end, refused).await?;
        let everyone = app.db.read(move |read| store::conversations::participants(read, id, 100)).await?;
        let others = everyone.into_iter().map(|one| one.account).filter(|one| one.id != participant.id());
        let names: Vec<String> = others.map(|one| one.name).collect();
        chat.title = names.join(", ");
        let mut people = app.presence.people(&id);
        if !people.iter().any(|one| one.id == participant.id()) {
            people.push(participant.somebody());
        }
        let shell = Shell::new(app, viewer, Place::Match).await?;
        Ok(ThreadPage { shell, chat, here: presence::here(id, people) })
    }

    fn here_now(&self) -> String {
        here_now(&self.here)
    }

    fn flock(&self) -> String {
        flock(&self.here)
    }
}

/// `GET /threads/{conversation}`
pub async fn show(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    participant: Participant,
    Query(stretch): Query<Stretch>,
) -> Result<Response> {
    match participant.conversation.kind {
        Kind::Thread => page(&ThreadPage::new(&app, &viewer, &participant, stretch.end(), None).await?),
        Kind::Match => Ok(Redirect::to("/match").into_response()),
        Kind::Room => Err(Error::NotFound), // its address is its key
    }
}
