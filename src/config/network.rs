//! The settings of the network: proxies, and host names of pages and webhooks.

use std::net::IpAddr;

use ipnet::IpNet;

/// Returns the items of a comma-separated list.
pub(super) fn list(raw: &str) -> Vec<String> {
    raw.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Returns the networks of the reverse proxies.
pub(super) fn proxies(setting: Option<&str>) -> Result<Vec<IpNet>, String> {
    let parse = |item: String| {
        let address = item.parse::<IpAddr>().map(IpNet::from);
        address
            .or_else(|_| item.parse())
            .map_err(|_| format!("CHITTER_PROXIES: {item:?} is not an address or a network"))
    };
    list(setting.unwrap_or("127.0.0.1,::1")).into_iter().map(parse).collect()
}

/// Returns the host names that members may map to their pages. `off` allows none of them.
pub(super) fn page_hosts(setting: &str) -> Vec<String> {
    let hosts = list(setting).into_iter().map(|host| host.to_ascii_lowercase());
    hosts.filter(|host| host != "off").collect()
}
