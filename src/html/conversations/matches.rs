//! Matches: the search form, the waiting queue, and the actions in a conversation with a stranger.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{chat::MessageRange, match_talk::talk_page};
use crate::{
    Error, Result,
    app::App,
    domain::{
        accounts,
        matches::{self, Complaint, Current, Interests, Language, REASONS, Search},
    },
    html::{NavItem, Shell, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, Query},
        session::{Caller, ClientAddr, ip_hash},
    },
    ids::AccountId,
    store::{
        accounts::Account,
        conversations::Masked,
        matches::{Pool, State as TicketState, Ticket},
    },
    wire::{filters, match_state::MatchOver, match_waiting::MatchQueue},
};

/// The form of a search.
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
    /// Returns the form with the values of the last search.
    fn of(ticket: &Ticket) -> Self {
        SearchForm {
            interests: matches::tags(&ticket.interests).join(", "),
            language: ticket.language.clone(),
            group: if ticket.pool == Pool::Group { "on".into() } else { String::new() },
            shows_name: if ticket.shows_name { "on".into() } else { String::new() },
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
    /// The conversation that has just ended.
    over: Option<String>,
    /// True if the viewer has lost the place in the waiting queue.
    lost: bool,
    form: SearchForm,
    rules: Vec<String>,
    age_text: String,
    /// True if the viewer has stated that they are of age.
    adult: bool,
    reported: bool,
    error: Option<Error>,
}

impl MatchPage {
    async fn new(app: &App, account: &Account, current: Option<Current>, reported: bool) -> Result<Self> {
        let id = account.id;
        let adult = app.db.read(move |read| accounts::is_adult(read, id)).await?;
        let ended = current.map(|current| current.ticket).filter(|ticket| ticket.state == TicketState::Ended);
        // A viewer who only left the queue has met nobody.
        let over = ended.as_ref().filter(|ticket| ticket.conversation.is_some());
        let over = over.map(|ticket| MatchOver { ticket, reported }.render()).transpose();
        Ok(MatchPage {
            shell: Shell::new(app, &Caller::from(account), NavItem::Match).await?,
            form: ended.as_ref().map(SearchForm::of).unwrap_or_default(),
            over: over.map_err(Error::internal)?,
            lost: ended.is_some_and(|ticket| ticket.conversation.is_none() && !ticket.went),
            rules: app.config.rules.clone(),
            age_text: app.config.age_text.clone(),
            adult,
            reported,
            error: None,
        })
    }

    fn field_error(&self, field: &str) -> Option<&str> {
        field_error(self.error.as_ref(), field)
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["interests", "language", "adult"])
    }
}

#[derive(Template)]
#[template(path = "match_waiting.html")]
struct WaitingPage {
    shell: Shell,
    queue: String,
}

/// The query of the page.
#[derive(Deserialize, Default)]
pub struct MatchQuery {
    reported: Option<String>,
    #[serde(flatten)]
    range: MessageRange,
}

/// `GET /match`: the search form, the waiting queue, or the conversation.
pub async fn show(
    State(app): State<Arc<App>>,
    account: Account,
    Query(query): Query<MatchQuery>,
) -> Result<Response> {
    app.config.require_matching()?;
    let id = account.id;
    let now = app.clock.now();
    let current = app.db.read(move |read| matches::current(read, id)).await?;
    if let Some(current) = &current
        && matches::needs_sign_of_life(&current.ticket, now)
    {
        // Without scripts the viewer keeps the place by loading the page.
        app.db.write(move |tx| matches::set_present(tx, id)).await?;
    }
    match current {
        Some(current) if current.ticket.state == TicketState::Matched => {
            page(&talk_page(&app, &account, query.range.end(), None).await?)
        }
        Some(current) if current.ticket.state == TicketState::Waiting => {
            let queue = MatchQueue { current: &current, now }.render().map_err(Error::internal)?;
            page(&WaitingPage {
                shell: Shell::new(&app, &Caller::from(&account), NavItem::Match).await?,
                queue,
            })
        }
        current => {
            let reported = query.reported.is_some();
            page(&MatchPage::new(&app, &account, current, reported).await?)
        }
    }
}

