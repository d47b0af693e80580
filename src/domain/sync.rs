//! Synchronization: everything that changed for an account since a sync token, in one call and in order.

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
        sync::{ChangedConversation, MAX_ABSENCE, Receipt, SyncRange},
    },
};

/// The number of rows that are read beyond the limit of a page, so that the changes of one transaction stay on one
/// page: enough for a hundred messages and the rows that change with them.
const MAX_OVERHANG: i64 = 300;

/// The number of rows that are deleted in one transaction.
const BATCH: i64 = 500;

/// The error for a sync token that is too old, or that comes from another server.
const TOKEN_EXPIRED: Error =
    Error::Conflict("That is too long ago. Fetch what you want to have, and begin anew without since.");

/// The point up to which a client has received all changes: a sync version, and the time at which it was issued.
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

/// A change that is returned to a program that catches up.
#[derive(Clone, Debug)]
pub enum Change {
    /// A room or a thread, or the account's own membership in it.
    Conversation(Box<ChangedConversation>),
    /// A new message, or an earlier one that has changed.
    Message(Box<Message>),
    /// A conversation that the account is no longer in, or that is deleted.
    Left(ConversationId),
    /// Another participant's progress in a thread.
    Receipt(Box<Receipt>),
}

/// A page of changes, in order.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The changes, each with the present state.
    pub all: Vec<Change>,
    /// The sync token with which the next call continues.
    pub next: SyncToken,
    /// True if there are further changes.
    pub more: bool,
}

/// Returns the changes for an account since the sync token. Without a token there are none, and the returned token
/// begins now.
pub fn since(read: &Read<'_>, account: AccountId, token: Option<SyncToken>, limit: i64) -> Result<Changes> {
    // The latest version is read first, so that a transaction that commits during the queries is left to the next call.
    let (latest, now) = (store::sync::latest(read)?, read.now());
    let present = SyncToken { sync_version: latest, at: now };
    let Some(token) = token else { return Ok(Changes { all: Vec::new(), next: present, more: false }) };
    if now.since(token.at) > MAX_ABSENCE || token.sync_version > latest {
        return Err(TOKEN_EXPIRED);
    }
    let range = SyncRange { account, after: token.sync_version, upto: latest, limit: limit + MAX_OVERHANG };
    let mut all: Vec<(i64, Change)> = Vec::new();
    all.extend(
        super::messages::changed_for(read, &range)?
            .into_iter()
            .map(|(t, m)| (t, Change::Message(Box::new(m)))),
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
    // A page ends at the end of a transaction.
    let end = match all.get(limit as usize) {
        Some((next, _)) => {
            let start = all.iter().position(|(sync_version, _)| sync_version == next).unwrap_or_default();
            if start == 0 {
                all.iter().take_while(|(sync_version, _)| sync_version == next).count()
            } else {
                start
            }
        }
        None => all.len(),
    };
    let more = end < all.len();
    let next = match all.get(end.saturating_sub(1)) {
        Some((sync_version, _)) if more => SyncToken { sync_version: *sync_version, at: token.at },
        _ => present,
    };
    all.truncate(end);
    let mut all: Vec<Change> = all.into_iter().map(|(_, change)| change).collect();
    add_people(read, &range, &mut all)?;
    Ok(Changes { all, next, more })
}

/// Adds the participants to the changed threads.
fn add_people(read: &Read<'_>, range: &SyncRange, all: &mut [Change]) -> Result<()> {
    let mut threads: HashMap<ConversationId, &mut ChangedConversation> = HashMap::new();
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
    for (id, person) in store::sync::people(read, range)? {
        if let Some(thread) = threads.get_mut(&id) {
            thread.people.push(person);
        }
    }
    Ok(())
}

impl Changes {
    /// Returns the number of the last message in each conversation of this page, up to which a device that receives the
    /// page has every message.
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

/// Records that all messages up to these numbers have reached a device of the account.
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

/// Deletes a batch of the tombstones that no valid sync token needs any more, and returns their number.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - MAX_ABSENCE;
    store::sync::purge(tx, before, BATCH)
}

/// Raises the counter of sync versions above all stored ones, because the database may have been moved from another
/// server.
pub fn align(tx: &mut Tx<'_>) -> Result<()> {
    store::sync::align(tx)
}
