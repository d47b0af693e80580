//! Peeps, their versions, likes, tags and mentions.

use super::{accounts::AccountKind, dialect};
use crate::{
    Error, Result,
    clock::Time,
    db::{FromRow, Read, Row, Value, Write, columns, from_row},
    ids::{AccountId, PeepId},
    params, sql,
};

columns! {
    /// A peep with everything that is shown with it.
    #[derive(Clone, Debug)]
    pub struct Peep as p {
        /// The id; a later peep has a larger one.
        pub id: PeepId,
        pub author: Author = Author::COLUMNS,
        /// The sanitized text; empty once deleted.
        pub body: String,
        pub created_at: Time,
        pub edited_at: Option<Time>,
        pub deleted_at: Option<Time>,
        /// The number of the peep's last change in the public stream.
        pub seq: i64,
        /// The number of likes.
        pub likes: i64,
        /// The number of direct replies.
        pub replies: i64,
        /// The peep that this one answers.
        pub reply_to: Option<Parent> = Parent::COLUMNS,
        /// The members that the peep mentions or once mentioned.
        pub mentions: Vec<Mention> = MENTIONS,
        /// True if the viewer `$1` likes the peep.
        pub liked: bool = LIKED,
    }
}

columns! {
    /// The author of a peep.
    #[derive(Clone, Debug)]
    pub struct Author as a {
        pub id: AccountId = "p.account_id",
        pub username: String,
        /// The display name.
        pub name: String,
        pub kind: AccountKind,
        /// When the account was created.
        pub created_at: Time,
    }
}

columns! {
    /// The peep that another one answers.
    #[derive(Clone, Debug)]
    pub struct Parent as q {
        pub id: PeepId = "p.reply_to",
        /// The author.
        pub account_id: AccountId,
        /// The author's username.
        pub username: String = "qa.username",
        /// The author's display name.
        pub name: String = "qa.name",
        /// The text; empty once deleted.
        pub body: String,
    }
}

/// A member that a peep mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    pub id: AccountId,
    pub username: String,
}

/// The members that peep `p` mentions, as `7:nell 9:ify`; NULL where there are none.
const MENTIONS: &str = "(SELECT string_agg(CAST(ma.id AS TEXT) || ':' || ma.username, ' ')
            FROM mentions m JOIN accounts ma ON ma.id = m.account_id WHERE m.peep_id = p.id)";

/// The condition that the viewer `$1` likes peep `p`.
const LIKED: &str = "EXISTS (SELECT 1 FROM likes l WHERE l.peep_id = p.id AND l.account_id = $1)";

/// The start of every statement that returns peeps `p` as the viewer `$1` sees them.
const PEEP: &str = sql!(
    "SELECT ",
    Peep::COLUMNS,
    " FROM peeps p JOIN accounts a ON a.id = p.account_id
    LEFT JOIN peeps q ON q.id = p.reply_to LEFT JOIN accounts qa ON qa.id = q.account_id "
);

/// A list of mentions is stored as `7:nell 9:ify`, or NULL.
impl FromRow for Vec<Mention> {
    const WIDTH: usize = 1;

    fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
        let joined: Option<String> = row.get(at)?;
        let pairs = joined.as_deref().unwrap_or_default().split(' ').filter_map(|pair| pair.split_once(':'));
        let mention =
            |(id, username): (&str, &str)| Some(Mention { id: id.parse().ok()?, username: username.into() });
        Ok(pairs.filter_map(mention).collect())
    }
}

/// Returns the viewer as a parameter. The id 0, which no account has, stands for an anonymous viewer.
fn viewer_param(viewer: Option<AccountId>) -> Value<'static> {
    viewer.unwrap_or(AccountId(0)).into()
}

/// Returns the peep with this id, deleted or not.
pub fn by_id(read: &Read<'_>, viewer: Option<AccountId>, id: PeepId) -> Result<Peep> {
    read.first(sql!(PEEP, "WHERE p.id = $2"), &[viewer_param(viewer), id.into()], from_row)?
        .ok_or(Error::NotFound)
}

/// The set of peeps of a list.
#[derive(Clone, Debug)]
pub enum Scope {
    /// All peeps.
    Public,
    /// An account's peeps.
    Account(AccountId),
    /// The peeps with a tag, in its stored form.
    Tag(String),
}

/// The range of a list.
#[derive(Clone, Copy, Debug)]
pub struct PeepRange {
    /// Only peeps older than this one.
    pub before: Option<PeepId>,
    /// Only peeps newer than this one.
    pub after: Option<PeepId>,
    /// True for the oldest peeps of the range, false for the newest. The order is newest first either way.
    pub oldest: bool,
    /// The maximum number of peeps.
    pub limit: i64,
}

