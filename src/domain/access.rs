//! Access to a conversation: how an account becomes a participant, for every kind of conversation.

use super::{
    conversations::{Participant, find_participant},
    matches,
    messages::Draft,
    rooms::RoomInvitee,
};
use crate::{
    Error, Result,
    db::Read,
    events::Tx,
    ids::ConversationId,
    store::{self, accounts::Account, conversations::ConversationKind, messages::Message},
};

/// What an account needs to become a participant: a room's key, or the id of a conversation that the account is in.
#[derive(Clone)]
pub enum Access {
    /// Access by a room's key, which lets the account join.
    Room(RoomInvitee),
    /// Access by a conversation's id, for an account that is in the conversation already.
    Conversation {
        account: Account,
        id: ConversationId,
        /// The only kind that the conversation may have, if there is a restriction.
        kind: Option<ConversationKind>,
    },
}

impl Access {
    pub fn account(&self) -> &Account {
        match self {
            Access::Room(invitee) => &invitee.account,
            Access::Conversation { account, .. } => account,
        }
    }

    /// Returns the same access for another account.
    pub fn of(self, account: Account) -> Self {
        match self {
            Access::Room(invitee) => Access::Room(RoomInvitee { account, ..invitee }),
            Access::Conversation { id, kind, .. } => Access::Conversation { account, id, kind },
        }
    }

    /// Returns the account as a participant, if it is in the conversation. A conversation that only others can let the
    /// account into is not found, so that the answer reveals nothing more.
    pub fn find(&self, read: &Read<'_>) -> Result<Option<Participant>> {
        match self {
            Access::Room(invitee) => Ok(invitee.find(read)?.map(|room_member| room_member.participant)),
            Access::Conversation { account, id, kind } => {
                let participant = match find_participant(read, account, *id)? {
                    Some(participant) => Some(participant),
                    None => match store::conversations::mask(read, *id, account.id)? {
                        Some(mask) => find_participant(read, &mask, *id)?,
                        None => None,
                    },
                };
                let fits =
                    |participant: &Participant| kind.is_none_or(|kind| kind == participant.conversation.kind);
                participant.filter(fits).ok_or(Error::NotFound).map(Some)
            }
        }
    }

    /// Joins the conversation and sends a message, which in a match also counts as a sign of life. `thread_limit` is
    /// the length of the longest message that the account may send in a thread.
    pub fn say(&self, tx: &mut Tx<'_>, draft: &Draft, thread_limit: usize) -> Result<Message> {
        let participant = self.join(tx)?;
        let message = participant.say(tx, draft, thread_limit)?;
        if participant.policy().keeps_alive {
            matches::asks(tx, self.account().id)?;
        }
        Ok(message)
    }

    /// Joins the conversation, if the account is not in it yet.
    pub fn join(&self, tx: &mut Tx<'_>) -> Result<Participant> {
        match self {
            Access::Room(invitee) => Ok(invitee.join(tx)?.participant),
            Access::Conversation { .. } => self.find(tx)?.ok_or(Error::NotFound),
        }
    }

    /// Returns the page for an account whose access has ended, by the kind of the conversation. Refuses an account that
    /// never had access.
    pub fn leave_to(&self, read: &Read<'_>) -> Result<&'static str> {
        let Access::Conversation { account, id, .. } = self else { return Err(Error::NotFound) };
        let kind = match store::conversations::kind_for(read, *id, account.id)? {
            Some(kind) => kind,
            // A deleted thread leaves only a tombstone, and a deleted match not even that.
            None if store::sync::has_tombstone(read, account.id, *id)? => ConversationKind::Thread,
            None if store::matches::of(read, account.id)?.is_some() => ConversationKind::Match,
            None => return Err(Error::NotFound),
        };
        Ok(kind.policy().leave_to)
    }
}
