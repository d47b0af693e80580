//! Catching up: everything that changed for an account since it last asked, in one call and in order.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    str::FromStr,
};

use super::conversations::find_participant;
use crate::{
    Error, Result,
    clock::Time,
    db::Read,
    events::Tx,
    ids::{AccountId, ConversationId},
    store::{
        self,
        accounts::Account,
        messages::Message,
        sync::{AWAY, Changed, Receipt, SyncRange},
    },
};

/// More than a page, so that what was done at once stays together: a hundred messages, and what comes with them.
const TOGETHER: i64 = 300;

/// Rows forgotten in one transaction.
const BATCH: i64 = 500;

/// What someone is told who has been away for too long, or asks another place.
const TOO_LONG: Error =
    Error::Conflict("That is too long ago. Fetch what you want to have, and begin anew without since.");

/// Up to where somebody knows everything: a tick, and when it was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncToken {
    sync_version: i64,
    at: Time,
}

impl fmt::Display for SyncToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sync_version, self.at.ms())
    }
}

impl FromStr for SyncToken {
    type Err = Error;

    fn from_str(raw: &str) -> Result<Self> {
        let parsed = raw.split_once('.').and_then(|(sync_version, at)| {
            Some(SyncToken { sync_version: sync_version.parse().ok()?, at: Time::from_ms(at.parse().ok()?) })
        });
        parsed.ok_or_else(|| Error::invalid_query("since", "Take since from the answer before."))
    }
}

/// Something that changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// A room or a thread, or one's own place in it.
    Conversation(Box<Changed>),
    /// A message is new, or an earlier one is otherwise now.
    Message(Box<Message>),
    /// One is not in it any more, or it is gone.
    Left(ConversationId),
    /// Somebody else has come further in a thread.
    Receipt(Box<Receipt>),
}

/// What changed, in order.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Each as it is now.
    pub all: Vec<Change>,
    /// Up to where one knows everything with them.
    pub upto: SyncToken,
    /// Whether there is more.
    pub more: bool,
}

/// What changed for an account since. Without a mark nothing: it begins now.
pub fn since(read: &Read<'_>, account: AccountId, token: Option<SyncToken>, limit: i64) -> Result<Changes> {
    // First, so that whatever is committed while we look is for the next time.
    let (latest, now) = (store::sync::latest(read)?, read.now());
    let upto = SyncToken { sync_version: latest, at: now };
    let Some(token) = token else { return Ok(Changes { all: Vec::new(), upto, more: false }) };
    if now.since(token.at) > AWAY || token.sync_version > latest {
        return Err(TOO_LONG);
    }
    let range = SyncRange { account, after: token.sync_version, upto: latest, limit: limit + TOGETHER };
    let mut all: Vec<(i64, Change)> = Vec::new();
    all.extend(
        store::sync::messages(read, &range)?.into_iter().map(|(t, m)| (t, Change::Message(Box::new(m)))),
    );
    all.extend(
        store::sync::receipts(read, &range)?
            .into_iter()
            .map(|r| (r.sync_version, Change::Receipt(Box::new(r)))),
    );
    let changed = store::sync::conversations(read, &range)?;
    all.extend(changed.into_iter().map(|c| (c.sync_version, Change::Conversation(Box::new(c)))));
    all.extend(store::sync::tombstones(read, &range)?.into_iter().map(|(t, id)| (t, Change::Left(id))));
    all.sort_by_key(|(sync_version, _)| *sync_version);
    // A page ends where a transaction ended.
    let end = match all.get(limit as usize) {
        Some((next, _)) => {
            let begun_with =
                all.iter().position(|(sync_version, _)| sync_version == next).unwrap_or_default();
            if begun_with == 0 {
                all.iter().take_while(|(sync_version, _)| sync_version == next).count()
            } else {
                begun_with
            }
        }
        None => all.len(),
    };
    let more = end < all.len();
    let upto = match all.get(end.saturating_sub(1)) {
        Some((sync_version, _)) if more => SyncToken { sync_version: *sync_version, at: token.at },
        _ => upto,
    };
    all.truncate(end);
    let mut all: Vec<Change> = all.into_iter().map(|(_, change)| change).collect();
    fill_in(read, &range, &mut all)?;
    Ok(Changes { all, upto, more })
}

/// Says of the threads who is in them.
fn fill_in(read: &Read<'_>, range: &SyncRange, all: &mut [Change]) -> Result<()> {
    let mut threads: HashMap<ConversationId, &mut Changed> = HashMap::new();
    for change in all {
        match change {
            Change::Conversation(changed) if changed.conversation.kind.policy().shows_people => {
                threads.insert(changed.conversation.id, changed);
            }
            _ => {}
        }
    }
    if threads.is_empty() {
        return Ok(());
    }
    for (id, one) in store::sync::people(read, range)? {
        if let Some(thread) = threads.get_mut(&id) {
            thread.people.push(one);
        }
    }
    Ok(())
}

impl Changes {
    /// Up to which message everything has reached a device with this, in each conversation.
    pub fn reached(&self) -> BTreeMap<ConversationId, i64> {
        let mut reached = BTreeMap::new();
        for change in &self.all {
            if let Change::Message(message) = change {
                let seq = reached.entry(message.conversation).or_insert(message.seq);
                *seq = message.seq.max(*seq);
            }
        }
        reached
    }
}

/// Notes that everything up to these messages has reached a device of the account.
pub fn deliver(tx: &mut Tx<'_>, account: &Account, reached: &BTreeMap<ConversationId, i64>) -> Result<()> {
    for (id, seq) in reached {
        if let Some(participant) = find_participant(tx, account, *id)?
            && *seq > participant.membership.delivered_seq
        {
            participant.receive(tx, *seq)?;
        }
    }
    Ok(())
}

/// Deletes a batch of the tombstones that are older than a client may be away, and returns their number.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - AWAY;
    store::sync::purge(tx, before, BATCH)
}

/// Raises the counter of sync versions above all that are stored, also in a database that came from another server.
pub fn align(tx: &mut Tx<'_>) -> Result<()> {
    store::sync::align(tx)
}
