//! Users' texts as HTML: escaped, with line breaks, links, mentions and tags.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pulldown_cmark_escape::escape_html;

use crate::{
    domain::text::{Piece, Segment, pieces, segments},
    store::peeps::Mention,
};

/// Renders a message: like a peep, but with code, and without links to the public stream's tags.
pub fn message(body: &str, mentions: &[Mention], base: &str) -> String {
    let mut out = String::with_capacity(body.len() + body.len() / 2);
    for piece in pieces(body) {
        match piece {
            Piece::Plain(plain) => plain_html(plain, mentions, base, Tags::Text, &mut out),
            Piece::Code(code) => {
                out.push_str("<code>");
                escape_lines(code, &mut out);
                out.push_str("</code>");
            }
            Piece::Block(code) => {
                out.push_str("<pre><code>");
                // A preformatted block keeps its line feeds as they are.
                escape(code, &mut out);
                out.push_str("</code></pre>");
            }
        }
    }
    out
}

/// Renders a body. `@someone` is a link if `mentions` has that username. `base` is the prefix of the site's own paths:
/// empty on the site, the base URL for feeds and programs.
pub fn html(body: &str, mentions: &[Mention], base: &str) -> String {
    let mut out = String::with_capacity(body.len() + body.len() / 2);
    plain_html(body, mentions, base, Tags::Links, &mut out);
    out
}

/// The rendering of `#tags`: as links to their pages, or as text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tags {
    Links,
    Text,
}

fn plain_html(body: &str, mentions: &[Mention], base: &str, tags: Tags, out: &mut String) {
    for segment in segments(body) {
        match segment {
            Segment::Text(words) => escape_lines(words, out),
            Segment::Link(url) => {
                out.push_str("<a href=\"");
                escape(url, out);
                out.push_str("\" rel=\"nofollow noopener noreferrer ugc\">");
                escape(url.split_once("://").map_or(url, |(_, rest)| rest), out);
                out.push_str("</a>");
            }
            Segment::Mention(text, username) if mentions.iter().any(|m| m.username == username) => {
                out.push_str("<a class=\"mention\" href=\"");
                out.push_str(base);
                out.push_str("/@");
                out.push_str(&username); // a-z 0-9 _
                out.push_str("\">");
                out.push_str(text);
                out.push_str("</a>");
            }
            Segment::Mention(text, _) => out.push_str(text),
            Segment::Tag(text, _) if tags == Tags::Text => escape(text, out),
            Segment::Tag(text, tag) => {
                out.push_str("<a rel=\"tag\" href=\"");
                out.push_str(&tag_path(base, &tag));
                out.push_str("\">");
                escape(text, out);
                out.push_str("</a>");
            }
        }
    }
}

/// Returns the URL of a tag's page.
pub fn tag_path(base: &str, tag: &str) -> String {
    format!("{base}/tags/{}", utf8_percent_encode(tag, NON_ALPHANUMERIC))
}

/// Appends escaped text, with its line breaks as `<br>`. The line feed stays for programs that use the text alone.
fn escape_lines(text: &str, out: &mut String) {
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => {
                escape(line, out);
                out.push_str("<br>\n");
            }
            None => escape(line, out),
        }
    }
}

fn escape(text: &str, out: &mut String) {
    // Writing into memory does not fail.
    let _ = escape_html(out, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::AccountId;

    #[test]
    fn a_message_may_have_code_in_it() {
        for (body, expected) in [
            ("run `rm -rf <dir>`", "run <code>rm -rf &lt;dir&gt;</code>"),
            ("```\na < b\n\n@nell\n```", "<pre><code>a &lt; b\n\n@nell</code></pre>"),
            ("see:\n```\nx\n```\nok", "see:<pre><code>x</code></pre>ok"),
            ("#tide `#tide`", "#tide <code>#tide</code>"),
        ] {
            assert_eq!(message(body, &[], ""), expected, "{body}");
        }
    }

    proptest! {
        /// Any input renders to the tags of this module only, each of them closed.
        #[test]
        fn no_input_adds_a_tag_of_its_own(
            body in "[a-z<>&\"'/`@#:= \\n!-]{0,60}|\
                     (<script>|</code>|```\\n|`|https://x\\.example/\"onload=|@nell| ){0,12}"
        ) {
            let nell = [Mention { id: AccountId(1), username: "nell".into() }];
            let rendered = message(&body, &nell, "");
            let mut rest = rendered.as_str();
            while let Some(at) = rest.find('<') {
                let end = rest[at..].find('>').map(|end| at + end + 1).expect("every tag ends");
                let tag = &rest[at..end];
                let is_expected = matches!(tag, "<br>" | "<code>" | "</code>" | "<pre>" | "</pre>" | "</a>")
                    || tag == "<a class=\"mention\" href=\"/@nell\">"
                    || (tag.starts_with("<a href=\"http")
                        && tag.ends_with("\" rel=\"nofollow noopener noreferrer ugc\">")
                        && tag.matches('"').count() == 4);
                prop_assert!(is_expected, "{} in {}", tag, rendered);
                rest = &rest[end..];
            }
            for (open, close) in [("<code>", "</code>"), ("<pre>", "</pre>"), ("<a ", "</a>")] {
                prop_assert_eq!(rendered.matches(open).count(), rendered.matches(close).count());
            }
        }
    }

    #[test]
    fn everything_but_links_is_escaped_text() {
        let nell = [Mention { id: AccountId(1), username: "nell".into() }];
        for (body, expected) in [
            ("<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"),
            ("a\nb", "a<br>\nb"),
            ("@Nell and @nobody", "<a class=\"mention\" href=\"/@nell\">@Nell</a> and @nobody"),
            ("#Tide", "<a rel=\"tag\" href=\"/tags/tide\">#Tide</a>"),
            ("#خبز", "<a rel=\"tag\" href=\"/tags/%D8%AE%D8%A8%D8%B2\">#خبز</a>"),
            (
                "https://x.example/?a=1&b=\"2\"",
                "<a href=\"https://x.example/?a=1&amp;b=\" rel=\"nofollow noopener noreferrer ugc\">\
                 x.example/?a=1&amp;b=</a>&quot;2&quot;",
            ),
            ("javascript:alert(1)", "javascript:alert(1)"),
        ] {
            assert_eq!(html(body, &nell, ""), expected, "{body}");
        }
    }
}
