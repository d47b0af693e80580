//! The settings of mail.

use std::{net::IpAddr, path::PathBuf};

use lettre::{Address, AsyncSmtpTransport, Tokio1Executor, message::Mailbox};

use super::{BaseUrl, secret};

/// Returns the URL of the mail server, or `None` where mail is written into a folder.
pub(super) fn smtp_url(value: Option<String>, file: Option<PathBuf>) -> Result<Option<String>, String> {
    let url = secret::read("CHITTER_SMTP_URL", value, file)?;
    if url.as_deref().is_some_and(|url| AsyncSmtpTransport::<Tokio1Executor>::from_url(url).is_err()) {
        // The library's own error is left out: it may repeat the password.
        return Err("CHITTER_SMTP_URL: not like smtps://user:password@host or smtp://host:25".into());
    }
    Ok(url)
}

/// Returns the sender of all mail: the one that is set, or an address at the host of the base URL.
pub(super) fn sender(setting: Option<&str>, name: &str, base_url: &BaseUrl) -> Result<Mailbox, String> {
    if let Some(raw) = setting {
        return raw.parse().map_err(|_| {
            format!("CHITTER_MAIL_FROM: {raw:?} is not like \"Chitter <post@chitter.example>\"")
        });
    }
    let host = base_url.host();
    // Mail allows an address literal, but few servers accept it as a sender.
    let host = if host.parse::<IpAddr>().is_ok() || host.starts_with('[') { "localhost" } else { host };
    let address = Address::new("chitter", host)
        .map_err(|_| "CHITTER_MAIL_FROM: set it, the base URL gives no mail domain")?;
    Ok(Mailbox::new(Some(name.into()), address))
}
