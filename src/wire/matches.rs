//! Matches as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::accounts::Account;
use crate::{
    domain::matches::{self, Current, Partner},
    ids::{AccountId, ConversationId},
    store::matches::{Pool, State as TicketState},
};

/// The state of the caller’s match.
#[derive(Serialize, ToSchema)]
pub struct Match {
    #[schema(pattern = "^(waiting|matched|ended)$")]
    state: &'static str,
    group: bool,
    #[schema(required)]
    language: Option<String>,
    interests: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    talk: Option<Talk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(you|partner)$")]
    ended_by: Option<&'static str>,
}

/// A position in the waiting queue.
#[derive(Serialize, ToSchema)]
struct Waiting {
    /// The caller’s position, counted from 1.
    place: i64,
    /// The number of all who wait.
    count: i64,
    #[schema(format = DateTime)]
    since: String,
    #[schema(pattern = "^(all_interests|any_interest|anyone)$")]
    looks_for: &'static str,
}

/// The partners in a talk, and what each has agreed to.
#[derive(Serialize, ToSchema)]
struct Talk {
    /// The caller’s own mask.
    #[schema(required)]
    account_id: Option<AccountId>,
    partners: Vec<Other>,
    reveals: bool,
    revealed: bool,
    agrees_to_pictures: bool,
    pictures: bool,
}

/// A partner in the talk.
#[derive(Serialize, ToSchema)]
#[schema(as = Partner)]
struct Other {
    account: Account,
    here: bool,
    reveals: bool,
    agrees_to_pictures: bool,
}

impl Other {
    pub fn new(partner: &Partner) -> Self {
        let mask = &partner.mask;
        Other {
            account: Account::new(mask.id, mask.kind, partner.username.as_deref(), &mask.name),
            here: !partner.away,
            reveals: partner.reveals,
            agrees_to_pictures: partner.pictures,
        }
    }
}

impl Match {
    pub fn new(current: &Current) -> Self {
        let ticket = &current.ticket;
        let (state, is_waiting, is_matched) = match ticket.state {
            TicketState::Waiting => ("waiting", true, false),
            TicketState::Matched => ("matched", false, true),
            TicketState::Ended => ("ended", false, false),
        };
        let (before, count) = current.queue_position;
        Match {
            state,
            group: ticket.pool == Pool::Group,
            language: Some(ticket.language.clone()).filter(|language| !language.is_empty()),
            interests: matches::tags(&ticket.interests).into_iter().map(Into::into).collect(),
            waiting: is_waiting.then(|| Waiting {
                place: before + 1,
                count,
                since: ticket.since.rfc3339(),
                looks_for: ["all_interests", "any_interest", "anyone"]
                    [ticket.relaxation.clamp(0, 2) as usize],
            }),
            conversation_id: ticket.conversation,
            talk: is_matched.then(|| Talk {
                account_id: ticket.mask,
                partners: current.partners.iter().map(Other::new).collect(),
                reveals: ticket.reveals,
                revealed: current.revealed,
                agrees_to_pictures: ticket.pictures,
                pictures: current.pictures,
            }),
            ended_by: (ticket.state == TicketState::Ended).then_some(if ticket.went {
                "you"
            } else {
                "partner"
            }),
        }
    }
}
