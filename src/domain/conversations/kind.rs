//! The policy of each kind of conversation. Kinds differ only here.

use crate::{
    Result,
    domain::text,
    store::conversations::{ConversationKind, NewConversation},
};

/// The page of a conversation on the site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// A page at the key of the conversation's link.
    Room,
    /// A page at the conversation's id.
    Thread,
    /// The page of the viewer's current match.
    Match,
}

/// The maximum length of a message, in characters as a person counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyLimit {
    /// A limit that is the same on every server.
    Fixed(usize),
    /// The limit that the operator configured for threads.
    Configured,
}

/// The files that may be sent along with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Files {
    Any,
    /// Only pictures, and only once everyone in the conversation has agreed to them.
    PicturesByConsent,
}

/// The rules of a kind of conversation. Other code reads a rule, and never compares the kind itself.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub body_limit: BodyLimit,
    pub files: Files,
    /// True if participants see who has received and read their messages.
    pub receipts: bool,
    /// True if the conversation has a link, with which anyone may join. Such conversations are listed among the rooms.
    pub by_link: bool,
    /// True if participants see who the others are. Such conversations are listed among the threads.
    pub shows_people: bool,
    /// True if `sync` sends the messages to the participants' programs, and a search in all conversations includes
    /// them.
    pub in_sync: bool,
    /// True if a block between the only two participants stops them from writing.
    pub blocks_writing: bool,
    /// True if sending a message counts as a sign of life, without which a ticket ends.
    pub keeps_alive: bool,
    pub page: Page,
    /// The page for someone who is no longer in the conversation.
    pub leave_to: &'static str,
}

/// The maximum number of characters of a message where the operator configures no other limit: enough for a letter, too
/// few for a book.
pub const MAX_BODY: usize = 4000;

const ROOM: Policy = Policy {
    body_limit: BodyLimit::Fixed(MAX_BODY),
    files: Files::Any,
    receipts: false,
    by_link: true,
    shows_people: false,
    in_sync: true,
    blocks_writing: false,
    keeps_alive: false,
    page: Page::Room,
    leave_to: "/rooms",
};

const MATCH: Policy = Policy {
    body_limit: BodyLimit::Fixed(MAX_BODY),
    files: Files::PicturesByConsent,
    receipts: false,
    by_link: false,
    shows_people: false,
    in_sync: false,
    blocks_writing: false,
    keeps_alive: true,
    page: Page::Match,
    leave_to: "/match",
};

const THREAD: Policy = Policy {
    body_limit: BodyLimit::Configured,
    files: Files::Any,
    receipts: true,
    by_link: false,
    shows_people: true,
    in_sync: true,
    blocks_writing: true,
    keeps_alive: false,
    page: Page::Thread,
    leave_to: "/threads",
};

impl ConversationKind {
    /// Returns the rules of this kind.
    pub fn policy(self) -> &'static Policy {
        match self {
            ConversationKind::Room => &ROOM,
            ConversationKind::Match => &MATCH,
            ConversationKind::Thread => &THREAD,
        }
    }

    /// Returns the row of a new conversation of this kind. The store has columns for the rules that its queries use.
    pub(in crate::domain) fn new_conversation(self, name: &str) -> NewConversation<'_> {
        let policy = self.policy();
        NewConversation {
            kind: self,
            name,
            owner: None,
            files: policy.files == Files::Any,
            by_link: policy.by_link,
            shows_people: policy.shows_people,
            in_sync: policy.in_sync,
        }
    }
}

impl Policy {
    /// Returns the maximum number of characters of a message. `configured` is the operator's limit for threads.
    pub fn max_body(&self, configured: usize) -> usize {
        match self.body_limit {
            BodyLimit::Fixed(limit) => limit,
            BodyLimit::Configured => configured,
        }
    }

    /// Refuses a message that is too long.
    pub(in crate::domain) fn check_body(&self, body: &str, configured: usize) -> Result<()> {
        text::fits(body, "body", self.max_body(configured))
    }
}
