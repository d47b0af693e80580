//! Configuration: one documented struct, filled from flags, the environment (`CHITTER_…`) and
//! `chitter.toml`, in this order of precedence.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

use crate::domain::{self, names::Username, text::RefusedWords};

/// Characters of a message in a thread, unless the instance has room for more: as many as a peep's.
const THREAD_LIMIT: usize = 280;

/// The rules where nobody has set others.
const RULES: &str = "Be kind: there is a person at the other end.\n\
                     Keep to yourself where you live, and what you would not tell a stranger.\n\
                     Leave whenever you like. Block and report whoever does not behave.";

/// The settings as they are given: every one can be left out.
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
    /// On.
    On,
    /// Off.
    Off,
}

/// How log lines look on the terminal.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The configuration as the rest of the program uses it: complete and checked.
#[derive(Clone)]
pub struct Config {
    /// Where to listen. Port 0 takes any free one.
    pub addr: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// `http` or `https`, the host and perhaps a port; no slash at the end.
    pub base_url: BaseUrl,
    /// The name of this place.
    pub name: String,
    /// PostgreSQL, if not SQLite. A secret.
    pub database_url: Option<String>,
    /// The mail server, if not `data/outbox`. A secret.
    pub smtp_url: Option<String>,
    /// Whom mail comes from.
    pub mail_from: lettre::message::Mailbox,
    /// Who may say which address a request came from.
    pub proxies: Vec<IpNet>,
    /// Whether rate limits hold.
    pub limits: bool,
    /// Whether strangers are matched.
    pub matching: bool,
    /// What people say of their age before they are matched.
    pub age_text: String,
    /// The rules of this place.
    pub rules: Vec<String>,
    /// Words that can't be said.
    pub refused_words: RefusedWords,
    /// Characters of a message in a thread.
    pub thread_limit: usize,
    /// Hosts that webhooks may call although they are private.
    pub webhook_hosts: Vec<String>,
    /// The host names that members may map; any where it is not set.
    pub page_hosts: Option<Vec<String>>,
    /// The username of whose page is the front page.
    pub home: Option<String>,
    /// What to log.
    pub log: String,
    /// How to log on the terminal.
    pub log_format: LogFormat,
}

/// The public address of this place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Takes `http://` or `https://` and a host, without a path.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let url = raw.trim().trim_end_matches('/');
        let uri: axum::http::Uri = url.parse().map_err(|_| format!("{raw:?} is not a URL"))?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(at))
                if uri.path() == "/" && uri.query().is_none() && !at.as_str().contains('@') =>
            {
                Ok(BaseUrl(url.to_ascii_lowercase()))
            }
            _ => Err(format!("{raw:?} has to be like https://chitter.example, without a path")),
        }
    }

    /// Without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether cookies may be kept to secure connections.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The host without the port.
    pub fn host(&self) -> &str {
        let authority = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        }
    }
}

impl Config {
    /// Where the public stream is.
    pub fn stream_path(&self) -> &'static str {
        if self.home.is_some() { "/stream" } else { "/" }
    }

    /// Refuses what belongs to matches where they are switched off.
    pub fn require_matching(&self) -> crate::Result<()> {
        if self.matching { Ok(()) } else { Err(crate::Error::Forbidden("Strangers are not matched here.")) }
    }
}

