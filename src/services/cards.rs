//! The cards of pages: pictures that other sites show with a link (Open Graph).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use askama::Template;
use bytes::Bytes;
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    Error, Result,
    domain::pages::look::Colours,
    services::{drawing, pictures::Pictures},
};

/// The width in pixels that sites expect, at a height of 630.
const WIDTH: u32 = 1200;

/// The number of cards in memory, at thirty kilobytes each.
const MAX_CARDS: usize = 500;

/// Rendered cards by their content, so that each is rendered once.
#[derive(Default)]
pub struct Cards(Mutex<HashMap<Card, Bytes>>);

impl Cards {
    /// Returns a card as PNG, rendered where it is not in memory.
    pub async fn png(&self, pictures: &Pictures, card: Card) -> Result<Bytes> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&card).cloned();
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let content = card.clone();
        let rendered = Bytes::from(pictures.draw(move || png(&content)).await?);
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CARDS {
            cache.clear();
        }
        cache.insert(card, rendered.clone());
        Ok(rendered)
    }
}

/// The content of a card.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Card {
    pub name: String,
    /// The line below the name.
    pub line: String,
    /// The address of the page, as text.
    pub address: String,
    pub colours: Colours,
}

#[derive(Template)]
#[template(path = "page/card.svg", escape = "xml")]
struct Drawing<'a> {
    name: Vec<String>,
    size: u32,
    line: Vec<String>,
    address: &'a str,
    colours: &'a Colours,
}

/// Renders a card as PNG.
fn png(card: &Card) -> Result<Vec<u8>> {
    let name = lines(&card.name, 22, 2);
    let size = if name.len() == 1 && card.name.graphemes(true).count() <= 16 { 112 } else { 84 };
    let drawing = Drawing {
        name,
        size,
        line: lines(&card.line, 46, 2),
        address: &card.address,
        colours: &card.colours,
    };
    let svg = drawing.render().map_err(Error::internal)?;
    drawing::png(&svg, WIDTH)
}

/// Breaks a text into at most `max_lines` lines of `width` characters, and cuts the rest.
fn lines(text: &str, width: usize, max_lines: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        let word: String = word.graphemes(true).take(width).collect();
        let full = lines.len() == max_lines;
        match lines.last_mut() {
            Some(line) if line.graphemes(true).count() + 1 + word.graphemes(true).count() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) if full => {
                line.push('…');
                break;
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pages::look::Look;

    #[test]
    fn a_card_of_any_name_is_rendered() {
        let draw = |name: &str| {
            let card = Card {
                name: name.into(),
                line: "Letterpress printer. <b> & \"".into(),
                address: "chitter.example/@ify".into(),
                colours: Look::default().colours(false),
            };
            png(&card).expect("the card is rendered")
        };
        let (empty, full) = (draw(""), draw("Ifeoma Okafor"));
        assert!(full.starts_with(b"\x89PNG") && full != empty, "the card shows the name");
        assert_ne!(draw("Ifeoma"), draw("Okafor"));
        draw(&"very long ".repeat(50));
        draw("\0\u{8}");
    }

    #[test]
    fn a_text_is_broken_between_words_and_cut_at_the_end() {
        assert_eq!(lines("a bb ccc dddd", 4, 2), ["a bb", "ccc…"]);
        assert_eq!(lines("abcdefgh", 4, 2), ["abcd"]);
        assert!(lines("", 4, 2).is_empty());
    }
}
