//! Matches: asking for one, waiting for it, talking, and what there is to do about the other one.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    Place, Shell,
    accounts::is_note,
    chat::{Chat, Stretch},
    fault,
    match_line::Line,
    messages::{Row, SayForm},
    note, page, page_refused,
};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        conversations::Door,
        matches::{self, Complaint, Current, Interests, Language, REASONS, Search},
    },
    ids::AccountId,
    store::{
        self,
        accounts::Account,
        conversations::Masked,
        matches::{Pool, Seeker, State as Stage},
    },
    web::{
        api,
        input::{Input, Query},
        respond::head,
        session::{ClientAddr, Viewer, come_in, place},
    },
};

/// The form that a search begins with, as a browser sends it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SearchForm {
    interests: String,
    language: String,
    group: String,
    shows_name: String,
    adult: String,
}

impl SearchForm {
    /// What was looked for last.
    fn of(seeker: &Seeker) -> Self {
        SearchForm {
            interests: matches::tags(&seeker.interests).join(", "),
            language: seeker.language.clone(),
            group: if seeker.pool == Pool::Group { "on".into() } else { String::new() },
            shows_name: if seeker.shows_name { "on".into() } else { String::new() },
            adult: String::new(),
        }
    }

    fn search(&self) -> Result<Search> {
        let mut faults = crate::error::Faults::default();
        let interests = faults.check(Interests::parse(self.interests.split(',')))?;
        let language = faults.check(Language::parse(&self.language))?;
        faults.done()?;
        Ok(Search {
            interests: interests.unwrap_or_default(),
            language: language.unwrap_or_default(),
            group: !self.group.is_empty(),
            shows_name: !self.shows_name.is_empty(),
        })
    }
}

#[derive(Template)]
#[template(path = "match.html")]
struct MatchPage {
    shell: Shell,
    /// The talk that has just ended.
    over: Option<Seeker>,
    form: SearchForm,
    rules: Vec<String>,
    age_text: String,
    /// Whether the viewer has said that it is of age.
    adult: bool,
    reported: bool,
    error: Option<Error>,
}

impl MatchPage {
    async fn new(app: &App, account: &Account, current: Option<Current>) -> Result<Self> {
        let id = account.id;
        let adult = app.db.read(move |read| store::accounts::is_adult(read, id)).await?;
        let over = current.map(|current| current.seeker).filter(|seeker| seeker.state == Stage::Ended);
        Ok(MatchPage {
            shell: Shell::new(app, &Viewer::from(account), Place::Match).await?,
            form: over.as_ref().map(SearchForm::of).unwrap_or_default(),
            // Whoever only left the line has met nobody.
            over: over.filter(|seeker| seeker.conversation.is_some()),
            rules: app.config.rules.clone(),
            age_text: app.config.age_text.clone(),
            adult,
            reported: false,
            error: None,
        })
    }

    fn fault(&self, field: &str) -> Option<&str> {
        fault(self.error.as_ref(), field)
    }

    fn note(&self) -> Option<String> {
        note(self.error.as_ref(), &["interests", "language", "adult"])
    }
}

#[derive(Template)]
#[template(path = "match_waiting.html")]
struct WaitingPage {
    shell: Shell,
    line: String,
}

