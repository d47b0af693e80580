//! Matches: who waits for whom, who is in a talk, and what was reported of it.

use super::{blocks::Somebody, dialect};
use crate::{
    Result,
    clock::Time,
    db::{Column, Read, Row, Write},
    ids::{AccountId, ConversationId, ReportId},
    params, sql,
};

/// How far someone is in the matching.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It waits for somebody.
    Waiting,
    /// It is in a talk.
    Matched,
    /// Its talk is over.
    Ended,
}

impl Column for State {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        match raw.as_str() {
            "waiting" => State::Waiting,
            "matched" => State::Matched,
            _ => State::Ended,
        }
    }
}

/// Among whom someone looks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pool {
    /// Those who want to talk with one other.
    Pair,
    /// Those who want to talk with a few.
    Group,
}

impl Pool {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Pool::Pair => "pair",
            Pool::Group => "group",
        }
    }
}

impl Column for Pool {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        if raw == "group" { Pool::Group } else { Pool::Pair }
    }
}

/// Someone who has a part in the matching.
#[derive(Clone, Debug)]
pub struct Seeker {
    /// Who.
    pub account: AccountId,
    /// How far it is.
    pub state: State,
    /// Among whom it looks.
    pub pool: Pool,
    /// The language that it wants to talk in; empty for any.
    pub language: String,
    /// Tags as they are compared, in order, a line each.
    pub interests: String,
    /// Where it comes from, as a keyed hash.
    pub place: String,
    /// Whether it is a guest.
    pub guest: bool,
    /// Whether its username is shown from the beginning.
    pub shows_name: bool,
    /// Since when it waits, or from when on, after a pause.
    pub since: Time,
    /// How far its search has widened.
    pub stage: i64,
    /// It is given up then, unless it is heard of before.
    pub alive_until: Time,
    /// Whether its last window has closed.
    pub away: bool,
    /// Talks in a row that it left at once.
    pub skips: i64,
    /// The talk that it is in, or was in last.
    pub conversation: Option<ConversationId>,
    /// Who it is in that talk.
    pub mask: Option<AccountId>,
    /// Whether it offers to say who it is.
    pub reveals: bool,
    /// Whether it agrees to pictures.
    pub pictures: bool,
    /// Whether it ended its last talk itself.
    pub went: bool,
    /// When its state last changed.
    pub changed_at: Time,
}

impl Seeker {
    /// As blocks know it.
    pub fn somebody(&self) -> Somebody {
        Somebody::new(self.account, self.guest.then_some(&self.place))
    }
}

const COLUMNS: &str =
    "s.account_id, s.state, s.pool, s.language, s.interests, s.place, s.guest, s.shows_name,
    s.since, s.stage, s.alive_until, s.away, s.skips, s.conversation_id, s.mask_id, s.reveals, s.pictures,
    s.went, s.changed_at";

fn from_row(row: &Row<'_>) -> Result<Seeker> {
    Ok(Seeker {
        account: row.get(0)?,
        state: row.get(1)?,
        pool: row.get(2)?,
        language: row.get(3)?,
        interests: row.get(4)?,
        place: row.get(5)?,
        guest: row.get(6)?,
        shows_name: row.get(7)?,
        since: row.get(8)?,
        stage: row.get(9)?,
        alive_until: row.get(10)?,
        away: row.get(11)?,
        skips: row.get(12)?,
        conversation: row.get(13)?,
        mask: row.get(14)?,
        reveals: row.get(15)?,
        pictures: row.get(16)?,
        went: row.get(17)?,
        changed_at: row.get(18)?,
    })
}

/// The part that an account has in the matching, if it has one.
pub fn of(read: &Read<'_>, account: AccountId) -> Result<Option<Seeker>> {
    read.first(
        sql!("SELECT ", COLUMNS, " FROM seekers s WHERE s.account_id = $1"),
        params![account],
        from_row,
    )
}

