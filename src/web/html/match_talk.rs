//! A talk of strangers: what is said, how the others are, what is offered, and how it ends.

use askama::Template;

use super::{
    Place, Shell,
    chat::Chat,
    match_line::Line,
    messages::{Row, SayForm},
};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        conversations::Door,
        matches::{self, Current},
    },
    store::{
        accounts::Account,
        matches::{Pool, Seeker, State as Stage},
    },
    web::session::{Viewer, come_in},
};

/// What our own pages show when something about a match is otherwise: the line, or the offers.
pub fn match_fragment(current: &Current, now: Time) -> String {
    match current.seeker.state {
        Stage::Waiting => Line { current, now }.render().unwrap_or_default(),
        Stage::Matched => Offers { current }.render().unwrap_or_default(),
        Stage::Ended => Over { seeker: &current.seeker, reported: false }.render().unwrap_or_default(),
    }
}

#[derive(Template)]
#[template(path = "match_talk.html")]
pub(super) struct TalkPage {
    shell: Shell,
    chat: Chat,
    current: Current,
    offers: String,
}

impl TalkPage {
    /// How long the wire is that all of them sit on.
    fn wire(&self) -> usize {
        72 + 64 * (self.current.partners.len() + 1)
    }

    /// Where each sits, and which way it looks: towards the others.
    fn birds(&self) -> Vec<(usize, i8)> {
        let all = self.current.partners.len() + 1;
        (0..all).map(|at| if at < all.div_ceil(2) { (44 + 64 * at, 1) } else { (92 + 64 * at, -1) }).collect()
    }

    fn away(&self) -> bool {
        self.current.partners.iter().any(|one| one.away)
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

    /// What there is to know before one says something.
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

    /// Who is in it, for the page's script to see when that changes.
    fn everyone(&self) -> String {
        let masks: Vec<String> = self.current.partners.iter().map(|one| one.mask.id.to_string()).collect();
        masks.join(" ")
    }

    fn me(&self) -> &str {
        self.chat.participant.name()
    }
}

/// How the others are, in a few words.
pub fn status(current: &Current) -> String {
    let away = current.partners.iter().filter(|one| one.away).count();
    match (current.partners.len(), away) {
        (1, 0) => "here".into(),
        (_, 0) => format!("{} here", current.partners.len() + 1),
        (1, _) => "reconnecting…".into(),
        (_, n) => format!("{n} reconnecting…"),
    }
}

/// What one of them has offered, and the other may answer.
#[derive(Template)]
#[template(path = "match_offers.html")]
struct Offers<'a> {
    current: &'a Current,
}

impl Offers<'_> {
    fn may_reveal(&self) -> bool {
        !self.current.seeker.reveals
    }

    fn reveal(&self) -> Option<String> {
        let others = &self.current.partners;
        let (all, willing) = (others.len(), others.iter().filter(|one| one.reveals).count());
        let shown = others.iter().all(|one| one.username.is_some());
        match (self.current.seeker.reveals, willing) {
            _ if self.current.revealed => None,
            // Whoever shows its name from the beginning has nothing to offer.
            (true, _) if self.current.seeker.shows_name => None,
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
        !self.current.seeker.pictures
    }

    fn pictures(&self) -> Option<String> {
        let others = &self.current.partners;
        let (all, willing) = (others.len(), others.iter().filter(|one| one.pictures).count());
        match (self.current.seeker.pictures, willing) {
            _ if self.current.pictures => None,
            (true, _) if all == 1 => Some("You agree to pictures. They can be sent when you both do.".into()),
            (true, _) => Some(format!("You agree to pictures. {willing} of the other {all} do, too.")),
            (_, 0) => None,
            _ if all == 1 => Some("They would like to send pictures. Do you agree?".into()),
            (_, n) => Some(format!("{n} of the other {all} would like pictures. Do you agree?")),
        }
    }
}

/// What there is to do once a talk is over.
#[derive(Template)]
#[template(path = "match_over.html")]
pub(super) struct Over<'a> {
    pub(super) seeker: &'a Seeker,
    /// Whether it has just been reported.
    pub(super) reported: bool,
}

impl Over<'_> {
    fn heading(&self) -> &'static str {
        match (self.seeker.went, self.seeker.pool) {
            (true, Pool::Pair) => "The talk is over",
            (true, Pool::Group) => "You have left the group",
            (false, _) => "They have gone",
        }
    }

    fn words(&self) -> &'static str {
        match (self.seeker.went, self.seeker.pool) {
            // The others may go on.
            (true, Pool::Group) => "What was said is deleted within an hour after the last of them has gone.",
            _ => "Nobody can open the talk any more, and within an hour it is deleted.",
        }
    }
}

/// The page of the talk that the account is in; with what could not be said.
pub(super) async fn talk_page(
    app: &App,
    account: &Account,
    end: Option<i64>,
    refused: Option<(SayForm, &Error)>,
) -> Result<TalkPage> {
    let id = account.id;
    let current = app.db.read(move |read| matches::current(read, id)).await?;
    let current = current.filter(|current| current.seeker.state == Stage::Matched).ok_or(Error::NotFound)?;
    let conversation = current.seeker.conversation.ok_or(Error::NotFound)?;
    let door = Door::Conversation { account: account.clone(), id: conversation, kind: None };
    let participant = come_in(app, &door).await?;
    let action = format!("/conversations/{conversation}/messages");
    let mut chat = Chat::new(app, &participant, "/match", action, end, refused).await?;
    chat.title = match &current.partners[..] {
        [one] => one.mask.name.clone(),
        all if current.revealed => {
            all.iter().map(|one| one.mask.name.as_str()).collect::<Vec<_>>().join(", ")
        }
        all => format!("{} strangers", all.len() + 1),
    };
    let offers = Offers { current: &current }.render().map_err(Error::internal)?;
    let shell = Shell::new(app, &Viewer::from(account), Place::Match).await?;
    Ok(TalkPage { shell, chat, current, offers })
}
