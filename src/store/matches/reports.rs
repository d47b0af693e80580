//! Reports about the people in a talk.

use crate::{
    Result,
    db::Write,
    ids::{AccountId, ConversationId, ReportId},
    params, sql,
};

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
