//! Messages in conversations.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    accounts::{self, AccountKind},
    attachments::Attachment,
    peeps::Mention,
    sync::{self, SyncRange},
};
use crate::{
    Error, Result,
    clock::Time,
    db::{FromRow, Read, Row, Write, columns, from_row},
    ids::{AccountId, ConversationId, MessageId},
    params, sql,
};

/// The part of a conversation's history that an account may read.
#[derive(Clone, Copy, Debug)]
pub struct HistoryScope {
    pub conversation: ConversationId,
    /// Messages up to this number are not visible.
    pub after: i64,
}

impl HistoryScope {
    /// Returns the scope of the whole history, for the conversation's owner and for the server itself.
    pub fn whole(conversation: ConversationId) -> Self {
        HistoryScope { conversation, after: 0 }
    }
}

columns! {
    /// A message with everything that is shown with it.
    #[derive(Clone, Debug)]
    pub struct Message as m {
        /// The id; a later message has a larger one.
        pub id: MessageId,
        pub conversation: ConversationId = "m.conversation_id",
        /// The number in the conversation: 1, 2, 3 … without gaps.
        pub seq: i64,
        /// The change number of the message's last change.
        pub change: i64,
        pub author: Speaker = Speaker::COLUMNS,
        /// The sanitized text; empty once deleted, or where only files were sent.
        pub body: String,
        /// The members that the message mentions.
        pub mentions: Vec<Mention>,
        /// The reactions, in the order in which each emoji was first used.
        pub reactions: Vec<Reaction>,
        pub attachments: Vec<Attachment>,
        pub created_at: Time,
        pub edited_at: Option<Time>,
        pub deleted_at: Option<Time>,
        /// The message that this one answers.
        pub reply_to: Option<Quote> = Quote::COLUMNS,
    }
}

impl Message {
    pub fn visible_from(mut self, after: i64) -> Self {
        self.reply_to = self.reply_to.filter(|quote| quote.seq > after);
        self
    }
}

columns! {
    /// The author of a message, under the name used in its conversation.
    #[derive(Clone, Debug)]
    pub struct Speaker as m {
        pub id: AccountId = "m.account_id",
        pub kind: AccountKind = accounts::KIND,
        pub username: Option<String> = accounts::USERNAME,
        pub name: String = "COALESCE(m.alias, p.alias, a.name)",
    }
}

columns! {
    /// The message that another one answers.
    #[derive(Clone, Debug)]
    pub struct Quote as q {
        pub id: MessageId,
        /// The number in the conversation.
        pub seq: i64,
        /// The author.
        pub account_id: AccountId,
        /// The author's name in the conversation.
        pub name: String = "COALESCE(q.alias, qp.alias, qa.name)",
        /// The text; empty once deleted, or where only files were sent.
        pub body: String,
    }
}

/// An emoji under a message, and the accounts that reacted with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    pub emoji: String,
    /// The number of accounts.
    pub count: i64,
    /// The first of the accounts, up to a limit.
    pub accounts: Vec<AccountId>,
}

/// The start of every statement that returns messages `m`.
const MESSAGE: &str = sql!("SELECT ", Message::COLUMNS, FROM);

const FROM: &str = " FROM messages m JOIN accounts a ON a.id = m.account_id
    LEFT JOIN participants p ON p.conversation_id = m.conversation_id AND p.account_id = m.account_id
    LEFT JOIN messages q ON q.id = m.reply_to LEFT JOIN accounts qa ON qa.id = q.account_id
    LEFT JOIN participants qp ON qp.conversation_id = q.conversation_id AND qp.account_id = q.account_id ";

/// Reads a message for an account whose history begins after message `after`.
fn visible_from(after: i64) -> impl Fn(&Row<'_>) -> Result<Message> {
    move |row| from_row::<Message>(row).map(|message| message.visible_from(after))
}

impl FromRow for Vec<Reaction> {
    const WIDTH: usize = 1;

    fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
        from_json(&row.get::<String>(at)?)
    }
}

impl FromRow for Vec<Attachment> {
    const WIDTH: usize = 1;

    fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
        from_json(&row.get::<String>(at)?)
    }
}

/// Reads a list that is stored as JSON; an empty list is stored as an empty text.
fn from_json<T: DeserializeOwned>(json: &str) -> Result<Vec<T>> {
    if json.is_empty() { Ok(Vec::new()) } else { serde_json::from_str(json).map_err(Error::internal) }
}

/// Returns the stored form of a list.
fn to_json<T: Serialize>(list: &[T]) -> Result<String> {
    if list.is_empty() { Ok(String::new()) } else { serde_json::to_string(list).map_err(Error::internal) }
}

/// Returns the message with this id, deleted or not.
pub fn by_id(read: &Read<'_>, history: HistoryScope, id: MessageId) -> Result<Message> {
    read.first(
        sql!(MESSAGE, "WHERE m.id = $1 AND m.conversation_id = $2 AND m.seq > $3"),
        params![id, history.conversation, history.after],
        visible_from(history.after),
    )?
    .ok_or(Error::NotFound)
}

/// Returns the last `limit` messages before number `before`, oldest first.
pub fn before(read: &Read<'_>, history: HistoryScope, before: i64, limit: i64) -> Result<Vec<Message>> {
    let mut messages = read.all(
        sql!(
            MESSAGE,
            "WHERE m.conversation_id = $1 AND m.seq > $2 AND m.seq < $3 ORDER BY m.seq DESC LIMIT $4"
        ),
        params![history.conversation, history.after, before, limit],
        visible_from(history.after),
    )?;
    messages.reverse();
    Ok(messages)
}

/// Returns at most `limit` messages after number `seq`, oldest first.
pub fn since(read: &Read<'_>, history: HistoryScope, seq: i64, limit: i64) -> Result<Vec<Message>> {
    read.all(
        sql!(MESSAGE, "WHERE m.conversation_id = $1 AND m.seq > $2 ORDER BY m.seq LIMIT $3"),
        params![history.conversation, seq.max(history.after), limit],
        visible_from(history.after),
    )
}

/// Returns at most `limit` messages up to number `seq` that changed after change `change`, in the order of the changes.
pub fn changed_since(
    read: &Read<'_>,
    history: HistoryScope,
    change: i64,
    seq: i64,
    limit: i64,
) -> Result<Vec<Message>> {
    read.all(
        sql!(
            MESSAGE,
            "WHERE m.conversation_id = $1 AND m.seq > $2 AND m.change > $3 AND m.seq <= $4
             ORDER BY m.change LIMIT $5"
        ),
        params![history.conversation, history.after, change, seq, limit],
        visible_from(history.after),
    )
}

/// Returns at most `limit` messages whose folded text matches all of these `LIKE` patterns, in which `\` escapes;
/// newest first. Unused patterns are `%`.
pub fn search(
    read: &Read<'_>,
    history: HistoryScope,
    patterns: &[String; 4],
    before: i64,
    limit: i64,
) -> Result<Vec<Message>> {
    let [first, second, third, fourth] = patterns;
    read.all(
        sql!(
            MESSAGE,
            r"WHERE m.conversation_id = $1 AND m.seq > $2 AND m.folded LIKE $3 ESCAPE '\'
                AND m.folded LIKE $4 ESCAPE '\' AND m.folded LIKE $5 ESCAPE '\' AND m.folded LIKE $6 ESCAPE '\'
                AND m.seq < $7
              ORDER BY m.seq DESC LIMIT $8"
        ),
        params![history.conversation, history.after, first, second, third, fourth, before, limit],
        visible_from(history.after),
    )
}

