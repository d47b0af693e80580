//! Access to a conversation: how an account comes to be a participant, whatever the kind.

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

/// Somebody at the door of a conversation: a room's, with its key in hand, or that of any conversation
/// that it is in already.
#[derive(Clone)]
pub enum Access {
    /// Whoever has the key comes in.
    Room(RoomInvitee),
    /// Whoever is in it already is let in.
    Conversation {
        /// Who.
        account: Account,
        /// Where.
        id: ConversationId,
        /// Only where it is of this kind.
        kind: Option<ConversationKind>,
    },
}

impl Access {
    /// Who asks.
    pub fn account(&self) -> &Account {
        match self {
            Access::Room(invitee) => &invitee.account,
            Access::Conversation { account, .. } => account,
        }
    }

    /// The same door, with somebody else at it.
    pub fn of(self, account: Account) -> Self {
        match self {
            Access::Room(invitee) => Access::Room(RoomInvitee { account, ..invitee }),
            Access::Conversation { id, kind, .. } => Access::Conversation { account, id, kind },
        }
    }

    /// The one who asks as a participant, if it is in the conversation. Who may only be let in by others
    /// learns nothing more than that there is nothing for them.
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
                let fits = |one: &Participant| kind.is_none_or(|kind| kind == one.conversation.kind);
                participant.filter(fits).ok_or(Error::NotFound).map(Some)
            }
        }
    }

    /// Comes in, and says something. In a match that is a sign of life. `thread_limit` is how long it may be
    /// in a thread.
    pub fn say(&self, tx: &mut Tx<'_>, draft: &Draft, thread_limit: usize) -> Result<Message> {
        let participant = self.join(tx)?;
        let message = participant.say(tx, draft, thread_limit)?;
        if participant.policy().keeps_alive {
            matches::asks(tx, self.account().id)?;
        }
        Ok(message)
    }

    /// Comes in, where one isn't yet.
    pub fn join(&self, tx: &mut Tx<'_>) -> Result<Participant> {
        match self {
            Access::Room(invitee) => Ok(invitee.join(tx)?.participant),
            Access::Conversation { .. } => self.find(tx)?.ok_or(Error::NotFound),
        }
    }

    /// Returns the page for someone whose access has ended, by the kind of the conversation. Refuses whoever never had
    /// access.
    pub fn leave_to(&self, read: &Read<'_>) -> Result<&'static str> {
        let Access::Conversation { account, id, .. } = self else { return Err(Error::NotFound) };
        let kind = match store::conversations::kind_for(read, *id, account.id)? {
            Some(kind) => kind,
            // Nothing is left of a thread but that the account was in it, and of a match not even that.
            None if store::sync::has_tombstone(read, account.id, *id)? => ConversationKind::Thread,
            None if store::matches::of(read, account.id)?.is_some() => ConversationKind::Match,
            None => return Err(Error::NotFound),
        };
        Ok(kind.policy().leave_to)
    }
}