/// Those in a talk, or who were in it last.
pub fn in_talk(read: &Read<'_>, id: ConversationId) -> Result<Vec<Seeker>> {
    read.all(
        sql!("SELECT ", COLUMNS, " FROM seekers s WHERE s.conversation_id = $1 ORDER BY s.mask_id"),
        params![id],
        from_row,
    )
}

/// What someone begins to wait with.
#[derive(Clone, Debug)]
pub struct Waiting<'a> {
    /// Who.
    pub account: AccountId,
    /// Among whom it looks.
    pub pool: Pool,
    /// A language's code; empty for any.
    pub language: &'a str,
    /// Tags, in order, a line each.
    pub interests: &'a str,
    /// Where it comes from, as a keyed hash.
    pub place: &'a str,
    /// Whether it is a guest.
    pub guest: bool,
    /// Whether its username is shown from the beginning.
    pub shows_name: bool,
    /// Since when, or from when on.
    pub since: Time,
    /// It is given up then, unless it is heard of before.
    pub alive_until: Time,
    /// Talks in a row that it left at once.
    pub skips: i64,
}

/// Someone waits from now on, whatever it did before.
pub fn wait(tx: &mut Write<'_>, new: &Waiting<'_>) -> Result<()> {
    let now = tx.now();
    clear_wishes(tx, new.account)?;
    tx.execute(
        sql!(
            "INSERT INTO seekers (account_id, state, pool, language, interests, place, guest, shows_name, since,
                                  look_at, alive_until, skips, changed_at)
             VALUES ($1, 'waiting', $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11)
             ON CONFLICT (account_id) DO UPDATE SET
                 state = 'waiting', pool = excluded.pool, language = excluded.language,
                 interests = excluded.interests, place = excluded.place, guest = excluded.guest,
                 shows_name = excluded.shows_name, since = excluded.since, look_at = excluded.look_at,
                 alive_until = excluded.alive_until, skips = excluded.skips, changed_at = excluded.changed_at,
                 stage = 0, held = FALSE, away = FALSE, reveals = FALSE, pictures = FALSE,
                 conversation_id = NULL, mask_id = NULL"
        ),
        params![
            new.account,
            new.pool.as_str(),
            new.language,
            new.interests,
            new.place,
            new.guest,
            new.shows_name,
            new.since,
            new.alive_until,
            new.skips,
            now,
        ],
    )?;
    Ok(())
}

/// Looks alone until the transaction ends. Two who looked at the same time would not see what the other has
/// just wished for, and leave two waiting who take each other.
pub fn look_alone(tx: &mut Write<'_>) -> Result<()> {
    let lock = dialect::lock_looking(tx.engine());
    tx.first(lock, params![], |_| Ok(())).map(drop)
}

/// Those who are to be looked for now, at most `limit`. Each is held until the transaction ends; whoever
/// someone else holds is left to them.
pub fn due(tx: &mut Write<'_>, limit: i64) -> Result<Vec<AccountId>> {
    let (sql, now) = (dialect::due_seekers(tx.engine()), tx.now());
    tx.all(sql, params![now, limit], |row| row.get(0))
}

/// Holds someone who waits until the transaction ends. `None` where it does not wait any more, or someone
/// else holds it.
pub fn hold(tx: &mut Write<'_>, account: AccountId) -> Result<Option<Seeker>> {
    let held = dialect::hold_seeker(tx.engine());
    if tx.first(held, params![account], |row| row.get::<AccountId>(0))?.is_none() {
        return Ok(None);
    }
    of(tx, account)
}

/// Holds whatever part the account has until the transaction ends: whoever holds it is waited for.
pub fn lock(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    let lock = dialect::lock_seeker(tx.engine());
    tx.first(lock, params![account], |row| row.get::<AccountId>(0)).map(drop)
}

