//! Letters: what is written to the owner of a page by its form. It goes on by mail, and is forgotten here.

use std::time::Duration;

use crate::{
    Error, Result,
    domain::{
        accounts::{Email, Member},
        text::{self, Rules},
    },
    error::Faults,
    events::Tx,
    store::{self, jobs::Work},
};

/// How long a form may lie open.
pub const OPEN: Duration = Duration::from_secs(24 * 3600);
/// How fast no person fills it in.
pub const FASTEST: Duration = Duration::from_secs(2);

/// Letters to one member within an hour: beyond that somebody plays tricks on them.
const AN_HOUR: Duration = Duration::from_secs(3600);
const LETTERS_AN_HOUR: i64 = 20;

/// How long a letter is kept whose mail does not leave.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A letter.
#[derive(Clone, Debug)]
pub struct Letter {
    name: String,
    email: Email,
    body: String,
}

impl Letter {
    /// Takes what a form says, and tells of all that is wrong with it.
    pub fn parse(name: &str, email: &str, body: &str) -> Result<Self> {
        let mut faults = Faults::default();
        let line = Rules { field: "name", limit: 60, lines: false, empty: "Say who you are." };
        let text = Rules { field: "body", limit: 4000, lines: true, empty: "Write something first." };
        let name = faults.check(text::clean(name, line))?;
        let email = match email.trim() {
            "" => faults.check(Err(Error::invalid("email", "Leave an address for the answer.")))?,
            email => faults.check(Email::parse(email))?,
        };
        let body = faults.check(text::clean(body, text))?;
        faults.done()?;
        match (name, email, body) {
            (Some(name), Some(email), Some(body)) => Ok(Letter { name, email, body }),
            _ => Err(Error::internal("a field without a value and without a fault")),
        }
    }
}

/// Sends a letter to the owner of a page.
pub fn send(tx: &mut Tx<'_>, to: &Member, letter: &Letter) -> Result<()> {
    let since = tx.now() - AN_HOUR;
    if store::pages::letters::count_since(tx, to.id(), since)? >= LETTERS_AN_HOUR {
        return Err(Error::TooMany { retry_after: AN_HOUR, limit: None });
    }
    let id = store::pages::letters::insert(tx, to.id(), &letter.name, letter.email.as_str(), &letter.body)?;
    tx.enqueue(&Work::LetterMail { letter: id })
}

/// Forgets letters that could not be sent for a week.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - KEPT;
    store::pages::letters::purge(tx, before)
}
