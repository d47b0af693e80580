//! Synchronization: changes for an account between two sync versions.

use std::time::Duration;

use super::{
    accounts::Account,
    conversations::{Conversation, Membership, MembershipRow},
    dialect,
    rooms::Link,
    threads,
};
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, ConversationId},
    params, sql,
};

/// The longest time between two calls after which a client can still synchronize. Older tombstones are deleted.
pub const MAX_ABSENCE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Returns the sync version of this transaction, which is stored in all rows that it changes. On PostgreSQL, where
/// several transactions write at once, a later commit may have a lower version; [`latest`] takes account of that.
pub fn sync_version(tx: &mut Write<'_>) -> Result<i64> {
    tx.number(|tx| tx.one(dialect::sync_version(tx.engine()), params![], from_row))
}

/// Returns the latest sync version up to which everything is committed: later commits have a higher one.
pub fn latest(read: &Read<'_>) -> Result<i64> {
    read.one(dialect::latest_sync_version(read.engine()), params![], from_row)
}

/// The gap to the versions of another cluster: more transactions than that cluster can have had in the meantime.
const GAP: i64 = 1 << 40;

/// Raises the sync version above all stored ones, because the database may have been restored from another cluster.
pub fn align(tx: &mut Write<'_>) -> Result<()> {
    let highest: i64 = tx.one(
        sql!(
            "SELECT CASE WHEN c.highest > p.highest THEN c.highest ELSE p.highest END
             FROM (SELECT COALESCE(MAX(sync_version), 0) AS highest FROM conversations) c,
                  (SELECT COALESCE(MAX(sync_version), 0) AS highest FROM participants) p"
        ),
        params![],
        from_row,
    )?;
    let now: i64 = tx.one(dialect::sync_version_now(tx.engine()), params![], from_row)?;
    let difference = highest - now;
    if difference > 0 {
        let sql = sql!("UPDATE streams SET last_seq = last_seq + $1 WHERE name = 'sync_versions'");
        // The gap is large, because a client may have a token of the old database that is above every stored version.
        tx.execute(sql, params![difference + GAP])?;
    }
    Ok(())
}

/// An account and a range of sync versions, with a limit for each kind of change. Changes are listed by version.
#[derive(Clone, Copy, Debug)]
pub struct SyncRange {
    pub account: AccountId,
    /// Only changes after this version.
    pub after: i64,
    /// Only changes up to this version.
    pub upto: i64,
    /// The maximum number of changes of each kind.
    pub limit: i64,
}

/// A conversation that changed, or in which the account's own membership changed.
#[derive(Clone, Debug)]
pub struct ChangedConversation {
    /// The sync version of the change.
    pub sync_version: i64,
    /// The current state.
    pub conversation: Conversation,
    /// The account's membership.
    pub membership: Membership,
    /// The valid link of a room.
    pub link: Option<Link>,
    /// The participants of a thread, by [`people`].
    pub people: Vec<MembershipRow>,
}

/// The sync version of the last change to a conversation `c` or to the account's membership `p` in it.
const SYNC_VERSION: &str =
    "CASE WHEN c.sync_version > p.sync_version THEN c.sync_version ELSE p.sync_version END";

/// The conversations `c` of a [`SyncRange`], with the account's membership `p` in them.
const CHANGED: &str = sql!(
    " FROM participants p JOIN conversations c ON c.id = p.conversation_id
     LEFT JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
     WHERE p.account_id = $1 AND p.left_at IS NULL AND c.deleted_at IS NULL AND c.in_sync
       AND (c.sync_version > $2 OR p.sync_version > $2) AND c.sync_version <= $3 AND p.sync_version <= $3
     ORDER BY ",
    SYNC_VERSION,
    ", c.id LIMIT $4"
);

/// Returns the rooms and threads that changed.
pub fn conversations(read: &Read<'_>, range: &SyncRange) -> Result<Vec<ChangedConversation>> {
    read.all(
        sql!(
            "SELECT ",
            SYNC_VERSION,
            ", ",
            Conversation::COLUMNS,
            ", ",
            Membership::COLUMNS,
            ", ",
            Link::COLUMNS,
            CHANGED
        ),
        params![range.account, range.after, range.upto, range.limit],
        |row| {
            let (sync_version, conversation, membership, link) = from_row(row)?;
            Ok(ChangedConversation { sync_version, conversation, membership, link, people: Vec::new() })
        },
    )
}

