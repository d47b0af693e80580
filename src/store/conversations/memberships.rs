//! Memberships of conversations, current and past.

use super::resize;
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, ConversationId},
    params, sql,
    store::{accounts::Account, sync},
};

columns! {
    /// An account's membership in a conversation, which is stored also after the account has left.
    #[derive(Clone, Debug)]
    pub struct Membership as p {
        /// When the account joined. The first column, because it is never NULL: an `Option<Membership>` is `None` where
        /// the first column is.
        pub joined_at: Time,
        /// The name used here, where that is not the account's own.
        pub alias: Option<String>,
        /// The last message that was read.
        pub read_seq: i64,
        /// Messages up to this one are not visible to the account.
        pub visible_after_seq: i64,
        /// When the account left or was removed.
        pub left_at: Option<Time>,
        /// The end of a ban.
        pub banned_until: Option<Time>,
        /// True if notifications are off.
        pub muted: bool,
        /// The last message that reached a device of the account.
        pub delivered_seq: i64,
        /// True for the bot of the app that manages the conversation: it can read everything and is shown to nobody.
        pub hidden: bool,
    }
}

/// The values of a new participant's row.
#[derive(Debug)]
pub struct NewMembership<'a> {
    pub conversation: ConversationId,
    pub account: AccountId,
    /// The name used here, where that is not the account's own.
    pub alias: Option<&'a str>,
    /// The skeleton of the name used here.
    pub skeleton: &'a str,
    /// Messages up to this one count as read.
    pub read_seq: i64,
    /// Messages up to this one are not visible to the account.
    pub visible_after_seq: i64,
    /// The client's address, as a keyed hash.
    pub ip_hash: &'a str,
}

/// Adds a participant, also one who was in the conversation before.
pub fn join(tx: &mut Write<'_>, new: &NewMembership<'_>) -> Result<()> {
    let (now, sync_version) = (tx.now(), sync::sync_version(tx)?);
    tx.execute(
        sql!(
            "INSERT INTO participants (conversation_id, account_id, alias, skeleton, read_seq, visible_after_seq,
                                       ip_hash, joined_at, sync_version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (conversation_id, account_id) DO UPDATE SET
                 alias = excluded.alias, skeleton = excluded.skeleton, ip_hash = excluded.ip_hash,
                 read_seq = excluded.read_seq, visible_after_seq = excluded.visible_after_seq,
                 joined_at = excluded.joined_at, left_at = NULL, banned_until = NULL,
                 sync_version = excluded.sync_version"
        ),
        params![
            new.conversation,
            new.account,
            new.alias,
            new.skeleton,
            new.read_seq,
            new.visible_after_seq,
            new.ip_hash,
            now,
            sync_version,
        ],
    )?;
    Ok(())
}

/// Removes a participant, with a ban until `banned_until`. Returns false where the account was not in the conversation.
pub fn leave(
    tx: &mut Write<'_>,
    id: ConversationId,
    account: AccountId,
    banned_until: Option<Time>,
) -> Result<bool> {
    let (now, sync_version) = (tx.now(), sync::sync_version(tx)?);
    let left = tx.execute(
        sql!(
            "UPDATE participants SET left_at = $1, banned_until = $2, sync_version = $3
             WHERE conversation_id = $4 AND account_id = $5 AND left_at IS NULL"
        ),
        params![now, banned_until, sync_version, id, account],
    )?;
    if left > 0 {
        resize(tx, id, -1)?;
    }
    Ok(left > 0)
}

/// Removes all participants except `except`.
pub fn leave_all_but(tx: &mut Write<'_>, id: ConversationId, except: Option<AccountId>) -> Result<()> {
    let (now, sync_version) = (tx.now(), sync::sync_version(tx)?);
    let left = tx.execute(
        sql!(
            "UPDATE participants SET left_at = $1, sync_version = $2
             WHERE conversation_id = $3 AND account_id <> $4 AND left_at IS NULL"
        ),
        params![now, sync_version, id, except.unwrap_or(AccountId(0))],
    )?;
    resize(tx, id, -(left as i64)).map(drop)
}

/// Lifts the ban on a removed participant.
pub fn unban(tx: &mut Write<'_>, id: ConversationId, account: AccountId) -> Result<()> {
    tx.execute(
        sql!("UPDATE participants SET banned_until = NULL WHERE conversation_id = $1 AND account_id = $2"),
        params![id, account],
    )?;
    Ok(())
}

/// Returns the client's address at the last join, as a keyed hash.
pub fn ip_hash(read: &Read<'_>, id: ConversationId, account: AccountId) -> Result<Option<String>> {
    let ip_hash = read.first(
        sql!("SELECT ip_hash FROM participants WHERE conversation_id = $1 AND account_id = $2"),
        params![id, account],
        from_row,
    )?;
    Ok(ip_hash.flatten())
}

