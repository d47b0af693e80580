//! The transport of mail.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, transport::smtp};
use tokio::{fs, io::AsyncWriteExt};

use crate::{config::Config, ids::JobId};

/// The time that a mail server may take to answer one command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// The transport of mail.
pub enum Mailer {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    /// A folder with a file per mail.
    Folder(PathBuf),
}

impl Mailer {
    /// Creates the transport to the configured mail server, or, where none is set, creates `folder` and writes into it.
    pub fn new(config: &Config, folder: &Path) -> Result<Self, String> {
        match &config.smtp_url {
            Some(url) => {
                let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
                    .map_err(|_| "can't use CHITTER_SMTP_URL")?;
                Ok(Mailer::Smtp(Box::new(transport.timeout(Some(COMMAND_TIMEOUT)).build())))
            }
            None => {
                std::fs::create_dir_all(folder)
                    .map_err(|e| format!("can't use {}: {e}", folder.display()))?;
                Ok(Mailer::Folder(folder.to_owned()))
            }
        }
    }

    /// Sends a mail, or writes it into the folder under the id of its job. The error is for the log: it holds no
    /// address and no text of the mail.
    pub async fn send(&self, job: JobId, message: Message) -> Result<(), String> {
        match self {
            Mailer::Smtp(transport) => {
                transport.send(message).await.map(drop).map_err(|error| describe(&error))
            }
            Mailer::Folder(folder) => {
                let name = format!("{job}.eml");
                write_whole(folder, &name, &message.formatted()).await.map_err(|error| error.to_string())?;
                tracing::info!(file = %name, "A mail is in data/outbox, because no CHITTER_SMTP_URL is set");
                Ok(())
            }
        }
    }
}

/// Writes a file atomically: readers see the whole file or none.
async fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = folder.join(format!(".{name}"));
    let mut file = fs::File::create(&unfinished).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    fs::rename(&unfinished, folder.join(name)).await
}

/// Describes an error for the log, without the server's own text, which may hold the address.
fn describe(error: &smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server refused the mail with {code}"),
        None if error.is_timeout() => "the mail server did not answer in time".into(),
        None if error.is_tls() => "no secure connection to the mail server".into(),
        None => "the mail server can't be reached".into(),
    }
}