/// Searches all rooms and threads that the account is in, for messages with ids below `before`.
pub fn search_all(
    read: &Read<'_>,
    account: AccountId,
    patterns: &[String; 4],
    before: MessageId,
    limit: i64,
) -> Result<Vec<Message>> {
    let [first, second, third, fourth] = patterns;
    read.all(
        sql!(
            "SELECT me.visible_after_seq, ",
            Message::COLUMNS,
            FROM,
            r"JOIN participants me ON me.conversation_id = m.conversation_id AND me.left_at IS NULL
              JOIN conversations c ON c.id = m.conversation_id AND c.deleted_at IS NULL
              WHERE me.account_id = $1 AND m.seq > me.visible_after_seq AND m.folded LIKE $2 ESCAPE '\'
                AND m.folded LIKE $3 ESCAPE '\' AND m.folded LIKE $4 ESCAPE '\' AND m.folded LIKE $5 ESCAPE '\'
                AND m.id < $6
              ORDER BY m.id DESC LIMIT $7"
        ),
        params![account, first, second, third, fourth, before, limit],
        |row| {
            let (after, message): (i64, Message) = from_row(row)?;
            Ok(message.visible_from(after))
        },
    )
}

/// Returns the new and changed messages of all rooms and threads that the account is in, each with its sync version.
pub fn changed_for(read: &Read<'_>, range: &SyncRange) -> Result<Vec<(i64, Message)>> {
    read.all(
        sql!(
            "SELECT m.sync_version, me.visible_after_seq, ",
            Message::COLUMNS,
            FROM,
            "JOIN participants me ON me.conversation_id = m.conversation_id AND me.left_at IS NULL
             JOIN conversations c ON c.id = m.conversation_id AND c.deleted_at IS NULL
             WHERE me.account_id = $1 AND c.in_sync AND c.sync_version > $2 AND m.seq > me.visible_after_seq
               AND m.sync_version > $2 AND m.sync_version <= $3
             ORDER BY m.sync_version, m.conversation_id, m.change LIMIT $4"
        ),
        params![range.account, range.after, range.upto, range.limit],
        |row| {
            let (sync_version, after, message): (i64, i64, Message) = from_row(row)?;
            Ok((sync_version, message.visible_from(after)))
        },
    )
}

/// The values of a new message's row.
#[derive(Debug)]
pub struct NewMessage<'a> {
    pub conversation: ConversationId,
    /// The message's number.
    pub seq: i64,
    /// The number of the change.
    pub change: i64,
    pub author: AccountId,
    /// The author's name, where that is not the account's own.
    pub alias: Option<&'a str>,
    pub text: MessageText<'a>,
    /// The message that is answered.
    pub reply_to: Option<MessageId>,
    pub attachments: &'a [Attachment],
    /// The client's key, by which a repeated request is recognized.
    pub idempotency_key: Option<&'a str>,
}

/// The text of a message, and the values that are computed from it.
#[derive(Clone, Copy, Debug)]
pub struct MessageText<'a> {
    pub body: &'a str,
    /// The text in the form that is searched.
    pub folded: &'a str,
    pub mentions: &'a [Mention],
}

impl MessageText<'_> {
    fn mentions(&self) -> String {
        let pairs = self.mentions.iter().map(|mention| format!("{}:{}", mention.id, mention.username));
        pairs.collect::<Vec<_>>().join(" ")
    }
}

pub fn insert(tx: &mut Write<'_>, new: &NewMessage<'_>) -> Result<MessageId> {
    let id = MessageId(tx.new_id());
    let (now, mentions, sync_version) = (tx.now(), new.text.mentions(), sync::sync_version(tx)?);
    tx.execute(
        sql!(
            "INSERT INTO messages (id, conversation_id, seq, change, account_id, alias, body, folded, mentions,
                                   reply_to, attachments, created_at, idempotency_key, sync_version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        ),
        params![
            id,
            new.conversation,
            new.seq,
            new.change,
            new.author,
            new.alias,
            new.text.body,
            new.text.folded,
            &mentions,
            new.reply_to,
            &to_json(new.attachments)?,
            now,
            new.idempotency_key,
            sync_version,
        ],
    )?;
    Ok(id)
}

/// Returns the message that the account has already sent to this conversation with this idempotency key.
pub fn by_idempotency_key(
    read: &Read<'_>,
    conversation: ConversationId,
    author: AccountId,
    key: &str,
) -> Result<Option<Message>> {
    read.first(
        sql!(MESSAGE, "WHERE m.account_id = $1 AND m.conversation_id = $2 AND m.idempotency_key = $3"),
        params![author, conversation, key],
        from_row,
    )
}

