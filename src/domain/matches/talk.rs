//! In a talk: going, offering, blocking, reporting.

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

/// A talk that is left within this was skipped.
const SKIPPED: Duration = Duration::from_secs(30);

/// Messages in the copy that is kept with a report.
const REPORTED: i64 = 500;

/// What someone is told who is in none.
const NO_TALK: Error = Error::Conflict("You are not talking with anyone.");

/// Someone who is in a talk: to have one is the permission to do something about it.
#[derive(Debug)]
struct InTalk {
    ticket: Ticket,
    id: ConversationId,
    everyone: Vec<Ticket>,
}

impl InTalk {
    /// Takes the talk until the commit, and finds who is in it.
    fn take(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<Self>> {
        let talk = |ticket: Option<Ticket>| {
            ticket.filter(|ticket| ticket.state == State::Matched).and_then(|ticket| ticket.conversation)
        };
        let Some(id) = talk(store::matches::of(tx, account)?) else { return Ok(None) };
        store::conversations::hold(tx, id)?;
        // Once more: the others may have ended it meanwhile.
        let everyone = store::matches::in_talk(tx, id)?;
        let everyone: Vec<Ticket> = everyone.into_iter().filter(|one| one.state == State::Matched).collect();
        let ticket = everyone.iter().find(|one| one.account == account).cloned();
        Ok(ticket.map(|ticket| InTalk { ticket, id, everyone }))
    }

    /// Takes someone out. Fewer than two are no talk.
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
            // Perhaps it was the only one who had not agreed.
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

    /// Does what these have agreed to, if all of them have: tells who they are, lets pictures through.
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

    /// As it is after something was noted of the one who acts.
    fn anew(&self, tx: &mut Tx<'_>) -> Result<()> {
        let everyone = store::matches::in_talk(tx, self.id)?;
        let everyone: Vec<&Ticket> = everyone.iter().filter(|one| one.state == State::Matched).collect();
        self.agree(tx, &everyone)?;
        everyone.iter().for_each(|one| tell(tx, one.account));
        Ok(())
    }
}

/// Leaves the line, or the talk.
pub fn leave(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    if let Some(talk) = InTalk::take(tx, account)? {
        return talk.leave(tx);
    }
    store::matches::lock(tx, account)?;
    let ticket = store::matches::of(tx, account)?.ok_or(Error::NotFound)?;
    match ticket.state {
        State::Waiting => leave_queue(tx, &ticket),
        // It was found at this very moment.
        State::Matched => match InTalk::take(tx, account)? {
            Some(talk) => talk.leave(tx),
            None => Ok(()),
        },
        State::Ended => Ok(()),
    }
}

/// Leaves the talk, if there is one, and waits for the next with the same wishes.
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

/// Offers to say who it is. When everyone in the talk does, everyone is told.
pub fn reveal(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let talk = InTalk::take(tx, account)?.ok_or(NO_TALK)?;
    store::matches::set_reveals(tx, account)?;
    talk.anew(tx)
}

/// Agrees to pictures. When everyone in the talk does, they can be sent.
pub fn allow_pictures(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let talk = InTalk::take(tx, account)?.ok_or(NO_TALK)?;
    store::matches::set_pictures(tx, account)?;
    talk.anew(tx)
}

/// Whom something is to be done about: the one with this mask in the talk that the account is in, or was
/// in last; the only other one where no mask is named.
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

/// Keeps the two apart, for good, and leaves the talk.
pub fn block(tx: &mut Tx<'_>, account: AccountId, mask: Option<AccountId>) -> Result<()> {
    let talk = InTalk::take(tx, account)?;
    let them = other(tx, account, mask)?;
    // Whoever is looked for at this moment is matched before, or knows of it.
    store::matches::lock(tx, account)?;
    let me = store::matches::of(tx, account)?.ok_or(Error::NotFound)?;
    blocks::block(
        tx,
        &Party { account, ip_hash: &me.ip_hash, guest: me.guest },
        &Party { account: them.account, ip_hash: &them.ip_hash, guest: them.guest },
    )?;
    match talk {
        // Whoever defends itself is not made to wait for it.
        Some(talk) => talk.go(tx, talk.ticket.skips),
        None => Ok(()),
    }
}

/// Who else is or was in the talk that the account is in, or was in last: their masks, and what those are
/// called.
pub fn others(read: &Read<'_>, account: AccountId) -> Result<Vec<Masked>> {
    let me = store::matches::of(read, account)?.ok_or(NO_TALK)?;
    let mut others = store::conversations::masks(read, me.conversation.ok_or(NO_TALK)?)?;
    others.retain(|one| one.account != account);
    Ok(others)
}

/// Why somebody is reported.
pub const REASONS: [(&str, &str); 6] = [
    ("harassment", "Insults, threats or hate"),
    ("sexual", "Sexual things nobody asked for"),
    ("minor", "This may be a child"),
    ("harm", "Talks of hurting themselves or others"),
    ("spam", "Advertising, or a bot"),
    ("other", "Something else"),
];

/// What someone says about whom it reports.
#[derive(Clone, Debug)]
pub struct Complaint {
    reason: &'static str,
    words: String,
}

impl Complaint {
    /// Takes one of [`REASONS`], and up to 1,000 characters of what happened.
    pub fn parse(reason: &str, words: &str) -> Result<Self> {
        let reason = REASONS.iter().find(|(code, _)| *code == reason);
        let reason = reason.ok_or_else(|| Error::invalid("reason", "Choose what it is about."))?.0;
        let rules = Rules { field: "words", limit: 1000, lines: true, empty: "" };
        let words = if words.trim().is_empty() { String::new() } else { text::clean(words, rules)? };
        Ok(Complaint { reason, words })
    }
}

/// Keeps a sealed copy of what was said, for those who look after the place. `seal` makes a keyed hash.
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

/// The last of what was said in a talk, and who said it, as JSON.
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

/// It is not heard of any more: its place goes to nobody, and its partner is told.
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
