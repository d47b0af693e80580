//! The host name of a member, under which the member's page is the front page.

use crate::{Error, Result, db::Read, domain::accounts::Member, events::Tx, store};

/// A checked host name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host(String);

impl Host {
    /// Parses a name as `alice.example`, without a port. Refuses the instance's own name, names of local networks and
    /// IP addresses.
    pub fn parse(raw: &str, own: &str) -> Result<Self> {
        let refuse = |message: &str| Err(Error::invalid("host", message));
        let host = raw.trim().trim_end_matches('.').to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let has_letters =
            host.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_alphabetic()));
        if host.len() > 253 || !host.contains('.') || !has_letters || !host.split('.').all(is_label) {
            return refuse("Write a name as alice.example, without https:// and without a path.");
        }
        // Names without an owner, which local networks use.
        let is_local = ["local", "localhost", "lan", "internal", "home.arpa", "test"]
            .iter()
            .any(|end| host == *end || host.ends_with(&format!(".{end}")));
        if is_local {
            return refuse("That name is one of a local network. Take one that is yours.");
        }
        if host == own || own.ends_with(&format!(".{host}")) || host.ends_with(&format!(".{own}")) {
            return refuse("That name is this place’s own. Take one that is yours.");
        }
        Ok(Host(host))
    }

    /// Returns the name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Member {
    /// Maps a host name to the member's page; `None` removes the mapping.
    pub fn set_host(&self, tx: &mut Tx<'_>, host: Option<&Host>) -> Result<()> {
        if let Some(host) = host
            && store::pages::by_host(tx, host.as_str())?.is_some_and(|owner| owner != self.id())
        {
            return Err(Error::invalid("host", "That name leads to somebody else’s page already."));
        }
        self.change_page(tx, |_, _| Ok(()))?; // creates the row where there is none
        store::pages::set_host(tx, self.id(), host.map(Host::as_str))?;
        self.page_changed(tx);
        Ok(())
    }
}

/// Returns the host names of published pages, each with the owner's username.
pub fn hosts(read: &Read<'_>) -> Result<Vec<(String, String)>> {
    store::pages::hosts(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_public_name_outside_of_the_instance() {
        for host in ["alice.example", "WWW.Alice.Example.", "xn--bcher-kva.example", "a-b.c.example"] {
            assert!(Host::parse(host, "chitter.example").is_ok(), "{host}");
        }
        for host in [
            "",
            "alice",
            "https://alice.example",
            "alice.example/x",
            "alice.example:8080",
            "127.0.0.1",
            "-a.example",
            "a..example",
            "chitter.example",
            "www.chitter.example",
            "example",
            "pi.local",
            "nas.home.arpa",
        ] {
            assert!(Host::parse(host, "chitter.example").is_err(), "{host}");
        }
    }
}
