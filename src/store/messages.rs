//! Messages: what is said in conversations.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    accounts::{self, Kind},
    attachments::Attachment,
    peeps::Mention,
    sync::{self, Span},
};
use crate::{
    Error, Result,
    clock::Time,
    db::{FromRow, Read, Row, Write, columns, from_row},
    ids::{AccountId, ConversationId, MessageId},
    params, sql,
};

/// What may be read of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Nothing up to this message.
    pub after: i64,
}

impl Sight {
    /// Everything that was ever said there: for the conversation's owner, and for ourselves.
    pub fn whole(conversation: ConversationId) -> Self {
        Sight { conversation, after: 0 }
    }
}

columns! {
    /// A message as it is shown, with all that stands around it.
    #[derive(Clone, Debug)]
    pub struct Message as m {
        /// The id; a later message has a larger one.
        pub id: MessageId,
        pub conversation: ConversationId = "m.conversation_id",
        /// The number in the conversation: 1, 2, 3 … without gaps.
        pub seq: i64,
        /// The conversation's number of the message's last change.
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
    /// As someone sees it who sees nothing up to message `after`: without a quote of that.
    pub fn seen_after(mut self, after: i64) -> Self {
        self.reply_to = self.reply_to.filter(|quote| quote.seq > after);
        self
    }
}

columns! {
    /// The author of a message, under the name used in its conversation.
    #[derive(Clone, Debug)]
    pub struct Speaker as m {
        pub id: AccountId = "m.account_id",
        pub kind: Kind = accounts::KIND,
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

/// One emoji under a message, and who put it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// How many reacted so.
    pub count: i64,
    /// The first of them.
    pub accounts: Vec<AccountId>,
}

/// The start of every statement that returns messages `m`.
const MESSAGE: &str = sql!("SELECT ", Message::COLUMNS, FROM);

const FROM: &str = " FROM messages m JOIN accounts a ON a.id = m.account_id
    LEFT JOIN participants p ON p.conversation_id = m.conversation_id AND p.account_id = m.account_id
    LEFT JOIN messages q ON q.id = m.reply_to LEFT JOIN accounts qa ON qa.id = q.account_id
    LEFT JOIN participants qp ON qp.conversation_id = q.conversation_id AND qp.account_id = q.account_id ";

/// Reads a message for an account whose history begins after message `after`.
fn seen_after(after: i64) -> impl Fn(&Row<'_>) -> Result<Message> {
    move |row| from_row::<Message>(row).map(|message| message.seen_after(after))
}

impl FromRow for Vec<Reaction> {
    const WIDTH: usize = 1;

    fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
        list(&row.get::<String>(at)?)
    }
}

impl FromRow for Vec<Attachment> {
    const WIDTH: usize = 1;

    fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
        list(&row.get::<String>(at)?)
    }
}

/// Reads a list that is kept as JSON; an empty one as nothing.
fn list<T: DeserializeOwned>(kept: &str) -> Result<Vec<T>> {
    if kept.is_empty() { Ok(Vec::new()) } else { serde_json::from_str(kept).map_err(Error::internal) }
}

/// A list as it is kept.
fn kept<T: Serialize>(list: &[T]) -> Result<String> {
    if list.is_empty() { Ok(String::new()) } else { serde_json::to_string(list).map_err(Error::internal) }
}

/// The message with this id, deleted or not.
pub fn by_id(read: &Read<'_>, sight: Sight, id: MessageId) -> Result<Message> {
    read.first(
        sql!(MESSAGE, "WHERE m.id = $1 AND m.conversation_id = $2 AND m.seq > $3"),
        params![id, sight.conversation, sight.after],
        seen_after(sight.after),
    )?
    .ok_or(Error::NotFound)
}

/// The messages before number `before`, oldest first: the last `limit` of them.
pub fn before(read: &Read<'_>, sight: Sight, before: i64, limit: i64) -> Result<Vec<Message>> {
    let mut messages = read.all(
        sql!(
            MESSAGE,
            "WHERE m.conversation_id = $1 AND m.seq > $2 AND m.seq < $3 ORDER BY m.seq DESC LIMIT $4"
        ),
        params![sight.conversation, sight.after, before, limit],
        seen_after(sight.after),
    )?;
    messages.reverse();
    Ok(messages)
}

