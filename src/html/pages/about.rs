//! The metadata of a page: its address, its description, and structured data about its owner.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use serde_json::json;

use crate::{
    config::Config,
    domain::{
        accounts::Member,
        pages::{Audience, Page, Section, content::Content},
    },
    wire::format::excerpt,
};

/// Returns the canonical URL of a page.
pub(super) fn url(config: &Config, owner: &Member, host: Option<&str>) -> String {
    let base = config.base_url.as_str();
    match host {
        Some(host) => {
            let (scheme, authority) = base.split_once("://").unwrap_or(("https", ""));
            // An instance at a port of its own has that port under every host name.
            let port =
                authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
            format!("{scheme}://{host}{}/", port.map(|(_, port)| format!(":{port}")).unwrap_or_default())
        }
        None if config.home.as_deref() == Some(owner.username.as_str()) => format!("{base}/"),
        None => format!("{base}/@{}", owner.username),
    }
}

/// Returns the description of the page for search engines and link previews.
pub(super) fn describe(sections: &[&Section], name: &str, instance_name: &str) -> String {
    let headline = sections.iter().find_map(|section| match &section.content {
        Content::Hero(hero) if !hero.line.is_empty() => Some(hero.line.clone()),
        _ => None,
    });
    let text = sections.iter().find_map(|section| match &section.content {
        Content::Blurb(blurb) if !blurb.text.is_empty() => Some(plain_text(&blurb.text)),
        Content::Banner(banner) if !banner.text.is_empty() => Some(banner.text.clone()),
        _ => None,
    });
    match [headline, text].into_iter().flatten().collect::<Vec<_>>().join(" ") {
        description if description.is_empty() => format!("{name} on {instance_name}."),
        description => excerpt(&description, 160),
    }
}

/// Returns a text without its Markdown markup.
fn plain_text(text: &str) -> String {
    let (mut out, mut in_image) = (String::new(), false);
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Image { .. }) => in_image = true,
            Event::End(TagEnd::Image) => in_image = false,
            Event::Text(text) | Event::Code(text) if !in_image => out.push_str(&text),
            Event::SoftBreak | Event::HardBreak | Event::End(_) => out.push(' '),
            _ => {}
        }
    }
    out
}

/// Returns the structured data of the page: a Person of <https://schema.org>, in a ProfilePage.
pub(super) fn json_ld(name: &str, line: &str, url: &str, page: &Page) -> String {
    let profiles: Vec<&str> = page
        .seen_by(Audience::Everyone)
        .filter(|section| matches!(section.content, Content::Links(_)))
        .flat_map(|section| section.content.links())
        .filter(|link| link.starts_with("http"))
        .collect();
    let mut person = json!({ "@type": "Person", "name": name, "url": url });
    if !line.is_empty() {
        person["description"] = line.into();
    }
    if !profiles.is_empty() {
        person["sameAs"] = profiles.into();
    }
    let profile = json!({ "@context": "https://schema.org", "@type": "ProfilePage", "mainEntity": person });
    // The data is inside a script element, so it must not contain the end tag.
    profile.to_string().replace('<', "\\u003c")
}
