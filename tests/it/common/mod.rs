//! The harness: an instance ([`Home`], and [`World`] while it is served), people with browsers ([`Person`]),
//! pages ([`Page`]), rooms ([`Room`]), socket clients ([`Listener`]), a mail server ([`Post`]) and the
//! program itself ([`Program`]).

mod desk;
mod dice;
mod endpoint;
mod home;
mod listener;
mod page;
mod person;
mod post;
mod program;
mod rooms;
mod small_disk;
mod wire;
mod world;
mod xml;

pub use self::{
    desk::{Desk, open},
    dice::Dice,
    endpoint::Endpoint,
    home::{Engine, Home},
    listener::{Change, Heard, Listener, change},
    page::{Element, Page},
    person::{Answer, PASSWORD, Person},
    post::{Mail, Manner, Post},
    program::{Program, chitter},
    rooms::{Guest, Room, Talks, each, text},
    small_disk::SmallDisk,
    wire::{answers_to, head_of, raw},
    world::World,
    xml::well_formed,
};

use std::{future::Future, time::Duration};

/// The time after which a test that waits for an event fails. Generous, because the machine may be busy; no
/// duration is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs each test twice, as `sqlite::name` and `postgres::name`. The argument is a [`World`] that is being
/// served, or a [`Home`] that is not served yet.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($($argument:ident)+: $place:ident) $story:block)+) => {
        $($(#[$meta])* async fn $name($($argument)+: $place) $story)+

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                use $crate::common::{Begin, Engine};
                super::$name(super::$place::on(Engine::Sqlite).await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                use $crate::common::{Begin, Engine};
                super::$name(super::$place::on(Engine::Postgres).await).await;
            })+
        }
    };
}

/// A type that a test of `on_both!` can take as its argument.
pub trait Begin {
    /// Creates a new value on this engine.
    fn on(engine: Engine) -> impl Future<Output = Self>;
}

/// Calls `ask` repeatedly, without a pause, until it returns a value.
pub async fn until<T, A: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> A) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    within(what, asking).await
}

/// Awaits an event. Panics when it does not happen in time.
pub async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
