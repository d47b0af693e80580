//! The waiting queue of matching, and the steps by which a search is relaxed, as HTML.

use askama::Template;

use super::filters;
use crate::{
    clock::Time,
    domain::matches::{self, Current, RELAXES_AFTER},
    store::matches::Pool,
};

/// The waiting queue and the steps of the search, for the page and for the socket.
#[derive(Template)]
#[template(path = "match_queue.html")]
pub struct MatchQueue<'a> {
    pub current: &'a Current,
    pub now: Time,
}

struct Bird {
    x: i64,
    y: f64,
    is_viewer: bool,
}

struct Step {
    criterion: String,
    progress: String,
    done: bool,
    now: bool,
    /// The end of the step, for the page's countdown.
    until: Option<Time>,
}

impl MatchQueue<'_> {
    /// Returns the drawn birds on the wire: five at most, with the viewer at its position among them.
    fn birds(&self) -> Vec<Bird> {
        let (before, count) = self.current.queue_position;
        let shown = count.clamp(1, 5);
        let own_position = before.min(shown - 1);
        let left = 200 - shown * 26;
        // The drawn wire sags between its posts. The first in the queue is at the right, the side that the birds face.
        let bird = |at: i64| {
            let x = left + (shown - 1 - at) * 52;
            let along = (x as f64 + 24.0 + 200.0) / 800.0;
            let wire = 44.0 + 144.0 * along * (1.0 - along);
            Bird { x, y: (wire - 38.0).round(), is_viewer: at == own_position }
        };
        (0..shown).map(bird).collect()
    }

    fn queue_summary(&self) -> String {
        let (before, count) = self.current.queue_position;
        format!("{count} waiting; {before} in front of you")
    }

    fn position_text(&self) -> String {
        let (before, count) = self.current.queue_position;
        let starts = self.current.ticket.since;
        if starts > self.now {
            let wait = crate::error::in_words(starts.since(self.now));
            return format!("A breath first: you go on in {wait}.");
        }
        let is_group = self.current.ticket.pool == Pool::Group;
        match (before, count) {
            (_, ..=1) if is_group => {
                "You’re <strong>the first</strong> on the wire. Three make a group.".into()
            }
            (_, ..=1) => "You’re <strong>the first</strong> on the wire. Someone will come.".into(),
            (0, n) if is_group => {
                format!("You’re <strong>first</strong> of {n} on the wire. Three make a group.")
            }
            (0, n) => format!("You’re <strong>first</strong> of {n} on the wire."),
            (before, n) => format!("You’re <strong>{}</strong> of {n} on the wire.", ordinal(before + 1)),
        }
    }

    fn steps(&self) -> Vec<Step> {
        let ticket = &self.current.ticket;
        let tags = matches::tags(&ticket.interests);
        // A ticket without interests accepts anyone from the draft.
        let stage = if tags.is_empty() { 2 } else { usize::try_from(ticket.relaxation).unwrap_or_default() };
        let mut criteria = Vec::new();
        if let [tag] = tags[..] {
            criteria.push((0..2, format!("Likes {tag}")));
        } else if !tags.is_empty() {
            criteria.push((0..1, format!("Likes {}", listed(&tags, "and"))));
            criteria.push((1..2, format!("Likes {}", listed(&tags, "or"))));
        }
        criteria.push((2..3, "Anyone who is about".into()));
        let steps = criteria.into_iter().map(|(stages, criterion)| {
            let (done, now) = (stages.end <= stage, stages.contains(&stage));
            let until = (now && stages.end < 3).then(|| ticket.since + RELAXES_AFTER * stages.end as u32);
            let progress = match until {
                _ if done => "Nobody just now".into(),
                _ if now && ticket.since > self.now => "In a moment".into(),
                Some(until) if until > self.now => {
                    format!("Looking, {} more", crate::error::in_words(until.since(self.now)))
                }
                _ if now => "Looking".into(),
                _ => "Then this".to_owned(),
            };
            Step { criterion, progress, done, now, until }
        });
        steps.collect()
    }
}

/// Joins tags to a list: "bread and moths", "bread, moths or tides".
fn listed(tags: &[&str], last: &str) -> String {
    match tags {
        [] => String::new(),
        [tag] => (*tag).into(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

fn ordinal(n: i64) -> String {
    match n {
        2 => "second".into(),
        3 => "third".into(),
        4 => "fourth".into(),
        5 => "fifth".into(),
        n => {
            let ending = match (n % 10, n % 100) {
                (1, rest) if rest != 11 => "st",
                (2, rest) if rest != 12 => "nd",
                (3, rest) if rest != 13 => "rd",
                _ => "th",
            };
            format!("{n}{ending}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_lists_are_in_words() {
        let ordinals: Vec<_> = [2, 5, 6, 11, 21, 22, 103, 112].map(ordinal).into();
        assert_eq!(ordinals, ["second", "fifth", "6th", "11th", "21st", "22nd", "103rd", "112th"]);
        assert_eq!(listed(&["bread", "moths", "tides"], "or"), "bread, moths or tides");
    }
}
