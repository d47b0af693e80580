//! Peeps: posting, editing, deleting, liking, and the conversation around one.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    accounts::{Member, Recipient},
    text::{self, REFERENCES, RefusedWords, Rules, Segment},
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

/// How long a peep may be, as a person counts.
pub const LIMIT: usize = 280;

/// Peeps shown above one in its conversation.
const ABOVE: i64 = 40;

/// Peeps shown below one in its conversation.
const BELOW: i64 = 200;

/// Versions that a peep keeps. Nobody needs more, and without a bound one peep could fill the disk.
const VERSIONS: usize = 50;

/// What a peep says: 1 to 280 characters, cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(String);

impl Body {
    /// Cleans what was typed. Refuses text with one of the words that the instance does not allow.
    pub fn parse(raw: &str, refused: &RefusedWords) -> Result<Self> {
        refused.check(raw)?;
        let rules = Rules { field: "body", limit: LIMIT, lines: true, empty: "Write something first." };
        text::clean(raw, rules).map(Body)
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The usernames it mentions, each once.
    fn mentions(&self) -> BTreeSet<String> {
        let found = text::segments(&self.0).into_iter().filter_map(|s| match s {
            Segment::Mention(_, username) => Some(username),
            _ => None,
        });
        found.take(REFERENCES).collect()
    }

    /// The tags it carries, each once.
    fn tags(&self) -> BTreeSet<String> {
        let found = text::segments(&self.0).into_iter().filter_map(|s| match s {
            Segment::Tag(_, tag) => Some(tag),
            _ => None,
        });
        found.take(REFERENCES).collect()
    }
}

/// A peep to be posted.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it says.
    pub body: Body,
    /// What it answers.
    pub reply_to: Option<PeepId>,
    /// With the same key the same member gets the same peep, however often it is sent.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Member {
    /// Posts a peep, tells everyone, and promises an email to whom it mentions.
    pub fn post(&self, tx: &mut Tx<'_>, draft: &Draft) -> Result<Peep> {
        let key = draft.idempotency_key.as_ref().map(IdempotencyKey::as_str);
        if let Some(key) = key
            && let Some(id) = store::peeps::by_idempotency_key(tx, self.id(), key)?
        {
            self.check_repeated(tx, id, draft)?;
            // If the answer to the first try was lost, the news of it may have been, too.
            tx.emit(Emission { topic: Topic::Outbox, event: Event::JobDue });
            return self.tell(tx, id);
        }
        if let Some(parent) = draft.reply_to {
            answer(tx, parent)?;
        }
        let new = NewPeep {
            author: self.id(),
            body: draft.body.as_str(),
            reply_to: draft.reply_to,
            seq: store::peeps::next_seq(tx)?,
            idempotency_key: key,
        };
        let id = store::peeps::insert(tx, &new)?;
        self.refer(tx, id, &draft.body)?;
        self.tell(tx, id)
    }

    /// Refuses a key that was used for something else: the new words would be lost without a word.
    fn check_repeated(&self, tx: &Tx<'_>, id: PeepId, draft: &Draft) -> Result<()> {
        let posted = store::peeps::by_id(tx, Some(self.id()), id)?;
        if posted.deleted_at.is_some() {
            return Err(Error::Conflict("You have posted that before, and it has been deleted since."));
        }
        let first = store::peeps::versions(tx, id)?.into_iter().next();
        let body = first.map_or(posted.body, |version| version.body);
        if body != draft.body.as_str() || posted.reply_to.map(|parent| parent.id) != draft.reply_to {
            return Err(Error::Conflict(
                "Something else was posted with that key. Send this with a new one.",
            ));
        }
        Ok(())
    }

    /// Changes what one's own peep says. What it said before stays readable. No change at all is
    /// no edit.
    pub fn edit(&self, tx: &mut Tx<'_>, id: PeepId, body: &Body) -> Result<Peep> {
        store::peeps::lock(tx, id)?;
        let peep = existing(tx, self.into(), id)?;
        if peep.author.id != self.id() {
            return Err(Error::Forbidden("Only the one who wrote a peep can change it."));
        }
        if peep.body == body.as_str() {
            return Ok(peep);
        }
        if store::peeps::versions(tx, id)?.len() >= VERSIONS {
            return Err(Error::invalid("body", "This peep has been edited 50 times. Post a new one."));
        }
        let seq = store::peeps::next_seq(tx)?;
        store::peeps::edit(tx, id, body.as_str(), seq)?;
        store::peeps::clear_tags(tx, id)?;
        self.refer(tx, id, body)?;
        self.tell(tx, id)
    }

    /// Deletes a peep: one's own, or as the administrator anyone's. Gives it as it was.
    pub fn delete(&self, tx: &mut Tx<'_>, id: PeepId) -> Result<Peep> {
        store::peeps::lock(tx, id)?;
        let peep = existing(tx, self.into(), id)?;
        if !self.may_delete(&peep) {
            return Err(Error::Forbidden("Only the one who wrote a peep can delete it."));
        }
        if let Some(parent) = &peep.reply_to {
            let counts = store::peeps::count_reply(tx, parent.id, -1)?;
            tell_counts(tx, parent.id, counts);
        }
        let seq = store::peeps::next_seq(tx)?;
        store::peeps::delete(tx, id, seq)?;
        store::idempotency::redact_peep(tx, id)?;
        self.tell(tx, id)?;
        Ok(peep)
    }

