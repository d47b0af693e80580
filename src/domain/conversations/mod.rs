//! Conversations: people exchanging messages. What is the same for rooms, matches and threads.

use std::sync::Arc;

use crate::{
    Error, Result,
    clock::Time,
    db::Read,
    events::{Emission, Event, Person, Topic, Tx},
    ids::{AccountId, AttachmentId, ConversationId},
    store::{
        self,
        accounts::{self, Account},
        conversations::{Conversation, Membership},
        jobs::Work,
        messages::HistoryScope,
    },
};

mod kind;

pub use self::kind::{BodyLimit, Files, MAX_BODY, Page, Policy};

/// Rows cleared in one transaction, so that other writes do not wait long for it.
const BATCH: i64 = 200;

/// An account that is in a conversation. To have one is the permission to read it, and to say
/// something in it where it is not locked.
#[derive(Clone, Debug)]
pub struct Participant {
    /// The account.
    pub account: Account,
    /// The conversation, as it was when this was made.
    pub conversation: Conversation,
    /// Its place in it.
    pub membership: Membership,
}

/// What someone is told who may only read.
pub(super) const LOCKED: Error =
    Error::Forbidden("This room is locked: it can be read, and only its owner writes.");

/// What someone is told who was removed, or left in another tab, at the same moment.
pub(super) const OUT: Error = Error::Forbidden("You are not in here any more.");

impl Participant {
    /// The account's.
    pub fn id(&self) -> AccountId {
        self.account.id
    }

    /// The rules of the conversation's kind.
    pub fn policy(&self) -> &'static Policy {
        self.conversation.kind.policy()
    }

    /// What it is called here.
    pub fn name(&self) -> &str {
        self.membership.alias.as_deref().unwrap_or(&self.account.name)
    }

    /// As others hear of it.
    pub fn person(&self) -> Person {
        Person {
            id: self.account.id,
            name: self.name().to_owned(),
            guest: self.account.kind == accounts::AccountKind::Guest,
        }
    }

    /// Whether the conversation is its own.
    pub fn is_owner(&self) -> bool {
        self.conversation.owner == Some(self.id())
    }

    /// What it may read.
    pub fn history(&self) -> HistoryScope {
        HistoryScope { conversation: self.conversation.id, after: self.membership.visible_after_seq }
    }

    /// Whether it may say something now.
    pub fn may_write(&self) -> bool {
        !self.conversation.locked || self.is_owner()
    }

    /// How many messages it has not read.
    pub fn unread(&self) -> i64 {
        (self.conversation.last_seq - self.membership.read_seq).max(0)
    }

    /// Has read everything up to this message. Never goes back, and never beyond the last.
    pub fn read(&self, tx: &mut Tx<'_>, seq: i64) -> Result<()> {
        let seq = seq.clamp(0, self.conversation.last_seq);
        if store::conversations::set_read(tx, self.conversation.id, self.id(), seq)? {
            self.tell_read(tx, seq)?;
        }
        Ok(())
    }

    /// Leaves. An owner's conversation goes to whoever has been in it for longest: true where it did.
    pub(super) fn leave(&self, tx: &mut Tx<'_>) -> Result<bool> {
        remove_participant(tx, self.conversation.id, self.id(), None)
    }

    /// Takes the number of the change that is being made, and with it the conversation until the commit.
    /// What was true before that may not be any more: whoever has been removed meanwhile is out.
    pub(super) fn next_change(&self, tx: &mut Tx<'_>) -> Result<(i64, Participant)> {
        let id = self.conversation.id;
        let change = store::conversations::next_change(tx, id)?.ok_or(Error::NotFound)?;
        let now = find_participant(tx, &self.account, id)?.ok_or(OUT)?;
        Ok((change, now))
    }
}

/// Takes someone out, and ends what it hears. What it owned goes to whoever has been in it for longest:
/// true where it did.
pub(super) fn remove_participant(
    tx: &mut Tx<'_>,
    id: ConversationId,
    account: AccountId,
    banned_until: Option<Time>,
) -> Result<bool> {
    // The number first: whoever says something at the same time waits, and comes before or after.
    let change = store::conversations::next_change(tx, id)?.ok_or(Error::NotFound)?;
    if !store::conversations::leave(tx, id, account, banned_until)? {
        return Err(Error::NotFound);
    }
    let conversation = store::conversations::by_id(tx, id)?.ok_or(Error::NotFound)?;
    let owned = conversation.owner == Some(account);
    if owned {
        let next_owner = store::conversations::next_owner(tx, id, account)?;
        store::conversations::set_owner(tx, id, next_owner)?;
    }
    let event = Event::ParticipantLeft { change, account: Some(account), owner: None };
    tx.emit(Emission { topic: Topic::Conversation(id), event });
    Ok(owned)
}

/// Tells those who have the conversation open.
pub(super) fn tell<T>(
    tx: &mut Tx<'_>,
    id: ConversationId,
    what: T,
    event: impl FnOnce(Arc<crate::events::Encoded<T>>) -> Event,
) {
    let event = event(Arc::new(crate::events::Encoded::new(what)));
    tx.emit(Emission { topic: Topic::Conversation(id), event });
}

/// The account in the conversation, if it still is in it: what a socket asks before it goes on.
pub fn find_participant(
    read: &Read<'_>,
    account: &Account,
    id: ConversationId,
) -> Result<Option<Participant>> {
    let found = store::conversations::seen_by(read, id, account.id)?;
    Ok(found.map(|(conversation, membership)| Participant {
        account: account.clone(),
        conversation,
        membership,
    }))
}

/// Deletes a conversation, for everyone and at once. What it held goes soon after.
pub(super) fn delete(tx: &mut Tx<'_>, id: ConversationId) -> Result<()> {
    store::conversations::delete(tx, id)?;
    store::idempotency::redact_all(tx, id)?;
    tx.enqueue(&Work::ClearConversations)?;
    tx.emit(Emission { topic: Topic::Conversation(id), event: Event::ConversationDeleted });
    Ok(())
}

/// Clears some rows of a deleted conversation away. False when there is nothing more to clear.
pub fn clear_deleted(tx: &mut Tx<'_>) -> Result<bool> {
    let Some(id) = store::conversations::next_to_clear(tx)? else { return Ok(false) };
    let (files, _) = store::conversations::clear(tx, id, BATCH)?;
    forget_files(tx, files)?;
    Ok(true)
}

/// Promises that the bytes of files go.
pub(super) fn forget_files(tx: &mut Tx<'_>, files: Vec<AttachmentId>) -> Result<()> {
    if files.is_empty() { Ok(()) } else { tx.enqueue(&Work::DeleteFiles { files }) }
}
