//! The text of a blurb as HTML: CommonMark, without raw HTML. Links are of http, https or mailto, and pictures are the
//! member's own; everything else is shown as it was typed.

use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Parser, Tag, TagEnd, html};

use super::view::Image;
use crate::{
    domain::pages::{blurb, form},
    ids::PictureId,
};

/// Renders a text. `find` returns the picture with an id.
pub(super) fn html(text: &str, find: impl Fn(PictureId, &str) -> Option<Image>) -> String {
    let mut events = Vec::new();
    let top = top_heading(text);
    let mut parser = Parser::new(text);
    // For each open link, true if it is rendered: a link with another scheme loses both tags.
    let mut open_links = Vec::new();
    while let Some(event) = parser.next() {
        match event {
            Event::Html(raw) | Event::InlineHtml(raw) => events.push(Event::Text(raw)),
            Event::Start(Tag::HtmlBlock) => events.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => events.push(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Heading { level, .. }) => events.push(Event::Start(Tag::Heading {
                level: page_level(level, top),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            })),
            Event::End(TagEnd::Heading(level)) => {
                events.push(Event::End(TagEnd::Heading(page_level(level, top))));
            }
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let address = match link_type {
                    LinkType::Email => format!("mailto:{dest_url}"),
                    _ => dest_url.to_string(),
                };
                let address = form::address(&address).ok();
                open_links.push(address.is_some());
                if let Some(address) = address {
                    let tag = format!("<a rel=\"noopener\" href=\"{}\">", Escaped(&address));
                    events.push(Event::InlineHtml(CowStr::from(tag)));
                }
            }
            Event::End(TagEnd::Link) => {
                if open_links.pop() == Some(true) {
                    events.push(Event::InlineHtml(CowStr::Borrowed("</a>")));
                }
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                let alt = image_alt(&mut parser);
                match blurb::picture(&dest_url).and_then(|id| find(id, &alt)) {
                    Some(image) => events.push(Event::InlineHtml(CowStr::from(tag(&image)))),
                    None => events.push(Event::Text(CowStr::from(alt))),
                }
            }
            other => events.push(other),
        }
    }
    let mut out = String::new();
    html::push_html(&mut out, events.into_iter());
    out
}

/// Returns the largest level of a heading in a text.
fn top_heading(text: &str) -> HeadingLevel {
    let levels = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Heading { level, .. }) => Some(level),
        _ => None,
    });
    levels.min().unwrap_or(HeadingLevel::H1)
}

/// Returns the level of a heading in the page: the section has a heading of level two, and the largest heading of the
/// text gets level three.
fn page_level(level: HeadingLevel, top: HeadingLevel) -> HeadingLevel {
    match level as usize - top as usize {
        0 => HeadingLevel::H3,
        1 => HeadingLevel::H4,
        _ => HeadingLevel::H5,
    }
}

/// Returns the alternative text of an image, and consumes the events up to its end.
fn image_alt(parser: &mut Parser<'_>) -> String {
    let (mut alt, mut depth) = (String::new(), 1);
    for event in parser.by_ref() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                alt.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => alt.push(' '),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    alt
}

fn tag(image: &Image) -> String {
    format!(
        "<img src=\"{}\" srcset=\"{}\" sizes=\"(min-width: 42rem) 40rem, 100vw\" width=\"{}\" height=\"{}\" \
         alt=\"{}\" loading=\"lazy\" decoding=\"async\">",
        Escaped(&image.src),
        Escaped(&image.srcset),
        image.width,
        image.height,
        Escaped(&image.alt)
    )
}

struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => write!(f, "{c}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(text: &str) -> String {
        html(text, |id, alt| {
            let alt = alt.to_owned();
            Some(Image {
                src: format!("/pictures/{id}.webp"),
                srcset: String::new(),
                width: 4,
                height: 3,
                alt,
            })
        })
    }

    #[test]
    fn markdown_is_rendered() {
        for (text, expected) in [
            ("# A\n\n## B\n\n### C", "<h3>A</h3>\n<h4>B</h4>\n<h5>C</h5>\n"),
            ("## B\n\n### C", "<h3>B</h3>\n<h4>C</h4>\n"),
            ("*a* **b** `c`", "<p><em>a</em> <strong>b</strong> <code>c</code></p>\n"),
            ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
            ("[a](https://x.example)", "<p><a rel=\"noopener\" href=\"https://x.example/\">a</a></p>\n"),
            (
                "<ify@x.example>",
                "<p><a rel=\"noopener\" href=\"mailto:ify@x.example\">ify@x.example</a></p>\n",
            ),
            ("```\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>\n"),
        ] {
            assert_eq!(render(text), expected, "{text}");
        }
        assert!(render("![Doris](picture:7)").contains("src=\"/pictures/7.webp\""));
    }

    #[test]
    fn html_and_unsafe_links_are_shown_as_text() {
        for (text, expected) in [
            ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"),
            ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
            ("[a](javascript:alert(1))", "<p>a</p>\n"),
            ("[a](JAVASCRIPT&#58;alert(1))", "<p>a</p>\n"),
            ("![a](https://x.example/y.png)", "<p>a</p>\n"),
            ("![a \"onload=b](javascript:x)", "<p>a \"onload=b</p>\n"),
        ] {
            assert_eq!(render(text), expected, "{text}");
        }
        let rendered = render("![\" onerror=\"alert(1)](picture:7)");
        assert!(rendered.contains("alt=\"&quot; onerror=&quot;alert(1)\""), "{rendered}");
    }

    /// Parses the tags of the HTML into names and attributes; fails on HTML that the renderer does not produce.
    fn tags(html: &str) -> Vec<(String, Vec<String>)> {
        let mut tags = Vec::new();
        let mut rest = html;
        while let Some(start) = rest.find('<') {
            rest = &rest[start + 1..];
            let end = rest.find('>').expect("a tag ends");
            let inside = &rest[..end];
            let name: String = inside.chars().take_while(|c| !c.is_whitespace()).collect();
            let mut attributes = Vec::new();
            let mut more = inside[name.len()..].trim_end_matches('/');
            while let Some((key, after)) = more.split_once("=\"") {
                let close = after.find('"').expect("a value ends");
                attributes.push(format!("{}={}", key.trim(), &after[..close]));
                more = &after[close + 1..];
            }
            assert!(more.trim().is_empty(), "{inside}");
            tags.push((name, attributes));
            rest = &rest[end + 1..];
        }
        tags
    }

    const TAGS: &[&str] = &[
        "p",
        "h3",
        "h4",
        "h5",
        "em",
        "strong",
        "code",
        "pre",
        "ul",
        "ol",
        "li",
        "blockquote",
        "hr",
        "br",
        "a",
        "img",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_text_renders_to_allowed_tags_only(
            text in concat!(
                "\\PC{0,60}|([\\[\\]()<>!*_`#\\-\"'=:/ &;\n]|javascript:|on(load|error|click)=|picture:7|",
                "script|href|src|style|data:text/html|https://x\\.example|&#x?[0-9a-f]{2};){0,24}"
            )
        ) {
            for (name, attributes) in tags(&render(&text)) {
                prop_assert!(TAGS.contains(&name.trim_start_matches('/')), "{text:?}: {name}");
                for attribute in attributes {
                    let (key, value) = attribute.split_once('=').expect("a value");
                    let is_allowed = match (name.as_str(), key) {
                        ("a", "rel") => value == "noopener",
                        ("a", "href") => ["https://", "http://", "mailto:"].iter().any(|s| value.starts_with(s)),
                        ("img", "src") => value == "/pictures/7.webp",
                        ("img", "srcset" | "sizes" | "width" | "height" | "alt" | "loading" | "decoding") => true,
                        ("code", "class") => value.starts_with("language-"),
                        ("ol", "start") => value.parse::<u64>().is_ok(),
                        _ => false,
                    };
                    prop_assert!(is_allowed, "{text:?}: {name} {attribute}");
                }
            }
        }
    }
}
