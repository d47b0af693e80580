//! Any text is refused or cleaned, and clean text is rendered with our own tags only.
#![no_main]

use chitter::{
    domain::{
        messages::{Body, Emoji},
        names::{self, Name},
        peeps,
        text::{self, RefusedWords},
    },
    ids::AccountId,
    store::peeps::Mention,
    wire::markup,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    if let Ok(name) = Name::parse(input) {
        let skeleton = names::skeleton(name.as_str());
        assert!(!skeleton.is_empty(), "a name has a skeleton");
        assert!(name.as_str().chars().count() <= 50 * 64);
    }
    let _ = Emoji::parse(input);
    if let Ok(body) = peeps::Body::parse(input, &RefusedWords::default()) {
        assert_only_our_tags(&markup::html(body.as_str(), &nell(), ""));
    }
    let Ok(body) = Body::parse(input, &RefusedWords::default()) else { return };
    let again = Body::parse(body.as_str(), &RefusedWords::default()).expect("clean text is accepted again");
    assert_eq!(again, body, "clean text does not change");
    assert_only_our_tags(&markup::message(body.as_str(), &nell(), ""));
    let length: usize = text::segments(body.as_str())
        .iter()
        .map(|segment| match segment {
            text::Segment::Text(t)
            | text::Segment::Link(t)
            | text::Segment::Mention(t, _)
            | text::Segment::Tag(t, _) => t.len(),
        })
        .sum();
    assert_eq!(length, body.as_str().len(), "the segments cover the text");
});

fn nell() -> [Mention; 1] {
    [Mention { id: AccountId(1), username: "nell".into() }]
}

/// Asserts that HTML has no tags but those that the markup creates, and that they are closed.
fn assert_only_our_tags(html: &str) {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').map(|end| at + end + 1).expect("a tag without an end");
        let tag = &rest[at..end];
        let is_ours = matches!(tag, "<br>" | "<code>" | "</code>" | "<pre>" | "</pre>" | "</a>")
            || tag == r#"<a class="mention" href="/@nell">"#
            || (tag.starts_with(r#"<a rel="tag" href="/tags/"#) && tag.matches('"').count() == 4)
            || (tag.to_ascii_lowercase().starts_with(r#"<a href="http"#) && tag.matches('"').count() == 4);
        assert!(is_ours, "{tag} in {html}");
        rest = &rest[end..];
    }
    for (open, close) in [("<code>", "</code>"), ("<pre>", "</pre>"), ("<a ", "</a>")] {
        assert_eq!(html.matches(open).count(), html.matches(close).count(), "{html}");
    }
}