/// Returns a range of a list, newest first.
pub fn list(
    read: &Read<'_>,
    viewer: Option<AccountId>,
    scope: &Scope,
    range: PeepRange,
) -> Result<Vec<Peep>> {
    let mut params = vec![
        viewer_param(viewer),
        range.before.unwrap_or(PeepId(i64::MAX)).into(),
        range.after.unwrap_or(PeepId(0)).into(),
        range.limit.into(),
    ];
    let sql = match (scope, range.oldest) {
        (Scope::Public, false) => sql!(PEEP, WITHIN, "ORDER BY p.id DESC LIMIT $4"),
        (Scope::Public, true) => sql!(PEEP, WITHIN, "ORDER BY p.id LIMIT $4"),
        (Scope::Account(id), oldest) => {
            // The scope comes before the limit in the text, and so in the parameters.
            params.insert(3, (*id).into());
            if oldest {
                sql!(PEEP, WITHIN, "AND p.account_id = $4 ORDER BY p.id LIMIT $5")
            } else {
                sql!(PEEP, WITHIN, "AND p.account_id = $4 ORDER BY p.id DESC LIMIT $5")
            }
        }
        (Scope::Tag(tag), oldest) => {
            params.insert(3, tag.into());
            if oldest {
                sql!(PEEP, TAGGED, "AND t.tag = $4 ORDER BY t.peep_id LIMIT $5")
            } else {
                sql!(PEEP, TAGGED, "AND t.tag = $4 ORDER BY t.peep_id DESC LIMIT $5")
            }
        }
    };
    let mut peeps = read.all(sql, &params, from_row)?;
    if range.oldest {
        peeps.reverse();
    }
    Ok(peeps)
}

const WITHIN: &str = "WHERE p.deleted_at IS NULL AND p.id < $2 AND p.id > $3 ";

/// The start of a condition on tagged peeps. The bounds are on the tag's own ids, so that a rare tag does not scan all
/// peeps.
const TAGGED: &str = "JOIN tags t ON t.peep_id = p.id
    WHERE p.deleted_at IS NULL AND t.peep_id < $2 AND t.peep_id > $3 ";

/// Returns the peeps that changed after number `seq` in the public stream, in the order of the changes: each once, in
/// its current state, deleted ones included.
pub fn changed_since(read: &Read<'_>, viewer: Option<AccountId>, seq: i64, limit: i64) -> Result<Vec<Peep>> {
    read.all(
        sql!(PEEP, "WHERE p.seq > $2 ORDER BY p.seq LIMIT $3"),
        &[viewer_param(viewer), seq.into(), limit.into()],
        from_row,
    )
}

/// Returns the number of the public stream's last change.
pub fn last_seq(read: &Read<'_>) -> Result<i64> {
    read.one(sql!("SELECT last_seq FROM streams WHERE name = 'public'"), params![], from_row)
}

/// Allocates the number of the current change. Concurrent changes wait here for the commit, so numbers become visible
/// in order and without gaps.
pub fn next_seq(tx: &mut Write<'_>) -> Result<i64> {
    tx.one(
        sql!("UPDATE streams SET last_seq = last_seq + 1 WHERE name = 'public' RETURNING last_seq"),
        params![],
        from_row,
    )
}

/// Returns at most `limit` ancestors of this peep, the topmost first.
pub fn ancestors(read: &Read<'_>, viewer: Option<AccountId>, id: PeepId, limit: i64) -> Result<Vec<Peep>> {
    read.all(
        sql!(
            PEEP,
            "WHERE p.id IN (
                 WITH RECURSIVE above (id, height) AS (
                     SELECT c.reply_to, CAST(1 AS BIGINT) FROM peeps c WHERE c.id = $2
                     UNION ALL
                     SELECT c.reply_to, above.height + 1 FROM above JOIN peeps c ON c.id = above.id
                     WHERE above.height < $3)
                 SELECT above.id FROM above)
             ORDER BY p.id"
        ),
        &[viewer_param(viewer), id.into(), limit.into()],
        from_row,
    )
}

/// Returns at most `limit` descendants of this peep, oldest first. Deleted ones are included only if they have replies.
pub fn descendants(read: &Read<'_>, viewer: Option<AccountId>, id: PeepId, limit: i64) -> Result<Vec<Peep>> {
    read.all(
        sql!(
            PEEP,
            "WHERE p.id IN (
                 WITH RECURSIVE below (id) AS (
                     SELECT c.id FROM peeps c WHERE c.reply_to = $2
                     UNION ALL
                     SELECT c.id FROM below JOIN peeps c ON c.reply_to = below.id)
                 SELECT below.id FROM below)
             AND (p.deleted_at IS NULL OR p.replies > 0)
             ORDER BY p.id LIMIT $3"
        ),
        &[viewer_param(viewer), id.into(), limit.into()],
        from_row,
    )
}

/// The values of a new peep's row.
#[derive(Debug)]
pub struct NewPeep<'a> {
    pub author: AccountId,
    pub body: &'a str,
    /// The peep that is answered.
    pub reply_to: Option<PeepId>,
    /// The number of the change.
    pub seq: i64,
    /// The client's key, by which a repeated request is recognized.
    pub idempotency_key: Option<&'a str>,
}

pub fn insert(tx: &mut Write<'_>, new: &NewPeep<'_>) -> Result<PeepId> {
    let id = PeepId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO peeps (id, account_id, body, reply_to, seq, created_at, idempotency_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        ),
        params![id, new.author, new.body, new.reply_to, new.seq, now, new.idempotency_key],
    )?;
    Ok(id)
}

