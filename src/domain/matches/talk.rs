//! Actions in a talk: leaving, offers, blocks and reports.

use std::time::Duration;

use serde_json::json;

use super::{
    RETENTION, leave_queue, notify,
    search::{Interests, Language, Search},
    seek,
};
use crate::{
    Error, Result,
    clock::Time,
    db::Read,
    domain::{
        blocks::{self, Party, Scope},
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
const SKIP_WINDOW: Duration = Duration::from_secs(30);

/// The maximum number of messages in the copy that is stored with a report.
const MAX_TRANSCRIPT: i64 = 500;

/// The maximum size of that copy, in bytes: 500 messages of a usual length. A report may cost the disk no more.
const MAX_TRANSCRIPT_BYTES: usize = 256 * 1024;

/// The maximum size of one message in that copy, in bytes: 4,000 letters of any script, or 4,000 simple emoji.
const MAX_TRANSCRIPT_BODY: usize = 16 * 1024;

/// The error for an account that is not in a talk.
const NO_TALK: Error = Error::Conflict("You are not talking with anyone.");

/// An account in a talk that is locked until the commit. Having this value is the permission to act in the talk.
#[derive(Debug)]
struct InTalk {
    ticket: Ticket,
    id: ConversationId,
    everyone: Vec<Ticket>,
}

impl InTalk {
    /// Locks the account's talk until the commit, and reads its participants.
    fn lock(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<Self>> {
        let ticket = store::matches::of(tx, account)?.filter(|ticket| ticket.state == State::Matched);
        let Some(id) = ticket.and_then(|ticket| ticket.conversation) else { return Ok(None) };
        store::conversations::lock(tx, id)?;
        // The tickets are read again under the lock, because the others may have ended the talk before it.
        let everyone = store::matches::in_talk(tx, id)?;
        let everyone: Vec<Ticket> =
            everyone.into_iter().filter(|other| other.state == State::Matched).collect();
        let ticket = everyone.iter().find(|ticket| ticket.account == account).cloned();
        Ok(ticket.map(|ticket| InTalk { ticket, id, everyone }))
    }

    /// Returns true if the names of everyone in the talk are revealed, and the other account is still in it.
    fn reveals_all_with(&self, other: AccountId) -> bool {
        self.everyone.iter().all(|ticket| ticket.reveals)
            && self.everyone.iter().any(|ticket| ticket.account == other)
    }

    /// Removes the account from the talk. Leaving within [`SKIP_WINDOW`] counts as a skip.
    fn leave(&self, tx: &mut Tx<'_>) -> Result<()> {
        let skipped = tx.now().since(self.ticket.changed_at) < SKIP_WINDOW;
        self.leave_with_skips(tx, if skipped { self.ticket.skips + 1 } else { 0 })
    }

    /// Removes the account from the talk, and sets its number of skips. A talk ends when fewer than two are left.
    fn leave_with_skips(&self, tx: &mut Tx<'_>, skips: i64) -> Result<()> {
        store::matches::set_ended(tx, self.ticket.account, skips, true)?;
        notify(tx, self.ticket.account);
        let others = self.everyone.iter().filter(|other| other.account != self.ticket.account);
        let others: Vec<_> = others.collect();
        if others.len() >= 2 {
            if let Some(mask) = self.ticket.mask {
                conversations::remove_participant(tx, self.id, mask, None)?;
            }
            // The account that left may have been the only one that had not agreed.
            self.apply_consents(tx, &others)?;
        } else {
            for other in &others {
                let skips = if tx.now().since(other.changed_at) < SKIP_WINDOW { other.skips } else { 0 };
                store::matches::set_ended(tx, other.account, skips, false)?;
            }
            store::conversations::leave_all_but(tx, self.id, None)?;
            tx.emit(Emission { topic: Topic::Conversation(self.id), event: Event::ConversationDeleted });
            let run_at = tx.now() + RETENTION;
            tx.enqueue_at(&Work::ForgetMatch { conversation: self.id }, run_at)?;
        }
        for other in others {
            notify(tx, other.account);
        }
        Ok(())
    }

    /// Reveals the names of these accounts if all of them offer it, and allows pictures if all of them agree.
    fn apply_consents(&self, tx: &mut Tx<'_>, everyone: &[&Ticket]) -> Result<()> {
        if everyone.iter().all(|ticket| ticket.pictures) {
            store::conversations::allow_files(tx, self.id)?;
        }
        if !everyone.iter().all(|ticket| ticket.reveals) {
            return Ok(());
        }
        for ticket in everyone {
            let Some(mask) = ticket.mask else { continue };
            let account = store::accounts::by_id(tx, ticket.account)?;
            let name = match &account.username {
                Some(username) => format!("{} (@{username})", account.name),
                None => format!("{} (guest)", account.name),
            };
            store::accounts::rename_mask(tx, mask, &name)?;
        }
        Ok(())
    }

    /// Reads the participants again after a change, applies their consents, and notifies them.
    fn refresh(&self, tx: &mut Tx<'_>) -> Result<()> {
        let everyone = store::matches::in_talk(tx, self.id)?;
        let everyone: Vec<&Ticket> =
            everyone.iter().filter(|ticket| ticket.state == State::Matched).collect();
        self.apply_consents(tx, &everyone)?;
        everyone.iter().for_each(|ticket| notify(tx, ticket.account));
        Ok(())
    }
}

/// Leaves the waiting queue or the talk.
pub fn leave(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    if let Some(talk) = InTalk::lock(tx, account)? {
        return talk.leave(tx);
    }
    store::matches::lock(tx, account)?;
    let ticket = store::matches::of(tx, account)?.ok_or(Error::NotFound)?;
    match ticket.state {
        State::Waiting => leave_queue(tx, &ticket),
        // The account was matched after the first check, before its ticket was locked.
        State::Matched => match InTalk::lock(tx, account)? {
            Some(talk) => talk.leave(tx),
            None => Ok(()),
        },
        State::Ended => Ok(()),
    }
}

/// Leaves the talk, if there is one, and waits for the next with the same search.
pub fn next(tx: &mut Tx<'_>, account: &Account, ip_hash: &str) -> Result<()> {
    if let Some(talk) = InTalk::lock(tx, account.id)? {
        talk.leave(tx)?;
    }
    let ticket = store::matches::of(tx, account.id)?.ok_or(Error::NotFound)?;
    if ticket.state == State::Waiting {
        return Ok(());
    }
    let search = Search {
        interests: Interests::from_stored(&ticket.interests),
        language: Language::from_stored(&ticket.language),
        group: ticket.pool == Pool::Group,
        shows_name: ticket.shows_name && account.username.is_some(),
    };
    seek(tx, account, ip_hash, &search, true)
}

/// Records the offer to reveal the account's identity. Once everyone in the talk offers this, all names are revealed.
pub fn reveal(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let talk = InTalk::lock(tx, account)?.ok_or(NO_TALK)?;
    store::matches::set_reveals(tx, account)?;
    talk.refresh(tx)
}

/// Records the consent to pictures. Once everyone in the talk consents, pictures can be sent.
pub fn allow_pictures(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let talk = InTalk::lock(tx, account)?.ok_or(NO_TALK)?;
    store::matches::set_pictures(tx, account)?;
    talk.refresh(tx)
}

/// Returns the person whom a block or a report is about: the wearer of this mask in the account's current or last
/// talk, or the only other person there if no mask is given.
fn other(read: &Read<'_>, account: AccountId, mask: Option<AccountId>) -> Result<Masked> {
    let mut others = others(read, account)?;
    others.retain(|other| mask.is_none_or(|mask| mask == other.mask));
    match others.len() {
        1 => others.pop().ok_or(Error::NotFound),
        0 if mask.is_none() => Err(NO_TALK),
        0 => Err(Error::NotFound),
        _ => Err(Error::invalid("account_id", "Say which of them.")),
    }
}

/// Blocks a person for good, and leaves the talk. The block acts everywhere if the two have revealed themselves, and in
/// the matching only otherwise.
pub fn block(tx: &mut Tx<'_>, account: AccountId, mask: Option<AccountId>) -> Result<()> {
    let talk = InTalk::lock(tx, account)?;
    let blocked = other(tx, account, mask)?;
    // With the ticket locked, a concurrent search has either matched the account already, or reads the new block.
    store::matches::lock(tx, account)?;
    let ticket = store::matches::of(tx, account)?.ok_or(Error::NotFound)?;
    let are_revealed = match &talk {
        Some(talk) => talk.reveals_all_with(blocked.account),
        // A group may have revealed its names after one of the two had left. Only a pair is certain.
        None => {
            let everyone = store::matches::in_talk(tx, blocked.conversation)?;
            ticket.pool == Pool::Pair && everyone.len() == 2 && everyone.iter().all(|ticket| ticket.reveals)
        }
    };
    let scope = if are_revealed { Scope::Everywhere } else { Scope::Matching };
    blocks::block(
        tx,
        &Party { account, ip_hash: &ticket.ip_hash, guest: ticket.guest },
        &Party { account: blocked.account, ip_hash: &blocked.ip_hash, guest: blocked.guest },
        scope,
    )?;
    match talk {
        // Leaving with a block is no skip: nobody should have to wait for defending themselves.
        Some(talk) => talk.leave_with_skips(tx, talk.ticket.skips),
        None => Ok(()),
    }
}

/// Returns the others who are or were in the account's current or last talk: their masks, with names.
pub fn others(read: &Read<'_>, account: AccountId) -> Result<Vec<Masked>> {
    let ticket = store::matches::of(read, account)?.ok_or(NO_TALK)?;
    let mut others = store::conversations::masks(read, ticket.conversation.ok_or(NO_TALK)?)?;
    others.retain(|other| other.account != account);
    Ok(others)
}

/// The reasons for a report: the code, and the label for people.
pub const REASONS: [(&str, &str); 6] = [
    ("harassment", "Insults, threats or hate"),
    ("sexual", "Sexual things nobody asked for"),
    ("minor", "This may be a child"),
    ("harm", "Talks of hurting themselves or others"),
    ("spam", "Advertising, or a bot"),
    ("other", "Something else"),
];

/// The reason of a report, and the reporter's comment.
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

/// The evidence of a report: the reported person, and a copy of the talk's last messages.
pub struct Evidence {
    reported: Masked,
    transcript: String,
}

/// Gathers the evidence for a report about the wearer of this mask, or about the only other person. This is a read of
/// its own, because reading hundreds of messages in the writing transaction would delay everyone's writes.
pub fn evidence(read: &Read<'_>, account: AccountId, mask: Option<AccountId>) -> Result<Evidence> {
    let reported = other(read, account, mask)?;
    let transcript = transcript(read, reported.conversation)?;
    Ok(Evidence { reported, transcript })
}

/// Stores a report with a sealed copy of the messages, for the operators. A second report about the same person in the
/// same talk replaces the first. `seal` returns a keyed hash.
pub fn report(
    tx: &mut Tx<'_>,
    account: AccountId,
    evidence: &Evidence,
    complaint: &Complaint,
    seal: impl Fn(&str) -> String,
) -> Result<()> {
    let Evidence { reported, transcript } = evidence;
    // With the ticket locked, two reports at once are stored one after the other.
    store::matches::lock(tx, account)?;
    let sealed = seal(&format!("{account} {} {} {transcript}", reported.account, complaint.reason));
    let report = Report {
        reporter: account,
        reported: reported.account,
        conversation: reported.conversation,
        reason: complaint.reason,
        words: &complaint.words,
        transcript,
        seal: &sealed,
    };
    if store::matches::replace_report(tx, &report)? {
        return Ok(());
    }
    store::matches::insert_report(tx, &report).map(drop)
}

/// Returns the last messages of a talk with their authors' accounts, as JSON of at most [`MAX_TRANSCRIPT_BYTES`].
fn transcript(read: &Read<'_>, id: ConversationId) -> Result<String> {
    let masks = store::conversations::masks(read, id)?;
    let messages = store::messages::before(read, HistoryScope::whole(id), i64::MAX, MAX_TRANSCRIPT)?;
    let mut bytes = 0;
    let mut kept: Vec<_> = messages
        .iter()
        .rev()
        .map(|message| {
            let account = masks.iter().find(|mask| mask.mask == message.author.id).map(|mask| mask.account);
            let files: Vec<_> = message.attachments.iter().map(|file| &file.name).collect();
            json!({
                "seq": message.seq, "account_id": account, "name": message.author.name,
                "body": beginning(&message.body), "files": files, "said_at": message.created_at.rfc3339(),
                "edited_at": message.edited_at.map(Time::rfc3339),
                "deleted_at": message.deleted_at.map(Time::rfc3339),
            })
        })
        .take_while(|message| {
            bytes += message.to_string().len() + 1;
            bytes < MAX_TRANSCRIPT_BYTES
        })
        .collect();
    kept.reverse();
    serde_json::to_string(&kept).map_err(Error::internal)
}

/// Returns the beginning of a message, so that one message cannot take the place of all others in a transcript.
fn beginning(body: &str) -> &str {
    let ends = (0..=MAX_TRANSCRIPT_BODY.min(body.len())).rev();
    let end = ends.into_iter().find(|end| body.is_char_boundary(*end)).unwrap_or_default();
    &body[..end]
}

/// Removes an account from the queue or the talk if its ticket has expired, and notifies the others.
pub(super) fn give_up(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    match InTalk::lock(tx, account)? {
        Some(talk) if talk.ticket.alive_until <= tx.now() => talk.leave(tx),
        Some(_) => Ok(()),
        None => match store::matches::try_lock_waiting(tx, account)? {
            Some(ticket) if ticket.alive_until <= tx.now() => leave_queue(tx, &ticket),
            _ => Ok(()),
        },
    }
}
