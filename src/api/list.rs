//! Paginated lists.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Error, Result,
    clock::Time,
    http::session::Caller,
    ids::{AccountId, ConversationId},
    store::conversations::ConversationPage,
};

/// The default number of items on a page.
const DEFAULT_LIMIT: i64 = 50;

/// The largest number of items on a page.
const MAX_LIMIT: i64 = 200;

/// A page of a list.
#[derive(Deserialize, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Paging {
    /// The cursor of the `next` of the page before.
    pub cursor: Option<String>,
    /// The largest number of results: 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<i64>,
}

impl Paging {
    /// Returns the cursor, one or more numbers with dots between them; `None` on the first page.
    pub fn after<const N: usize>(&self) -> Result<Option<[i64; N]>> {
        let Some(raw) = &self.cursor else { return Ok(None) };
        if raw.is_empty() {
            return Ok(None);
        }
        let numbers: Option<Vec<i64>> = raw.split('.').map(|number| number.parse().ok()).collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
        numbers.map(Some).ok_or_else(|| {
            Error::invalid_query("cursor", "Take the cursor from the next of the page before.")
        })
    }

    /// Returns the requested page of an account's conversations.
    pub fn conversation_page(&self, account: AccountId) -> Result<ConversationPage> {
        let first = ConversationPage::first(account, limit(self.limit)?);
        Ok(match self.after()? {
            Some([at, id]) => ConversationPage { after: (Time::from_ms(at), ConversationId(id)), ..first },
            None => first,
        })
    }
}

/// Returns the limit of a page: the requested one, or the default.
pub fn limit(requested: Option<i64>) -> Result<i64> {
    match requested.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(Error::invalid_query("limit", "Ask for 1 to 200 at once.")),
    }
}

/// A page of a list, with the addresses of its neighbours, in the body and as `Link` header (RFC 8288).
#[derive(Serialize, ToSchema)]
pub struct List<T> {
    /// The items on this page.
    data: Vec<T>,
    /// The address of the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
    /// The address of the page before, in lists that are read both ways.
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<String>,
}

impl<T> List<T> {
    /// Creates a page without neighbours.
    pub fn new(data: Vec<T>) -> Self {
        List { data, next: None, prev: None }
    }

    /// Sets the address of the next page.
    pub fn with_next(mut self, next: Option<String>) -> Self {
        self.next = next;
        self
    }

    /// Sets the address of the page before.
    pub fn with_prev(mut self, prev: Option<String>) -> Self {
        self.prev = prev;
        self
    }
}

/// Returns the address of a page of the list at `path`, for the same viewer.
pub fn page(path: &str, caller: &Caller, query: &str, limit: i64) -> String {
    format!("{path}?{}{query}&limit={limit}", caller.query_prefix())
}

/// Returns the `Link` header of a page's neighbours, if there are any.
pub fn links(next: Option<&str>, prev: Option<&str>) -> Option<HeaderValue> {
    let relations = [(next, "next"), (prev, "prev")].into_iter();
    let links = relations.filter_map(|(url, rel)| url.map(|url| format!("<{url}>; rel=\"{rel}\"")));
    let links: Vec<_> = links.collect();
    HeaderValue::try_from(links.join(", ")).ok().filter(|links| !links.is_empty())
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        let links = links(self.next.as_deref(), self.prev.as_deref());
        let mut response = Json(self).into_response();
        response.headers_mut().extend(links.map(|links| (header::LINK, links)));
        response
    }
}
