//! Text that people write: cleaned when it arrives, and split into plain text, links, mentions and tags.

use linkify::{LinkFinder, LinkKind};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

use crate::{Error, Result};

/// The maximum length of a grapheme cluster, in bytes. A family of four with skin tones takes 41; a longer cluster is a
/// stack of combining marks that would cover the lines around it.
const MAX_CLUSTER_BYTES: usize = 64;

/// The maximum number of mentions, and of tags, of one text; further ones have no effect. Each costs a query, and each
/// mention may cause a mail.
pub const MAX_REFERENCES: usize = 20;

/// The rules for the text of a field.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The form field that a refusal is about.
    pub field: &'static str,
    /// The maximum length in extended grapheme clusters (UAX #29) after NFC, which people count as characters.
    pub limit: usize,
    /// True if line breaks are allowed.
    pub lines: bool,
    /// The message when the text is empty.
    pub empty: &'static str,
}

/// Cleans text: NFC, `\n` for every line break, no surrounding white space, no runs of empty lines. Refuses text that
/// has no visible character, is too long, or has control characters or stacks of combining marks.
pub fn clean(raw: &str, rules: Rules) -> Result<String> {
    let refuse = |message: String| Err(Error::invalid(rules.field, message));
    let mut text: String = raw.nfc().collect();
    if text.contains('\r') {
        text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
    // XML does not allow these two noncharacters, and every peep is in a feed.
    let is_control = |c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    if let Some(c) = text.chars().find(|&c| is_control(c) && !(rules.lines && matches!(c, '\n' | '\t'))) {
        return refuse(match c {
            '\n' | '\t' => "This has to fit on one line.".into(),
            _ => format!("There is a hidden control character (U+{:04X}) in it. Take it out.", c as u32),
        });
    }
    if !text.chars().any(is_visible) {
        return refuse(rules.empty.into());
    }
    let mut text = text.trim().to_owned();
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    if text.graphemes(true).any(|cluster| cluster.len() > MAX_CLUSTER_BYTES) {
        return refuse("One of the characters carries too many marks. Use fewer.".into());
    }
    fits(&text, rules.field, rules.limit)?;
    Ok(text)
}

/// Refuses clean text of more than `limit` characters.
pub fn fits(text: &str, field: &'static str, limit: usize) -> Result<()> {
    match text.graphemes(true).count() {
        length if length > limit => {
            let excess = length - limit;
            let message =
                format!("That is {length} characters, and there is room for {limit}. Take out {excess}.");
            Err(Error::invalid(field, message))
        }
        _ => Ok(()),
    }
}

/// Returns whether a character is visible.
fn is_visible(c: char) -> bool {
    !c.is_whitespace()
        && !is_combining_mark(c)
        && !matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Returns whether text has invisible characters, or characters that change the direction of the text around them. A
/// message may have them, because its direction is isolated; a name may not, because it could look like another name.
/// The joiners that scripts and emoji need are accepted after a character that is not ASCII.
pub fn is_disguised(text: &str) -> bool {
    let mut before = 'a';
    text.chars().any(|c| {
        let is_joiner = matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE0F}') && !before.is_ascii();
        before = c;
        !is_joiner && is_invisible(c)
    })
}

/// Returns whether a character is invisible: neither visible nor white space nor a combining mark.
pub fn is_invisible(c: char) -> bool {
    !c.is_whitespace() && !is_combining_mark(c) && !is_visible(c)
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    Text(&'a str),
    /// An `http` or `https` address, as written.
    Link(&'a str),
    /// `@sjmog`, with the username in lower case. The member may not exist.
    Mention(&'a str, String),
    /// `#letterpress`, with the tag as it is stored: NFKC, lower case.
    Tag(&'a str, String),
}

/// A part of a message, in which there may be code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text without code, for [`segments`].
    Plain(&'a str),
    /// The text between two backticks.
    Code(&'a str),
    /// The lines between two fences of three backticks.
    Block(&'a str),
}

/// Splits a message into code and other text. A block without a closing fence lasts to the end, and a backtick without
/// a second one on its line is a plain character.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    const FENCE: &str = "```";
    let mut out = Vec::new();
    let (mut done, mut line) = (0, 0); // the end of the text that is in `out`; the start of this line
    while line < text.len() {
        let end = text[line..].find('\n').map_or(text.len(), |at| line + at);
        // The opening fence may name a language, but no further backtick may follow it.
        if text[line..end].starts_with(FENCE) && !text[line + FENCE.len()..end].contains('`') {
            let inside = (end + 1).min(text.len());
            let close = fence(&text[inside..]).map(|at| inside + at);
            inline(text[done..line].trim_end_matches('\n'), &mut out);
            out.push(Piece::Block(text[inside..close.unwrap_or(text.len())].trim_end_matches('\n')));
            done = close.map_or(text.len(), |close| (close + FENCE.len() + 1).min(text.len()));
            line = done;
        } else {
            line = end + 1;
        }
    }
    inline(&text[done.min(text.len())..], &mut out);
    out
}

/// Returns the start of the first line that is a fence and nothing else.
fn fence(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "```" {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Finds the code within lines.
fn inline<'a>(text: &'a str, out: &mut Vec<Piece<'a>>) {
    let mut rest = text;
    let mut start = 0; // the start of the search in `rest`
    while let Some(open) = rest[start..].find('`').map(|at| start + at) {
        let close = rest[open + 1..].find(['`', '\n']).map(|at| open + 1 + at);
        match close {
            Some(close) if rest.as_bytes()[close] == b'`' && close > open + 1 => {
                if open > 0 {
                    out.push(Piece::Plain(&rest[..open]));
                }
                out.push(Piece::Code(&rest[open + 1..close]));
                rest = &rest[close + 1..];
                start = 0;
            }
            _ => start = open + 1,
        }
    }
    if !rest.is_empty() {
        out.push(Piece::Plain(rest));
    }
}

/// Folds text for searches, which ignore case, accents and compatibility forms.
pub fn folded(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// The words that the operator refuses.
#[derive(Clone, Debug, Default)]
pub struct RefusedWords(Vec<String>);

impl RefusedWords {
    /// Parses a comma-separated list.
    pub fn new(list: &str) -> Self {
        RefusedWords(
            list.split(',').map(|word| folded(word.trim())).filter(|word| !word.is_empty()).collect(),
        )
    }

    /// Refuses text that contains one of the words, in any case and with any accents.
    pub fn check(&self, text: &str) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let folded = folded(text);
        if folded.unicode_words().any(|word| self.0.iter().any(|refused| refused == word)) {
            return Err(Error::invalid("body", "There is a word in it that can’t be said here."));
        }
        Ok(())
    }
}

/// Splits clean text into its parts. Joined, they are the text.
pub fn segments(text: &str) -> Vec<Segment<'_>> {
    let mut out = Vec::new();
    // Most peeps have no link, and finding links is the expensive part.
    if text.contains("://") {
        let mut finder = LinkFinder::new();
        finder.kinds(&[LinkKind::Url]);
        for span in finder.spans(text) {
            match span.kind() {
                Some(LinkKind::Url) if is_web(span.as_str()) => out.push(Segment::Link(span.as_str())),
                _ => references(span.as_str(), &mut out),
            }
        }
    } else {
        references(text, &mut out);
    }
    out
}

fn is_web(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// Finds the mentions and tags in text without links.
fn references<'a>(text: &'a str, out: &mut Vec<Segment<'a>>) {
    let mut done = 0; // the end of the text that is in `out`
    let mut start = 0; // the start of the search
    while let Some(sign) = text[start..].find(['@', '#']).map(|at| start + at) {
        let before = text[..sign].chars().next_back();
        let after = &text[sign + 1..];
        let (len, segment) = match text.as_bytes()[sign] {
            b'@' => mention(before, after),
            _ => tag(before, after),
        };
        start = sign + 1 + len;
        if let Some(create) = segment {
            if done < sign {
                out.push(Segment::Text(&text[done..sign]));
            }
            out.push(create(&text[sign..start]));
            done = start;
        }
    }
    if done < text.len() {
        out.push(Segment::Text(&text[done..]));
    }
}

/// The function that creates a segment from its text; `None` where the text is no segment.
type CreateSegment<'a> = Option<Box<dyn FnOnce(&'a str) -> Segment<'a>>>;

fn mention<'a>(before: Option<char>, after: &'a str) -> (usize, CreateSegment<'a>) {
    let len = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
    let mut next = after[len..].chars();
    let continues = match next.next() {
        Some('@') => next.next().is_some_and(char::is_alphanumeric), // an account on another server
        Some(c) => is_word(c),
        None => false,
    };
    let fits =
        (1..=30).contains(&len) && !continues && !before.is_some_and(|c| is_word(c) || "@/.".contains(c));
    let username = after[..len].to_ascii_lowercase();
    (len, fits.then(|| Box::new(|text| Segment::Mention(text, username)) as _))
}

fn tag<'a>(before: Option<char>, after: &'a str) -> (usize, CreateSegment<'a>) {
    let is_part = |c: char| is_word(c) || matches!(c, '\u{200C}' | '\u{200D}');
    let len = after.find(|c| !is_part(c)).unwrap_or(after.len());
    let tag = stored_tag(&after[..len]);
    let fits = tag.is_some() && !before.is_some_and(|c| is_word(c) || "#&/".contains(c));
    (len, tag.filter(|_| fits).map(|tag| Box::new(|text| Segment::Tag(text, tag)) as _))
}

/// Returns a tag as it is stored: NFKC, in lower case; `None` where it is no tag. A tag has up to 100 letters, digits
/// and `_`, of which at least one is a letter, because "#1" is a rank.
pub fn stored_tag(raw: &str) -> Option<String> {
    let tag = raw.nfkc().flat_map(char::to_lowercase).collect::<String>();
    let fits = tag.chars().count() <= 100
        && tag.chars().any(char::is_alphabetic)
        && tag.chars().all(|c| is_word(c) || matches!(c, '\u{200C}' | '\u{200D}'));
    fits.then_some(tag)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEEP: Rules = Rules { field: "body", limit: 280, lines: true, empty: "Write something first." };

    fn refusal(raw: &str) -> String {
        clean(raw, PEEP).expect_err("the text is refused").sentence()
    }

    #[test]
    fn a_family_of_emoji_counts_as_one_character() {
        let family = "👨‍👩‍👧‍👦";
        assert!(clean(&family.repeat(280), PEEP).is_ok());
        assert_eq!(
            refusal(&family.repeat(281)),
            "That is 281 characters, and there is room for 280. Take out 1."
        );
    }

    #[test]
    fn a_letter_and_a_combining_accent_become_one_character() {
        assert_eq!(clean("Ha\u{0300}", PEEP).expect("fine"), "H\u{e0}");
    }

    #[test]
    fn at_most_one_empty_line_is_left_between_lines() {
        assert_eq!(clean("a\r\nb\rc\n\n\n\n\nd  ", PEEP).expect("fine"), "a\nb\nc\n\nd");
    }

    #[test]
    fn a_text_without_a_visible_character_is_empty() {
        for raw in ["", "  \n\t", "\u{200B}\u{200D}", "\u{2800}", "\u{3164}", "\u{FE0F}"] {
            assert_eq!(refusal(raw), "Write something first.", "{raw:?}");
        }
    }

    #[test]
    fn control_characters_are_named() {
        assert!(refusal("a\u{0}b").contains("U+0000"));
        assert!(refusal("bell\u{7}").contains("U+0007"));
        assert!(refusal("esc\u{1b}[31m").contains("U+001B"));
    }

    #[test]
    fn a_stack_of_combining_marks_is_refused() {
        assert!(refusal(&format!("z{}", "\u{0337}".repeat(40))).contains("too many marks"));
    }

    fn references_in(text: &str) -> Vec<String> {
        segments(text)
            .into_iter()
            .filter_map(|segment| match segment {
                Segment::Text(_) => None,
                Segment::Link(url) => Some(url.to_owned()),
                Segment::Mention(_, name) => Some(format!("@{name}")),
                Segment::Tag(_, tag) => Some(format!("#{tag}")),
            })
            .collect()
    }

    #[test]
    fn mentions_tags_and_links_are_recognized() {
        for (text, expected) in [
            ("@Nell hello", vec!["@nell"]),
            ("(@nell), and @ify!", vec!["@nell", "@ify"]),
            ("nell@harbour.example is an address", vec![]),
            ("@nell@elsewhere.example lives elsewhere", vec![]),
            ("@nellé is another name", vec![]),
            ("@@nell", vec![]),
            ("@ nell", vec![]),
            ("#Letterpress #خبز #日本語", vec!["#letterpress", "#خبز", "#日本語"]),
            ("we are #1, C#, a&#39; and a#b", vec![]),
            ("#1st of #all_time", vec!["#1st", "#all_time"]),
            ("see https://x.example/@nell#top.", vec!["https://x.example/@nell#top"]),
            ("(https://x.example/a_(b))", vec!["https://x.example/a_(b)"]),
            ("javascript://x.example/%0Aalert(1)", vec![]),
            ("ftp://x.example", vec![]),
            ("HTTPS://X.example/ÄÖ", vec!["HTTPS://X.example/ÄÖ"]),
        ] {
            assert_eq!(references_in(text), expected, "{text}");
        }
    }

    #[test]
    fn code_is_recognized_between_backticks_and_fences() {
        use Piece::{Block, Code, Plain};
        for (text, expected) in [
            ("run `ls` now", vec![Plain("run "), Code("ls"), Plain(" now")]),
            ("`a``b`", vec![Code("a"), Code("b")]),
            ("a ` b", vec![Plain("a ` b")]),
            ("`a\nb`", vec![Plain("`a\nb`")]),
            ("``", vec![Plain("``")]),
            ("```\nlet x;\n```", vec![Block("let x;")]),
            ("so:\n```rust\nlet x;\n\ny\n```\nsee?", vec![Plain("so:"), Block("let x;\n\ny"), Plain("see?")]),
            ("```\nnever closed", vec![Block("never closed")]),
            ("```", vec![Block("")]),
            ("```\n```", vec![Block("")]),
            ("a ``` b", vec![Plain("a ``` b")]),
            ("```a```", vec![Plain("``"), Code("a"), Plain("``")]),
        ] {
            assert_eq!(pieces(text), expected, "{text:?}");
        }
    }

    #[test]
    fn folded_text_has_no_case_and_no_accents() {
        assert_eq!(folded("Jörg Große, CAFÉ, ﬁn"), "jorg große, cafe, fin");
    }

    proptest! {
        #[test]
        fn no_letter_is_lost_when_a_text_is_split_at_code(text in "[a-c`\\n ]{0,40}") {
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
            let joined: String = pieces(&text)
                .iter()
                .map(|piece| match piece {
                    Piece::Plain(t) | Piece::Code(t) | Piece::Block(t) => *t,
                })
                .collect();
            // The name of a language after an opening fence is not shown.
            if !text.contains("```") {
                prop_assert_eq!(letters(&joined), letters(&text));
            }
        }

        #[test]
        fn the_segments_joined_are_the_text(text in ".{0,80}|[@#a-z:/. é]{0,60}") {
            let joined: String = segments(&text)
                .iter()
                .map(|s| match s {
                    Segment::Text(t) | Segment::Link(t) | Segment::Mention(t, _) | Segment::Tag(t, _) => *t,
                })
                .collect();
            prop_assert_eq!(joined, text);
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in "\\PC{0,80}") {
            if let Ok(cleaned) = clean(&text, PEEP) {
                prop_assert_eq!(clean(&cleaned, PEEP).expect("clean text is accepted"), cleaned);
            }
        }
    }
}