/// Returns the peep that the account has already posted with this idempotency key.
pub fn by_idempotency_key(read: &Read<'_>, author: AccountId, key: &str) -> Result<Option<PeepId>> {
    read.first(
        sql!("SELECT id FROM peeps WHERE account_id = $1 AND idempotency_key = $2"),
        params![author, key],
        from_row,
    )
}

/// Replaces the text of a peep; the earlier text becomes a version.
pub fn edit(tx: &mut Write<'_>, id: PeepId, body: &str, seq: i64) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO peep_versions (peep_id, version, body, created_at)
             SELECT p.id, 1 + (SELECT COUNT(*) FROM peep_versions v WHERE v.peep_id = p.id),
                    p.body, COALESCE(p.edited_at, p.created_at)
             FROM peeps p WHERE p.id = $1"
        ),
        params![id],
    )?;
    tx.execute(
        sql!("UPDATE peeps SET body = $1, edited_at = $2, seq = $3 WHERE id = $4"),
        params![body, now, seq, id],
    )?;
    Ok(())
}

/// Deletes the text of a peep with its versions, tags, mentions and likes. The row stays, so that replies keep their
/// parent.
pub fn delete(tx: &mut Write<'_>, id: PeepId, seq: i64) -> Result<()> {
    let now = tx.now();
    tx.execute(sql!("DELETE FROM peep_versions WHERE peep_id = $1"), params![id])?;
    tx.execute(sql!("DELETE FROM tags WHERE peep_id = $1"), params![id])?;
    tx.execute(sql!("DELETE FROM mentions WHERE peep_id = $1"), params![id])?;
    tx.execute(sql!("DELETE FROM likes WHERE peep_id = $1"), params![id])?;
    tx.execute(
        sql!("UPDATE peeps SET body = '', likes = 0, deleted_at = $1, seq = $2 WHERE id = $3"),
        params![now, seq, id],
    )?;
    Ok(())
}

/// Locks the peep's row until the transaction ends: no other transaction edits, deletes or answers the peep meanwhile.
pub fn lock(tx: &mut Write<'_>, id: PeepId) -> Result<()> {
    tx.all(dialect::lock_peep(tx.engine()), params![id], |_| Ok(())).map(drop)
}

columns! {
    /// An earlier text of a peep.
    #[derive(Clone, Debug)]
    pub struct Version as v {
        pub body: String,
        /// When the text was written.
        pub created_at: Time,
    }
}

/// Returns the earlier texts of a peep, oldest first.
pub fn versions(read: &Read<'_>, id: PeepId) -> Result<Vec<Version>> {
    read.all(
        sql!("SELECT ", Version::COLUMNS, " FROM peep_versions v WHERE v.peep_id = $1 ORDER BY v.version"),
        params![id],
        from_row,
    )
}

columns! {
    /// The counts under a peep.
    #[derive(Clone, Copy, Debug)]
    pub struct Counts as peeps {
        pub likes: i64,
        /// The number of direct replies.
        pub replies: i64,
    }
}

/// Adds `by` to the number of replies and returns the new counts.
pub fn count_reply(tx: &mut Write<'_>, id: PeepId, by: i64) -> Result<Counts> {
    tx.one(
        sql!("UPDATE peeps SET replies = replies + $1 WHERE id = $2 RETURNING ", Counts::COLUMNS),
        params![by, id],
        from_row,
    )
}

/// Adds or removes a like and returns the new counts; `None` where nothing changed.
pub fn like(tx: &mut Write<'_>, id: PeepId, account: AccountId, likes: bool) -> Result<Option<Counts>> {
    let now = tx.now();
    let changed = if likes {
        tx.execute(
            sql!(
                "INSERT INTO likes (peep_id, account_id, created_at) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING"
            ),
            params![id, account, now],
        )?
    } else {
        tx.execute(sql!("DELETE FROM likes WHERE peep_id = $1 AND account_id = $2"), params![id, account])?
    };
    if changed == 0 {
        return Ok(None);
    }
    tx.first(
        sql!("UPDATE peeps SET likes = likes + $1 WHERE id = $2 RETURNING ", Counts::COLUMNS),
        params![if likes { 1 } else { -1 }, id],
        from_row,
    )
}

/// Adds a tag, in its stored form, to a peep.
pub fn add_tag(tx: &mut Write<'_>, id: PeepId, tag: &str) -> Result<()> {
    tx.execute(
        sql!("INSERT INTO tags (tag, peep_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"),
        params![tag, id],
    )?;
    Ok(())
}

/// Removes all tags of a peep.
pub fn clear_tags(tx: &mut Write<'_>, id: PeepId) -> Result<()> {
    tx.execute(sql!("DELETE FROM tags WHERE peep_id = $1"), params![id])?;
    Ok(())
}

/// Records a mention. Returns true the first time only, so that the member is notified once.
pub fn add_mention(tx: &mut Write<'_>, id: PeepId, account: AccountId) -> Result<bool> {
    let added = tx.execute(
        sql!("INSERT INTO mentions (peep_id, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"),
        params![id, account],
    )?;
    Ok(added == 1)
}
