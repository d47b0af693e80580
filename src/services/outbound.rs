//! HTTP calls to other people's servers. No call reaches a private address, whatever a name resolves to and wherever a
//! redirect leads, unless the operator allows that host: people who may enter a URL must not reach the operator's own
//! network (server-side request forgery).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use ipnet::IpNet;
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use tokio::sync::OnceCell;

use crate::tls;

/// The time that a call may take, with its redirects.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The number of redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// Networks that are not public (the registries of RFC 6890 and its updates), or whose addresses are translated to
/// private ones.
static PRIVATE_NETWORKS: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let networks = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "168.63.129.16/32", // a cloud provider's internal service at a public address
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    ];
    networks.iter().filter_map(|network| network.parse().ok()).collect()
});

/// Returns whether an address is public on the internet.
fn is_public(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let global = match ip {
        IpAddr::V4(_) => true,
        // Global unicast is 2000::/3: loopback, local and translated addresses are outside of it.
        IpAddr::V6(v6) => v6.segments()[0] & 0xE000 == 0x2000,
    };
    global && !PRIVATE_NETWORKS.iter().any(|network| network.contains(&ip))
}

/// Hosts that may be called although they are private.
#[derive(Clone, Debug)]
struct Allowed(Arc<[String]>);

impl Allowed {
    fn by_name(&self, host: &str) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    /// Returns whether a URL may be called. Names are checked again when they are resolved.
    fn url(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        self.by_name(host.trim_matches(['[', ']'])) || ip.map_or(!host.is_empty(), is_public)
    }
}

impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.clone();
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !allowed.by_name(name.as_str()) && !addresses.iter().all(|address| is_public(address.ip())) {
                return Err(io::Error::other(PRIVATE_ADDRESS).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

const PRIVATE_ADDRESS: &str = "that is a private address";

/// The client for calls to other servers.
pub struct Outbound {
    /// Created by the first call, because it reads all certificates of the system.
    client: OnceCell<Client>,
    allowed: Allowed,
}

/// The reason why a call failed, for the log.
pub type Refused = String;

impl Outbound {
    /// Creates the client. The hosts in `hosts` may be called although they are private.
    pub fn new(hosts: &[String]) -> Self {
        Outbound { client: OnceCell::new(), allowed: Allowed(hosts.into()) }
    }

    /// Returns whether a URL may be called, as far as this can be decided without resolving its name.
    pub fn may_call(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| self.allowed.url(&url))
    }

    /// Posts JSON, and returns the status of the response.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<u16, Refused> {
        let url = Url::parse(url).map_err(|_| "that is no address".to_owned())?;
        if !self.allowed.url(&url) {
            return Err(PRIVATE_ADDRESS.into());
        }
        let client = self.client.get_or_try_init(async || client(&self.allowed)).await?;
        let mut request = client.post(url).header("content-type", "application/json").body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(|error| reason(&error))?;
        Ok(response.status().as_u16())
    }
}

/// Creates a client that calls public addresses and the allowed hosts.
fn client(allowed: &Allowed) -> Result<Client, Refused> {
    let checked = allowed.clone();
    let follow = redirect::Policy::custom(move |attempt| {
        // Other redirects turn the request into a GET, which would lose the body.
        let keeps = matches!(attempt.status().as_u16(), 307 | 308);
        if !keeps || attempt.previous().len() > MAX_REDIRECTS {
            attempt.stop()
        } else if checked.url(attempt.url()) {
            attempt.follow()
        } else {
            attempt.error(PRIVATE_ADDRESS)
        }
    });
    let tls = tls::client_config().map_err(|e| e.to_string())?;
    Client::builder()
        .user_agent(concat!("Chitter/", env!("CARGO_PKG_VERSION")))
        .timeout(CALL_TIMEOUT)
        .redirect(follow)
        .dns_resolver(Arc::new(allowed.clone()))
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|e| format!("can't make a client for webhooks: {e}"))
}

/// Describes an error without the URL, which may hold a secret.
fn reason(error: &reqwest::Error) -> String {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = source {
        if cause.to_string() == PRIVATE_ADDRESS {
            return PRIVATE_ADDRESS.into();
        }
        source = cause.source();
    }
    match error {
        error if error.is_timeout() => "it did not answer within 15 seconds".into(),
        error if error.is_connect() => "it can’t be reached".into(),
        _ => "the connection broke".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_recognized_in_every_form() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111"] {
            assert!(is_public(ip.parse().expect("an address")), "{ip}");
        }
    }

    #[test]
    fn the_notation_of_a_private_address_does_not_matter() {
        let allowed = Allowed(["127.0.0.2".to_owned()].as_slice().into());
        let may = |url: &str| allowed.url(&Url::parse(url).expect("an address"));
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://017700000001/",
        ] {
            assert!(!may(url), "{url}");
        }
        assert!(may("http://127.0.0.2:9000/") && may("https://app.example/"));
    }
}
