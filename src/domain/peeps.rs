//! Peeps: posting, editing, deleting, liking, and the conversation around one.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    accounts::{Member, Recipient},
    text::{self, MAX_REFERENCES, RefusedWords, Rules, Segment},
    viewer::Viewer,
};
use crate::{
    Error, Result,
    db::Read,
    events::{Emission, Encoded, Event, PeepCounts, Topic, Tx},
    ids::{AccountId, IdempotencyKey, PeepId},
    store::{
        self,
        jobs::Work,
        peeps::{Counts, NewPeep, Peep, PeepRange, Scope, Version},
    },
};

/// The maximum length of a peep, in characters as a person counts them.
pub const MAX_LENGTH: usize = 280;

/// The maximum number of ancestors shown above a peep in its conversation.
const MAX_ABOVE: i64 = 40;

/// The maximum number of replies shown below a peep in its conversation.
const MAX_BELOW: i64 = 200;

/// The maximum number of versions of a peep. More are of no use, and without a limit one peep could fill the disk.
const MAX_VERSIONS: usize = 50;

/// The text of a peep: 1 to 280 characters, cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(String);

impl Body {
    /// Cleans the typed text. Refuses a text with one of the words that the instance does not allow.
    pub fn parse(raw: &str, refused: &RefusedWords) -> Result<Self> {
        refused.check(raw)?;
        let rules = Rules { field: "body", limit: MAX_LENGTH, lines: true, empty: "Write something first." };
        text::clean(raw, rules).map(Body)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the usernames that the text mentions, each once.
    fn mentions(&self) -> BTreeSet<String> {
        let usernames = text::segments(&self.0).into_iter().filter_map(|segment| match segment {
            Segment::Mention(_, username) => Some(username),
            _ => None,
        });
        usernames.take(MAX_REFERENCES).collect()
    }

    /// Returns the tags in the text, each once.
    fn tags(&self) -> BTreeSet<String> {
        let tags = text::segments(&self.0).into_iter().filter_map(|segment| match segment {
            Segment::Tag(_, tag) => Some(tag),
            _ => None,
        });
        tags.take(MAX_REFERENCES).collect()
    }
}

/// A peep to be posted.
#[derive(Clone, Debug)]
pub struct Draft {
    pub body: Body,
    pub reply_to: Option<PeepId>,
    /// A repeated post by the same member with the same key returns the first peep.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Member {
    /// Posts a peep, publishes it, and enqueues an email to each account that it mentions.
    pub fn post(&self, tx: &mut Tx<'_>, draft: &Draft) -> Result<Peep> {
        let key = draft.idempotency_key.as_ref().map(IdempotencyKey::as_str);
        if let Some(key) = key
            && let Some(id) = store::peeps::by_idempotency_key(tx, self.id(), key)?
        {
            self.check_repeated(tx, id, draft)?;
            // The event about the jobs may have been lost together with the response to the first request.
            tx.emit(Emission { topic: Topic::Outbox, event: Event::JobDue });
            return self.emit_change(tx, id);
        }
        if let Some(parent) = draft.reply_to {
            count_answer(tx, parent)?;
        }
        let new = NewPeep {
            author: self.id(),
            body: draft.body.as_str(),
            reply_to: draft.reply_to,
            seq: store::peeps::next_seq(tx)?,
            idempotency_key: key,
        };
        let id = store::peeps::insert(tx, &new)?;
        self.store_references(tx, id, &draft.body)?;
        self.emit_change(tx, id)
    }

    /// Refuses a key that was used for a different peep, because the new text would be lost without notice.
    fn check_repeated(&self, tx: &Tx<'_>, id: PeepId, draft: &Draft) -> Result<()> {
        let peep = store::peeps::by_id(tx, Some(self.id()), id)?;
        if peep.deleted_at.is_some() {
            return Err(Error::Conflict("You have posted that before, and it has been deleted since."));
        }
        let first = store::peeps::versions(tx, id)?.into_iter().next();
        let body = first.map_or(peep.body, |version| version.body);
        if body != draft.body.as_str() || peep.reply_to.map(|parent| parent.id) != draft.reply_to {
            return Err(Error::Conflict(
                "Something else was posted with that key. Send this with a new one.",
            ));
        }
        Ok(())
    }

