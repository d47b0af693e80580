//! What lives as long as the process.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Seek, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error,
    clock::Clock,
    config::Config,
    db::{self, Setup},
    domain::pages::visits::Counter,
    events::{Db, Emission, Event, Topic},
    files::Files,
    ids::{AccountId, Ids, WebhookId, hex, random},
    jobs::{mail::Mailer, outside::Outside},
    realtime::hub::Hub,
    store::webhooks::{Delivery, Webhook},
    web::{
        api,
        hosts::Hosts,
        html::pages::card::Cards,
        limits::{Limits, Tally},
        passwords::Passwords,
        pictures::Pictures,
        presence::{self, Presence},
        public::{PublicPages, Touched},
    },
};

/// The hub with our topics and events.
pub type Events = Hub<Topic, Event>;

/// What a webhook is told.
pub type Told = fn(&db::Read<'_>, &Delivery, &Webhook, &str) -> Result<Option<Value>, Error>;

/// Everything that a request or a job may need.
pub struct App {
    /// As it was configured.
    pub config: Config,
    /// Where the time comes from.
    pub clock: Clock,
    /// The database.
    pub db: Db,
    /// Who hears what.
    pub hub: Arc<Events>,
    /// The data folder, held for this process alone.
    pub data: DataDir,
    /// How mail leaves.
    pub mailer: Mailer,
    /// What calls other people's servers.
    pub outside: Outside,
    /// What a webhook is told of something, as it is now; `None` where that is gone. The last is the base URL.
    pub told: Told,
    /// The calls to each webhook that are under way.
    pub calls: Tally<WebhookId>,
    /// The bounded pool that hashes passwords.
    pub passwords: Passwords,
    /// The bounded pool that makes pictures anew.
    pub pictures: Pictures,
    /// What people sent along.
    pub files: Files,
    /// Who has what conversation open.
    pub presence: Presence,
    /// How many windows each has open on its match.
    pub windows: Tally<AccountId>,
    /// How often is too often.
    pub limits: Limits,
    /// Who came by at whose page, until it is written down.
    pub visits: Counter,
    /// The pictures that are shown of links to pages.
    pub cards: Cards,
    /// Which host names lead to whose page.
    pub hosts: Arc<Hosts>,
    /// The pages that strangers see, ready in memory.
    pub public: PublicPages,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
    /// Open connections and sockets: stopping waits for them.
    pub tasks: TaskTracker,
}

impl App {
    /// Opens and migrates the database, and sets up the rest. The error is one line for the terminal.
    pub fn open(config: Config, data: DataDir, clock: Clock, ids: Ids) -> Result<Arc<Self>, String> {
        // One for each core: whoever is told the same thing is told it by all of them.
        let hub = Arc::new(Events::new(std::thread::available_parallelism().map_or(1, usize::from)));
        let (changes, touched) = (Arc::new(AtomicU64::new(0)), Arc::new(Touched::default()));
        let hosts = Arc::new(Hosts::default());
        let on_commit = {
            let hosts = Arc::clone(&hosts);
            let (hub, changes, touched) = (Arc::clone(&hub), Arc::clone(&changes), Arc::clone(&touched));
            Arc::new(move |emitted: Vec<Emission>| {
                // First the pages in memory grow old, then people hear, then the writer has its
                // answer: nobody who knows of a change can be shown a page without it.
                if emitted.iter().any(|e| e.topic == Topic::Public) {
                    changes.fetch_add(1, Ordering::Release);
                }
                for Emission { topic, event } in &emitted {
                    match event {
                        Event::Changed(peep) => touched.touch(peep.what.author.id),
                        Event::PageChanged(account) => {
                            touched.touch(*account);
                            hosts.forget();
                        }
                        // A page may lead to its owner's rooms.
                        Event::Altered(room) => {
                            room.what.owner.iter().for_each(|owner| touched.touch(*owner));
                        }
                        _ => {}
                    }
                    hub.publish(topic, event);
                }
            })
        };
        let setup = Setup { clock: clock.clone(), ids: Arc::new(ids), on_commit };
        let db = open_db(&config, &data.path, setup)?;
        let files = data.path.join("files");
        Ok(Arc::new(App {
            outside: Outside::new(&config.webhook_hosts)?,
            told: api::webhooks::told,
            calls: Tally::default(),
            mailer: Mailer::new(&config, &data.path.join("outbox"))?,
            passwords: Passwords::new(),
            pictures: Pictures::new(),
            files: Files::open(&files).map_err(|e| format!("can't use {}: {e}", files.display()))?,
            presence: presence::nobody(),
            windows: Tally::default(),
            limits: Limits::new(config.limits, &clock),
            visits: Counter::default(),
            cards: Cards::default(),
            hosts,
            public: PublicPages::new(changes, touched),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config,
            clock,
            db,
            hub,
            data,
        }))
    }
}

/// Opens and migrates the database: PostgreSQL where it is set, or else SQLite in the data folder.
pub fn open_db(config: &Config, folder: &Path, setup: Setup<Emission>) -> Result<Db, String> {
    match &config.database_url {
        Some(url) => Db::postgres(url, &setup).map_err(|e| format!("can't open PostgreSQL: {e}")),
        None => {
            let file = folder.join("chitter.db");
            Db::sqlite(&file, setup).map_err(|e| format!("can't open {}: {e}", file.display()))
        }
    }
}

/// The data folder. Only one process has it at a time.
pub struct DataDir {
    /// Where it is.
    pub path: PathBuf,
    /// This node's name in the outbox: what it had claimed when it died, it knows again by it.
    pub node: String,
    key: [u8; 32],
    _lock: File,
}

impl DataDir {
    /// Takes the folder, makes what is missing in it, and refuses if another process has it.
    pub fn open(path: &Path) -> Result<Self, String> {
        let at = |what: &Path| {
            let what = what.display().to_string();
            move |e: std::io::Error| format!("can't use {what}: {e}")
        };
        // It holds everybody's words and addresses: nobody else on the machine is to read it.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
        let mode = fs::metadata(path).map_err(at(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(at(path))?;
        }
        let lock_file = path.join("lock");
        let mut lock = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_file)
            .map_err(at(&lock_file))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "another chitter is using {}: stop it first, or set CHITTER_DATA",
                    path.display()
                ));
            }
            Err(TryLockError::Error(e)) => return Err(at(&lock_file)(e)),
        }
        let mut node = String::new();
        lock.read_to_string(&mut node).map_err(at(&lock_file))?;
        if node.trim().is_empty() {
            node = hex(&random::<8>().map_err(|e| e.to_string())?);
            lock.rewind().and_then(|()| writeln!(lock, "{node}")).map_err(at(&lock_file))?;
        }
        let key = key(&path.join("key"))?;
        Ok(DataDir { path: path.to_owned(), node: node.trim().into(), key, _lock: lock })
    }

    /// Signs a text that we hand out and want to know again. `purpose` keeps one kind of link from
    /// passing for another. 128 bits of HMAC-SHA-256, in hex.
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key will do");
        for part in [purpose, text] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex(&mac.finalize().into_bytes()[..16])
    }
}

/// The server's own key: made on the first start, kept for ever, readable by nobody else.
fn key(file: &Path) -> Result<[u8; 32], String> {
    let at = |e: std::io::Error| format!("can't use {}: {e}", file.display());
    match fs::read(file) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            format!(
                "{} is damaged: restore it from a backup, or delete it to void the links in sent mails",
                file.display()
            )
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key = random::<32>().map_err(|e| e.to_string())?;
            let mut open = fs::OpenOptions::new();
            let mut file = open.write(true).create_new(true).mode(0o600).open(file).map_err(at)?;
            file.write_all(&key).and_then(|()| file.sync_all()).map_err(at)?;
            Ok(key)
        }
        Err(e) => Err(at(e)),
    }
}
