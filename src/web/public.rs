//! The pages that strangers see: bytes in memory, made anew when something changed.

use std::{
    collections::HashMap,
    future::Future,
    io::Write,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::conditional::names;
use crate::{
    Result,
    app::App,
    clock::Time,
    ids::{AccountId, hex},
};

/// A page says "3m", so it can't be kept for ever; and with several nodes on one database this is
/// how old a page of another node's can be.
const KEEPS: Duration = Duration::from_secs(20);

/// Which page.
#[derive(Clone, Copy, Debug)]
pub enum Public {
    /// The stream as HTML.
    Stream,
    /// The stream as JSON.
    Timeline,
    /// The stream as Atom.
    Feed,
}

/// Members' pages that are kept: twenty or thirty kilobytes each, so that they are fifty megabytes at the most.
const MEMBERS: usize = 2000;

/// How often each account changed something that its page shows. Accounts share a count with those of the same
/// remainder: a change then makes their pages anew, too, which does no harm.
#[derive(Default)]
pub struct Touched([AtomicU64; 32]);

impl Touched {
    fn of(&self, account: AccountId) -> &AtomicU64 {
        &self.0[(account.0.unsigned_abs() >> 16) as usize % self.0.len()]
    }

    /// The account changed something. Whoever says so does before anyone hears of the change.
    pub fn touch(&self, account: AccountId) {
        self.of(account).fetch_add(1, Ordering::Release);
    }
}

/// The pages, and the number of the latest change.
pub struct PublicPages {
    changes: Arc<AtomicU64>,
    slots: [RwLock<Option<Arc<Page>>>; 3],
    touched: Arc<Touched>,
    members: RwLock<HashMap<String, (AccountId, Arc<Page>)>>,
}

struct Page {
    made_of: u64,
    made_at: Time,
    kind: HeaderValue,
    etag: HeaderValue,
    link: Option<HeaderValue>,
    body: Bytes,
    zipped: OnceLock<Bytes>,
}

/// What a page is made of.
pub struct Made {
    /// The media type.
    pub kind: &'static str,
    /// The `Link` header, for lists that have pages.
    pub link: Option<String>,
    /// The bytes.
    pub body: String,
}

impl PublicPages {
    /// No page yet. `changes` counts what changed; whoever counts does so before anyone hears of it.
    pub fn new(changes: Arc<AtomicU64>, touched: Arc<Touched>) -> Self {
        PublicPages { changes, slots: Default::default(), touched, members: RwLock::default() }
    }

    /// Something changed that the pages tell of and that no listener hears, such as who lives here.
    pub fn grow_old(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Answers with the page, made by `make` where the one in memory is not the latest.
    pub async fn answer<F>(&self, app: &App, which: Public, request: &HeaderMap, make: F) -> Result<Response>
    where
        F: Future<Output = Result<Made>>,
    {
        let slot = &self.slots[which as usize];
        let latest = self.changes.load(Ordering::Acquire);
        let now = app.clock.now();
        let kept = slot.read().unwrap_or_else(PoisonError::into_inner).clone();
        let page = match kept {
            Some(page) if page.made_of == latest && now.since(page.made_at) < KEEPS => page,
            _ => {
                // Counted before the database is read: a change in between makes this page old.
                let made = make.await?;
                let page = Arc::new(Page::new(made, latest, now));
                *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&page));
                page
            }
        };
        Ok(page.answer(request))
    }

    /// Answers with a member's page where the one in memory is the latest, and tells whose it is.
    pub fn member(&self, app: &App, username: &str, request: &HeaderMap) -> Option<(AccountId, Response)> {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        let (account, page) = members.get(username)?;
        let latest = self.touched.of(*account).load(Ordering::Acquire);
        let is_latest = page.made_of == latest && app.clock.now().since(page.made_at) < KEEPS;
        is_latest.then(|| (*account, page.answer(request)))
    }

    /// Makes a member's page, keeps it, and answers with it.
    pub async fn make_member<F>(
        &self,
        app: &App,
        (username, account): (&str, AccountId),
        request: &HeaderMap,
        make: F,
    ) -> Result<Response>
    where
        F: Future<Output = Result<Made>>,
    {
        // Counted before the database is read: a change in between makes this page old.
        let (latest, now) = (self.touched.of(account).load(Ordering::Acquire), app.clock.now());
        let page = Arc::new(Page::new(make.await?, latest, now));
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        if members.len() >= MEMBERS {
            members.clear();
        }
        members.insert(username.to_owned(), (account, Arc::clone(&page)));
        drop(members);
        Ok(page.answer(request))
    }
}

impl Page {
    fn new(made: Made, made_of: u64, made_at: Time) -> Self {
        let body = Bytes::from(made.body);
        // Of what it says alone: a page that was made anew and is the same need not be sent again.
        let etag = format!("W/\"{}\"", hex(&Sha256::digest(&body)[..12]));
        Page {
            made_of,
            made_at,
            kind: HeaderValue::from_static(made.kind),
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("W/\"\"")),
            link: made.link.and_then(|link| HeaderValue::try_from(link).ok()),
            body,
            zipped: OnceLock::new(),
        }
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let zip = request.get(header::ACCEPT_ENCODING).is_some_and(accepts_gzip);
        let etag = self.etag.to_str().unwrap_or_default();
        let known = request.get_all(header::IF_NONE_MATCH).iter().any(|known| names(known, etag));
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else if zip {
            self.zipped.get_or_init(|| gzip(&self.body)).clone().into_response()
        } else {
            self.body.clone().into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("cookie, accept-encoding"));
        if zip && !known {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(link) = &self.link {
            headers.insert(header::LINK, link.clone());
        }
        response
    }
}

fn accepts_gzip(accepted: &HeaderValue) -> bool {
    let Ok(accepted) = accepted.to_str() else { return false };
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(weight.trim(), "q=0" | "q=0.0")
    })
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    match encoder.write_all(body).and_then(|()| encoder.finish()) {
        Ok(zipped) => zipped.into(),
        Err(_) => Bytes::new(), // writing into memory does not fail
    }
}
