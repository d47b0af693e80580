//! The search for messages, in one conversation or in all conversations of the caller.

use std::sync::Arc;

use axum::{extract::State, http::Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::{List, Paging, limit, page};
use crate::{
    Result,
    app::App,
    domain::{conversations::Participant, messages::Query as MessageQuery},
    http::{
        input::Query,
        session::{Caller, ClientAddr},
    },
    ids::MessageId,
    store::{self, messages},
    wire::messages::{Message, all},
};

/// A search, and the cursor of a page of its results.
#[derive(Deserialize, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Search {
    /// Up to four words, of two letters or more in all.
    #[param(required, min_length = 2, example = "hello")]
    q: String,
    /// The cursor of the `next` of the page before.
    cursor: Option<String>,
    /// The largest number of results: 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

impl Search {
    fn after(&self) -> Result<Option<i64>> {
        let paging = Paging { cursor: self.cursor.clone(), limit: None };
        Ok(paging.after()?.map(|[after]| after))
    }

    /// Returns a page of results; `last` is the number after which the next page begins.
    fn results(
        &self,
        messages: &[messages::Message],
        last: Option<i64>,
        path: &str,
        caller: &Caller,
        base: &str,
    ) -> Result<List<Message>> {
        let limit = limit(self.limit)?;
        let q = percent_encoding::utf8_percent_encode(&self.q, percent_encoding::NON_ALPHANUMERIC);
        let next = last.filter(|_| messages.len() as i64 == limit);
        let next = next.map(|last| page(path, caller, &format!("q={q}&cursor={last}"), limit));
        Ok(List::new(all(messages, base)).with_next(next))
    }
}

/// Finds messages by up to four words, newest first.
///
/// Case and accents don’t matter.
#[utoipa::path(
    get, path = "/search", params(Search),
    responses((status = 200, description = "A page of what was found.", body = List<Message>)),
)]
pub async fn here(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    participant: Participant,
    caller: Caller,
    uri: Uri,
    Query(search): Query<Search>,
) -> Result<List<Message>> {
    // A search reads many rows, so it is limited like a write.
    app.limits.write(origin)?;
    let query = MessageQuery::parse(&search.q)?;
    let (limit, before) = (limit(search.limit)?, search.after()?);
    let messages = app.db.read_long(move |read| query.run(read, &participant, before, limit)).await?;
    let path = format!("{}{}", app.config.base_url.as_str(), uri.path());
    let last = messages.last().map(|last| last.seq);
    search.results(&messages, last, &path, &caller, app.config.base_url.as_str())
}

/// Finds messages in all of the caller’s rooms and threads, newest first.
#[utoipa::path(
    get, path = "/api/v1/search", params(Search),
    responses((status = 200, description = "A page of what was found.", body = List<Message>)),
)]
pub async fn everywhere(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    caller: Caller,
    Query(search): Query<Search>,
) -> Result<List<Message>> {
    app.limits.write(origin)?;
    let query = MessageQuery::parse(&search.q)?;
    let (limit, before) = (limit(search.limit)?, search.after()?.map(MessageId));
    let messages =
        app.db.read_long(move |read| query.run_everywhere(read, account.id, before, limit)).await?;
    let base = app.config.base_url.as_str();
    let last = messages.last().map(|last| last.id.0);
    search.results(&messages, last, &format!("{base}/api/v1/search"), &caller, base)
}
