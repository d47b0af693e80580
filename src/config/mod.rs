//! Configuration, from flags, the environment (`CHITTER_…`) and `chitter.toml`, in this order of precedence.
//!
//! [`Settings`] holds the settings as they are given, [`Config`] the checked result. A file per section checks the
//! settings of that section.

mod base_url;
mod database;
mod instance;
mod log;
mod mail;
mod network;
mod secret;
mod settings;

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;

use crate::domain::text::RefusedWords;

pub use base_url::BaseUrl;
pub use settings::{LogFormat, Settings, Switch};

/// The configuration that the rest of the program uses: complete and checked.
#[derive(Clone)]
pub struct Config {
    /// The address to listen on. Port 0 takes any free one.
    pub addr: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    pub base_url: BaseUrl,
    pub name: String,
    /// The URL of PostgreSQL; `None` for SQLite. A secret.
    pub database_url: Option<String>,
    /// The URL of the mail server; `None` for `data/outbox`. A secret.
    pub smtp_url: Option<String>,
    pub mail_from: lettre::message::Mailbox,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNet>,
    /// True if rate limits apply.
    pub limits: bool,
    /// True if strangers are matched.
    pub matching: bool,
    /// The sentence about their age that people confirm before they are matched.
    pub age_text: String,
    pub rules: Vec<String>,
    pub refused_words: RefusedWords,
    /// The maximum length of a message in a thread, in characters.
    pub thread_limit: usize,
    /// Hosts that webhooks may call although they are private.
    pub webhook_hosts: Vec<String>,
    /// The host names that members may map to their pages; `None` allows any.
    pub page_hosts: Option<Vec<String>>,
    /// The username of the member whose page is the front page.
    pub home: Option<String>,
    /// The levels to log, as [`crate::logging`] reads them.
    pub log: String,
    pub log_format: LogFormat,
}

impl Config {
    /// Returns the path of the public stream.
    pub fn stream_path(&self) -> &'static str {
        if self.home.is_some() { "/stream" } else { "/" }
    }

    /// Refuses a request that belongs to matches where these are switched off.
    pub fn require_matching(&self) -> crate::Result<()> {
        if self.matching { Ok(()) } else { Err(crate::Error::Forbidden("Strangers are not matched here.")) }
    }
}

impl Settings {
    /// Fills in the defaults and checks the rest. The error is one line for the terminal, about the first setting that
    /// is wrong.
    pub fn resolve(self) -> Result<Config, String> {
        let addr = self.addr.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000)));
        let base_url = match self.base_url {
            Some(url) => BaseUrl::parse(&url).map_err(|e| format!("CHITTER_BASE_URL: {e}"))?,
            None => BaseUrl::listening_on(addr),
        };
        let name = instance::name(self.name)?;
        let database_url = database::url(self.database_url, self.database_url_file)?;
        let smtp_url = mail::smtp_url(self.smtp_url, self.smtp_url_file)?;
        let mail_from = mail::sender(self.mail_from.as_deref(), &name, &base_url)?;
        Ok(Config {
            addr,
            data: self.data.unwrap_or_else(|| "data".into()),
            base_url,
            name,
            database_url,
            smtp_url,
            mail_from,
            age_text: instance::age_text(self.age_text)?,
            rules: instance::rules(self.rules.as_deref())?,
            thread_limit: instance::thread_limit(self.thread_limit)?,
            log: log::filter(self.log)?,
            log_format: self.log_format.unwrap_or(LogFormat::Text),
            proxies: network::proxies(self.proxies.as_deref())?,
            limits: self.limits != Some(Switch::Off),
            matching: self.matching != Some(Switch::Off),
            home: instance::home(self.home.as_deref())?,
            page_hosts: self.page_hosts.as_deref().map(network::page_hosts),
            webhook_hosts: network::list(self.webhook_hosts.as_deref().unwrap_or_default()),
            refused_words: RefusedWords::new(self.refused_words.as_deref().unwrap_or_default()),
        })
    }
}

/// Returns a text without its line breaks, for an error on the terminal or in the log.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn refusal(settings: Settings) -> String {
        settings.resolve().err().expect("the settings are refused")
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let config = Settings::default().resolve().expect("the defaults");
        assert_eq!(config.addr.to_string(), "127.0.0.1:3000");
        assert_eq!(config.base_url.as_str(), "http://127.0.0.1:3000");
        assert_eq!(config.data, Path::new("data"));
        assert!(config.limits);
    }

    #[test]
    fn a_base_url_has_no_path_and_no_user() {
        for raw in [
            "chitter.example",
            "ftp://x.example",
            "https://x.example/chat",
            "https://",
            "https://me@x.example",
        ] {
            let settings = Settings { base_url: Some(raw.into()), ..Settings::default() };
            assert!(refusal(settings).starts_with("CHITTER_BASE_URL: "), "{raw}");
        }
    }

    #[test]
    fn a_refused_url_does_not_show_its_password() {
        let settings =
            Settings { database_url: Some("mysql://me:hunter2@db/x".into()), ..Settings::default() };
        assert!(!refusal(settings).contains("hunter2"));
        let settings =
            Settings { smtp_url: Some("smtp://me:hunter2@mail:port".into()), ..Settings::default() };
        assert!(!refusal(settings).contains("hunter2"));
    }

    #[test]
    fn a_secret_comes_from_its_file_and_not_from_both() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "postgres://me@db/chitter\n").expect("written");
        let from_file = Settings { database_url_file: Some(file.path().into()), ..Settings::default() };
        let config = from_file.clone().resolve().expect("fine");
        assert_eq!(config.database_url.as_deref(), Some("postgres://me@db/chitter"));
        let both = Settings { database_url: Some("postgres://other@db/x".into()), ..from_file };
        assert!(refusal(both).contains("both set"));
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = Settings { name: Some("File".into()), log: Some("warn".into()), ..Settings::default() };
        let flags = Settings { name: Some("Flag".into()), ..Settings::default() };
        let settings = flags.or(file);
        assert_eq!(settings.name.as_deref(), Some("Flag"));
        assert_eq!(settings.log.as_deref(), Some("warn"));
    }

    #[test]
    fn the_error_of_a_wrong_file_names_the_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "name = \"Row\"\ncolour = \"gold\"\n").expect("written");
        let error = Settings::from_file(file.path()).expect_err("an unknown setting");
        assert!(error.contains("line 2") && error.contains("colour"), "{error}");
    }
}