/// Replaces the text of a message.
pub fn edit(tx: &mut Write<'_>, id: MessageId, text: MessageText<'_>, change: i64) -> Result<()> {
    let (now, mentions, sync_version) = (tx.now(), text.mentions(), sync::sync_version(tx)?);
    tx.execute(
        sql!(
            "UPDATE messages SET body = $1, folded = $2, mentions = $3, edited_at = $4, change = $5, sync_version = $6
             WHERE id = $7"
        ),
        params![text.body, text.folded, &mentions, now, change, sync_version, id],
    )?;
    Ok(())
}

/// Deletes the text of a message and everything computed from it, its reactions and its files. The row stays, so that
/// numbers have no gaps.
pub fn delete(tx: &mut Write<'_>, id: MessageId, change: i64) -> Result<()> {
    let (now, sync_version) = (tx.now(), sync::sync_version(tx)?);
    tx.execute(sql!("DELETE FROM reactions WHERE message_id = $1"), params![id])?;
    tx.execute(
        sql!(
            "UPDATE messages SET body = '', folded = '', mentions = '', reactions = '', attachments = '',
                                 reply_to = NULL, deleted_at = $1, change = $2, sync_version = $3
             WHERE id = $4"
        ),
        params![now, change, sync_version, id],
    )?;
    Ok(())
}

/// Returns whether the account has reacted to the message with this emoji.
pub fn has_reacted(read: &Read<'_>, id: MessageId, account: AccountId, emoji: &str) -> Result<bool> {
    read.one(
        sql!(
            "SELECT EXISTS (SELECT 1 FROM reactions
                            WHERE message_id = $1 AND emoji = $2 AND account_id = $3)"
        ),
        params![id, emoji, account],
        from_row,
    )
}

/// Adds or removes a reaction. Repeating the call changes nothing.
pub fn react(tx: &mut Write<'_>, id: MessageId, account: AccountId, emoji: &str, on: bool) -> Result<()> {
    let now = tx.now();
    if on {
        tx.execute(
            sql!(
                "INSERT INTO reactions (message_id, emoji, account_id, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING"
            ),
            params![id, emoji, account, now],
        )?;
    } else {
        tx.execute(
            sql!("DELETE FROM reactions WHERE message_id = $1 AND emoji = $2 AND account_id = $3"),
            params![id, emoji, account],
        )?;
    }
    Ok(())
}

/// Updates the message's stored summary of its reactions. At most `max_accounts` accounts are listed for each emoji.
pub fn sum_reactions(tx: &mut Write<'_>, id: MessageId, max_accounts: i64, change: i64) -> Result<()> {
    // The rows list the emoji in the order of their first use, each with the accounts that used it first.
    let rows: Vec<(String, i64, AccountId)> = tx.all(
        sql!(
            "SELECT emoji, total, account_id
             FROM (SELECT emoji, account_id,
                          COUNT(*) OVER of_emoji AS total,
                          MIN(created_at) OVER of_emoji AS first_at,
                          ROW_NUMBER() OVER (PARTITION BY emoji ORDER BY created_at, account_id) AS position
                   FROM reactions WHERE message_id = $1 WINDOW of_emoji AS (PARTITION BY emoji)) AS r
             WHERE position <= $2
             ORDER BY first_at, emoji, position"
        ),
        params![id, max_accounts],
        from_row,
    )?;
    let mut reactions: Vec<Reaction> = Vec::new();
    for (emoji, count, account) in rows {
        match reactions.last_mut() {
            Some(last) if last.emoji == emoji => last.accounts.push(account),
            _ => reactions.push(Reaction { emoji, count, accounts: vec![account] }),
        }
    }
    let sync_version = sync::sync_version(tx)?;
    tx.execute(
        sql!("UPDATE messages SET reactions = $1, change = $2, sync_version = $3 WHERE id = $4"),
        params![&to_json(&reactions)?, change, sync_version, id],
    )?;
    Ok(())
}
