//! What the stories are told with: a place ([`Home`], and [`World`] once it is served), people
//! ([`Person`]), what they are shown ([`Page`]), where they talk ([`Room`]), who listens
//! ([`Listener`]), a mail server ([`Post`]) and the program itself ([`Program`]).

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

/// How long something that has to happen may take on a busy machine. Nothing is measured by it:
/// it only ends a test that would hang.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Tells each story twice: `sqlite::name` and `postgres::name`. The argument is a [`World`] that is
/// being served, or a [`Home`] that is not yet.
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

/// What a story of `on_both!` can begin with.
pub trait Begin {
    /// It, on that engine.
    fn on(engine: Engine) -> impl Future<Output = Self>;
}

/// Asks again and again, without a pause, until there is an answer.
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

/// The outcome of something that has to happen.
pub async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
