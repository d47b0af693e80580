//! An XML reader that is just sufficient to check a feed.

/// An element and its direct text.
#[derive(Debug)]
pub struct Element {
    pub name: String,
    /// The direct text, decoded.
    pub text: String,
}

/// Returns all elements in the order of their end tags. Panics where the input is not well-formed XML 1.0:
/// mismatched tags, bare `<` or `&`, unknown entities, forbidden characters.
pub fn well_formed(xml: &str) -> Vec<Element> {
    let forbidden = |c: char| match c {
        '\t' | '\n' | '\r' => false,
        c => c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}'),
    };
    assert_eq!(xml.chars().find(|&c| forbidden(c)), None, "a character that XML forbids");
    let (mut open, mut done): (Vec<Element>, Vec<Element>) = (Vec::new(), Vec::new());
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        if let Some(element) = open.last_mut() {
            element.text.push_str(&decode(&rest[..at]));
        }
        let tag = &rest[at + 1..];
        let end = tag.find('>').unwrap_or_else(|| panic!("a tag without an end: {tag}"));
        let (tag, after) = (&tag[..end], &tag[end + 1..]);
        rest = after;
        if tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            let element = open.pop().unwrap_or_else(|| panic!("</{name}> without a start tag"));
            assert_eq!(element.name, name, "start and end tags match");
            done.push(element);
            continue;
        }
        let inside = tag.trim_end_matches('/');
        assert!(inside.matches('"').count() % 2 == 0, "quotes match in <{tag}>");
        decode(inside);
        let name = inside.split_whitespace().next().unwrap_or_default().to_owned();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()) && !name.is_empty(), "<{tag}>");
        let element = Element { name, text: String::new() };
        if tag.ends_with('/') { done.push(element) } else { open.push(element) }
    }
    assert!(open.is_empty(), "elements without an end tag: {open:?}");
    done
}

fn decode(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        let (name, after) = rest[at + 1..].split_once(';').expect("an entity ends");
        decoded.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#').and_then(|number| number.parse().ok());
                number.and_then(char::from_u32).unwrap_or_else(|| panic!("XML has no &{name};"))
            }
        });
        rest = after;
    }
    decoded + rest
}