/// The messages after number `seq`, oldest first; at most `limit`.
pub fn since(read: &Read<'_>, sight: Sight, seq: i64, limit: i64) -> Result<Vec<Message>> {
    read.all(
        sql!(MESSAGE, "WHERE m.conversation_id = $1 AND m.seq > $2 ORDER BY m.seq LIMIT $3"),
        params![sight.conversation, seq.max(sight.after), limit],
        seen_after(sight.after),
    )
}

/// Of the messages up to number `seq` those that changed after change `change`, in the order of the
/// changes; at most `limit`.
pub fn changed_since(
    read: &Read<'_>,
    sight: Sight,
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
        params![sight.conversation, sight.after, change, seq, limit],
        seen_after(sight.after),
    )
}

/// The messages that hold all of these patterns in their folded words (`LIKE`, with `\` before what
/// is meant literally), newest first; at most `limit`. Missing patterns are `%`.
pub fn search(
    read: &Read<'_>,
    sight: Sight,
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
        params![sight.conversation, sight.after, first, second, third, fourth, before, limit],
        seen_after(sight.after),
    )
}

/// The same in all rooms and threads that the account is in, of messages with ids before this one.
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
            "SELECT me.sees_after, ",
            Message::COLUMNS,
            FROM,
            r"JOIN participants me ON me.conversation_id = m.conversation_id AND me.left_at IS NULL
              JOIN conversations c ON c.id = m.conversation_id AND c.deleted_at IS NULL
              WHERE me.account_id = $1 AND m.seq > me.sees_after AND m.folded LIKE $2 ESCAPE '\'
                AND m.folded LIKE $3 ESCAPE '\' AND m.folded LIKE $4 ESCAPE '\' AND m.folded LIKE $5 ESCAPE '\'
                AND m.id < $6
              ORDER BY m.id DESC LIMIT $7"
        ),
        params![account, first, second, third, fourth, before, limit],
        |row| {
            let (after, message): (i64, Message) = from_row(row)?;
            Ok(message.seen_after(after))
        },
    )
}

/// Of all rooms and threads that the account is in those that are new or changed, each with its tick.
pub(super) fn changed_for(read: &Read<'_>, span: &Span) -> Result<Vec<(i64, Message)>> {
    read.all(
        sql!(
            "SELECT m.tick, me.sees_after, ",
            Message::COLUMNS,
            FROM,
            "JOIN participants me ON me.conversation_id = m.conversation_id AND me.left_at IS NULL
             JOIN conversations c ON c.id = m.conversation_id AND c.deleted_at IS NULL
             WHERE me.account_id = $1 AND c.kind <> 'match' AND c.tick > $2 AND m.seq > me.sees_after
               AND m.tick > $2 AND m.tick <= $3
             ORDER BY m.tick, m.conversation_id, m.change LIMIT $4"
        ),
        params![span.account, span.after, span.upto, span.limit],
        |row| {
            let (tick, after, message): (i64, i64, Message) = from_row(row)?;
            Ok((tick, message.seen_after(after)))
        },
    )
}

/// What a new message's row needs.
#[derive(Debug)]
pub struct NewMessage<'a> {
    /// Where it is said.
    pub conversation: ConversationId,
    /// Its number.
    pub seq: i64,
    /// The change's number.
    pub change: i64,
    /// Who says it.
    pub author: AccountId,
    /// Under which name, where that is not the account's.
    pub alias: Option<&'a str>,
    /// What it says.
    pub words: Words<'a>,
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// What is sent with it.
    pub attachments: &'a [Attachment],
    /// By which a client's second try is known.
    pub idempotency_key: Option<&'a str>,
}

/// What a message says, and what is worked out of it.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// As it was written.
    pub body: &'a str,
    /// As it is searched.
    pub folded: &'a str,
    /// Whom it mentions.
    pub mentions: &'a [Mention],
}

