//! Messages: sending, editing, deleting, reacting and searching.

use std::collections::BTreeSet;

use unicode_properties::UnicodeEmoji;
use unicode_segmentation::UnicodeSegmentation;

use super::{
    conversations::{LOCKED, MAX_BODY, NOT_IN_IT, Participant, emit, enqueue_file_deletion},
    rooms::{self, Key, Owner},
    text::{self, MAX_REFERENCES, Piece, RefusedWords, Rules, Segment},
    webhooks,
};
use crate::{
    Error, Result,
    db::Read,
    events::{Event, MessageEvent, Tx},
    ids::{AccountId, AttachmentId, IdempotencyKey, MessageId},
    store::{
        self,
        accounts::Account,
        attachments::Attachment,
        conversations::Conversation,
        messages::{HistoryScope, Message, MessageText, NewMessage},
        peeps::Mention,
        sync::SyncRange,
        webhooks::EventType,
    },
};

/// The maximum number of files of one message: as many as fit on a screen.
const MAX_FILES: usize = 10;

/// The maximum number of different emoji under one message; more would fill the screen.
const MAX_EMOJI: usize = 20;

/// The maximum number of accounts that are named under each emoji; the others are only counted.
const MAX_NAMED: i64 = 50;

/// The maximum number of words in one search.
const MAX_TERMS: usize = 4;

/// The text of a message: 1 to 4,000 characters, cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(String);

impl Body {
    /// Cleans the typed text. Refuses a text with one of the words that the instance does not allow.
    pub fn parse(raw: &str, refused: &RefusedWords) -> Result<Self> {
        refused.check(raw)?;
        let rules = Rules { field: "body", limit: MAX_BODY, lines: true, empty: "Write something first." };
        text::clean(raw, rules).map(Body)
    }

