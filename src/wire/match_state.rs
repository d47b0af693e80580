//! The state of a match as HTML, from one set of templates for pages and for the socket.

use askama::Template;

use super::match_waiting::MatchQueue;
use crate::{
    clock::Time,
    domain::matches::Current,
    store::matches::{Pool, State as TicketState, Ticket},
};

/// Renders the state for the site's own pages: the waiting queue, the offers, or the end.
pub fn match_fragment(current: &Current, now: Time) -> String {
    match current.ticket.state {
        TicketState::Waiting => MatchQueue { current, now }.render().unwrap_or_default(),
        TicketState::Matched => MatchOffers { current }.render().unwrap_or_default(),
        TicketState::Ended => {
            MatchOver { ticket: &current.ticket, reported: false }.render().unwrap_or_default()
        }
    }
}

/// Returns the presence of the partners in a few words.
pub fn status(current: &Current) -> String {
    let away = current.partners.iter().filter(|partner| partner.away).count();
    match (current.partners.len(), away) {
        (1, 0) => "here".into(),
        (_, 0) => format!("{} here", current.partners.len() + 1),
        (1, _) => "reconnecting…".into(),
        (_, n) => format!("{n} reconnecting…"),
    }
}

/// The offers to reveal names and to allow pictures, of the viewer and of the partners.
#[derive(Template)]
#[template(path = "match_offers.html")]
pub struct MatchOffers<'a> {
    pub current: &'a Current,
}

impl MatchOffers<'_> {
    fn may_reveal(&self) -> bool {
        !self.current.ticket.reveals
    }

    fn reveal(&self) -> Option<String> {
        let others = &self.current.partners;
        let (all, willing) = (others.len(), others.iter().filter(|partner| partner.reveals).count());
        let shown = others.iter().all(|partner| partner.username.is_some());
        match (self.current.ticket.reveals, willing) {
            _ if self.current.revealed => None,
            // A username that is shown from the beginning need not be offered.
            (true, _) if self.current.ticket.shows_name => None,
            (true, _) if all == 1 => {
                Some("You have offered your name. When they offer theirs, you both see.".into())
            }
            (true, _) => Some(format!("You have offered your name. {willing} of the other {all} have, too.")),
            (_, 0) => None,
            _ if all == 1 && shown => Some("They show their name. Do you tell yours?".into()),
            _ if all == 1 => Some("They would tell you their name, if you tell yours.".into()),
            (_, n) => Some(format!("{n} of the other {all} would tell their names, if everyone does.")),
        }
    }

    fn may_allow(&self) -> bool {
        !self.current.ticket.pictures
    }

    fn pictures(&self) -> Option<String> {
        let others = &self.current.partners;
        let (all, willing) = (others.len(), others.iter().filter(|partner| partner.pictures).count());
        match (self.current.ticket.pictures, willing) {
            _ if self.current.pictures => None,
            (true, _) if all == 1 => Some("You agree to pictures. They can be sent when you both do.".into()),
            (true, _) => Some(format!("You agree to pictures. {willing} of the other {all} do, too.")),
            (_, 0) => None,
            _ if all == 1 => Some("They would like to send pictures. Do you agree?".into()),
            (_, n) => Some(format!("{n} of the other {all} would like pictures. Do you agree?")),
        }
    }
}

/// The end of a talk, with the actions that the viewer may take next.
#[derive(Template)]
#[template(path = "match_over.html")]
pub struct MatchOver<'a> {
    pub ticket: &'a Ticket,
    /// True if the viewer has just reported the talk.
    pub reported: bool,
}

impl MatchOver<'_> {
    fn heading(&self) -> &'static str {
        match (self.ticket.went, self.ticket.pool) {
            (true, Pool::Pair) => "The talk is over",
            (true, Pool::Group) => "You have left the group",
            (false, _) => "They have gone",
        }
    }

    fn explanation(&self) -> &'static str {
        match (self.ticket.went, self.ticket.pool) {
            // The others in the group may continue the talk.
            (true, Pool::Group) => "What was said is deleted within an hour after the last of them has gone.",
            _ => "Nobody can open the talk any more, and within an hour it is deleted.",
        }
    }
}