/// Records that messages up to this one have been read. The position never decreases. Returns false where nothing
/// changed, or the account is not in the conversation any more.
pub fn set_read(tx: &mut Write<'_>, id: ConversationId, account: AccountId, seq: i64) -> Result<bool> {
    let sync_version = sync::sync_version(tx)?;
    let updated = tx.execute(
        sql!(
            "UPDATE participants SET read_seq = $1, sync_version = $2, receipt_version = $2,
                 delivered_seq = CASE WHEN delivered_seq < $1 THEN $1 ELSE delivered_seq END
             WHERE conversation_id = $3 AND account_id = $4 AND read_seq < $1 AND left_at IS NULL"
        ),
        params![seq, sync_version, id, account],
    )?;
    Ok(updated == 1)
}

/// Records that messages up to this one have reached a device. The position never decreases. Returns false where
/// nothing changed, or the account is not in the conversation any more.
pub fn set_delivered(tx: &mut Write<'_>, id: ConversationId, account: AccountId, seq: i64) -> Result<bool> {
    let sync_version = sync::sync_version(tx)?;
    let updated = tx.execute(
        sql!(
            "UPDATE participants SET delivered_seq = $1, sync_version = $2, receipt_version = $2
             WHERE conversation_id = $3 AND account_id = $4 AND delivered_seq < $1 AND left_at IS NULL"
        ),
        params![seq, sync_version, id, account],
    )?;
    Ok(updated == 1)
}

/// Returns whether another current or former participant has a name that looks the same.
pub fn is_called(read: &Read<'_>, id: ConversationId, skeleton: &str, except: AccountId) -> Result<bool> {
    read.one(
        sql!(
            "SELECT EXISTS (SELECT 1 FROM participants
                            WHERE conversation_id = $1 AND skeleton = $2 AND account_id <> $3)"
        ),
        params![id, skeleton, except],
        from_row,
    )
}

/// Removes all aliases of a guest who became a member.
pub fn clear_aliases(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(
        sql!(
            "UPDATE participants SET alias = NULL, skeleton = (SELECT a.name_skeleton FROM accounts a WHERE a.id = $1)
             WHERE account_id = $1"
        ),
        params![account],
    )?;
    Ok(())
}

columns! {
    /// A participant of a conversation, or an account that was removed from it.
    #[derive(Clone, Debug)]
    pub struct MembershipRow as p {
        /// The account, under the name used here.
        pub account: Account = Account::COLUMNS,
        pub membership: Membership = Membership::COLUMNS,
    }
}

/// Returns at most `limit` participants in the order in which they joined, and then the removed ones whose ban has not
/// ended.
pub fn participants(read: &Read<'_>, id: ConversationId, limit: i64) -> Result<Vec<MembershipRow>> {
    participants_after(read, id, (false, Time::from_ms(0), AccountId(0)), limit)
}

/// Returns at most `limit` participants after a position: whether removed, time of joining, account.
pub fn participants_after(
    read: &Read<'_>,
    id: ConversationId,
    after: (bool, Time, AccountId),
    limit: i64,
) -> Result<Vec<MembershipRow>> {
    let now = read.now();
    read.all(
        sql!(
            "SELECT ",
            MembershipRow::COLUMNS,
            " FROM participants p JOIN accounts a ON a.id = p.account_id
             WHERE p.conversation_id = $1 AND NOT p.hidden AND (p.left_at IS NULL OR p.banned_until > $2)
               AND (p.left_at IS NOT NULL, p.joined_at, p.account_id) > ($3, $4, $5)
             ORDER BY p.left_at IS NOT NULL, p.joined_at, p.account_id LIMIT $6"
        ),
        params![id, now, after.0, after.1, after.2, limit],
        |row| {
            let mut participant: MembershipRow = from_row(row)?;
            if let Some(alias) = &participant.membership.alias {
                participant.account.name.clone_from(alias);
            }
            Ok(participant)
        },
    )
}

/// Returns the participant other than `except` who joined first, members before others.
pub fn next_owner(read: &Read<'_>, id: ConversationId, except: AccountId) -> Result<Option<AccountId>> {
    read.first(
        sql!(
            "SELECT p.account_id FROM participants p JOIN accounts a ON a.id = p.account_id
             WHERE p.conversation_id = $1 AND p.left_at IS NULL AND NOT p.hidden AND p.account_id <> $2
             ORDER BY CASE a.kind WHEN 'member' THEN 0 ELSE 1 END, p.joined_at, p.account_id LIMIT 1"
        ),
        params![id, except],
        from_row,
    )
}