impl Settings {
    /// Reads `chitter.toml`, or another file, where one was named.
    pub fn from_file(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|e| format!("can't read {}: {e}", file.display()))?;
        toml::from_str(&text).map_err(|e| {
            let place = 1 + e.span().map_or(0, |span| text[..span.start].matches('\n').count());
            format!("{}, line {place}: {}", file.display(), one_line(e.message()))
        })
    }

    /// These settings, and where one is left out, that of `other`.
    pub fn or(self, other: Settings) -> Settings {
        // A secret given here, either way, is not to meet its other form from the file.
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

    /// Fills in the defaults and checks the rest. The error is one line for the terminal.
    pub fn resolve(self) -> Result<Config, String> {
        let addr = self.addr.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000)));
        let base_url = match self.base_url {
            Some(url) => BaseUrl::parse(&url).map_err(|e| format!("CHITTER_BASE_URL: {e}"))?,
            None if addr.ip().is_unspecified() => BaseUrl(format!("http://localhost:{}", addr.port())),
            None => BaseUrl(format!("http://{addr}")),
        };
        let name = self.name.unwrap_or_else(|| "Chitter".into());
        if name.trim().is_empty() || name.chars().count() > 40 || name.chars().any(char::is_control) {
            return Err("CHITTER_NAME: 1 to 40 characters on one line".into());
        }
        let database_url = secret("CHITTER_DATABASE_URL", self.database_url, self.database_url_file)?;
        if let Some(url) = &database_url
            && !url.starts_with("postgres://")
            && !url.starts_with("postgresql://")
        {
            return Err(
                "CHITTER_DATABASE_URL: it has to begin with postgres:// (without it, SQLite is used)".into(),
            );
        }
        if let Some(url) = &database_url {
            // The driver's error repeats parts of the URL, and a password may be among them.
            url.parse::<postgres::Config>()
                .map_err(|_| "CHITTER_DATABASE_URL: not like postgres://user:password@host/database")?;
        }
        let smtp_url = secret("CHITTER_SMTP_URL", self.smtp_url, self.smtp_url_file)?;
        if smtp_url.as_deref().is_some_and(|url| !is_mail_server(url)) {
            return Err("CHITTER_SMTP_URL: not like smtps://user:password@host or smtp://host:25".into());
        }
        let mail_from = match self.mail_from {
            Some(raw) => raw.parse().map_err(|_| {
                format!("CHITTER_MAIL_FROM: {raw:?} is not like \"Chitter <post@chitter.example>\"")
            })?,
            None => default_sender(&name, &base_url)?,
        };
        let age_text = self.age_text.unwrap_or_else(|| "I am 18 or older".into());
        if age_text.trim().is_empty() || age_text.chars().count() > 200 {
            return Err("CHITTER_AGE_TEXT: 1 to 200 characters".into());
        }
        let rules = self.rules.unwrap_or_else(|| RULES.into());
        if rules.chars().count() > 2000 {
            return Err("CHITTER_RULES: 2,000 characters at most".into());
        }
        let thread_limit = self.thread_limit.unwrap_or(THREAD_LIMIT);
        if !(1..=domain::conversations::MAX_BODY).contains(&thread_limit) {
            return Err("CHITTER_THREAD_LIMIT: 1 to 4000 characters".into());
        }
        let proxies = self.proxies.as_deref().unwrap_or("127.0.0.1,::1");
        let log = self.log.unwrap_or_else(|| "info".into());
        if !is_log_filter(&log) {
            return Err(format!("CHITTER_LOG: {log:?} is not like info or info,chitter::db=debug"));
        }
        Ok(Config {
            addr,
            data: self.data.unwrap_or_else(|| "data".into()),
            base_url,
            name: name.trim().into(),
            database_url,
            smtp_url,
            mail_from,
            proxies: networks(proxies).map_err(|e| format!("CHITTER_PROXIES: {e}"))?,
            limits: self.limits != Some(Switch::Off),
            matching: self.matching != Some(Switch::Off),
            age_text,
            rules: rules.lines().map(|rule| rule.trim().to_owned()).filter(|rule| !rule.is_empty()).collect(),
            thread_limit,
            page_hosts: self.page_hosts.as_deref().map(|hosts| {
                list(hosts)
                    .into_iter()
                    .map(|host| host.to_ascii_lowercase())
                    .filter(|host| host != "off")
                    .collect()
            }),
            home: self
                .home
                .map(|home| Username::parse(&home).map(|home| home.as_str().to_owned()))
                .transpose()
                .map_err(|error| format!("CHITTER_HOME: {}", error.sentence()))?,
            webhook_hosts: list(self.webhook_hosts.as_deref().unwrap_or_default()),
            refused_words: RefusedWords::new(self.refused_words.as_deref().unwrap_or_default()),
            log,
            log_format: self.log_format.unwrap_or(LogFormat::Text),
        })
    }
}

/// What stands between commas.
fn list(raw: &str) -> Vec<String> {
    raw.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

/// Whether each part is a level, or a module with its level. The library's own parser takes a word
/// that it does not know for a module, and then logs nothing else.
fn is_log_filter(log: &str) -> bool {
    log.split(',').all(|part| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        level.parse::<LevelFilter>().is_ok()
    })
}

/// Whether a mail transport can be made of the URL. It tells no more: there is a password in it.
fn is_mail_server(url: &str) -> bool {
    lettre::AsyncSmtpTransport::<lettre::Tokio1Executor>::from_url(url).is_ok()
}

/// A secret from its setting or from the file that another one names.
fn secret(name: &str, value: Option<String>, file: Option<PathBuf>) -> Result<Option<String>, String> {
    let value = match (value, file) {
        (Some(_), Some(_)) => return Err(format!("{name} and {name}_FILE are both set: leave one out")),
        (value, None) => value,
        (None, Some(file)) => Some(
            fs::read_to_string(&file)
                .map_err(|e| format!("{name}_FILE: can't read {}: {e}", file.display()))?,
        ),
    };
    // An empty variable is how compose files say "not set".
    Ok(value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()))
}

fn default_sender(name: &str, base_url: &BaseUrl) -> Result<lettre::message::Mailbox, String> {
    let host = base_url.host();
    // An address literal is allowed in mail, but few servers take it as a sender.
    let host = if host.parse::<IpAddr>().is_ok() || host.starts_with('[') { "localhost" } else { host };
    let address = lettre::Address::new("chitter", host)
        .map_err(|_| "CHITTER_MAIL_FROM: set it, the base URL gives no mail domain")?;
    Ok(lettre::message::Mailbox::new(Some(name.into()), address))
}

fn networks(list: &str) -> Result<Vec<IpNet>, String> {
    let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let address = part.parse::<IpAddr>().map(IpNet::from);
            address.or_else(|_| part.parse()).map_err(|_| format!("{part:?} is not an address or a network"))
        })
        .collect()
}

/// An error text without its line breaks.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(settings: Settings) -> String {
        settings.resolve().err().expect("this is to be refused")
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
        assert_eq!(BaseUrl::parse("https://X.example:8443/").expect("fine").host(), "x.example");
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
    fn a_wrong_file_says_which_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "name = \"Row\"\ncolour = \"gold\"\n").expect("written");
        let error = Settings::from_file(file.path()).expect_err("an unknown setting");
        assert!(error.contains("line 2") && error.contains("colour"), "{error}");
    }
}
