//! The client's address, and the rate limit of requests to the API.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};

use super::Caller;
use crate::{
    Error, Result,
    app::App,
    config::Config,
    http::{connection::Connection, ratelimit},
    services::limits::Origin,
};

/// The origin of a request: the peer of the connection, or the address that a trusted proxy names.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddr(pub Origin);

impl FromRequestParts<Arc<App>> for ClientAddr {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Some(connection) = parts.extensions.get::<Arc<Connection>>() else {
            return Err(Error::internal("a request without a connection"));
        };
        let ip = client(connection.peer.ip(), &parts.headers, &app.config);
        let token = if parts.headers.contains_key(header::AUTHORIZATION) {
            Caller::from_request_parts(parts, app).await?.grant.map(|grant| grant.id)
        } else {
            None
        };
        Ok(ClientAddr(Origin { ip, token }))
    }
}

/// Returns the client's address: the peer, or behind trusted proxies the last address in `X-Forwarded-For` that is not
/// one of them. The client could have invented the addresses before that one.
fn client(peer: IpAddr, headers: &HeaderMap, config: &Config) -> IpAddr {
    let trusted = |ip: IpAddr| config.proxies.iter().any(|net| net.contains(&ip.to_canonical()));
    if !trusted(peer) {
        return peer;
    }
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let addresses: Vec<&str> = values.flat_map(|v| v.split(',')).map(str::trim).collect();
    let mut client = peer;
    for address in addresses.iter().rev() {
        let Ok(ip) = address.parse() else { break };
        client = ip;
        if !trusted(ip) {
            break;
        }
    }
    client
}

/// Counts a request to the API, and adds the state of the rate limit to the response.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let addr = ClientAddr::from_request_parts(&mut parts, &app).await;
    if let (Err(_), Some(connection)) = (&addr, parts.extensions.get::<Arc<Connection>>()) {
        // A wrong token costs a query as well, so guesses are counted.
        app.limits.request(Origin::at(client(connection.peer.ip(), &parts.headers, &app.config)))?;
    }
    let allowance = app.limits.request(addr?.0)?;
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(allowance) = allowance {
        ratelimit::add(response.headers_mut(), &allowance);
    }
    Ok(response)
}

/// Returns the keyed hash of an address, which is stored in its place: a backup reveals no addresses.
pub fn ip_hash(app: &App, origin: Origin) -> String {
    app.data.sign("place", &crate::services::limits::subnet(origin.ip).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn config(base_url: &str) -> Config {
        Settings { base_url: Some(base_url.into()), ..Settings::default() }.resolve().expect("fine")
    }

    fn client_for(peer: &str, forwarded: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().expect("a header"));
        client(peer.parse().expect("an address"), &headers, &config("http://x.example")).to_string()
    }

    #[test]
    fn only_the_address_that_a_trusted_proxy_adds_counts() {
        assert_eq!(client_for("192.0.2.9", "203.0.113.1"), "192.0.2.9");
        assert_eq!(client_for("127.0.0.1", "203.0.113.1"), "203.0.113.1");
        assert_eq!(client_for("127.0.0.1", "6.6.6.6, 203.0.113.1"), "203.0.113.1");
        assert_eq!(client_for("127.0.0.1", "203.0.113.1, 127.0.0.1"), "203.0.113.1");
        assert_eq!(client_for("127.0.0.1", "nonsense"), "127.0.0.1");
    }
}
