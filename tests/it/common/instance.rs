//! An instance that is not running yet: a folder, a database and settings.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use chitter::{
    clock::{Clock, Time},
    config::{Config, Settings, Switch},
    ids::Ids,
    services::data_dir::DataDir,
};
use tempfile::TempDir;

use super::{Fixture, World};
pub use chitter::db::Engine;

/// An instance for one test. Dropping it deletes its data.
pub struct Instance {
    pub engine: Engine,
    /// The clock of the instance when it is served in this process.
    pub clock: Clock,
    /// The settings that the instance will be served with.
    pub settings: Settings,
    folder: TempDir,
    _database: Option<Database>,
}

impl Fixture for Instance {
    async fn on(engine: Engine) -> Self {
        Instance::new(engine)
    }
}

impl Instance {
    /// Creates an empty instance on any free port, without limits, with mail into a folder, at noon on 20
    /// November 2026.
    pub fn new(engine: Engine) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("chitter-test-")
            .tempdir()
            .expect("a folder for this test's data");
        let database = (engine == Engine::Postgres).then(Database::create);
        let settings = Settings {
            addr: Some(([127, 0, 0, 1], 0).into()),
            data: Some(folder.path().join("data")),
            database_url: database.as_ref().map(|database| database.url.clone()),
            limits: Some(Switch::Off),
            ..Settings::default()
        };
        let noon = Time::from_ms(1_795_176_000_000); // 2026-11-20T12:00:00Z
        Instance { engine, clock: Clock::manual(noon), settings, folder, _database: database }
    }

    /// Turns rate limits on.
    pub fn with_limits(mut self) -> Self {
        self.settings.limits = Some(Switch::On);
        self
    }

    /// Sends mail by the server at this URL.
    pub fn with_mail_by(mut self, url: &str) -> Self {
        self.settings.smtp_url = Some(url.into());
        self
    }

    /// Allows webhooks to call these hosts.
    pub fn with_webhook_hosts(mut self, hosts: &str) -> Self {
        self.settings.webhook_hosts = Some(hosts.into());
        self
    }

    /// Serves the instance in this process.
    pub async fn open(self) -> World {
        World::open(self).await
    }

    /// Returns the validated settings.
    pub fn config(&self) -> Config {
        self.settings.clone().resolve().expect("valid settings")
    }

    /// Locks and returns the data folder, which only one process at a time may use.
    pub fn data_dir(&self) -> DataDir {
        DataDir::open(&self.data()).expect("the data folder, for this test alone")
    }

    /// Returns the path of the data folder.
    pub fn data(&self) -> PathBuf {
        self.settings.data.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    /// Returns the folder around the data folder, which is deleted with the instance.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Runs SQL statements directly on the database of an instance that is not running.
    pub fn run_sql(&self, sql: &str) {
        match &self.settings.database_url {
            Some(url) => run(url, sql.to_owned()).expect("the statements run"),
            None => {
                let file = rusqlite::Connection::open(self.data().join("chitter.db")).expect("the file");
                file.execute_batch(sql).expect("the statements run");
            }
        }
    }

    /// Returns a generator of ids.
    pub fn ids() -> Ids {
        Ids::new()
    }
}

/// A schema in the test cluster's database: as separate as a database, and faster to create.
struct Database {
    url: String,
    name: String,
    server: String,
}

impl Database {
    fn create() -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("CHITTER_TEST_POSTGRES") else {
            panic!("CHITTER_TEST_POSTGRES is not set: run bin/test, or bin/with-postgres cargo nextest run");
        };
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("chitter_{}_{number}", std::process::id());
        let url = format!("{server}?sslmode=disable&options=-csearch_path%3D{name}");
        run(&server, format!("CREATE SCHEMA {name}")).expect("a schema for this test");
        Database { url, name, server }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failure does no harm, because the whole cluster is deleted soon.
        let _ = run(&self.server, format!("SET lock_timeout = '5s'; DROP SCHEMA {} CASCADE", self.name));
    }
}

/// Runs SQL on a thread of its own, because the synchronous client must not be used inside a runtime.
fn run(server: &str, sql: String) -> Result<(), postgres::Error> {
    let server = server.to_owned();
    let run = move || postgres::Client::connect(&server, postgres::NoTls)?.batch_execute(&sql);
    std::thread::spawn(run).join().expect("the PostgreSQL client does not panic")
}
