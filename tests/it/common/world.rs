//! An instance that is being served in this process.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chitter::{
    Server,
    app::App,
    clock::{Clock, Time},
};

use super::{Engine, Fixture, Instance, Listener, Person, until};

/// A running instance, and its clock.
pub struct World {
    pub instance: Instance,
    server: Option<Server>,
    site: Site,
}

/// The site's current address. Its port changes on a restart.
pub type Site = Arc<RwLock<String>>;

impl Fixture for World {
    async fn on(engine: Engine) -> Self {
        Instance::new(engine).open().await
    }
}

impl World {
    pub(super) async fn open(instance: Instance) -> Self {
        let mut world = World { instance, server: None, site: Site::default() };
        world.start().await;
        world
    }

    async fn start(&mut self) {
        let (config, data) = (self.instance.config(), self.instance.data_dir());
        let server = chitter::serve(config, data, self.instance.clock.clone(), Instance::ids()).await;
        let server = server.expect("the server starts");
        *self.site.write().unwrap_or_else(PoisonError::into_inner) = format!("http://{}", server.addr);
        self.server = Some(server);
    }

    /// Stops the server as Ctrl+C does.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            super::within("the server to stop", server.stop()).await;
        }
    }

    /// Restarts the server on the same data, at another port. People keep their cookies.
    pub async fn restart(&mut self) {
        self.stop().await;
        // The clock advances, because two servers at the same instant could generate the same ids.
        self.pass(Duration::from_secs(1));
        self.start().await;
    }

    /// Returns the server's state, for checks that no client can make.
    pub fn app(&self) -> &Arc<App> {
        &self.server.as_ref().expect("the server runs").app
    }

    /// Returns the site's address, such as `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        self.site.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the clock, which the test controls.
    pub fn clock(&self) -> &Clock {
        &self.instance.clock
    }

    /// Advances the clock.
    pub fn pass(&self, time: Duration) {
        self.instance.clock.advance(time);
    }

    /// Returns a person with a browser and no account.
    pub fn stranger(&self) -> Person {
        Person::new(Arc::clone(&self.site), "stranger")
    }

    /// Creates a member by the sign-up form. The first one is the administrator.
    pub async fn member(&self, username: &str) -> Person {
        let person = Person::new(Arc::clone(&self.site), username);
        person.signs_up().await.is(303);
        person
    }

    /// Creates several members in this order.
    pub async fn members<const N: usize>(&self, usernames: [&str; N]) -> [Person; N] {
        let mut people = Vec::new();
        for username in usernames {
            people.push(self.member(username).await);
        }
        people.try_into().ok().expect("one for each name")
    }

    /// Opens a socket that is subscribed to the public stream from now on.
    pub async fn listener(&self) -> Listener {
        Listener::open(&self.url(), "").await.subscribed(None).await
    }

    /// Returns the jobs in the outbox.
    pub async fn jobs(&self) -> Vec<JobRow> {
        let jobs = self.app().db.read(|read| {
            let sql = "SELECT attempts, run_at, node IS NULL FROM jobs ORDER BY id";
            read.all(sql, &[], |row| {
                Ok(JobRow { attempts: row.get(0)?, run_at: row.get(1)?, waits: row.get(2)? })
            })
        });
        jobs.await.expect("the outbox")
    }

    /// Waits until the outbox is empty, so that every job is done or given up.
    pub async fn outbox_empties(&self) {
        until("the outbox to empty", || async { self.jobs().await.is_empty().then_some(()) }).await;
    }

    /// Waits until the only job has failed this often and waits for its next attempt. Returns when that is
    /// due.
    pub async fn job_fails(&self, attempts: i64) -> Time {
        until("the job to fail", || async {
            match self.jobs().await.as_slice() {
                [job] if job.waits && job.attempts == attempts => Some(job.run_at),
                _ => None,
            }
        })
        .await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.app.stop.cancel();
        }
    }
}

/// A job in the outbox.
#[derive(Debug)]
pub struct JobRow {
    pub attempts: i64,
    /// The time when the job is due, or when its claim expires.
    pub run_at: Time,
    /// Whether no worker has claimed the job.
    pub waits: bool,
}
