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
    ids::ContactMessageId,
    store::{self, jobs::Work, pages::contact_messages::ContactMessage as StoredContactMessage},
};

/// The time for which an opened form is valid.
pub const FORM_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The shortest time in which a person can fill in the form.
pub const MIN_FILL_TIME: Duration = Duration::from_secs(2);

/// The period of the limit.
const HOUR: Duration = Duration::from_secs(3600);
/// The maximum number of messages to one member within an hour: more of them are abuse.
const MAX_PER_HOUR: i64 = 20;

/// The time for which a message whose mail can't be sent is stored.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// A checked contact message.
#[derive(Clone, Debug)]
pub struct ContactMessage {
    name: String,
    email: Email,
    body: String,
}

impl ContactMessage {
    /// Parses the fields of the form. The error names every field that is wrong.
    pub fn parse(name: &str, email: &str, body: &str) -> Result<Self> {
        let mut faults = Faults::default();
        let name_rules = Rules { field: "name", limit: 60, lines: false, empty: "Say who you are." };
        let body_rules = Rules { field: "body", limit: 4000, lines: true, empty: "Write something first." };
        let name = faults.check(text::clean(name, name_rules))?;
        let email = match email.trim() {
            "" => faults.check(Err(Error::invalid("email", "Leave an address for the answer.")))?,
            email => faults.check(Email::parse(email))?,
        };
        let body = faults.check(text::clean(body, body_rules))?;
        faults.done()?;
        match (name, email, body) {
            (Some(name), Some(email), Some(body)) => Ok(ContactMessage { name, email, body }),
            _ => Err(Error::internal("a field without a value and without a fault")),
        }
    }
}

/// Sends a message to the owner of a page.
pub fn send(tx: &mut Tx<'_>, to: &Member, message: &ContactMessage) -> Result<()> {
    let since = tx.now() - HOUR;
    if store::pages::contact_messages::count_since(tx, to.id(), since)? >= MAX_PER_HOUR {
        return Err(Error::TooMany { retry_after: HOUR, limit: None });
    }
    let ContactMessage { name, email, body } = message;
    let id = store::pages::contact_messages::insert(tx, to.id(), name, email.as_str(), body)?;
    tx.enqueue(&Work::LetterMail { letter: id })
}

/// Deletes messages that are more than a week old, sent or not.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - RETENTION;
    store::pages::contact_messages::purge(tx, before)
}

/// Returns a message that is still to be sent, with its recipient; `None` where the message was deleted or sent, or the
/// recipient has no address.
pub fn pending(read: &Read<'_>, id: ContactMessageId) -> Result<Option<(StoredContactMessage, Recipient)>> {
    let Some(message) = store::pages::contact_messages::by_id(read, id)? else { return Ok(None) };
    Ok(Recipient::find(read, message.to)?.map(|owner| (message, owner)))
}

/// Deletes the text of a message that has been sent.
pub fn clear(tx: &mut Tx<'_>, id: ContactMessageId) -> Result<()> {
    store::pages::contact_messages::clear(tx, id)
}
