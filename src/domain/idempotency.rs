//! Doing once what is asked for more than once: the `Idempotency-Key` header
//! (draft-ietf-httpapi-idempotency-key-header).

use std::time::Duration;

use crate::{
    Error, Result,
    events::Tx,
    ids::IdempotencyKey,
    store::{self, idempotency::Answer},
};

/// How long an answer is kept for whoever asks again.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Rows deleted in one transaction, so that other writes do not wait long for the purge.
const BATCH: i64 = 500;

/// What someone is told whose answer is not there any more.
const TOLD_ONCE: Error =
    Error::Conflict("That was done already, and its answer is not kept: it was a secret, or is gone.");

/// A request that says by a key that it may come again.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// Whose key it is: others may have the same.
    pub owner: String,
    /// The key.
    pub key: IdempotencyKey,
    /// What is asked for: another request with the same key is refused.
    pub fingerprint: String,
}

impl Keyed {
    /// Does the work and notes the answer in the same transaction; or gives the answer of the first time, and
    /// `true`. What fails is not noted: it can be tried again. An answer with a secret in it is told once, and
    /// not kept: a backup is to open nothing.
    pub fn once(
        &self,
        tx: &mut Tx<'_>,
        secret: bool,
        work: impl Fn(&mut Tx<'_>) -> Result<Answer>,
    ) -> Result<(Answer, bool)> {
        let key = self.key.as_str();
        if store::idempotency::take(tx, &self.owner, key, &self.fingerprint)? {
            let answer = work(tx)?;
            if !secret {
                store::idempotency::note(tx, &self.owner, key, &answer)?;
            }
            return Ok((answer, false));
        }
        match store::idempotency::answer(tx, &self.owner, key)? {
            Some((fingerprint, _)) if fingerprint != self.fingerprint => Err(Error::KeyReused),
            Some((_, answer)) if answer.status == 0 => Err(TOLD_ONCE),
            Some((_, answer)) => Ok((answer, true)),
            None => Err(Error::Busy), // it ran out at this very moment
        }
    }
}

/// Deletes a batch of the stored answers that have expired, and returns their number.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - KEPT;
    store::idempotency::purge(tx, before, BATCH)
}