    /// Whether this member can delete the peep.
    pub fn may_delete(&self, peep: &Peep) -> bool {
        peep.author.id == self.id() || self.account.admin
    }

    /// Likes a peep, or no longer. Doing it twice is doing it once.
    pub fn like(&self, tx: &mut Tx<'_>, id: PeepId, likes: bool) -> Result<Peep> {
        store::peeps::lock(tx, id)?;
        existing(tx, self.into(), id)?;
        if let Some(counts) = store::peeps::like(tx, id, self.id(), likes)? {
            tell_counts(tx, id, counts);
        }
        store::peeps::by_id(tx, Some(self.id()), id)
    }

    /// Files a peep under its tags and notes whom it mentions. Whoever is mentioned in it for the
    /// first time, and is not its author, is promised an email.
    fn refer(&self, tx: &mut Tx<'_>, id: PeepId, body: &Body) -> Result<()> {
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

    /// Tells everyone of a change, and gives the peep as it now is.
    fn tell(&self, tx: &mut Tx<'_>, id: PeepId) -> Result<Peep> {
        let peep = store::peeps::by_id(tx, Some(self.id()), id)?;
        // Whether its writer likes it is nobody else's business.
        let seen_by_all = Peep { liked: false, ..peep.clone() };
        let event = Event::PeepChanged(Arc::new(Encoded::new(seen_by_all)));
        tx.emit(Emission { topic: Topic::Public, event });
        Ok(peep)
    }
}

/// Counts a reply on the peep that it answers, which must still be there.
fn answer(tx: &mut Tx<'_>, parent: PeepId) -> Result<()> {
    store::peeps::lock(tx, parent)?;
    match existing(tx, Viewer::STRANGER, parent) {
        Err(Error::NotFound) => Err(Error::invalid("reply_to", "The peep you answer has been deleted.")),
        Err(other) => Err(other),
        Ok(_) => {
            let counts = store::peeps::count_reply(tx, parent, 1)?;
            tell_counts(tx, parent, counts);
            Ok(())
        }
    }
}

fn tell_counts(tx: &mut Tx<'_>, id: PeepId, counts: Counts) {
    let counted = PeepCounts { id, likes: counts.likes, replies: counts.replies };
    let event = Event::PeepCountsChanged(Arc::new(Encoded::new(counted)));
    tx.emit(Emission { topic: Topic::Public, event });
}

/// The peep, unless it has been deleted.
pub fn existing(read: &Read<'_>, viewer: Viewer, id: PeepId) -> Result<Peep> {
    let peep = store::peeps::by_id(read, viewer.account, id)?;
    if peep.deleted_at.is_some() { Err(Error::NotFound) } else { Ok(peep) }
}

/// A peep with the conversation around it.
#[derive(Debug)]
pub struct Conversation {
    /// What it answers, the first at the top. Deleted ones are gaps.
    pub above: Vec<Peep>,
    /// The peep itself.
    pub peep: Peep,
    /// What answers it, and so on, oldest first. Deleted ones are there if something answers them.
    pub below: Vec<Peep>,
}

/// The conversation around a peep. A deleted peep that was answered is still a place.
pub fn conversation(read: &Read<'_>, viewer: Viewer, id: PeepId) -> Result<Conversation> {
    let viewer = viewer.account;
    let peep = store::peeps::by_id(read, viewer, id)?;
    let above = store::peeps::ancestors(read, viewer, id, ABOVE)?;
    let below = store::peeps::descendants(read, viewer, id, BELOW)?;
    if peep.deleted_at.is_some() && below.is_empty() {
        return Err(Error::NotFound);
    }
    Ok(Conversation { above, peep, below })
}

/// Everything the peep has said, oldest first; the last is what it says now.
pub fn history(read: &Read<'_>, viewer: Viewer, id: PeepId) -> Result<(Peep, Vec<Version>)> {
    let peep = existing(read, viewer, id)?;
    let mut versions = store::peeps::versions(read, id)?;
    let since = peep.edited_at.unwrap_or(peep.created_at);
    versions.push(Version { body: peep.body.clone(), created_at: since });
    Ok((peep, versions))
}

/// A page of peeps, newest first, as the viewer sees them.
pub fn timeline(read: &Read<'_>, viewer: Viewer, scope: &Scope, span: PeepRange) -> Result<Vec<Peep>> {
    store::peeps::list(read, viewer.account, scope, span)
}

/// The number of the public stream's last change.
pub fn last_seq(read: &Read<'_>) -> Result<i64> {
    store::peeps::last_seq(read)
}

/// The first `limit` peeps that changed in the public stream after number `seq`, in the order of the changes, as they
/// are now and as a stranger sees them; deleted ones included.
pub fn changed_since(read: &Read<'_>, seq: i64, limit: i64) -> Result<Vec<Peep>> {
    store::peeps::changed_since(read, seq, limit)
}

/// A peep that mentions an account, with the account and its email; `None` where the peep or the mention is gone, or
/// the account wants no mail about mentions.
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
