//! Documentation for developers: the API's reference, and the types of problems.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{NavItem, Shell, page};
use crate::{
    Result,
    app::App,
    http::{
        problem::{KINDS, Kind},
        session::Caller,
    },
    openapi::{self, Call, Shape},
    wire::filters,
};

#[derive(Template)]
#[template(path = "problems.html")]
struct ProblemsPage {
    shell: Shell,
    kinds: &'static [&'static Kind],
}

/// The calls about one noun.
struct Noun {
    name: &'static str,
    slug: String,
    description: &'static str,
    calls: Vec<&'static Call>,
}

#[derive(Template)]
#[template(path = "reference.html")]
struct ReferencePage {
    shell: Shell,
    base: String,
    nouns: Vec<Noun>,
    shapes: &'static [Shape],
}

/// `GET /docs/api`: every call with an example, rendered from the OpenAPI document.
pub async fn reference(State(app): State<Arc<App>>, caller: Caller) -> Result<Response> {
    let tags = openapi::DOCUMENT.tags.iter().flatten();
    let nouns = tags.map(|tag| Noun {
        name: &tag.name,
        slug: tag.name.to_lowercase().replace(' ', "-"),
        description: tag.description.as_deref().unwrap_or_default(),
        calls: openapi::calls().iter().filter(|call| call.tag == tag.name).collect(),
    });
    page(&ReferencePage {
        shell: Shell::new(&app, &caller, NavItem::Elsewhere).await?,
        base: app.config.base_url.as_str().into(),
        nouns: nouns.collect(),
        shapes: openapi::shapes(),
    })
}

/// `GET /docs/problems`: a section for each type of problem.
pub async fn problems(State(app): State<Arc<App>>, caller: Caller) -> Result<Response> {
    page(&ProblemsPage { shell: Shell::new(&app, &caller, NavItem::Elsewhere).await?, kinds: KINDS })
}
