//! A database without a server around it.

use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, Sender, channel},
};

use chitter::{
    Result,
    db::Setup,
    domain::accounts::{Member, member},
    events::{Db, Emission, Tx},
    store::accounts::{NewMember, Skeletons, insert_member},
};

use super::{Engine, Fixture, Instance, within};

/// A database without a server, and the events that its transactions emitted.
pub struct TestDb {
    pub db: Db,
    pub instance: Instance,
    pub emitted: Mutex<Receiver<Emission>>,
}

impl Fixture for TestDb {
    async fn on(engine: Engine) -> Self {
        let instance = Instance::new(engine);
        let (sender, emitted) = channel();
        let db = open(&instance, sender).await;
        TestDb { db, instance, emitted: Mutex::new(emitted) }
    }
}

/// Opens the same database once more, as a second server would.
pub async fn open(instance: &Instance, emitted: Sender<Emission>) -> Db {
    let on_commit = move |emissions: Vec<Emission>| {
        for emission in emissions {
            let _ = emitted.send(emission);
        }
    };
    let setup = Setup {
        clock: instance.clock.clone(),
        ids: Arc::new(Instance::ids()),
        on_commit: Arc::new(on_commit),
    };
    let (url, file) = (instance.settings.database_url.clone(), instance.folder().join("desk.db"));
    let open = move || match url {
        Some(url) => Db::postgres(&url, &setup),
        None => Db::sqlite(&file, setup),
    };
    tokio::task::spawn_blocking(open).await.expect("opening does not panic").expect("the database opens")
}

impl TestDb {
    /// Creates a member without hashing a password, which would take time.
    pub async fn member(&self, username: &'static str) -> Member {
        let create = move |tx: &mut Tx<'_>| {
            let email = format!("{username}@harbour.example");
            let new = NewMember {
                username,
                name: username,
                skeletons: Skeletons { name: username, username },
                email: &email,
                email_key: &email,
                password_hash: "-",
            };
            insert_member(tx, &new)?;
            member(tx, username)
        };
        self.db.write(create).await.expect("a member")
    }

    /// Returns the events emitted since the last call.
    pub fn emitted(&self) -> Vec<Emission> {
        self.emitted.lock().expect("no panic").try_iter().collect()
    }

    /// Returns the number that a query counts.
    pub async fn count(&self, sql: &'static str) -> i64 {
        self.db.read(move |read| read.one(sql, &[], |row| row.get(0))).await.expect("a count")
    }

    /// Returns the number of writes that run at the same time.
    pub fn writers(&self) -> usize {
        match self.instance.engine {
            Engine::Sqlite => 1,
            Engine::Postgres => 16,
        }
    }

    /// Keeps every writer thread busy until the returned senders are dropped. Also returns the blocked writes.
    pub async fn block_writers(&self) -> (Vec<Sender<()>>, Vec<tokio::task::JoinHandle<Result<()>>>) {
        let (mut holds, mut writes) = (Vec::new(), Vec::new());
        let (began, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..self.writers() {
            let (hold, released) = channel::<()>();
            let (db, began, released) = (self.db.clone(), began.clone(), Mutex::new(released));
            writes.push(tokio::spawn(async move {
                db.write(move |_| {
                    let _ = began.send(());
                    let _ = released.lock().expect("no panic").recv();
                    Ok(())
                })
                .await
            }));
            within("a writer to begin", beginnings.recv()).await;
            holds.push(hold);
        }
        (holds, writes)
    }
}
