//! The application: every service that a request or a job may need, put together.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    config::Config,
    db::Setup,
    domain::pages::visits::Counter,
    events::{Db, Emission, Event, Events},
    ids::{AccountId, Ids, WebhookId},
    services::{
        cards::Cards,
        data_dir::DataDir,
        files::Files,
        hosts::Hosts,
        limits::{Limits, Tally},
        mailer::Mailer,
        outbound::Outbound,
        page_cache::{PageCache, Versions},
        passwords::Passwords,
        pictures::Pictures,
        presence::Presence,
    },
};

/// Everything that a request or a job may need.
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    pub events: Arc<Events>,
    /// The data folder, held by this process alone.
    pub data: DataDir,
    pub mailer: Mailer,
    /// HTTP calls to other people's servers.
    pub outbound: Outbound,
    /// The calls to each webhook that are under way.
    pub webhook_calls: Tally<WebhookId>,
    pub passwords: Passwords,
    pub pictures: Pictures,
    pub files: Files,
    pub presence: Arc<Presence>,
    /// The windows that each account has open on its match.
    pub match_windows: Tally<AccountId>,
    pub limits: Limits,
    /// Visits to members' pages that are not yet in the database.
    pub visits: Counter,
    pub cards: Cards,
    pub hosts: Hosts,
    pub page_cache: PageCache,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
    /// Open connections and sockets: stopping waits for them.
    pub tasks: TaskTracker,
}

impl App {
    /// Opens and migrates the database, and creates the services. The error is one line for the terminal.
    pub fn open(config: Config, data: DataDir, clock: Clock, ids: Ids) -> Result<Arc<Self>, String> {
        let (versions, host_changes) = (Arc::new(Versions::default()), Arc::new(AtomicU64::new(0)));
        let events = {
            let (versions, host_changes) = (Arc::clone(&versions), Arc::clone(&host_changes));
            Arc::new(Events::new(vec![
                Box::new(move |topic, event| versions.invalidate(topic, event)),
                Box::new(move |_, event| {
                    if matches!(event, Event::PageChanged(_)) {
                        host_changes.fetch_add(1, Ordering::Release);
                    }
                }),
            ]))
        };
        let on_commit = {
            let events = Arc::clone(&events);
            Arc::new(move |emitted: Vec<Emission>| events.publish_all(&emitted))
        };
        let setup = Setup { clock: clock.clone(), ids: Arc::new(ids), on_commit };
        let db = open_db(&config, &data.path, setup)?;
        let files = data.path.join("files");
        let page_hosts = config.page_hosts.as_ref().map(|hosts| hosts.iter().cloned().collect());
        Ok(Arc::new(App {
            outbound: Outbound::new(&config.webhook_hosts),
            webhook_calls: Tally::default(),
            mailer: Mailer::new(&config, &data.path.join("outbox"))?,
            passwords: Passwords::new(),
            pictures: Pictures::new(),
            files: Files::open(&files).map_err(|e| format!("can't use {}: {e}", files.display()))?,
            presence: Arc::new(Presence::new(clock.clone())),
            match_windows: Tally::default(),
            limits: Limits::new(config.limits, &clock),
            visits: Counter::default(),
            cards: Cards::default(),
            hosts: Hosts::new(db.clone(), clock.clone(), page_hosts, host_changes),
            page_cache: PageCache::new(clock.clone(), versions),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config,
            clock,
            db,
            events,
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