    /// Returns the text of a message that has only files.
    pub fn empty() -> Self {
        Body(String::new())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the members mentioned outside of code. There are none in an app's conversation, where an `@name` is one
    /// of the app's people.
    fn mentions(&self, read: &Read<'_>, conversation: &Conversation) -> Result<Vec<Mention>> {
        if conversation.app.is_some() {
            return Ok(Vec::new());
        }
        let plain = text::pieces(&self.0).into_iter().filter_map(|piece| match piece {
            Piece::Plain(plain) => Some(plain),
            Piece::Code(_) | Piece::Block(_) => None,
        });
        let named = plain.flat_map(text::segments).filter_map(|segment| match segment {
            Segment::Mention(_, username) => Some(username),
            _ => None,
        });
        let named: BTreeSet<String> = named.collect();
        let mut mentions = Vec::new();
        for username in named.into_iter().take(MAX_REFERENCES) {
            match store::accounts::by_username(read, &username) {
                Ok(account) => mentions.push(Mention { id: account.id, username }),
                Err(Error::NotFound) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(mentions)
    }
}

/// A single emoji: one character as a person sees it, which shows as a picture.
#[derive(Clone, Debug)]
pub struct Emoji(String);

impl Emoji {
    /// Accepts an emoji of any kind: with skin tones, families, flags, keycaps.
    pub fn parse(raw: &str) -> Result<Self> {
        let raw = raw.trim();
        let is_single = raw.graphemes(true).count() == 1 && raw.len() <= 64;
        if is_single && raw.chars().all(is_emoji) && raw.chars().any(shows_as_picture) {
            Ok(Emoji(raw.into()))
        } else {
            Err(Error::invalid_query("emoji", "A reaction is one emoji."))
        }
    }

    /// Accepts an emoji whose reaction is to be removed. Earlier versions also accepted symbols that are no emoji, such
    /// as an arrow, and their reactions can still be removed.
    pub fn parse_removed(raw: &str) -> Result<Self> {
        let symbol = raw.trim();
        let is_single = symbol.graphemes(true).count() == 1 && symbol.len() <= 64;
        if is_single && !symbol.chars().any(char::is_alphanumeric) {
            return Ok(Emoji(symbol.into()));
        }
        Emoji::parse(raw)
    }
}

/// Returns whether the character is a part of emoji (UTS #51): a picture, or a joiner, variation selector, tag or
/// keycap.
fn is_emoji(c: char) -> bool {
    c.is_emoji_char_or_emoji_component()
}

/// Returns whether the character shows as a picture. Digits, `#` and `*` do so only inside a keycap.
fn shows_as_picture(c: char) -> bool {
    c == '\u{20E3}' || (c.is_emoji_char() && !c.is_ascii())
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Draft {
    pub body: Body,
    pub reply_to: Option<MessageId>,
    pub attachments: Vec<AttachmentId>,
    /// A repeated message by the same participant with the same key returns the first message.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Draft {
    /// Returns a draft with text alone.
    pub fn text(body: Body) -> Self {
        Draft { body, reply_to: None, attachments: Vec::new(), idempotency_key: None }
    }

    fn check(&self) -> Result<()> {
        if self.body.0.is_empty() && self.attachments.is_empty() {
            return Err(Error::invalid("body", "Write something first."));
        }
        if self.attachments.len() > MAX_FILES {
            return Err(Error::invalid(
                "attachments",
                "Ten files fit into one message. Send the rest after it.",
            ));
        }
        Ok(())
    }
}

impl Participant {
    /// Sends a message, and publishes it to everyone who has the conversation open.
    pub fn say(&self, tx: &mut Tx<'_>, draft: &Draft, thread_limit: usize) -> Result<Message> {
        draft.check()?;
        self.policy().check_body(&draft.body.0, thread_limit)?;
        if self.membership.hidden {
            return Err(Error::invalid("as", "Say who of the app’s people says it."));
        }
        self.may_write_to_the_other(tx)?;
        let id = self.conversation.id;
        let key = draft.idempotency_key.as_ref().map(IdempotencyKey::as_str);
        if let Some(key) = key
            && let Some(message) = store::messages::by_idempotency_key(tx, id, self.id(), key)?
        {
            return repeated(draft, message);
        }
        if let Some(parent) = draft.reply_to
            && existing(tx, self, parent).is_err()
        {
            return Err(Error::invalid("reply_to", "The message you answer has been deleted."));
        }
        let mut files = Vec::new();
        for file in &draft.attachments {
            files.push(store::attachments::unsent(tx, *file, id, self.id())?.ok_or_else(missing_file)?);
        }
        let message = insert(tx, &self.conversation, &self.account, None, draft, &files, self.is_owner())?;
        for file in &draft.attachments {
            if !store::attachments::attach(tx, *file, id, self.id(), message.id)? {
                return Err(missing_file());
            }
        }
        // Sending a message marks everything before it as read. The update fails if the participant has just been
        // removed.
        if !store::conversations::set_read(tx, id, self.id(), message.seq)? {
            return Err(NOT_IN_IT);
        }
        self.emit_read(tx, message.seq)?;
        Ok(message)
    }

    /// Changes the text of the participant's own message. An unchanged text is no edit.
    pub fn edit(&self, tx: &mut Tx<'_>, id: MessageId, body: &Body, thread_limit: usize) -> Result<Message> {
        self.policy().check_body(&body.0, thread_limit)?;
        let message = existing(tx, self, id)?;
        if message.author.id != self.id() {
            return Err(Error::Forbidden("Only the one who said something can change it."));
        }
        if message.body == body.0 {
            return Ok(message);
        }
        self.may_write_to_the_other(tx)?;
        let change = self.next_writing(tx)?;
        existing(tx, self, id)?; // checked again under the lock, because others may have deleted the message
        if body.0.is_empty() && message.attachments.is_empty() {
            return Err(Error::invalid("body", "Write something first."));
        }
        let (folded, mentions) = (text::folded(&body.0), body.mentions(tx, &self.conversation)?);
        let text = MessageText { body: &body.0, folded: &folded, mentions: &mentions };
        store::messages::edit(tx, id, text, change)?;
        self.emit_change(tx, id)
    }

    /// Deletes the participant's own message, or any message for the room's owner or the administrator.
    pub fn delete(&self, tx: &mut Tx<'_>, id: MessageId) -> Result<Message> {
        let (change, current) = self.next_change(tx)?;
        let message = existing(tx, self, id)?;
        if message.author.id != self.id() && !current.is_owner() && !self.account.admin {
            return Err(Error::Forbidden(
                "Only the one who said something, or the room’s owner, can delete it.",
            ));
        }
        let files = store::attachments::delete_of(tx, id)?;
        enqueue_file_deletion(tx, files)?;
        store::messages::delete(tx, id, change)?;
        store::idempotency::redact_message(tx, id, self.conversation.id)?;
        self.emit_change(tx, id)
    }

    /// Adds the participant's emoji under a message, or removes it. A repeated request has no effect.
    pub fn react(&self, tx: &mut Tx<'_>, id: MessageId, emoji: &Emoji, on: bool) -> Result<Message> {
        let message = existing(tx, self, id)?;
        if store::messages::has_reacted(tx, id, self.id(), &emoji.0)? == on {
            return Ok(message);
        }
        if self.membership.hidden {
            return Err(Error::invalid_query("as", "Say who of the app’s people it is."));
        }
        self.may_write_to_the_other(tx)?;
        let change = self.next_writing(tx)?;
        let message = existing(tx, self, id)?; // read again under the lock
        let is_used = message.reactions.iter().any(|reaction| reaction.emoji == emoji.0);
        if on && !is_used && message.reactions.len() >= MAX_EMOJI {
            return Err(Error::invalid(
                "emoji",
                "There are twenty kinds of emoji under it already. Use one of them.",
            ));
        }
        store::messages::react(tx, id, self.id(), &emoji.0, on)?;
        store::messages::sum_reactions(tx, id, MAX_NAMED, change)?;
        self.emit_change(tx, id)
    }

    /// Allocates the next change number. Refuses a participant who may not write.
    fn next_writing(&self, tx: &mut Tx<'_>) -> Result<i64> {
        let (change, current) = self.next_change(tx)?;
        if current.may_write() { Ok(change) } else { Err(LOCKED) }
    }

    fn emit_change(&self, tx: &mut Tx<'_>, id: MessageId) -> Result<Message> {
        // The whole history scope is read, because others may see the answered message even if this participant may
        // not.
        let message = store::messages::by_id(tx, HistoryScope::whole(self.conversation.id), id)?;
        webhooks::enqueue_deliveries(tx, EventType::MessageChanged, self.conversation.id, id.0)?;
        emit(
            tx,
            self.conversation.id,
            MessageEvent { message: message.clone(), new: false },
            Event::MessageChanged,
        );
        Ok(message.visible_from(self.membership.visible_after_seq))
    }
}

fn missing_file() -> Error {
    Error::invalid("attachments", "One of the files is not there any more. Attach it anew.")
}

/// Inserts a message under the next number and publishes it. `even_if_locked` is true for the owner of the
/// conversation.
pub(super) fn insert(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    author: &Account,
    alias: Option<&str>,
    draft: &Draft,
    files: &[Attachment],
    even_if_locked: bool,
) -> Result<Message> {
    let id = conversation.id;
    let (folded, mentions) = (text::folded(draft.body.as_str()), draft.body.mentions(tx, conversation)?);
    let numbers = store::conversations::next_message(tx, id)?.ok_or(Error::NotFound)?;
    if numbers.locked && !even_if_locked {
        return Err(LOCKED);
    }
    let new = NewMessage {
        conversation: id,
        seq: numbers.seq,
        change: numbers.change,
        author: author.id,
        alias,
        text: MessageText { body: draft.body.as_str(), folded: &folded, mentions: &mentions },
        reply_to: draft.reply_to,
        attachments: files,
        idempotency_key: draft.idempotency_key.as_ref().map(IdempotencyKey::as_str),
    };
    let message_id = store::messages::insert(tx, &new)?;
    let message = store::messages::by_id(tx, HistoryScope::whole(id), message_id)?;
    webhooks::enqueue_deliveries(tx, EventType::MessageCreated, id, message_id.0)?;
    emit(tx, id, MessageEvent { message: message.clone(), new: true }, Event::MessageChanged);
    Ok(message)
}

/// Returns the message that was sent with the same key. Refuses a key that was used for a different message, because
/// the new text would be lost without notice.
fn repeated(draft: &Draft, first: Message) -> Result<Message> {
    if first.deleted_at.is_some() {
        return Err(Error::Conflict("You have said that before, and it has been deleted since."));
    }
    if first.edited_at.is_none() && first.body != draft.body.as_str() {
        return Err(Error::Conflict("Something else was said with that key. Send this with a new one."));
    }
    Ok(first)
}

/// Returns the message, unless it has been deleted.
fn existing(read: &Read<'_>, participant: &Participant, id: MessageId) -> Result<Message> {
    let message = store::messages::by_id(read, participant.history(), id)?;
    if message.deleted_at.is_some() { Err(Error::NotFound) } else { Ok(message) }
}

/// The words of a search: four at the most.
#[derive(Clone, Debug)]
pub struct Query([String; 4]);

impl Query {
    /// Splits the words at spaces. Words beyond the fourth are ignored.
    pub fn parse(raw: &str) -> Result<Self> {
        let folded = text::folded(raw.trim());
        if folded.chars().count() < 2 || folded.len() > 200 || folded.contains('\0') {
            return Err(Error::invalid_query("q", "Look for two letters or more."));
        }
        let mut patterns: [String; MAX_TERMS] = std::array::from_fn(|_| "%".to_owned());
        for (pattern, word) in patterns.iter_mut().zip(folded.split_whitespace()) {
            let literal = word.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
            *pattern = format!("%{literal}%");
        }
        Ok(Query(patterns))
    }

    /// Returns the messages before `before` that match, in all rooms and threads that the account is in, newest first.
    pub fn run_everywhere(
        &self,
        read: &Read<'_>,
        account: AccountId,
        before: Option<MessageId>,
        limit: i64,
    ) -> Result<Vec<Message>> {
        let before = before.unwrap_or(MessageId(i64::MAX));
        store::messages::search_all(read, account, &self.0, before, limit)
    }

    /// Returns the messages of a conversation before number `before` that match, newest first.
    pub fn run(
        &self,
        read: &Read<'_>,
        participant: &Participant,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Message>> {
        let before = before.unwrap_or(i64::MAX);
        store::messages::search(read, participant.history(), &self.0, before, limit)
    }
}

impl Participant {
    /// Returns the last `limit` messages before number `before`, oldest first.
    pub fn messages_before(&self, read: &Read<'_>, before: i64, limit: i64) -> Result<Vec<Message>> {
        store::messages::before(read, self.history(), before, limit)
    }

    /// Returns the first `limit` messages after number `seq`, oldest first.
    pub fn messages_since(&self, read: &Read<'_>, seq: i64, limit: i64) -> Result<Vec<Message>> {
        store::messages::since(read, self.history(), seq, limit)
    }

    /// Returns the first `limit` of the messages up to number `seq` that changed after change number `change`, in the
    /// order of the changes.
    pub fn messages_changed_since(
        &self,
        read: &Read<'_>,
        change: i64,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<Message>> {
        store::messages::changed_since(read, self.history(), change, seq, limit)
    }

    /// Returns a message, deleted or not.
    pub fn message(&self, read: &Read<'_>, id: MessageId) -> Result<Message> {
        store::messages::by_id(read, self.history(), id)
    }
}

impl Owner {
    /// Returns the first `limit` messages of the whole room after number `seq`, oldest first, for an export.
    pub fn export(&self, read: &Read<'_>, seq: i64, limit: i64) -> Result<Vec<Message>> {
        let id = self.room_member().participant.conversation.id;
        store::messages::since(read, HistoryScope::whole(id), seq, limit)
    }
}

/// Returns the new and changed messages of an account's conversations in their current state, each with its sync
/// version.
pub(super) fn changed_for(read: &Read<'_>, range: &SyncRange) -> Result<Vec<(i64, Message)>> {
    store::messages::changed_for(read, range)
}

/// Returns a room and its last `limit` messages, for a feed. The signed address of the feed is the permission. It names
/// an owner, whom the caller has to compare with the room's present owner.
pub fn feed(read: &Read<'_>, key: &Key, limit: i64) -> Result<(Conversation, Vec<Message>)> {
    let room = rooms::preview(read, key)?;
    let messages = store::messages::before(read, HistoryScope::whole(room.id), i64::MAX, limit)?;
    Ok((room, messages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_that_an_earlier_version_accepted_can_be_removed() {
        assert!(Emoji::parse("→").is_err() && Emoji::parse_removed("→").is_ok());
        assert!(Emoji::parse_removed("☕").is_ok() && Emoji::parse_removed("1️⃣").is_ok());
        for other in ["", "a", "→→"] {
            assert!(Emoji::parse_removed(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_reaction_is_one_emoji_of_any_kind() {
        for emoji in ["☕", "❤️", "👍🏽", "👩‍👩‍👧‍👦", "🇫🇷", "1️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "©️", " 🐦 ", "❤", "↔️", "🫩", "🧑🏿‍🚀", "🏳️‍🌈"]
        {
            assert!(Emoji::parse(emoji).is_ok(), "{emoji}");
        }
        for other in [
            "",
            "a",
            "1",
            "#",
            "ok",
            "☕☕",
            "☕a",
            "<b>",
            "é",
            "\u{200D}",
            "\u{FE0F}",
            "中",
            "→",
            "■",
            "\u{E0067}",
        ] {
            assert!(Emoji::parse(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn the_words_of_a_search_are_matched_literally() {
        let Query(patterns) = Query::parse("  100% Café_\\ ").expect("two words");
        assert_eq!(patterns, [r"%100\%%", r"%cafe\_\\%", "%", "%"]);
        assert!(Query::parse("a").is_err());
    }

    #[test]
    fn a_message_has_at_most_4000_characters() {
        let parse = |length| Body::parse(&"a".repeat(length), &RefusedWords::default());
        assert!(parse(4000).is_ok());
        assert!(parse(4001).is_err());
    }
}