impl Words<'_> {
    fn mentions(&self) -> String {
        let pairs = self.mentions.iter().map(|mention| format!("{}:{}", mention.id, mention.username));
        pairs.collect::<Vec<_>>().join(" ")
    }
}

/// Adds a message.
pub fn insert(tx: &mut Write<'_>, new: &NewMessage<'_>) -> Result<MessageId> {
    let id = MessageId(tx.new_id());
    let (now, mentions, tick) = (tx.now(), new.words.mentions(), sync::tick(tx)?);
    tx.execute(
        sql!(
            "INSERT INTO messages (id, conversation_id, seq, change, account_id, alias, body, folded, mentions,
                                   reply_to, attachments, created_at, idempotency_key, tick)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        ),
        params![
            id,
            new.conversation,
            new.seq,
            new.change,
            new.author,
            new.alias,
            new.words.body,
            new.words.folded,
            &mentions,
            new.reply_to,
            &kept(new.attachments)?,
            now,
            new.idempotency_key,
            tick,
        ],
    )?;
    Ok(id)
}

/// The message that this account has already sent here with this idempotency key.
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

/// Sets what the message says.
pub fn edit(tx: &mut Write<'_>, id: MessageId, words: Words<'_>, change: i64) -> Result<()> {
    let (now, mentions, tick) = (tx.now(), words.mentions(), sync::tick(tx)?);
    tx.execute(
        sql!(
            "UPDATE messages SET body = $1, folded = $2, mentions = $3, edited_at = $4, change = $5, tick = $6
             WHERE id = $7"
        ),
        params![words.body, words.folded, &mentions, now, change, tick, id],
    )?;
    Ok(())
}

/// Takes the message's words away, with everything that tells of them. The row stays as a gap.
pub fn delete(tx: &mut Write<'_>, id: MessageId, change: i64) -> Result<()> {
    let (now, tick) = (tx.now(), sync::tick(tx)?);
    tx.execute(sql!("DELETE FROM reactions WHERE message_id = $1"), params![id])?;
    tx.execute(
        sql!(
            "UPDATE messages SET body = '', folded = '', mentions = '', reactions = '', attachments = '',
                                 reply_to = NULL, deleted_at = $1, change = $2, tick = $3
             WHERE id = $4"
        ),
        params![now, change, tick, id],
    )?;
    Ok(())
}

/// Whether the account has put this emoji under the message.
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

/// Puts an emoji under a message, or takes it away. Doing it twice is doing it once.
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

/// Sums the reactions up anew, and notes the change. `named` accounts are told of each.
pub fn sum_reactions(tx: &mut Write<'_>, id: MessageId, named: i64, change: i64) -> Result<()> {
    // Each emoji in the order in which it came, and under it the first who put it there.
    let rows: Vec<(String, i64, AccountId)> = tx.all(
        sql!(
            "SELECT emoji, total, account_id
             FROM (SELECT emoji, account_id,
                          COUNT(*) OVER of_emoji AS total,
                          MIN(created_at) OVER of_emoji AS first_at,
                          ROW_NUMBER() OVER (PARTITION BY emoji ORDER BY created_at, account_id) AS place
                   FROM reactions WHERE message_id = $1 WINDOW of_emoji AS (PARTITION BY emoji)) AS r
             WHERE place <= $2
             ORDER BY first_at, emoji, place"
        ),
        params![id, named],
        from_row,
    )?;
    let mut sum: Vec<Reaction> = Vec::new();
    for (emoji, count, account) in rows {
        match sum.last_mut() {
            Some(last) if last.emoji == emoji => last.accounts.push(account),
            _ => sum.push(Reaction { emoji, count, accounts: vec![account] }),
        }
    }
    let tick = sync::tick(tx)?;
    tx.execute(
        sql!("UPDATE messages SET reactions = $1, change = $2, tick = $3 WHERE id = $4"),
        params![&kept(&sum)?, change, tick, id],
    )?;
    Ok(())
}