/// Returns the participants of each changed thread, in the order in which they joined.
pub fn people(read: &Read<'_>, range: &SyncRange) -> Result<Vec<(ConversationId, MembershipRow)>> {
    read.all(
        sql!(
            threads::PEOPLE,
            " JOIN conversations t ON t.id = p.conversation_id AND t.shows_people
             WHERE p.left_at IS NULL AND NOT p.hidden AND p.conversation_id IN (SELECT c.id",
            CHANGED,
            ") ORDER BY p.conversation_id, p.joined_at, p.account_id"
        ),
        params![range.account, range.after, range.upto, range.limit],
        from_row,
    )
}

/// Returns the conversations that the account is not in any more, each with the sync version of the departure.
pub fn tombstones(read: &Read<'_>, range: &SyncRange) -> Result<Vec<(i64, ConversationId)>> {
    read.all(
        sql!(
            "SELECT p.sync_version AS t, p.conversation_id FROM participants p
             JOIN conversations c ON c.id = p.conversation_id
             WHERE p.account_id = $1 AND p.left_at IS NOT NULL AND c.deleted_at IS NULL AND c.in_sync
               AND p.sync_version > $2 AND p.sync_version <= $3
             UNION ALL
             SELECT d.sync_version, d.conversation_id FROM tombstones d
             WHERE d.account_id = $1 AND d.sync_version > $2 AND d.sync_version <= $3
             ORDER BY t LIMIT $4"
        ),
        params![range.account, range.after, range.upto, range.limit],
        from_row,
    )
}

columns! {
    /// The receipt of another participant in a thread.
    #[derive(Clone, Debug)]
    pub struct Receipt as o {
        pub sync_version: i64 = "o.receipt_version",
        pub conversation: ConversationId = "o.conversation_id",
        pub account: Account = Account::COLUMNS,
        /// The last message that reached a device of the account.
        pub delivered_seq: i64,
        /// The last message that the account read.
        pub read_seq: i64,
    }
}

/// Returns the receipts of other participants in the account's threads that changed.
pub fn receipts(read: &Read<'_>, range: &SyncRange) -> Result<Vec<Receipt>> {
    read.all(
        sql!(
            "SELECT ",
            Receipt::COLUMNS,
            " FROM participants p JOIN conversations c ON c.id = p.conversation_id
             JOIN participants o ON o.conversation_id = c.id AND o.receipt_version > $1 AND o.receipt_version <= $2
             JOIN accounts a ON a.id = o.account_id
             WHERE p.account_id = $3 AND p.left_at IS NULL AND c.deleted_at IS NULL AND c.shows_people
               AND o.account_id <> $3 AND o.left_at IS NULL AND NOT o.hidden AND o.delivered_seq > 0
             ORDER BY o.receipt_version LIMIT $4"
        ),
        params![range.after, range.upto, range.account, range.limit],
        from_row,
    )
}

/// Adds a tombstone of a conversation for everyone in it, and for those who left after `since`, because their clients
/// may not have synchronized yet.
pub fn insert_tombstones(tx: &mut Write<'_>, id: ConversationId, since: Time) -> Result<()> {
    let (now, sync_version) = (tx.now(), sync_version(tx)?);
    tx.execute(
        sql!(
            "INSERT INTO tombstones (account_id, conversation_id, sync_version, created_at)
             SELECT p.account_id, p.conversation_id, CAST($1 AS BIGINT), CAST($2 AS BIGINT)
             FROM participants p JOIN conversations c ON c.id = p.conversation_id
             WHERE p.conversation_id = $3 AND (p.left_at IS NULL OR p.left_at > $4) AND c.in_sync
             ON CONFLICT DO NOTHING"
        ),
        params![sync_version, now, id, since],
    )?;
    Ok(())
}

/// Deletes at most `limit` tombstones from before `before`.
pub fn purge(tx: &mut Write<'_>, before: Time, limit: i64) -> Result<u64> {
    tx.execute(
        sql!(
            "DELETE FROM tombstones WHERE (account_id, conversation_id) IN
                 (SELECT account_id, conversation_id FROM tombstones WHERE created_at < $1
                  ORDER BY created_at LIMIT $2)"
        ),
        params![before, limit],
    )
}

/// Returns whether the account was in a conversation that was deleted lately.
pub fn has_tombstone(read: &Read<'_>, account: AccountId, id: ConversationId) -> Result<bool> {
    read.one(
        sql!("SELECT EXISTS (SELECT 1 FROM tombstones WHERE account_id = $1 AND conversation_id = $2)"),
        params![account, id],
        from_row,
    )
}
