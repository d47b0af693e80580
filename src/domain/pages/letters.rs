//! Contact messages to the owner of a page. A message is sent on by mail, and then its text is deleted.

use std::time::Duration;

use crate::{
    Error, Result,
    db::Read,
    domain::{
        accounts::{Email, Member, Recipient},
        text::{self, Rules},
    },
    error::Faults,
    events::Tx,
    ids::LetterId,
    store::{self, jobs::Work, pages::letters::Letter as Kept},
};

/// The time for which an opened form is valid.
pub const OPEN: Duration = Duration::from_secs(24 * 3600);
/// The shortest time in which a person can fill in the form.
pub const FASTEST: Duration = Duration::from_secs(2);

/// The maximum number of messages to one member within an hour: more of them are abuse.
const AN_HOUR: Duration = Duration::from_secs(3600);
const MAX_AN_HOUR: i64 = 20;

/// The time for which a message is kept whose mail can't be sent.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// A checked contact message.
#[derive(Clone, Debug)]
pub struct Letter {
    name: String,
    email: Email,
    body: String,
}

impl Letter {
    /// Parses the fields of the form. The error names every field that is wrong.
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

/// Sends a message to the owner of a page.
pub fn send(tx: &mut Tx<'_>, to: &Member, letter: &Letter) -> Result<()> {
    let since = tx.now() - AN_HOUR;
    if store::pages::letters::count_since(tx, to.id(), since)? >= MAX_AN_HOUR {
        return Err(Error::TooMany { retry_after: AN_HOUR, limit: None });
    }
    let id = store::pages::letters::insert(tx, to.id(), &letter.name, letter.email.as_str(), &letter.body)?;
    tx.enqueue(&Work::LetterMail { letter: id })
}

/// Deletes messages that could not be sent for a week.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - RETENTION;
    store::pages::letters::purge(tx, before)
}

/// A letter that is still to be sent, with its addressee and their email; `None` where the letter is gone or there is
/// no address.
pub fn pending(read: &Read<'_>, id: LetterId) -> Result<Option<(Kept, Recipient)>> {
    let Some(letter) = store::pages::letters::by_id(read, id)? else { return Ok(None) };
    Ok(Recipient::find(read, letter.to)?.map(|owner| (letter, owner)))
}

/// Deletes what a letter says that has been sent.
pub fn clear(tx: &mut Tx<'_>, id: LetterId) -> Result<()> {
    store::pages::letters::clear(tx, id)
}
