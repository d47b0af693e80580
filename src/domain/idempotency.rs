//! Idempotency keys: a repeated request has the effect and the answer of the first. Implements the `Idempotency-Key`
//! header (draft-ietf-httpapi-idempotency-key-header).

use std::time::Duration;

use crate::{
    Error, Result,
    events::Tx,
    ids::IdempotencyKey,
    store::{self, idempotency::Answer},
};

/// The time for which an answer is stored for repeated requests.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// The number of rows that are deleted in one transaction, so that other writes do not wait long for the purge.
const BATCH: i64 = 500;

/// The error for a repeated request whose answer is not stored any more, or never was.
const ANSWER_NOT_STORED: Error =
    Error::Conflict("That was done already, and its answer is not kept: it was a secret, or is gone.");

/// A request with an idempotency key, which may be repeated.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// The owner of the key; other owners may use the same key.
    pub owner: String,
    pub key: IdempotencyKey,
    /// A summary of the request: a different request with the same key is refused.
    pub fingerprint: String,
}

impl Keyed {
    /// Does the work and stores the answer in the same transaction; or returns the answer of the first request. The
    /// flag is true for a repeated request. A failure is not stored, so that the request can be tried again. An answer
    /// with a secret in it is returned once and not stored, because a backup must not contain secrets that grant
    /// access.
    pub fn once(
        &self,
        tx: &mut Tx<'_>,
        secret: bool,
        work: impl Fn(&mut Tx<'_>) -> Result<Answer>,
    ) -> Result<(Answer, bool)> {
        let key = self.key.as_str();
        if store::idempotency::reserve(tx, &self.owner, key, &self.fingerprint)? {
            let answer = work(tx)?;
            if !secret {
                store::idempotency::store_answer(tx, &self.owner, key, &answer)?;
            }
            return Ok((answer, false));
        }
        match store::idempotency::answer(tx, &self.owner, key)? {
            Some((fingerprint, _)) if fingerprint != self.fingerprint => Err(Error::KeyReused),
            Some((_, answer)) if answer.status == 0 => Err(ANSWER_NOT_STORED),
            Some((_, answer)) => Ok((answer, true)),
            None => Err(Error::Busy), // the key was purged between the two statements
        }
    }
}

/// Deletes a batch of the stored answers that have expired, and returns their number.
pub fn purge(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - RETENTION;
    store::idempotency::purge(tx, before, BATCH)
}