/// Notes how far a search has widened, when to look again, and whether it would do with somebody whom it
/// gets only when nobody else waits.
pub fn set_stage(
    tx: &mut Write<'_>,
    account: AccountId,
    stage: i64,
    look_at: Option<Time>,
    held: bool,
) -> Result<()> {
    tx.execute(
        sql!("UPDATE seekers SET stage = $1, look_at = $2, held = $3 WHERE account_id = $4"),
        params![stage, look_at, held, account],
    )?;
    Ok(())
}

/// Some who would do with somebody if nobody else waited are looked for anew: somebody has gone.
pub fn look_for_held(tx: &mut Write<'_>, pool: Pool, limit: i64) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!(
            "UPDATE seekers SET look_at = $1 WHERE account_id IN
                 (SELECT account_id FROM seekers WHERE held AND pool = $2
                  ORDER BY since, account_id LIMIT $3)"
        ),
        params![now, pool.as_str(), limit],
    )?;
    Ok(())
}

/// Adds a wish of somebody who waits.
pub fn wish(tx: &mut Write<'_>, seeker: &Seeker, wish: &str, weight: i64) -> Result<()> {
    tx.execute(
        sql!(
            "INSERT INTO wishes (account_id, pool, wish, weight, since) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING"
        ),
        params![seeker.account, seeker.pool.as_str(), wish, weight, seeker.since],
    )?;
    Ok(())
}

fn clear_wishes(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(sql!("DELETE FROM wishes WHERE account_id = $1"), params![account]).map(drop)
}

/// For each of the seeker's wishes, the largest first, who has waited longest with the same one: somebody
/// else, from another place and not met lately, who has a language in common and is not kept apart from it.
pub fn partners(read: &Read<'_>, seeker: &Seeker) -> Result<Vec<AccountId>> {
    let me = seeker.somebody();
    let found: Vec<Option<AccountId>> = read.all(
        sql!(
            "SELECT (SELECT t.account_id FROM wishes t JOIN seekers s ON s.account_id = t.account_id
                     WHERE t.pool = m.pool AND t.wish = m.wish AND t.account_id <> m.account_id
                       AND (s.language = '' OR $1 = '' OR s.language = $1)
                       AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.one IN ($2, $3)
                                       AND b.other IN ('a' || t.account_id,
                                                       CASE WHEN s.guest THEN 'p' || s.place ELSE '' END))
                       AND s.place <> $4
                       AND NOT EXISTS (SELECT 1 FROM meetings e WHERE e.account_id = m.account_id
                                       AND e.partner_id = t.account_id)
                       AND NOT EXISTS (SELECT 1 FROM meetings e WHERE e.account_id = t.account_id
                                       AND e.partner_id = m.account_id)
                     ORDER BY t.since, t.account_id LIMIT 1)
             FROM wishes m WHERE m.account_id = $5 ORDER BY m.weight DESC, m.wish"
        ),
        params![&seeker.language, &me.account, &me.place, &seeker.place, seeker.account],
        |row| row.get(0),
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// Whether anyone but `except` waits whom the seeker could be matched with in time: from another place, not
/// met lately, with a language in common, not kept apart.
pub fn others_wait(read: &Read<'_>, seeker: &Seeker, except: AccountId) -> Result<bool> {
    let me = seeker.somebody();
    let now = read.now();
    read.one(
        sql!(
            "SELECT EXISTS (
                 SELECT 1 FROM seekers s
                 WHERE s.pool = $1 AND s.state = 'waiting' AND s.since <= $2
                   AND s.account_id NOT IN ($3, $4) AND (s.place < $5 OR s.place > $5)
                   AND (s.language = '' OR $6 = '' OR s.language = $6)
                   AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.one IN ($7, $8)
                                   AND b.other IN ('a' || s.account_id,
                                                   CASE WHEN s.guest THEN 'p' || s.place ELSE '' END))
                   AND NOT EXISTS (SELECT 1 FROM meetings e WHERE e.account_id = $3
                                   AND e.partner_id = s.account_id)
                   AND NOT EXISTS (SELECT 1 FROM meetings e WHERE e.account_id = s.account_id
                                   AND e.partner_id = $3))"
        ),
        params![
            seeker.pool.as_str(),
            now,
            seeker.account,
            except,
            &seeker.place,
            &seeker.language,
            &me.account,
            &me.place,
        ],
        |row| row.get(0),
    )
}