    /// Changes the text of the member's own peep. The earlier text stays readable. An unchanged text is no edit.
    pub fn edit(&self, tx: &mut Tx<'_>, id: PeepId, body: &Body) -> Result<Peep> {
        store::peeps::lock(tx, id)?;
        let peep = existing(tx, self.into(), id)?;
        if peep.author.id != self.id() {
            return Err(Error::Forbidden("Only the one who wrote a peep can change it."));
        }
        if peep.body == body.as_str() {
            return Ok(peep);
        }
        if store::peeps::versions(tx, id)?.len() >= MAX_VERSIONS {
            return Err(Error::invalid("body", "This peep has been edited 50 times. Post a new one."));
        }
        let seq = store::peeps::next_seq(tx)?;
        store::peeps::edit(tx, id, body.as_str(), seq)?;
        store::peeps::clear_tags(tx, id)?;
        self.store_references(tx, id, body)?;
        self.emit_change(tx, id)
    }

    /// Deletes the member's own peep, or any peep if the member is the administrator. Returns the peep as it was.
    pub fn delete(&self, tx: &mut Tx<'_>, id: PeepId) -> Result<Peep> {
        store::peeps::lock(tx, id)?;
        let peep = existing(tx, self.into(), id)?;
        if !self.may_delete(&peep) {
            return Err(Error::Forbidden("Only the one who wrote a peep can delete it."));
        }
        if let Some(parent) = &peep.reply_to {
            let counts = store::peeps::count_reply(tx, parent.id, -1)?;
            emit_counts(tx, parent.id, counts);
        }
        let seq = store::peeps::next_seq(tx)?;
        store::peeps::delete(tx, id, seq)?;
        store::idempotency::redact_peep(tx, id)?;
        self.emit_change(tx, id)?;
        Ok(peep)
    }

    /// Returns whether this member may delete the peep.
    pub fn may_delete(&self, peep: &Peep) -> bool {
        peep.author.id == self.id() || self.account.admin
    }

    /// Adds or removes the member's like. A repeated request has no effect.
    pub fn like(&self, tx: &mut Tx<'_>, id: PeepId, likes: bool) -> Result<Peep> {
        store::peeps::lock(tx, id)?;
        existing(tx, self.into(), id)?;
        if let Some(counts) = store::peeps::like(tx, id, self.id(), likes)? {
            emit_counts(tx, id, counts);
        }
        store::peeps::by_id(tx, Some(self.id()), id)
    }

    /// Stores the tags and the mentions of a peep. Enqueues an email to each account that the peep mentions for the
    /// first time, except to its author.
    fn store_references(&self, tx: &mut Tx<'_>, id: PeepId, body: &Body) -> Result<()> {
        for tag in body.tags() {
            store::peeps::add_tag(tx, id, &tag)?;
        }
        for username in body.mentions() {
            let account = match store::accounts::by_username(tx, &username) {
                Ok(account) => account,
                Err(Error::NotFound) => continue,
                Err(other) => return Err(other),
            };
            let first = store::peeps::add_mention(tx, id, account.id)?;
            if first && account.id != self.id() && account.mention_mail {
                tx.enqueue(&Work::MentionMail { peep: id, to: account.id })?;
            }
        }
        Ok(())
    }

