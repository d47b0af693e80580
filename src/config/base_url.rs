//! The public address of the instance.

use std::net::SocketAddr;

/// The public address of the instance: `http` or `https`, the host and perhaps a port; no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Returns the address of a server that listens on `addr`, for when no other is set.
    pub(super) fn listening_on(addr: SocketAddr) -> Self {
        match addr.ip() {
            ip if ip.is_unspecified() => BaseUrl(format!("http://localhost:{}", addr.port())),
            _ => BaseUrl(format!("http://{addr}")),
        }
    }

    /// Parses `http://` or `https://` with a host. Refuses a path, a query and a username.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let url = raw.trim().trim_end_matches('/');
        let uri: axum::http::Uri = url.parse().map_err(|_| format!("{raw:?} is not a URL"))?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(authority))
                if uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@') =>
            {
                Ok(BaseUrl(url.to_ascii_lowercase()))
            }
            _ => Err(format!("{raw:?} has to be like https://chitter.example, without a path")),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether cookies may be limited to secure connections.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Returns the host without the port.
    pub fn host(&self) -> &str {
        let authority = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_no_port() {
        assert_eq!(BaseUrl::parse("https://X.example:8443/").expect("valid").host(), "x.example");
        assert_eq!(BaseUrl::parse("http://[::1]:3000").expect("valid").host(), "[::1]");
    }

    #[test]
    fn a_server_on_every_address_is_reached_as_localhost() {
        let default = |addr: &str| BaseUrl::listening_on(addr.parse().expect("an address"));
        assert_eq!(default("0.0.0.0:80").as_str(), "http://localhost:80");
        assert_eq!(default("[::1]:3000").as_str(), "http://[::1]:3000");
    }
}