/// The wishes of somebody who waits, the largest first.
pub fn wishes(read: &Read<'_>, account: AccountId) -> Result<Vec<String>> {
    read.all(
        sql!("SELECT wish FROM wishes WHERE account_id = $1 ORDER BY weight DESC, wish"),
        params![account],
        |row| row.get(0),
    )
}

/// Those who have waited longest with this wish.
pub fn with_wish(read: &Read<'_>, pool: Pool, wish: &str, limit: i64) -> Result<Vec<AccountId>> {
    read.all(
        sql!(
            "SELECT account_id FROM wishes WHERE pool = $1 AND wish = $2 ORDER BY since, account_id LIMIT $3"
        ),
        params![pool.as_str(), wish, limit],
        |row| row.get(0),
    )
}

/// Someone is in a talk from now on.
pub fn set_matched(
    tx: &mut Write<'_>,
    account: AccountId,
    conversation: ConversationId,
    mask: AccountId,
    reveals: bool,
) -> Result<()> {
    let now = tx.now();
    clear_wishes(tx, account)?;
    tx.execute(
        sql!(
            "UPDATE seekers SET state = 'matched', conversation_id = $1, mask_id = $2, changed_at = $3,
                                look_at = NULL, held = FALSE, reveals = $4, pictures = FALSE
             WHERE account_id = $5"
        ),
        params![conversation, mask, now, reveals, account],
    )?;
    Ok(())
}

/// Its talk is over, or it has left the line.
pub fn set_ended(tx: &mut Write<'_>, account: AccountId, skips: i64, went: bool) -> Result<()> {
    let now = tx.now();
    clear_wishes(tx, account)?;
    tx.execute(
        sql!(
            "UPDATE seekers SET state = 'ended', changed_at = $1, skips = $2, went = $3, away = FALSE,
                                held = FALSE
             WHERE account_id = $4"
        ),
        params![now, skips, went, account],
    )?;
    Ok(())
}

/// Forgets those who left the line or a talk before then.
pub fn purge_ended(tx: &mut Write<'_>, before: Time) -> Result<()> {
    tx.execute(sql!("DELETE FROM seekers WHERE state = 'ended' AND changed_at < $1"), params![before])
        .map(drop)
}

/// Nobody's last talk is this one any more.
pub fn unlink(tx: &mut Write<'_>, id: ConversationId) -> Result<()> {
    tx.execute(
        sql!("UPDATE seekers SET conversation_id = NULL, mask_id = NULL WHERE conversation_id = $1"),
        params![id],
    )
    .map(drop)
}

/// It is heard of: it is given up at `until`, and not before.
pub fn set_alive(tx: &mut Write<'_>, account: AccountId, until: Time, away: bool) -> Result<()> {
    tx.execute(
        sql!("UPDATE seekers SET alive_until = $1, away = $2 WHERE account_id = $3 AND state <> 'ended'"),
        params![until, away, account],
    )?;
    Ok(())
}

/// It offers to say who it is.
pub fn set_reveals(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(sql!("UPDATE seekers SET reveals = TRUE WHERE account_id = $1"), params![account]).map(drop)
}

/// It agrees to pictures.
pub fn set_pictures(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(sql!("UPDATE seekers SET pictures = TRUE WHERE account_id = $1"), params![account]).map(drop)
}

/// Those who have not been heard of in time.
pub fn lost(read: &Read<'_>, limit: i64) -> Result<Vec<AccountId>> {
    let now = read.now();
    read.all(
        sql!(
            "SELECT account_id FROM seekers WHERE alive_until <= $1 AND state <> 'ended'
             ORDER BY alive_until, account_id LIMIT $2"
        ),
        params![now, limit],
        |row| row.get(0),
    )
}

