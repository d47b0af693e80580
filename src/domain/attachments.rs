//! Attachments: files that are sent along with messages, and the limits on their number.

use std::time::Duration;

use super::{
    conversations::{Files, LOCKED, Participant, enqueue_file_deletion},
    text::{self, Rules},
};
use crate::{
    Error, Result,
    db::Read,
    events::Tx,
    ids::AttachmentId,
    store::{self, accounts::QuotaKey, attachments::Attachment},
};

/// The maximum size of a file in bytes: enough for a phone's photo or a short recording.
pub const MAX_FILE_BYTES: usize = 20 * 1024 * 1024;

/// The period of the limits for one account: enough for an album, too little for a backup.
const DAY: Duration = Duration::from_secs(24 * 3600);
const MAX_FILES_PER_DAY: i64 = 200;
const MAX_BYTES_PER_DAY: i64 = 1024 * 1024 * 1024;

/// The limits for all managed accounts of an app together, as a multiple of those for one account.
const APP_FACTOR: i64 = 10;

/// The time for which an uploaded file may wait to be sent with a message.
const UNSENT_RETENTION: Duration = Duration::from_secs(24 * 3600);

/// The number of files that are deleted in one transaction.
const BATCH: i64 = 200;

/// The maximum length of a file's name, in characters.
const MAX_NAME: usize = 120;

/// The name of a file: the last part of its path, without characters that could lead to another folder.
#[derive(Clone, Debug)]
pub struct FileName(String);

impl FileName {
    /// Cleans the name that a browser sends. A name of which nothing is left becomes `file`.
    pub fn parse(raw: &str) -> Self {
        let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
        let rules = Rules { field: "file", limit: MAX_NAME, lines: false, empty: "" };
        let plain: String = last.chars().filter(|c| !c.is_control() && !text::is_invisible(*c)).collect();
        let length = plain.chars().count();
        let shortened = if length > MAX_NAME {
            // Both ends remain: the beginning shows the subject, and the ending shows the type.
            let ending: String = plain.chars().skip(length - 20).collect();
            plain.chars().take(MAX_NAME - 21).chain(['…']).chain(ending.chars()).collect()
        } else {
            plain
        };
        FileName(text::clean(shortened.trim_start_matches('.'), rules).unwrap_or_else(|_| "file".into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Participant {
    /// Refuses a file before its bytes are received, if the participant may not send files here or has sent too many in
    /// the last day.
    pub fn may_send(&self, read: &Read<'_>) -> Result<()> {
        if !self.may_write() {
            return Err(LOCKED);
        }
        if !self.conversation.files {
            return Err(Error::Forbidden("No pictures yet: both of you have to agree to them first."));
        }
        if self.membership.hidden {
            return Err(Error::invalid_query("as", "Say who of the app’s people sends it."));
        }
        let key = self.account.quota_key();
        let factor = if matches!(key, QuotaKey::App(_)) { APP_FACTOR } else { 1 };
        let (files, bytes) = store::attachments::sent_since(read, key, read.now() - DAY)?;
        if files >= MAX_FILES_PER_DAY * factor || bytes >= MAX_BYTES_PER_DAY * factor {
            return Err(Error::TooMany { retry_after: Duration::from_secs(3600), limit: None });
        }
        Ok(())
    }

    /// Stores a file, whose bytes are in the data folder already, so that a message can be sent with it.
    pub fn send(&self, tx: &mut Tx<'_>, file: &Attachment) -> Result<()> {
        self.may_send(tx)?;
        if self.policy().files == Files::PicturesByConsent && !file.is_image() {
            return Err(Error::invalid("file", "Only pictures can be sent here."));
        }
        store::attachments::insert(tx, self.conversation.id, self.id(), file)
    }
}

/// Deletes a batch of files that were uploaded a day ago and never sent, and returns their number.
pub fn purge(tx: &mut Tx<'_>) -> Result<usize> {
    let before = tx.now() - UNSENT_RETENTION;
    let files: Vec<AttachmentId> = store::attachments::delete_unsent(tx, before, BATCH)?;
    let count = files.len();
    enqueue_file_deletion(tx, files)?;
    Ok(count)
}

impl Participant {
    /// Returns a file of the conversation, within the participant's history scope.
    pub fn attachment(&self, read: &Read<'_>, id: AttachmentId) -> Result<Attachment> {
        store::attachments::by_id(read, self.history(), id)?.ok_or(Error::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_has_no_path() {
        for (raw, name) in [
            ("hall.png", "hall.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\nell\\hall.png", "hall.png"),
            (".htaccess", "htaccess"),
            ("", "file"),
            ("a\r\nb.txt", "ab.txt"),
            ("photo\u{202E}gpj.exe", "photogpj.exe"),
        ] {
            assert_eq!(FileName::parse(raw).as_str(), name, "{raw:?}");
        }
        let long = format!("{}.png", "n".repeat(500));
        assert!(FileName::parse(&long).as_str().ends_with("nnn.png"));
        assert_eq!(FileName::parse(&long).as_str().chars().count(), 120);
    }
}
