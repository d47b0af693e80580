//! Addresses of links: a short text and an icon for each.

use url::Url;

use crate::wire::format::excerpt;

/// Shortens an address for people: `doris.press/diary`.
pub(super) fn shorten(url: &str) -> String {
    let bare = url.split_once("://").map_or_else(|| url.trim_start_matches("mailto:"), |(_, rest)| rest);
    excerpt(bare.trim_start_matches("www.").trim_end_matches('/'), 40)
}

/// Icons for addresses at well-known hosts and their subdomains.
const ICONS: &[(&str, &[&str])] = &[
    (
        "code",
        &[
            "github.com",
            "gitlab.com",
            "codeberg.org",
            "bitbucket.org",
            "sr.ht",
            "stackoverflow.com",
            "crates.io",
        ],
    ),
    ("work", &["linkedin.com", "xing.com", "indeed.com"]),
    ("film", &["youtube.com", "youtu.be", "vimeo.com", "twitch.tv", "tiktok.com"]),
    (
        "photo",
        &[
            "instagram.com",
            "flickr.com",
            "pixelfed.social",
            "unsplash.com",
            "behance.net",
            "dribbble.com",
            "500px.com",
        ],
    ),
    ("music", &["spotify.com", "soundcloud.com", "bandcamp.com", "music.apple.com", "last.fm"]),
    (
        "text",
        &["medium.com", "substack.com", "dev.to", "wordpress.com", "ghost.io", "goodreads.com", "orcid.org"],
    ),
    ("shop", &["etsy.com", "ko-fi.com", "patreon.com", "gumroad.com"]),
    (
        "talk",
        &[
            "bsky.app",
            "x.com",
            "twitter.com",
            "facebook.com",
            "threads.net",
            "reddit.com",
            "discord.gg",
            "t.me",
            "signal.me",
        ],
    ),
];

/// Returns the name of the icon for an address.
pub(super) fn icon(url: &str) -> &'static str {
    if url.starts_with("mailto:") {
        return "mail";
    }
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let matches =
        |known: &&str| host.strip_suffix(known).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'));
    if let Some((icon, _)) = ICONS.iter().find(|(_, hosts)| hosts.iter().any(matches)) {
        return icon;
    }
    // Mastodon and similar servers have many hosts; their profiles begin with an @.
    let is_profile = url.splitn(4, '/').nth(3).is_some_and(|path| path.starts_with('@'));
    if is_profile { "talk" } else { "web" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_icon_of_its_host() {
        for (url, expected) in [
            ("https://github.com/x", "code"),
            ("https://www.linkedin.com/in/x", "work"),
            ("https://notgithub.com/x", "web"),
            ("https://harbour.social/@ify", "talk"),
            ("mailto:ify@doris.press", "mail"),
            ("https://doris.press/", "web"),
        ] {
            assert_eq!(icon(url), expected, "{url}");
        }
    }

    #[test]
    fn an_address_is_shortened() {
        assert_eq!(shorten("https://www.doris.press/diary/"), "doris.press/diary");
        assert_eq!(shorten("mailto:ify@doris.press"), "ify@doris.press");
    }
}
