//! The page of a talk with strangers: the presence of the partners, messages, offers, and leaving.

use askama::Template;

use super::{chat::Chat, message_list::Row, messages::MessageForm};
use crate::{
    Error, Result,
    app::App,
    domain::{
        access::Access,
        matches::{self, Current},
    },
    html::{NavItem, Shell},
    http::session::{Caller, find_or_join},
    store::{accounts::Account, matches::State as TicketState},
    wire::{
        filters,
        match_state::{MatchOffers, status},
    },
};

#[derive(Template)]
#[template(path = "match_talk.html")]
pub(super) struct TalkPage {
    shell: Shell,
    chat: Chat,
    current: Current,
    offers: String,
}

impl TalkPage {
    /// Returns the width of the wire in the picture.
    fn wire(&self) -> usize {
        72 + 64 * (self.current.partners.len() + 1)
    }

    /// Returns the position of each bird in the picture, and its direction: towards the others.
    fn birds(&self) -> Vec<(usize, i8)> {
        let count = self.current.partners.len() + 1;
        (0..count)
            .map(|at| if at < count.div_ceil(2) { (44 + 64 * at, 1) } else { (92 + 64 * at, -1) })
            .collect()
    }

    fn away(&self) -> bool {
        self.current.partners.iter().any(|partner| partner.away)
    }

    fn status(&self) -> String {
        status(&self.current)
    }

    fn greeting(&self) -> String {
        match self.current.partners.len() {
            1 => "You have met. Say hello.".into(),
            n => format!("You are {} strangers, and you are {}. Say hello.", n + 1, self.me()),
        }
    }

    /// Returns the introduction before the first message.
    fn caution(&self) -> String {
        let names = match self.me().strip_prefix('@') {
            Some(username) => format!("They see that you are @{username}; other names"),
            None => "Names".into(),
        };
        match self.current.partners.len() {
            _ if self.current.revealed => "You know each other’s names.".into(),
            1 => format!("{names} stay out until you both want to know."),
            _ => format!(
                "{names} stay out until all of you want to know. Whoever comes later sees what is said from \
                 then on."
            ),
        }
    }

    /// Returns the ids of the partners, by which the page's script detects changes.
    fn everyone(&self) -> String {
        let masks: Vec<String> =
            self.current.partners.iter().map(|partner| partner.mask.id.to_string()).collect();
        masks.join(" ")
    }

    fn me(&self) -> &str {
        self.chat.participant.name()
    }
}

/// Returns the page of the account's talk. `refused` is a form that is shown again, with its error.
pub(super) async fn talk_page(
    app: &App,
    account: &Account,
    end: Option<i64>,
    refused: Option<(MessageForm, &Error)>,
) -> Result<TalkPage> {
    let id = account.id;
    let current = app.db.read(move |read| matches::current(read, id)).await?;
    let current =
        current.filter(|current| current.ticket.state == TicketState::Matched).ok_or(Error::NotFound)?;
    let conversation = current.ticket.conversation.ok_or(Error::NotFound)?;
    let access = Access::Conversation { account: account.clone(), id: conversation, kind: None };
    let participant = find_or_join(app, &access).await?;
    let action = format!("/conversations/{conversation}/messages");
    let mut chat = Chat::new(app, &participant, "/match", action, end, refused).await?;
    chat.title = match &current.partners[..] {
        [partner] => partner.mask.name.clone(),
        partners if current.revealed => {
            partners.iter().map(|partner| partner.mask.name.as_str()).collect::<Vec<_>>().join(", ")
        }
        partners => format!("{} strangers", partners.len() + 1),
    };
    let offers = MatchOffers { current: &current }.render().map_err(Error::internal)?;
    let shell = Shell::new(app, &Caller::from(account), NavItem::Match).await?;
    Ok(TalkPage { shell, chat, current, offers })
}
