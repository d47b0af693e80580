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

fuzz_target!(|typed: &str| {
    if let Ok(name) = Name::parse(typed) {
        let skeleton = names::skeleton(name.as_str());
        assert!(!skeleton.is_empty(), "every name looks like something");
        assert!(name.as_str().chars().count() <= 50 * 64);
    }
    let _ = Emoji::parse(typed);
    if let Ok(body) = peeps::Body::parse(typed, &RefusedWords::default()) {
        only_our_tags(&markup::html(body.as_str(), &nell(), ""));
    }
    let Ok(body) = Body::parse(typed, &RefusedWords::default()) else { return };
    let again = Body::parse(body.as_str(), &RefusedWords::default()).expect("what is clean stays clean");
    assert_eq!(again, body, "cleaning twice changes nothing");
    only_our_tags(&markup::message(body.as_str(), &nell(), ""));
    let joined: usize = text::segments(body.as_str())
        .iter()
        .map(|segment| match segment {
            text::Segment::Text(t)
            | text::Segment::Link(t)
            | text::Segment::Mention(t, _)
            | text::Segment::Tag(t, _) => t.len(),
        })
        .sum();
    assert_eq!(joined, body.as_str().len(), "the pieces joined are the text");
});

fn nell() -> [Mention; 1] {
    [Mention { id: AccountId(1), username: "nell".into() }]
}

fn only_our_tags(html: &str) {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').map(|end| at + end + 1).expect("every tag ends");
        let tag = &rest[at..end];
        let ours = matches!(tag, "<br>" | "<code>" | "</code>" | "<pre>" | "</pre>" | "</a>")
            || tag == r#"<a class="mention" href="/@nell">"#
            || (tag.starts_with(r#"<a rel="tag" href="/tags/"#) && tag.matches('"').count() == 4)
            || (tag.to_ascii_lowercase().starts_with(r#"<a href="http"#) && tag.matches('"').count() == 4);
        assert!(ours, "{tag} in {html}");
        rest = &rest[end..];
    }
    for (open, close) in [("<code>", "</code>"), ("<pre>", "</pre>"), ("<a ", "</a>")] {
        assert_eq!(html.matches(open).count(), html.matches(close).count(), "{html}");
    }
}
