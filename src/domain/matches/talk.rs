//! Actions in a talk: leaving, offers, blocks and reports.

use std::time::Duration;

use serde_json::json;

use super::{
    KEPT, leave_queue,
    search::{Interests, Language, Search},
    seek, tell,
};
use crate::{
    Error, Result,
    clock::Time,
    db::Read,
    domain::{
        blocks::{self, Party},
        conversations,
        text::{self, Rules},
    },
    events::{Emission, Event, Topic, Tx},
    ids::{AccountId, ConversationId},
    store::{
        self,
        accounts::Account,
        conversations::Masked,
        jobs::Work,
        matches::{Pool, Report, State, Ticket},
        messages::HistoryScope,
    },
};

/// The time within which leaving a talk counts as skipping it.
const SKIPPED: Duration = Duration::from_secs(30);

/// The most messages in the copy that is stored with a report.
const REPORTED: i64 = 500;

/// The error for an account that is not in a talk.
const NO_TALK: Error = Error::Conflict("You are not talking with anyone.");

/// An account in a talk. Having this value is the permission to act in the talk.
#[derive(Debug)]
struct InTalk {
    ticket: Ticket,
    id: ConversationId,
    everyone: Vec<Ticket>,
}

impl InTalk {
    /// Locks the account's talk until the commit, and reads its participants.
    fn take(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<Self>> {
        let talk = |ticket: Option<Ticket>| {
            ticket.filter(|ticket| ticket.state == State::Matched).and_then(|ticket| ticket.conversation)
        };
        let Some(id) = talk(store::matches::of(tx, account)?) else { return Ok(None) };
        store::conversations::hold(tx, id)?;
        // The tickets are read again under the lock: the others may have ended the talk before it was taken.
        let everyone = store::matches::in_talk(tx, id)?;
        let everyone: Vec<Ticket> = everyone.into_iter().filter(|one| one.state == State::Matched).collect();
        let ticket = everyone.iter().find(|one| one.account == account).cloned();
        Ok(ticket.map(|ticket| InTalk { ticket, id, everyone }))
    }

    /// Takes the account out of the talk. A talk ends when fewer than two are left.
    fn leave(&self, tx: &mut Tx<'_>) -> Result<()> {
        let skipped = tx.now().since(self.ticket.changed_at) < SKIPPED;
        self.go(tx, if skipped { self.ticket.skips + 1 } else { 0 })
    }

    fn go(&self, tx: &mut Tx<'_>, skips: i64) -> Result<()> {
        store::matches::set_ended(tx, self.ticket.account, skips, true)?;
        tell(tx, self.ticket.account);
        let others: Vec<_> = self.everyone.iter().filter(|one| one.account != self.ticket.account).collect();
        if others.len() >= 2 {
            if let Some(mask) = self.ticket.mask {
                conversations::remove_participant(tx, self.id, mask, None)?;
            }
            // The account that left may have been the only one that had not agreed.
            self.agree(tx, &others)?;
        } else {
            for other in &others {
                let skips = if tx.now().since(other.changed_at) < SKIPPED { other.skips } else { 0 };
                store::matches::set_ended(tx, other.account, skips, false)?;
            }
            store::conversations::leave_all_but(tx, self.id, None)?;
            tx.emit(Emission { topic: Topic::Conversation(self.id), event: Event::ConversationDeleted });
            let then = tx.now() + KEPT;
            tx.enqueue_at(&Work::ForgetMatch { conversation: self.id }, then)?;
        }
        for other in others {
            tell(tx, other.account);
        }
        Ok(())
    }

    /// Applies what all of these have agreed to: reveals their names, and allows pictures.
    fn agree(&self, tx: &mut Tx<'_>, everyone: &[&Ticket]) -> Result<()> {
        if everyone.iter().all(|one| one.pictures) {
            store::conversations::allow_files(tx, self.id)?;
        }
        if !everyone.iter().all(|one| one.reveals) {
            return Ok(());
        }
        for one in everyone {
            let (Some(mask), shown) = (one.mask, store::accounts::by_id(tx, one.account)?) else { continue };
            let name = match &shown.username {
                Some(username) => format!("{} (@{username})", shown.name),
                None => format!("{} (guest)", shown.name),
            };
            store::accounts::rename_mask(tx, mask, &name)?;
        }
        Ok(())
    }

    /// Reads the participants again after a change, applies what they all have agreed to, and notifies them.
    fn anew(&self, tx: &mut Tx<'_>) -> Result<()> {
        let everyone = store::matches::in_talk(tx, self.id)?;
        let everyone: Vec<&Ticket> = everyone.iter().filter(|one| one.state == State::Matched).collect();
        self.agree(tx, &everyone)?;
        everyone.iter().for_each(|one| tell(tx, one.account));
        Ok(())
    }
}

/// Leaves the waiting queue or the talk.
pub fn leave(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    if let Some(talk) = InTalk::take(tx, account)? {
        return talk.leave(tx);
    }
    store::matches::lock(tx, account)?;
    let ticket = store::matches::of(tx, account)?.ok_or(Error::NotFound)?;
    match ticket.state {
        State::Waiting => leave_queue(tx, &ticket),
        // The account was matched after the first check, before its ticket was locked.
        State::Matched => match InTalk::take(tx, account)? {
            Some(talk) => talk.leave(tx),
            None => Ok(()),
        },
        State::Ended => Ok(()),
    }
}

/// Leaves the talk, if there is one, and waits for the next with the same search.
pub fn next(tx: &mut Tx<'_>, account: &Account, ip_hash: &str) -> Result<()> {
    if let Some(talk) = InTalk::take(tx, account.id)? {
        talk.leave(tx)?;
    }
    let ticket = store::matches::of(tx, account.id)?.ok_or(Error::NotFound)?;
    if ticket.state == State::Waiting {
        return Ok(());
    }
    let search = Search {
        interests: Interests::of(&ticket.interests),
        language: Language::kept(&ticket.language),
        group: ticket.pool == Pool::Group,
        shows_name: ticket.shows_name && account.username.is_some(),
    };
    seek(tx, account, ip_hash, &search, true)
}

/// Offers to reveal the account's identity. Once everyone in the talk offers this, all names are revealed.
pub fn reveal(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let talk = InTalk::take(tx, account)?.ok_or(NO_TALK)?;
    store::matches::set_reveals(tx, account)?;
    talk.anew(tx)
}

/// Agrees to pictures. Once everyone in the talk agrees, pictures can be sent.
pub fn allow_pictures(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let talk = InTalk::take(tx, account)?.ok_or(NO_TALK)?;
    store::matches::set_pictures(tx, account)?;
    talk.anew(tx)
}

/// Returns the person whom a block or a report is about: the wearer of this mask in the account's current or last
/// talk, or the only other person there if no mask is given.
fn other(read: &Read<'_>, account: AccountId, mask: Option<AccountId>) -> Result<Masked> {
    let mut others = others(read, account)?;
    others.retain(|one| mask.is_none_or(|mask| mask == one.mask));
    match others.len() {
        1 => others.pop().ok_or(Error::NotFound),
        0 if mask.is_none() => Err(NO_TALK),
        0 => Err(Error::NotFound),
        _ => Err(Error::invalid("account_id", "Say which of them.")),
    }
}

/// Blocks a person for good, and leaves the talk.
pub fn block(tx: &mut Tx<'_>, account: AccountId, mask: Option<AccountId>) -> Result<()> {
    let talk = InTalk::take(tx, account)?;
    let them = other(tx, account, mask)?;
    // With the ticket locked, a concurrent search has either matched the account already, or reads the new block.
    store::matches::lock(tx, account)?;
    let me = store::matches::of(tx, account)?.ok_or(Error::NotFound)?;
    blocks::block(
        tx,
        &Party { account, ip_hash: &me.ip_hash, guest: me.guest },
        &Party { account: them.account, ip_hash: &them.ip_hash, guest: them.guest },
    )?;
    match talk {
        // Leaving with a block is no skip: nobody should have to wait for defending themselves.
        Some(talk) => talk.go(tx, talk.ticket.skips),
        None => Ok(()),
    }
}

/// Returns the others who are or were in the account's current or last talk: their masks, with names.
pub fn others(read: &Read<'_>, account: AccountId) -> Result<Vec<Masked>> {
    let me = store::matches::of(read, account)?.ok_or(NO_TALK)?;
    let mut others = store::conversations::masks(read, me.conversation.ok_or(NO_TALK)?)?;
    others.retain(|one| one.account != account);
    Ok(others)
}

/// The reasons for a report: the code, and the words that people read.
pub const REASONS: [(&str, &str); 6] = [
    ("harassment", "Insults, threats or hate"),
    ("sexual", "Sexual things nobody asked for"),
    ("minor", "This may be a child"),
    ("harm", "Talks of hurting themselves or others"),
    ("spam", "Advertising, or a bot"),
    ("other", "Something else"),
];

/// The reason and the words of a report.
#[derive(Clone, Debug)]
pub struct Complaint {
    reason: &'static str,
    words: String,
}

impl Complaint {
    /// Parses the code of one of [`REASONS`], and up to 1,000 characters about what happened.
    pub fn parse(reason: &str, words: &str) -> Result<Self> {
        let reason = REASONS.iter().find(|(code, _)| *code == reason);
        let reason = reason.ok_or_else(|| Error::invalid("reason", "Choose what it is about."))?.0;
        let rules = Rules { field: "words", limit: 1000, lines: true, empty: "" };
        let words = if words.trim().is_empty() { String::new() } else { text::clean(words, rules)? };
        Ok(Complaint { reason, words })
    }
}

/// Stores a report with a sealed copy of the messages, for the operators. `seal` returns a keyed hash.
pub fn report(
    tx: &mut Tx<'_>,
    account: AccountId,
    mask: Option<AccountId>,
    complaint: &Complaint,
    seal: impl Fn(&str) -> String,
) -> Result<()> {
    let them = other(tx, account, mask)?;
    let transcript = transcript(tx, them.conversation)?;
    let sealed = seal(&format!("{account} {} {} {transcript}", them.account, complaint.reason));
    let report = Report {
        reporter: account,
        reported: them.account,
        conversation: them.conversation,
        reason: complaint.reason,
        words: &complaint.words,
        transcript: &transcript,
        seal: &sealed,
    };
    store::matches::insert_report(tx, &report).map(drop)
}

/// Returns the last messages of a talk with their authors' accounts, as JSON.
fn transcript(read: &Read<'_>, id: ConversationId) -> Result<String> {
    let masks = store::conversations::masks(read, id)?;
    let said = store::messages::before(read, HistoryScope::whole(id), i64::MAX, REPORTED)?;
    let said: Vec<_> = said
        .iter()
        .map(|message| {
            let account = masks.iter().find(|one| one.mask == message.author.id).map(|one| one.account);
            let files: Vec<_> = message.attachments.iter().map(|file| &file.name).collect();
            json!({
                "seq": message.seq, "account_id": account, "name": message.author.name, "body": message.body,
                "files": files, "said_at": message.created_at.rfc3339(),
                "edited_at": message.edited_at.map(Time::rfc3339),
                "deleted_at": message.deleted_at.map(Time::rfc3339),
            })
        })
        .collect();
    serde_json::to_string(&said).map_err(Error::internal)
}

/// Takes an account out of the queue or the talk if its ticket has run out, and notifies the others.
pub(super) fn give_up(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    match InTalk::take(tx, account)? {
        Some(talk) if talk.ticket.alive_until <= tx.now() => talk.leave(tx),
        Some(_) => Ok(()),
        None => match store::matches::hold(tx, account)? {
            Some(ticket) if ticket.alive_until <= tx.now() => leave_queue(tx, &ticket),
            _ => Ok(()),
        },
    }
}
