//! A place that is being served in this process.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chitter::{
    Server,
    app::App,
    clock::{Clock, Time},
};

use super::{Begin, Engine, Home, Listener, Person, until};

/// A place that is being served, and its clock.
pub struct World {
    /// The place.
    pub home: Home,
    server: Option<Server>,
    site: Site,
}

/// Where the site is now: another port after a restart.
pub type Site = Arc<RwLock<String>>;

impl Begin for World {
    async fn on(engine: Engine) -> Self {
        Home::new(engine).open().await
    }
}

impl World {
    pub(super) async fn open(home: Home) -> Self {
        let mut world = World { home, server: None, site: Site::default() };
        world.start().await;
        world
    }

    async fn start(&mut self) {
        let (config, data) = (self.home.config(), self.home.data_dir());
        let server = chitter::serve(config, data, self.home.clock.clone(), Home::ids()).await;
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

    /// Stops it and starts it again on the same data, at another port. People keep their cookies.
    pub async fn restart(&mut self) {
        self.stop().await;
        // It takes a moment: in one that stands still two servers could make the same ids.
        self.pass(Duration::from_secs(1));
        self.start().await;
    }

    /// What the server holds, for looking behind the scenes.
    pub fn app(&self) -> &Arc<App> {
        &self.server.as_ref().expect("the server runs").app
    }

    /// As `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        self.site.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What time it is here.
    pub fn clock(&self) -> &Clock {
        &self.home.clock
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.home.clock.advance(time);
    }

    /// Someone with a browser and no account.
    pub fn stranger(&self) -> Person {
        Person::new(Arc::clone(&self.site), "stranger")
    }

    /// Someone who has just signed up by the form. The first one is the administrator.
    pub async fn member(&self, username: &str) -> Person {
        let person = Person::new(Arc::clone(&self.site), username);
        person.signs_up().await.is(303);
        person
    }

    /// Several who sign up in this order.
    pub async fn members<const N: usize>(&self, usernames: [&str; N]) -> [Person; N] {
        let mut people = Vec::new();
        for username in usernames {
            people.push(self.member(username).await);
        }
        people.try_into().ok().expect("as many as were asked for")
    }

    /// Someone who listens to the public stream from now on.
    pub async fn listener(&self) -> Listener {
        Listener::open(&self.url(), "").await.subscribed(None).await
    }

    /// What is in the outbox.
    pub async fn jobs(&self) -> Vec<JobRow> {
        let jobs = self.app().db.read(|read| {
            let all = "SELECT attempts, run_at, node IS NULL FROM jobs ORDER BY id";
            read.all(all, &[], |row| {
                Ok(JobRow { attempts: row.get(0)?, run_at: row.get(1)?, waits: row.get(2)? })
            })
        });
        jobs.await.expect("the outbox can be read")
    }

    /// Waits until the outbox is empty: everything promised so far is done, or given up.
    pub async fn outbox_empties(&self) {
        until("the outbox to empty", || async { self.jobs().await.is_empty().then_some(()) }).await;
    }

    /// Waits until the only job has failed so often and waits for its next try; tells when that is.
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
    /// How often it was tried.
    pub attempts: i64,
    /// When it is due, or until when its claim holds.
    pub run_at: Time,
    /// Nobody is at it now.
    pub waits: bool,
}