/// `POST /match`: starts waiting.
pub async fn seek(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: Account,
    Input(form): Input<SearchForm>,
) -> Result<Response> {
    app.config.require_matching()?;
    let seek = async {
        app.limits.seek(origin)?;
        let search = form.search()?;
        let (seeker, ip_hash, adult) = (account.clone(), ip_hash(&app, origin), !form.adult.is_empty());
        app.db.write(move |tx| matches::seek(tx, &seeker, &ip_hash, &search, adult)).await
    };
    match seek.await {
        Ok(()) => Ok(Redirect::to("/match").into_response()),
        Err(error) => {
            show_form_error(error, async |error| {
                let page = MatchPage::new(&app, &account, None, false).await?;
                Ok(MatchPage { form, error: Some(error), ..page })
            })
            .await
        }
    }
}

/// Redirects to the match page, also if the conversation had ended already.
fn to_match_page(result: Result<()>) -> Result<Response> {
    match result {
        Ok(()) | Err(Error::NotFound | Error::Conflict(_)) => Ok(Redirect::to("/match").into_response()),
        Err(error) => Err(error),
    }
}

/// `POST /match/next`
pub async fn next(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: Account,
) -> Result<Response> {
    app.config.require_matching()?;
    app.limits.seek(origin)?;
    let ip_hash = ip_hash(&app, origin);
    to_match_page(app.db.write(move |tx| matches::next(tx, &account, &ip_hash)).await)
}

/// `POST /match/leave`
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: Account,
) -> Result<Response> {
    app.limits.write(origin)?;
    to_match_page(app.db.write(move |tx| matches::leave(tx, account.id)).await)
}

/// `POST /match/reveal`
pub async fn reveal(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: Account,
) -> Result<Response> {
    app.limits.write(origin)?;
    to_match_page(app.db.write(move |tx| matches::reveal(tx, account.id)).await)
}

/// `POST /match/pictures`
pub async fn allow_pictures(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: Account,
) -> Result<Response> {
    app.limits.write(origin)?;
    to_match_page(app.db.write(move |tx| matches::allow_pictures(tx, account.id)).await)
}

/// The person of a group to be blocked.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct BlockForm {
    account_id: String,
}

/// Parses the id of a mask; an empty one stands for the only partner.
fn mask(account_id: &str) -> Result<Option<AccountId>> {
    match account_id {
        "" => Ok(None),
        id => id.parse().map(Some).map_err(|_| Error::NotFound),
    }
}

/// `POST /match/block`
pub async fn block(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: Account,
    Input(form): Input<BlockForm>,
) -> Result<Response> {
    app.limits.write(origin)?;
    let mask = mask(&form.account_id)?;
    to_match_page(app.db.write(move |tx| matches::block(tx, account.id, mask)).await)
}

/// The form of a report.
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
    /// The people of a group who can be reported.
    others: Vec<Masked>,
    form: ReportForm,
    error: Option<Error>,
}

impl ReportPage {
    async fn new(app: &App, account: &Account, form: ReportForm, error: Option<Error>) -> Result<Self> {
        let id = account.id;
        let others = app.db.read(move |read| matches::others(read, id)).await.unwrap_or_default();
        let shell = Shell::new(app, &Caller::from(account), NavItem::Match).await?;
        Ok(ReportPage { shell, others, form, error })
    }

    fn is_chosen(&self, person: &Masked) -> bool {
        self.form.account_id == person.mask.to_string()
    }

    fn field_error(&self, field: &str) -> Option<&str> {
        field_error(self.error.as_ref(), field)
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["reason", "words", "account_id"])
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
    ClientAddr(origin): ClientAddr,
    account: Account,
    Input(form): Input<ReportForm>,
) -> Result<Response> {
    let id = account.id;
    let report = async {
        let (complaint, mask) = (Complaint::parse(&form.reason, &form.words)?, mask(&form.account_id)?);
        app.limits.report(origin, id)?;
        let evidence = app.db.read(move |read| matches::evidence(read, id, mask)).await?;
        let sealing_app = Arc::clone(&app);
        let seal = move |report: &str| sealing_app.data.seal(report);
        app.db.write(move |tx| matches::report(tx, id, &evidence, &complaint, &seal)).await?;
        tracing::warn!("Somebody was reported in a match: look into the reports");
        if form.block.is_empty() {
            return Ok(());
        }
        app.db.write(move |tx| matches::block(tx, id, mask)).await
    };
    match report.await {
        Ok(()) => Ok(Redirect::to("/match?reported=1").into_response()),
        Err(error) => {
            show_form_error(error, async |error| ReportPage::new(&app, &account, form, Some(error)).await)
                .await
        }
    }
}
