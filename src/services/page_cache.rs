//! The cache of the pages that anonymous visitors see: bytes in memory, rendered again after a change.

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

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use crate::{
    Result,
    clock::{Clock, Time},
    events::{Event, Topic},
    ids::{AccountId, hex},
};

/// The age from which a page is rendered again: pages show relative times such as "3m", and this process is not
/// notified of changes by other servers on the same database.
const MAX_AGE: Duration = Duration::from_secs(20);

/// The maximum number of members' pages in memory: at twenty to thirty kilobytes each, about fifty megabytes.
const MAX_MEMBERS: usize = 2000;

/// The number of counters that accounts share; see [`Versions`].
const COUNTERS: usize = 32;

/// A page that is the same for every anonymous visitor.
#[derive(Clone, Copy, Debug)]
pub enum PublicPage {
    /// The stream as HTML.
    Stream,
    /// The stream as JSON.
    Timeline,
    /// The stream as Atom.
    Feed,
}

/// Counters of changes. A page in memory is current if its counter has not changed since.
///
/// Several accounts share a counter, so a change also causes the others' pages to be rendered again, which is harmless.
#[derive(Default)]
pub struct Versions {
    public: AtomicU64,
    accounts: [AtomicU64; COUNTERS],
}

impl Versions {
    fn counter(&self, account: AccountId) -> &AtomicU64 {
        &self.accounts[(account.0.unsigned_abs() >> 16) as usize % COUNTERS]
    }

    fn bump(&self, account: AccountId) {
        self.counter(account).fetch_add(1, Ordering::Release);
    }

    /// Invalidates the pages that show what the event is about.
    pub fn invalidate(&self, topic: &Topic, event: &Event) {
        if *topic == Topic::Public {
            self.public.fetch_add(1, Ordering::Release);
        }
        match event {
            Event::PeepChanged(peep) => self.bump(peep.value.author.id),
            Event::PageChanged(account) => self.bump(*account),
            // A page may link to its owner's rooms.
            Event::ConversationUpdated(room) => {
                room.value.owner.into_iter().for_each(|owner| self.bump(owner));
            }
            _ => {}
        }
    }
}

/// The pages in memory.
pub struct PageCache {
    clock: Clock,
    versions: Arc<Versions>,
    public: [RwLock<Option<Arc<CachedPage>>>; 3],
    members: RwLock<HashMap<String, (AccountId, Arc<CachedPage>)>>,
}

/// A page as it is sent.
pub struct CachedPage {
    version: u64,
    rendered_at: Time,
    /// The media type.
    pub kind: &'static str,
    /// A weak entity tag of the body alone, so that a page whose body is unchanged is not sent again.
    pub etag: String,
    /// The `Link` header, for lists that have pages.
    pub link: Option<String>,
    pub body: Bytes,
    gzipped: OnceLock<Bytes>,
}

/// A page as it is rendered.
pub struct Rendered {
    /// The media type.
    pub kind: &'static str,
    /// The `Link` header, for lists that have pages.
    pub link: Option<String>,
    pub body: String,
}

impl PageCache {
    /// Creates an empty cache.
    pub fn new(clock: Clock, versions: Arc<Versions>) -> Self {
        PageCache { clock, versions, public: Default::default(), members: RwLock::default() }
    }

    /// Invalidates the public pages after a change that no event is published for, such as a new member.
    pub fn invalidate_public(&self) {
        self.versions.public.fetch_add(1, Ordering::Release);
    }

    fn is_current(&self, page: &CachedPage, version: u64) -> bool {
        page.version == version && self.clock.now().since(page.rendered_at) < MAX_AGE
    }

    /// Returns a public page, rendered by `render` where the one in memory is not current.
    pub async fn public<F>(&self, page: PublicPage, render: F) -> Result<Arc<CachedPage>>
    where
        F: Future<Output = Result<Rendered>>,
    {
        let slot = &self.public[page as usize];
        // The version is taken before the database is read: a change in between makes this page outdated.
        let version = self.versions.public.load(Ordering::Acquire);
        let cached = slot.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(page) = cached.filter(|page| self.is_current(page, version)) {
            return Ok(page);
        }
        let now = self.clock.now();
        let page = Arc::new(CachedPage::new(render.await?, version, now));
        *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&page));
        Ok(page)
    }

    /// Returns the member's account and page, if the page in memory is current.
    pub fn member(&self, username: &str) -> Option<(AccountId, Arc<CachedPage>)> {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        let (account, page) = members.get(username)?;
        let version = self.versions.counter(*account).load(Ordering::Acquire);
        self.is_current(page, version).then(|| (*account, Arc::clone(page)))
    }

    /// Renders a member's page and stores it in memory.
    pub async fn render_member<F>(
        &self,
        username: &str,
        account: AccountId,
        render: F,
    ) -> Result<Arc<CachedPage>>
    where
        F: Future<Output = Result<Rendered>>,
    {
        // The version is taken before the database is read: a change in between makes this page outdated.
        let (version, now) = (self.versions.counter(account).load(Ordering::Acquire), self.clock.now());
        let page = Arc::new(CachedPage::new(render.await?, version, now));
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        if members.len() >= MAX_MEMBERS {
            members.clear();
        }
        members.insert(username.to_owned(), (account, Arc::clone(&page)));
        Ok(page)
    }
}

impl CachedPage {
    fn new(rendered: Rendered, version: u64, rendered_at: Time) -> Self {
        let body = Bytes::from(rendered.body);
        let etag = format!("W/\"{}\"", hex(&Sha256::digest(&body)[..12]));
        let Rendered { kind, link, .. } = rendered;
        CachedPage { version, rendered_at, kind, etag, link, body, gzipped: OnceLock::new() }
    }

    /// Returns the body compressed by gzip; it is compressed once.
    pub fn gzipped(&self) -> Bytes {
        self.gzipped.get_or_init(|| gzip(&self.body)).clone()
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    match encoder.write_all(body).and_then(|()| encoder.finish()) {
        Ok(compressed) => compressed.into(),
        Err(_) => Bytes::new(), // writing into memory does not fail
    }
}
