//! The page that asks a stranger for a name, and creates a guest.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{Shell, accounts::Next, field_error, form_error, on_this_site, page, show_form_error};
use crate::{
    Error, Result,
    app::App,
    domain::{
        names::Name,
        rooms::{self, Key},
    },
    http::{
        input::{Input, Query},
        session::{self, Caller, ClientAddr, set_cookie},
    },
    wire::filters,
};

#[derive(Template)]
#[template(path = "name.html")]
struct NamePage {
    shell: Shell,
    /// The room that the guest will join: its name, and the number of people in it.
    room: Option<(String, i64)>,
    form: NameForm,
    error: Option<Error>,
}

/// The form that asks for a name.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct NameForm {
    name: String,
    next: String,
}

impl NamePage {
    async fn new(app: &App, form: NameForm, error: Option<Error>) -> Result<Self> {
        let key =
            form.next.strip_prefix("/rooms/").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(rest));
        let room = match key.filter(|key| !key.is_empty()) {
            Some(key) => {
                let key = Key::parse(key)?;
                let room = app.db.read(move |read| rooms::preview(read, &key)).await?;
                Some((room.name, room.size))
            }
            None => None,
        };
        Ok(NamePage { shell: Shell::bare(app, &Caller::default()), room, form, error })
    }

    fn field_error(&self) -> Option<&str> {
        field_error(self.error.as_ref(), "name")
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["name"])
    }

    fn is_for_match(&self) -> bool {
        self.form.next.starts_with("/match")
    }

    fn people(&self) -> String {
        match &self.room {
            Some((_, 1)) => "One person in".into(),
            Some((_, n)) => format!("{n} people in"),
            None => String::new(),
        }
    }
}

/// `GET /session/new`: redirects visitors who have a name already.
pub async fn name_form(
    State(app): State<Arc<App>>,
    Query(Next { next }): Query<Next>,
    caller: Caller,
) -> Result<Response> {
    if caller.account.is_some() {
        return Ok(Redirect::to(on_this_site(&next)).into_response());
    }
    let next = if next.is_empty() { "/rooms".into() } else { on_this_site(&next).to_owned() };
    page(&NamePage::new(&app, NameForm { next, ..NameForm::default() }, None).await?)
}

/// `POST /session/new`
pub async fn create(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    caller: Caller,
    Input(form): Input<NameForm>,
) -> Result<Response> {
    let next = on_this_site(&form.next).to_owned();
    if caller.account.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let start = async {
        let name = Name::parse(&form.name)?;
        app.limits.guest(addr.0)?;
        app.db.write(move |tx| session::start_guest_session(tx, &name)).await
    };
    match start.await {
        Ok((_, token)) => Ok(([set_cookie(&app.config, Some(&token))], Redirect::to(&next)).into_response()),
        Err(error) => {
            show_form_error(error, async |error| {
                NamePage::new(&app, NameForm { next, ..form }, Some(error)).await
            })
            .await
        }
    }
}