    /// Publishes a change of the peep, and returns the peep as it is now.
    fn emit_change(&self, tx: &mut Tx<'_>, id: PeepId) -> Result<Peep> {
        let peep = store::peeps::by_id(tx, Some(self.id()), id)?;
        // The author's own like is private, and everyone receives this event.
        let public = Peep { liked: false, ..peep.clone() };
        let event = Event::PeepChanged(Arc::new(Encoded::new(public)));
        tx.emit(Emission { topic: Topic::Public, event });
        Ok(peep)
    }
}

/// Counts a reply on the peep that it answers, which must not be deleted.
fn count_answer(tx: &mut Tx<'_>, parent: PeepId) -> Result<()> {
    store::peeps::lock(tx, parent)?;
    match existing(tx, Viewer::STRANGER, parent) {
        Err(Error::NotFound) => Err(Error::invalid("reply_to", "The peep you answer has been deleted.")),
        Err(other) => Err(other),
        Ok(_) => {
            let counts = store::peeps::count_reply(tx, parent, 1)?;
            emit_counts(tx, parent, counts);
            Ok(())
        }
    }
}

fn emit_counts(tx: &mut Tx<'_>, id: PeepId, counts: Counts) {
    let payload = PeepCounts { id, likes: counts.likes, replies: counts.replies };
    let event = Event::PeepCountsChanged(Arc::new(Encoded::new(payload)));
    tx.emit(Emission { topic: Topic::Public, event });
}

/// Returns the peep, unless it has been deleted.
pub fn existing(read: &Read<'_>, viewer: Viewer, id: PeepId) -> Result<Peep> {
    let peep = store::peeps::by_id(read, viewer.account, id)?;
    if peep.deleted_at.is_some() { Err(Error::NotFound) } else { Ok(peep) }
}

/// A peep with the conversation around it.
#[derive(Debug)]
pub struct Conversation {
    /// The ancestors of the peep, the first one first; including deleted ones, which are shown as gaps.
    pub above: Vec<Peep>,
    pub peep: Peep,
    /// The replies, and the replies to them, oldest first; including deleted ones that have replies.
    pub below: Vec<Peep>,
}

/// Returns the conversation around a peep. A deleted peep has one only if there are replies.
pub fn conversation(read: &Read<'_>, viewer: Viewer, id: PeepId) -> Result<Conversation> {
    let viewer = viewer.account;
    let peep = store::peeps::by_id(read, viewer, id)?;
    let above = store::peeps::ancestors(read, viewer, id, MAX_ABOVE)?;
    let below = store::peeps::descendants(read, viewer, id, MAX_BELOW)?;
    if peep.deleted_at.is_some() && below.is_empty() {
        return Err(Error::NotFound);
    }
    Ok(Conversation { above, peep, below })
}

/// Returns all versions of the peep's text, oldest first; the last is the current one.
pub fn history(read: &Read<'_>, viewer: Viewer, id: PeepId) -> Result<(Peep, Vec<Version>)> {
    let peep = existing(read, viewer, id)?;
    let mut versions = store::peeps::versions(read, id)?;
    let since = peep.edited_at.unwrap_or(peep.created_at);
    versions.push(Version { body: peep.body.clone(), created_at: since });
    Ok((peep, versions))
}

/// Returns a page of peeps for the viewer, newest first.
pub fn timeline(read: &Read<'_>, viewer: Viewer, scope: &Scope, range: PeepRange) -> Result<Vec<Peep>> {
    store::peeps::list(read, viewer.account, scope, range)
}

/// Returns the number of the public stream's last change.
pub fn last_seq(read: &Read<'_>) -> Result<i64> {
    store::peeps::last_seq(read)
}

/// Returns the first `limit` peeps that changed in the public stream after number `seq`, in the order of the changes:
/// their present state for the viewer, including deleted ones.
pub fn changed_since(read: &Read<'_>, viewer: Viewer, seq: i64, limit: i64) -> Result<Vec<Peep>> {
    store::peeps::changed_since(read, viewer.account, seq, limit)
}

/// Returns a peep that mentions an account, and the account as a recipient; `None` where the peep was deleted, does not
/// mention the account any more, or the account has turned these mails off.
pub fn mention_notice(read: &Read<'_>, id: PeepId, to: AccountId) -> Result<Option<(Peep, Recipient)>> {
    let peep = match existing(read, to.into(), id) {
        Ok(peep) => peep,
        Err(Error::NotFound) => return Ok(None),
        Err(other) => return Err(other),
    };
    let Some(to) = Recipient::find(read, to)? else { return Ok(None) };
    let username = to.account.username.as_deref().unwrap_or_default();
    // An edit may have removed the mention since.
    let mentioned = text::segments(&peep.body)
        .iter()
        .any(|segment| matches!(segment, Segment::Mention(_, name) if *name == username));
    Ok((mentioned && to.account.mention_mail).then_some((peep, to)))
}
