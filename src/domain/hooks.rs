//! Hooks: addresses at which programs without an account post messages into a room.

use super::{
    messages::{self, Body, Draft},
    names::{Name, skeleton},
    rooms::Owner,
    sessions::Token,
};
use crate::{
    Error, Result,
    db::Read,
    events::Tx,
    ids::HookId,
    store::{
        self,
        accounts::{Account, AccountKind},
        conversations::Conversation,
        hooks::Hook,
        messages::Message,
    },
};

/// The maximum number of hooks of one room; the messages of more programs would be too many to follow.
const MAX_HOOKS: usize = 20;

impl Owner {
    /// Creates a hook for a program, which posts as a bot of this name. The token is returned only here.
    pub fn open_hook(&self, tx: &mut Tx<'_>, name: &Name) -> Result<(Hook, Token)> {
        let room = self.room_member().participant.conversation.id;
        if store::hooks::by_room(tx, room)?.len() >= MAX_HOOKS {
            return Err(Error::invalid(
                "name",
                "Twenty programs can post here already. Close one of their doors.",
            ));
        }
        let token = Token::random()?;
        let bot =
            store::accounts::insert_nameless(tx, AccountKind::Bot, name.as_str(), &skeleton(name.as_str()))?;
        let id = store::hooks::insert(tx, room, bot, &token.hash())?;
        Ok((Hook { id, name: name.as_str().into(), created_at: tx.now() }, token))
    }

    /// Deletes a hook, so that its token is refused from then on.
    pub fn close_hook(&self, tx: &mut Tx<'_>, id: HookId) -> Result<()> {
        let room = self.room_member().participant.conversation.id;
        if store::hooks::delete(tx, room, id)? { Ok(()) } else { Err(Error::NotFound) }
    }
}

/// A program that posts by a hook.
pub struct Caller {
    bot: Account,
    room: Conversation,
}

impl Caller {
    /// Finds the hook by its token.
    pub fn find(read: &Read<'_>, token: &Token) -> Result<Self> {
        let (bot, room) = store::hooks::by_token(read, &token.hash())?.ok_or(Error::NotFound)?;
        Ok(Caller { bot, room })
    }

    /// Posts a message, under another name if the program asks for one.
    pub fn say(&self, tx: &mut Tx<'_>, body: &Body, name: Option<&Name>) -> Result<Message> {
        // A name that looks like a member's is ignored: the program then posts under its bot's own name.
        let alias = match name.map(Name::as_str).filter(|name| *name != self.bot.name) {
            Some(name) if store::accounts::member_who_looks_like(tx, &skeleton(name))?.is_none() => {
                Some(name)
            }
            _ => None,
        };
        messages::insert(tx, &self.room, &self.bot, alias, &Draft::text(body.clone()), &[], false)
    }

    /// Returns the bot that posts.
    pub fn bot(&self) -> &Account {
        &self.bot
    }
}

impl Owner {
    pub fn hooks(&self, read: &Read<'_>) -> Result<Vec<Hook>> {
        store::hooks::by_room(read, self.room_member().participant.conversation.id)
    }
}
