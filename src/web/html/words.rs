//! What people wrote, as HTML: escaped, with line breaks, links, mentions and tags.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{domain::text::Segment, domain::text::segments, store::peeps::Mention};

/// Renders a body. `@someone` is a link if `mentions` has them. `base` stands before our own paths:
/// empty on the site, the base URL for feeds and programs.
pub fn html(body: &str, mentions: &[Mention], base: &str) -> String {
    let mut out = String::with_capacity(body.len() + body.len() / 2);
    for segment in segments(body) {
        match segment {
            Segment::Words(words) => escape(words, &mut out),
            Segment::Link(url) => {
                out.push_str("<a href=\"");
                escape(url, &mut out);
                out.push_str("\" rel=\"nofollow noopener noreferrer ugc\">");
                escape(url.split_once("://").map_or(url, |(_, rest)| rest), &mut out);
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
            Segment::Tag(text, tag) => {
                out.push_str("<a rel=\"tag\" href=\"");
                out.push_str(&tag_path(base, &tag));
                out.push_str("\">");
                escape(text, &mut out);
                out.push_str("</a>");
            }
        }
    }
    out
}

/// The address of a tag's page.
pub fn tag_path(base: &str, tag: &str) -> String {
    format!("{base}/tags/{}", utf8_percent_encode(tag, NON_ALPHANUMERIC))
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("<br>\n"), // the break for the eye, the end of line for whoever takes the text
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;

    #[test]
    fn everything_but_links_is_text() {
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
