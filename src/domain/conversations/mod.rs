//! Conversations: people exchanging messages. This module has what rooms, matches and threads share.

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
        conversations::{Conversation, Membership, MembershipRow},
        jobs::Work,
        messages::HistoryScope,
    },
};

mod kind;

pub use self::kind::{BodyLimit, Files, MAX_BODY, Page, Policy};

/// The maximum number of rows cleared in one transaction, so that other writes do not wait long for it.
const BATCH: i64 = 200;

/// An account that is in a conversation. Having one is the permission to read the conversation, and to write in it
/// unless it is locked.
#[derive(Clone, Debug)]
pub struct Participant {
    pub account: Account,
    /// The conversation, as it was when this participant was read.
    pub conversation: Conversation,
    pub membership: Membership,
}

/// A position in the list of a conversation's people: whether that person was removed, the time of joining, and the
/// account.
pub type PeoplePosition = (bool, Time, AccountId);

/// The position before the first in the list of a conversation's people.
pub const FIRST_POSITION: PeoplePosition = (false, Time::from_ms(0), AccountId(0));

/// The refusal of a message from a participant who may only read.
pub(super) const LOCKED: Error =
    Error::Forbidden("This room is locked: it can be read, and only its owner writes.");

/// The refusal of an account that was removed, or left in another tab, at the same moment.
pub(super) const NOT_IN_IT: Error = Error::Forbidden("You are not in here any more.");

impl Participant {
    /// Returns the account's id.
    pub fn id(&self) -> AccountId {
        self.account.id
    }

    /// Returns the rules of the conversation's kind.
    pub fn policy(&self) -> &'static Policy {
        self.conversation.kind.policy()
    }

    /// Returns the participant's name in this conversation: the alias, if there is one.
    pub fn name(&self) -> &str {
        self.membership.alias.as_deref().unwrap_or(&self.account.name)
    }

    /// Returns the participant as others see them in events.
    pub fn person(&self) -> Person {
        Person {
            id: self.account.id,
            name: self.name().to_owned(),
            guest: self.account.kind == accounts::AccountKind::Guest,
        }
    }

    pub fn is_owner(&self) -> bool {
        self.conversation.owner == Some(self.id())
    }

    /// Returns the messages that the participant may read.
    pub fn history(&self) -> HistoryScope {
        HistoryScope { conversation: self.conversation.id, after: self.membership.visible_after_seq }
    }

    /// Returns true if the participant may write now: everyone may, unless the conversation is locked; the owner
    /// always.
    pub fn may_write(&self) -> bool {
        !self.conversation.locked || self.is_owner()
    }

    /// Returns up to `limit` people of the conversation after a position in their list: first the participants, then
    /// those who were removed and are banned, each in the order of joining.
    pub fn people(&self, read: &Read<'_>, after: PeoplePosition, limit: i64) -> Result<Vec<MembershipRow>> {
        store::conversations::participants_after(read, self.conversation.id, after, limit)
    }

    /// Returns the number of messages that the participant has not read.
    pub fn unread(&self) -> i64 {
        (self.conversation.last_seq - self.membership.read_seq).max(0)
    }

    /// Marks everything up to this message as read. The mark never moves back, and never beyond the last message.
    pub fn read(&self, tx: &mut Tx<'_>, seq: i64) -> Result<()> {
        let seq = seq.clamp(0, self.conversation.last_seq);
        if store::conversations::set_read(tx, self.conversation.id, self.id(), seq)? {
            self.emit_read(tx, seq)?;
        }
        Ok(())
    }

    /// Leaves the conversation. Returns true if the account owned it, as [`remove_participant`] does.
    pub(super) fn leave(&self, tx: &mut Tx<'_>) -> Result<bool> {
        remove_participant(tx, self.conversation.id, self.id(), None)
    }

    /// Allocates the number of the next change, which locks the conversation until the commit, and reads the
    /// participant again under the lock. Refuses an account that was removed meanwhile.
    pub(super) fn next_change(&self, tx: &mut Tx<'_>) -> Result<(i64, Participant)> {
        let id = self.conversation.id;
        let change = store::conversations::next_change(tx, id)?.ok_or(Error::NotFound)?;
        let participant = find_participant(tx, &self.account, id)?.ok_or(NOT_IN_IT)?;
        Ok((change, participant))
    }
}

/// Removes an account and ends its subscription. If the account owned the conversation, the next owner is the member
/// who joined first, or else the first of the others. Returns true if the account owned it.
pub(super) fn remove_participant(
    tx: &mut Tx<'_>,
    id: ConversationId,
    account: AccountId,
    banned_until: Option<Time>,
) -> Result<bool> {
    // The number comes first: it locks the conversation, so that a message sent at the same time waits.
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

/// Emits an event to the subscribers of the conversation.
pub(super) fn emit<T>(
    tx: &mut Tx<'_>,
    id: ConversationId,
    payload: T,
    event: impl FnOnce(Arc<crate::events::Encoded<T>>) -> Event,
) {
    let event = event(Arc::new(crate::events::Encoded::new(payload)));
    tx.emit(Emission { topic: Topic::Conversation(id), event });
}

/// Returns the account as a participant, if it still is one. A socket checks this before it continues.
pub fn find_participant(
    read: &Read<'_>,
    account: &Account,
    id: ConversationId,
) -> Result<Option<Participant>> {
    let row = store::conversations::with_membership(read, id, account.id)?;
    Ok(row.map(|(conversation, membership)| Participant {
        account: account.clone(),
        conversation,
        membership,
    }))
}

/// Deletes a conversation at once, for everyone. A job clears its contents soon after.
pub(super) fn delete(tx: &mut Tx<'_>, id: ConversationId) -> Result<()> {
    store::conversations::delete(tx, id)?;
    store::idempotency::redact_all(tx, id)?;
    tx.enqueue(&Work::ClearConversations)?;
    tx.emit(Emission { topic: Topic::Conversation(id), event: Event::ConversationDeleted });
    Ok(())
}

/// Clears some rows of a deleted conversation. Returns false when there is nothing more to clear.
pub fn clear_deleted(tx: &mut Tx<'_>) -> Result<bool> {
    let Some(id) = store::conversations::next_to_clear(tx)? else { return Ok(false) };
    let (files, _) = store::conversations::clear(tx, id, BATCH)?;
    enqueue_file_deletion(tx, files)?;
    Ok(true)
}

/// Enqueues the deletion of the bytes of files.
pub(super) fn enqueue_file_deletion(tx: &mut Tx<'_>, files: Vec<AttachmentId>) -> Result<()> {
    if files.is_empty() { Ok(()) } else { tx.enqueue(&Work::DeleteFiles { files }) }
}