/// What our own pages show when something about a match is otherwise: the line, or the offers.
pub fn match_fragment(current: &Current, now: Time) -> String {
    match current.seeker.state {
        Stage::Waiting => Line { current, now }.render().unwrap_or_default(),
        Stage::Matched => Offers { current }.render().unwrap_or_default(),
        Stage::Ended => String::new(),
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
    fn caution(&self) -> &'static str {
        match self.current.partners.len() {
            _ if self.current.revealed => "You know each other’s names.",
            1 => "Names stay out until you both want to know.",
            _ => {
                "Names stay out until all of you want to know. Whoever comes later sees what is said from then on."
            }
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
        let offered = self.current.partners.iter().any(|one| one.reveals);
        match (self.current.revealed, self.current.seeker.reveals, offered) {
            (true, ..) => None,
            (_, true, _) => Some("You have offered your name. They see it when they offer theirs.".into()),
            (_, _, true) => Some("They would tell you their name, if you tell yours.".into()),
            _ => None,
        }
    }

    fn may_allow(&self) -> bool {
        !self.current.seeker.pictures
    }

    fn pictures(&self) -> Option<String> {
        let offered = self.current.partners.iter().any(|one| one.pictures);
        match (self.current.pictures, self.current.seeker.pictures, offered) {
            (true, ..) => None,
            (_, true, _) => Some("You agree to pictures. They can be sent when everyone does.".into()),
            (_, _, true) => Some("They would like to send pictures. Do you agree?".into()),
            _ => None,
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
    let door = Door::Conversation { account: account.clone(), id: conversation };
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

/// What is asked for on the page.
#[derive(Deserialize, Default)]
pub struct Asked {
    reported: Option<String>,
    #[serde(flatten)]
    stretch: Stretch,
}

/// `GET /match`: the form, the line, or the talk.
pub async fn show(
    State(app): State<Arc<App>>,
    account: Account,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    api::matches::is_on(&app)?;
    let id = account.id;
    let now = app.clock.now();
    let current = app.db.read(move |read| matches::current(read, id)).await?;
    if let Some(current) = &current
        && matches::is_to_be_noted(&current.seeker, now)
    {
        // A page without scripts says nothing more until it is loaded anew.
        app.db.write(move |tx| matches::is_here(tx, id)).await?;
    }
    match current {
        Some(current) if current.seeker.state == Stage::Matched => {
            page(&talk_page(&app, &account, asked.stretch.end(), None).await?)
        }
        Some(current) if current.seeker.state == Stage::Waiting => {
            let line = Line { current: &current, now }.render().map_err(Error::internal)?;
            page(&WaitingPage { shell: Shell::new(&app, &Viewer::from(&account), Place::Match).await?, line })
        }
        current => {
            let reported = asked.reported.is_some();
            page(&MatchPage { reported, ..MatchPage::new(&app, &account, current).await? })
        }
    }
}

/// `POST /match`: begins to wait.
pub async fn seek(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: Account,
    Input(form): Input<SearchForm>,
) -> Result<Response> {
    api::matches::is_on(&app)?;
    let seek = async {
        app.limits.seek(from)?;
        let search = form.search()?;
        let (seeker, place, adult) = (account.clone(), place(&app, from), !form.adult.is_empty());
        app.db.write(move |tx| matches::seek(tx, &seeker, &place, &search, adult)).await
    };
    match seek.await {
        Ok(()) => Ok(Redirect::to("/match").into_response()),
        Err(error) if is_note(&error) => {
            let page = MatchPage::new(&app, &account, None).await?;
            page_refused(head(&error), &MatchPage { form, error: Some(error), ..page })
        }
        Err(error) => Err(error),
    }
}

/// Back to where one is now; it does not matter if there was nothing to be done any more.
fn back(done: Result<()>) -> Result<Response> {
    match done {
        Ok(()) | Err(Error::NotFound) => Ok(Redirect::to("/match").into_response()),
        Err(error) => Err(error),
    }
}

/// `POST /match/next`
pub async fn next(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: Account,
) -> Result<Response> {
    api::matches::is_on(&app)?;
    app.limits.seek(from)?;
    let place = place(&app, from);
    back(app.db.write(move |tx| matches::next(tx, &account, &place)).await)
}

/// `POST /match/leave`
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: Account,
) -> Result<Response> {
    app.limits.write(from)?;
    back(app.db.write(move |tx| matches::leave(tx, account.id)).await)
}

/// `POST /match/reveal`
pub async fn reveal(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: Account,
) -> Result<Response> {
    app.limits.write(from)?;
    back(app.db.write(move |tx| matches::reveal(tx, account.id)).await)
}

/// `POST /match/pictures`
pub async fn allow_pictures(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: Account,
) -> Result<Response> {
    app.limits.write(from)?;
    back(app.db.write(move |tx| matches::allow_pictures(tx, account.id)).await)
}

/// Whom it is about, where there are several.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct BlockForm {
    account_id: String,
}

fn mask(account_id: &str) -> Result<Option<AccountId>> {
    match account_id {
        "" => Ok(None),
        id => id.parse().map(Some).map_err(|_| Error::NotFound),
    }
}

/// `POST /match/block`
pub async fn block(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: Account,
    Input(form): Input<BlockForm>,
) -> Result<Response> {
    app.limits.write(from)?;
    let mask = mask(&form.account_id)?;
    back(app.db.write(move |tx| matches::block(tx, account.id, mask)).await)
}

/// What is reported.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct ReportForm {
    account_id: String,
    reason: String,
    words: String,
    block: String,
}

#[derive(Template)]
#[template(path = "match_report.html")]
struct ReportPage {
    shell: Shell,
    /// Whom it may be about, where there are several.
    others: Vec<Masked>,
    form: ReportForm,
    error: Option<Error>,
}

impl ReportPage {
    async fn new(app: &App, account: &Account, form: ReportForm, error: Option<Error>) -> Result<Self> {
        let id = account.id;
        let others = app.db.read(move |read| matches::others(read, id)).await.unwrap_or_default();
        let shell = Shell::new(app, &Viewer::from(account), Place::Match).await?;
        Ok(ReportPage { shell, others, form, error })
    }

    fn chosen(&self, one: &Masked) -> bool {
        self.form.account_id == one.mask.to_string()
    }

    fn fault(&self, field: &str) -> Option<&str> {
        fault(self.error.as_ref(), field)
    }

    fn note(&self) -> Option<String> {
        note(self.error.as_ref(), &["reason", "words", "account_id"])
    }
}

/// `GET /match/report`
pub async fn report_form(
    State(app): State<Arc<App>>,
    account: Account,
    Query(form): Query<ReportForm>,
) -> Result<Response> {
    page(&ReportPage::new(&app, &account, form, None).await?)
}

/// `POST /match/report`
pub async fn report(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: Account,
    Input(form): Input<ReportForm>,
) -> Result<Response> {
    let id = account.id;
    let report = async {
        let (complaint, mask) = (Complaint::parse(&form.reason, &form.words)?, mask(&form.account_id)?);
        api::matches::file_report(&app, from, id, mask, complaint).await?;
        if form.block.is_empty() {
            return Ok(());
        }
        app.db.write(move |tx| matches::block(tx, id, mask)).await
    };
    match report.await {
        Ok(()) => Ok(Redirect::to("/match?reported=1").into_response()),
        Err(error) if is_note(&error) => {
            let head = head(&error);
            page_refused(head, &ReportPage::new(&app, &account, form, Some(error)).await?)
        }
        Err(error) => Err(error),
    }
}
