//! Lists, a page at a time.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A page of a list: what is on it, and where the next one is, in the body and as a `Link` (RFC 8288).
#[derive(Serialize)]
pub struct List<T> {
    data: Vec<T>,
    next: Option<String>,
}

impl<T> List<T> {
    /// A page. `next` is the query of the one after it, `path` the address of the list.
    pub fn new(data: Vec<T>, next: Option<String>, path: &str) -> Self {
        List { data, next: next.map(|query| format!("{path}?{query}")) }
    }

    /// A list that fits on one page.
    pub fn whole(data: Vec<T>) -> Self {
        List { data, next: None }
    }
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        let link =
            self.next.as_ref().and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
        let mut response = Json(self).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}