/// When somebody is to be looked for, or to be given up, if nothing happens before.
pub fn next_due(read: &Read<'_>) -> Result<Option<Time>> {
    let (look, lost): (Option<Time>, Option<Time>) = read.one(
        sql!(
            "SELECT (SELECT MIN(look_at) FROM seekers WHERE state = 'waiting'),
                    (SELECT MIN(alive_until) FROM seekers WHERE state <> 'ended')"
        ),
        params![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok([look, lost].into_iter().flatten().min())
}

/// How many wait in front of this one, and how many wait in all.
pub fn place_in_line(read: &Read<'_>, seeker: &Seeker) -> Result<(i64, i64)> {
    let now = read.now();
    read.one(
        sql!(
            "SELECT (SELECT COUNT(*) FROM seekers WHERE state = 'waiting' AND pool = $1
                       AND (since < $2 OR (since = $2 AND account_id < $3))),
                    (SELECT COUNT(*) FROM seekers WHERE state = 'waiting' AND pool = $1
                       AND (since <= $4 OR account_id = $3))"
        ),
        params![seeker.pool.as_str(), seeker.since, seeker.account, now],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Everyone who waits, in the order of the line.
pub fn line(read: &Read<'_>) -> Result<Vec<(Pool, Time, AccountId)>> {
    read.all(
        sql!(
            "SELECT pool, since, account_id FROM seekers WHERE state = 'waiting'
             ORDER BY pool, since, account_id"
        ),
        params![],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Talks of a few that have room for one more, and in which nothing keeps this seeker out: the oldest first.
pub fn open_groups(read: &Read<'_>, most: i64, limit: i64) -> Result<Vec<ConversationId>> {
    read.all(
        sql!(
            "SELECT c.id FROM conversations c
             WHERE c.id IN (SELECT s.conversation_id FROM seekers s
                            WHERE s.pool = 'group' AND s.state = 'matched')
               AND c.deleted_at IS NULL AND c.size BETWEEN 2 AND $1
             ORDER BY c.id LIMIT $2"
        ),
        params![most - 1, limit],
        |row| row.get(0),
    )
}

/// The two were matched. Of each only the last `kept` are remembered.
pub fn meet(tx: &mut Write<'_>, one: AccountId, other: AccountId, kept: i64) -> Result<()> {
    let now = tx.now();
    for (account, partner) in [(one, other), (other, one)] {
        tx.execute(
            sql!(
                "INSERT INTO meetings (account_id, partner_id, met_at) VALUES ($1, $2, $3)
                 ON CONFLICT (account_id, partner_id) DO UPDATE SET met_at = excluded.met_at"
            ),
            params![account, partner, now],
        )?;
        tx.execute(
            sql!(
                "DELETE FROM meetings WHERE account_id = $1 AND partner_id NOT IN
                     (SELECT partner_id FROM meetings WHERE account_id = $1
                      ORDER BY met_at DESC, partner_id DESC LIMIT $2)"
            ),
            params![account, kept],
        )?;
    }
    Ok(())
}

/// What was reported of whom.
#[derive(Debug)]
pub struct Report<'a> {
    /// Who reports.
    pub reporter: AccountId,
    /// Whom.
    pub reported: AccountId,
    /// The talk.
    pub conversation: ConversationId,
    /// Which of the reasons.
    pub reason: &'a str,
    /// What the reporter says about it.
    pub words: &'a str,
    /// What was said, as JSON.
    pub transcript: &'a str,
    /// A keyed hash of the rest.
    pub seal: &'a str,
}

/// Keeps a report.
pub fn insert_report(tx: &mut Write<'_>, report: &Report<'_>) -> Result<ReportId> {
    let id = ReportId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO reports (id, reporter_id, reported_id, conversation_id, reason, words, transcript, seal,
                                  created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        ),
        params![
            id,
            report.reporter,
            report.reported,
            report.conversation,
            report.reason,
            report.words,
            report.transcript,
            report.seal,
            now,
        ],
    )?;
    Ok(id)
}
