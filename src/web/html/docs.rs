//! What developers read: the problems that a program may be told of.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{Place, Shell, page};
use crate::{
    Result,
    app::App,
    web::{
        problem::{KINDS, Kind},
        session::Viewer,
    },
};

#[derive(Template)]
#[template(path = "problems.html")]
struct ProblemsPage {
    shell: Shell,
    kinds: &'static [&'static Kind],
}

/// `GET /docs/problems`: each type of problem is a place on it.
pub async fn problems(State(app): State<Arc<App>>, viewer: Viewer) -> Result<Response> {
    page(&ProblemsPage { shell: Shell::new(&app, &viewer, Place::Elsewhere).await?, kinds: KINDS })
}
