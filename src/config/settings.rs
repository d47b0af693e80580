//! The settings as they are given: flags, the environment and `chitter.toml`.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::one_line;

/// The settings as they are given, each of which may be left out. The comments are the text of `--help`.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port to listen on [default: 127.0.0.1:3000]
    #[arg(long, env = "CHITTER_ADDR", value_name = "IP:PORT", global = true)]
    pub addr: Option<SocketAddr>,

    /// Folder for all data; made where there is none [default: ./data]
    #[arg(long, env = "CHITTER_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,

    /// What people type to get here, as https://chitter.example [default: http://ADDR]
    #[arg(long, env = "CHITTER_BASE_URL", value_name = "URL", global = true)]
    pub base_url: Option<String>,

    /// The name of this place, shown on every page [default: Chitter]
    #[arg(long, env = "CHITTER_NAME", value_name = "NAME", global = true)]
    pub name: Option<String>,

    /// Use PostgreSQL in place of the SQLite file: postgres://user:password@host/database
    #[arg(long, env = "CHITTER_DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,

    /// A file that holds the database URL
    #[arg(long, env = "CHITTER_DATABASE_URL_FILE", value_name = "FILE", global = true)]
    pub database_url_file: Option<PathBuf>,

    /// Send mail by this server: smtps://user:password@host, or smtp://host:25.
    /// Without it mail is written to DATA/outbox
    #[arg(long, env = "CHITTER_SMTP_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub smtp_url: Option<String>,

    /// A file that holds the SMTP URL
    #[arg(long, env = "CHITTER_SMTP_URL_FILE", value_name = "FILE", global = true)]
    pub smtp_url_file: Option<PathBuf>,

    /// Whom mail comes from, as "Chitter <post@chitter.example>"
    #[arg(long, env = "CHITTER_MAIL_FROM", value_name = "MAILBOX", global = true)]
    pub mail_from: Option<String>,

    /// Whose page is the front page, as @alice; the stream is at /stream then
    #[arg(long, env = "CHITTER_HOME", value_name = "@USERNAME", global = true)]
    pub home: Option<String>,

    /// Host names that members may lead to their pages, as alice.example,bob.example; off for none
    /// [default: any but this place's own]
    #[arg(long, env = "CHITTER_PAGE_HOSTS", value_name = "LIST", global = true)]
    pub page_hosts: Option<String>,

    /// Reverse proxies whose X-Forwarded-For is believed, as 127.0.0.1,10.0.0.0/8
    /// [default: 127.0.0.1,::1]
    #[arg(long, env = "CHITTER_PROXIES", value_name = "LIST", global = true)]
    pub proxies: Option<String>,

    /// Rate limits; off is for load tests [default: on]
    #[arg(long, env = "CHITTER_LIMITS", value_name = "ON|OFF", global = true)]
    pub limits: Option<Switch>,

    /// Matching strangers [default: on]
    #[arg(long, env = "CHITTER_MATCHING", value_name = "ON|OFF", global = true)]
    pub matching: Option<Switch>,

    /// What people say of their age before they are matched the first time
    /// [default: I am 18 or older]
    #[arg(long, env = "CHITTER_AGE_TEXT", value_name = "SENTENCE", global = true)]
    pub age_text: Option<String>,

    /// The rules of this place, a line each, shown where strangers meet
    #[arg(long, env = "CHITTER_RULES", value_name = "TEXT", global = true)]
    pub rules: Option<String>,

    /// Words that can't be said in peeps and messages, as one,two
    #[arg(long, env = "CHITTER_REFUSED_WORDS", value_name = "LIST", global = true)]
    pub refused_words: Option<String>,

    /// Characters of a message in a thread: 1 to 4,000 [default: 280]
    #[arg(long, env = "CHITTER_THREAD_LIMIT", value_name = "NUMBER", global = true)]
    pub thread_limit: Option<usize>,

    /// Hosts that webhooks may call although they are private, as 10.0.0.7,jobs.internal
    #[arg(long, env = "CHITTER_WEBHOOK_HOSTS", value_name = "LIST", global = true)]
    pub webhook_hosts: Option<String>,

    /// What to log: error, warn, info, debug, or per module as info,chitter::db=debug
    /// [default: info]
    #[arg(long, env = "CHITTER_LOG", value_name = "LEVEL", global = true)]
    pub log: Option<String>,

    /// How to log on the terminal [default: text]
    #[arg(long, env = "CHITTER_LOG_FORMAT", value_name = "TEXT|JSON", global = true)]
    pub log_format: Option<LogFormat>,
}

/// On or off.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Switch {
    On,
    Off,
}

/// The format of log lines on the terminal.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Settings {
    /// Reads a settings file in TOML. The error names the line.
    pub fn from_file(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|e| format!("can't read {}: {e}", file.display()))?;
        toml::from_str(&text).map_err(|e| {
            let line = 1 + e.span().map_or(0, |span| text[..span.start].matches('\n').count());
            format!("{}, line {line}: {}", file.display(), one_line(e.message()))
        })
    }

    /// Returns these settings, with those of `other` where one is left out.
    pub fn or(self, other: Settings) -> Settings {
        // A secret that is set here, as a value or as a file, hides both forms in `other`, because `resolve` refuses
        // settings with both forms.
        let database = self.database_url.is_some() || self.database_url_file.is_some();
        let smtp = self.smtp_url.is_some() || self.smtp_url_file.is_some();
        Settings {
            addr: self.addr.or(other.addr),
            data: self.data.or(other.data),
            base_url: self.base_url.or(other.base_url),
            name: self.name.or(other.name),
            database_url: self.database_url.or(other.database_url.filter(|_| !database)),
            database_url_file: self.database_url_file.or(other.database_url_file.filter(|_| !database)),
            smtp_url: self.smtp_url.or(other.smtp_url.filter(|_| !smtp)),
            smtp_url_file: self.smtp_url_file.or(other.smtp_url_file.filter(|_| !smtp)),
            mail_from: self.mail_from.or(other.mail_from),
            proxies: self.proxies.or(other.proxies),
            limits: self.limits.or(other.limits),
            matching: self.matching.or(other.matching),
            age_text: self.age_text.or(other.age_text),
            rules: self.rules.or(other.rules),
            refused_words: self.refused_words.or(other.refused_words),
            thread_limit: self.thread_limit.or(other.thread_limit),
            home: self.home.or(other.home),
            page_hosts: self.page_hosts.or(other.page_hosts),
            webhook_hosts: self.webhook_hosts.or(other.webhook_hosts),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
        }
    }
}
