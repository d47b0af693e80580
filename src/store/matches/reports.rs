//! Reports about participants of a talk.

use crate::{
    Result,
    db::Write,
    ids::{AccountId, ConversationId, ReportId},
    params, sql,
};

/// A report about an account.
#[derive(Debug)]
pub struct Report<'a> {
    pub reporter: AccountId,
    pub reported: AccountId,
    pub conversation: ConversationId,
    /// The code of a reason.
    pub reason: &'a str,
    /// The reporter's comment.
    pub words: &'a str,
    /// The messages of the talk, as JSON.
    pub transcript: &'a str,
    /// A keyed hash of the other fields.
    pub seal: &'a str,
}

/// Replaces the earlier report of the same person about the same one in the same talk. Returns false if there is none.
pub fn replace_report(tx: &mut Write<'_>, report: &Report<'_>) -> Result<bool> {
    let now = tx.now();
    let replaced = tx.execute(
        sql!(
            "UPDATE reports SET reason = $1, words = $2, transcript = $3, seal = $4, created_at = $5
             WHERE reported_id = $6 AND reporter_id = $7 AND conversation_id = $8"
        ),
        params![
            report.reason,
            report.words,
            report.transcript,
            report.seal,
            now,
            report.reported,
            report.reporter,
            report.conversation,
        ],
    )?;
    Ok(replaced > 0)
}

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
