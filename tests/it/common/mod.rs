//! The harness: an instance ([`Instance`], and [`World`] while it is served), people with browsers ([`Person`]),
//! pages ([`Page`]), rooms ([`Room`]), socket clients ([`Listener`]), a mail server ([`SmtpServer`]) and the
//! program itself ([`Program`]).

mod endpoint;
mod instance;
mod listener;
mod page;
mod person;
mod program;
mod raw_http;
mod rng;
mod rooms;
mod small_disk;
mod smtp_server;
mod test_db;
mod world;
mod xml;

pub use self::{
    endpoint::Endpoint,
    instance::{Engine, Instance},
    listener::{Change, Listener, SocketEvent, change},
    page::{Element, Page},
    person::{Answer, PASSWORD, Person},
    program::{Program, chitter},
    raw_http::{answers_to, head_of, raw},
    rng::Rng,
    rooms::{ApiClient, Guest, Room, each, text},
    small_disk::SmallDisk,
    smtp_server::{Mail, SmtpMode, SmtpServer},
    test_db::{TestDb, open},
    world::World,
    xml::well_formed,
};

use std::{future::Future, time::Duration};

/// The time after which a test that waits for an event fails. Generous, because the machine may be busy; no
/// duration is measured by it.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs each test twice, as `sqlite::name` and `postgres::name`. The argument is a [`World`] that is being
/// served, or an [`Instance`] that is not served yet.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($($argument:ident)+: $fixture:ident) $test:block)+) => {
        $($(#[$meta])* async fn $name($($argument)+: $fixture) $test)+

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                use $crate::common::{Fixture, Engine};
                super::$name(super::$fixture::on(Engine::Sqlite).await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                use $crate::common::{Fixture, Engine};
                super::$name(super::$fixture::on(Engine::Postgres).await).await;
            })+
        }
    };
}

/// A type that a test of `on_both!` can take as its argument.
pub trait Fixture {
    /// Creates a new value on this engine.
    fn on(engine: Engine) -> impl Future<Output = Self>;
}

/// Calls `poll` repeatedly, without a pause, until it returns a value. The panic after a time-out names the event.
pub async fn until<T, A: Future<Output = Option<T>>>(event: &str, mut poll: impl FnMut() -> A) -> T {
    let polling = async {
        loop {
            if let Some(value) = poll().await {
                return value;
            }
            tokio::task::yield_now().await;
        }
    };
    within(event, polling).await
}

/// Awaits an event. Panics when it does not happen in time.
pub async fn within<T>(event: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(TIMEOUT, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("timed out: waiting for {event}"),
    }
}
