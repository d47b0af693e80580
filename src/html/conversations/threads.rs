//! The list of the viewer's threads, a thread's page, and the page about its people.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    chat::{Chat, MessageRange},
    message_list::Row,
    messages::MessageForm,
};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        accounts::Member,
        conversations::{Page, Participant},
        threads::{self, Changes, History, Metadata, Names, Thread, ThreadDraft, ThreadName},
    },
    events::PresenceChanged,
    html::{NavItem, Shell, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, Query, from_path},
        session::{Caller, ClientAddr},
    },
    ids::ConversationId,
    services::presence,
    store::{
        self,
        conversations::{ConversationPage, MembershipRow},
        threads::JoinedThread,
    },
    wire::{
        avatars::{avatars, here_now},
        filters,
        format::{ago, initials},
    },
};

/// The most threads on a page.
const PAGE_SIZE: i64 = 100;

#[derive(Template)]
#[template(path = "threads.html")]
struct ThreadsPage {
    shell: Shell,
    threads: Vec<(JoinedThread, Vec<MembershipRow>)>,
    form: NewThread,
    error: Option<Error>,
    now: Time,
}

impl ThreadsPage {
    async fn new(app: &App, member: &Member) -> Result<Self> {
        let range = ConversationPage::first(member.id(), PAGE_SIZE);
        let mut threads = app.db.read(move |read| threads::page(read, &range)).await?;
        for (_, people) in &mut threads {
            people.retain(|row| row.account.id != member.id());
        }
        Ok(ThreadsPage {
            shell: Shell::new(app, &Caller::from(member), NavItem::Threads).await?,
            threads,
            form: NewThread::default(),
            error: None,
            now: app.clock.now(),
        })
    }

    /// Returns the errors about the usernames, a sentence each.
    fn field_error(&self) -> Option<String> {
        users_error(self.error.as_ref())
    }

    fn form_error(&self) -> Option<String> {
        if self.field_error().is_some() { None } else { form_error(self.error.as_ref(), &[]) }
    }

    fn title(&self, row: &JoinedThread, people: &[MembershipRow]) -> String {
        title(&row.thread.name, people)
    }

    fn ago(&self, row: &JoinedThread) -> String {
        ago(self.now, row.thread.active_at)
    }

    fn unread(&self, row: &JoinedThread) -> i64 {
        (row.thread.last_seq - row.membership.read_seq).max(0)
    }

    /// Returns the line under the title: the people, if the thread has a name of its own.
    fn people(&self, row: &JoinedThread, people: &[MembershipRow]) -> String {
        match people.len() {
            0 => "just you".into(),
            1 if row.thread.name.is_empty() => people
                .iter()
                .filter_map(|row| row.account.username.as_ref())
                .map(|name| format!("@{name}"))
                .collect(),
            _ if row.thread.name.is_empty() => format!("{} people", people.len() + 1),
            _ => names(people),
        }
    }
}

/// Returns the errors about the usernames, a sentence each.
fn users_error(error: Option<&Error>) -> Option<String> {
    let Some(Error::Invalid(faults)) = error else { return None };
    let faults = faults.iter().filter(|fault| fault.field.starts_with("users"));
    let messages: Vec<&str> = faults.map(|fault| fault.message.as_str()).collect();
    (!messages.is_empty()).then(|| messages.join(" "))
}

/// Lists the names of people: "Ify, Jörg and Hà".
fn names(people: &[MembershipRow]) -> String {
    let names: Vec<&str> = people.iter().map(|row| row.account.name.as_str()).collect();
    match &names[..] {
        [] => "Just you".into(),
        [name] => (*name).into(),
        [first @ .., last] if first.len() < 4 => format!("{} and {last}", first.join(", ")),
        [first, second, third, rest @ ..] => format!("{first}, {second}, {third} and {} more", rest.len()),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Returns the title of a thread: its name, or the names of the others.
fn title(name: &str, others: &[MembershipRow]) -> String {
    if name.is_empty() { names(others) } else { name.into() }
}

/// Returns the title of the thread for this participant.
pub(in crate::html) async fn title_of(app: &App, participant: &Participant) -> Result<String> {
    Ok(title(&participant.conversation.name, &others(app, participant).await?))
}

async fn everyone(app: &App, participant: &Participant) -> Result<Vec<MembershipRow>> {
    let reader = participant.clone();
    app.db.read(move |read| reader.everyone(read)).await
}

async fn others(app: &App, participant: &Participant) -> Result<Vec<MembershipRow>> {
    let mut people = everyone(app, participant).await?;
    people.retain(|row| row.account.id != participant.id());
    Ok(people)
}

/// `GET /threads`
pub async fn list(State(app): State<Arc<App>>, member: Member) -> Result<Response> {
    page(&ThreadsPage::new(&app, &member).await?)
}

/// The form for a new thread: usernames, with spaces or commas between them.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct NewThread {
    users: String,
    name: String,
}

fn parse_users(users: &str) -> Result<Names> {
    Names::parse(users.split([',', ' ', ';']).filter(|name| !name.is_empty()))
}

/// `POST /threads`: creates a thread, and redirects to it; with one other person to the existing one, if there is one.
pub async fn begin(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Input(form): Input<NewThread>,
) -> Result<Response> {
    let begin = async {
        let name = ThreadName::parse(&form.name);
        let draft = threads::draft(parse_users(&form.users), name, Ok(Metadata::default()), None)?;
        app.limits.room(origin, &member.account)?;
        let creator = member.account.clone();
        app.db.write(move |tx| find_or_begin(tx, &creator, &draft)).await
    };
    match begin.await {
        Ok(id) => Ok(Redirect::to(&format!("/threads/{id}")).into_response()),
        Err(error) => {
            show_form_error(error, async |error| {
                let threads = ThreadsPage::new(&app, &member).await?;
                Ok(ThreadsPage { form, error: Some(error), ..threads })
            })
            .await
        }
    }
}

fn find_or_begin(
    tx: &mut crate::events::Tx<'_>,
    creator: &store::accounts::Account,
    draft: &ThreadDraft,
) -> Result<ConversationId> {
    if draft.name.is_none()
        && let Ok(Some(id)) = threads::of_two(tx, creator.id, &draft.users)
    {
        return Ok(id);
    }
    Ok(threads::create(tx, creator, draft)?.participant().conversation.id)
}

#[derive(Template)]
#[template(path = "thread.html")]
pub(super) struct ThreadPage {
    shell: Shell,
    chat: Chat,
    presence: PresenceChanged,
    others: Vec<MembershipRow>,
    /// True if the weekly pairs created the thread.
    paired: bool,
}

impl ThreadPage {
    /// Reads the latest messages, or those before `end`. `refused` is a form that is shown again, with its error.
    pub(super) async fn new(
        app: &App,
        caller: &Caller,
        participant: &Participant,
        end: Option<i64>,
        refused: Option<(MessageForm, &Error)>,
    ) -> Result<Self> {
        let id = participant.conversation.id;
        let action = format!("/conversations/{id}/messages");
        let mut chat = Chat::new(app, participant, &format!("/threads/{id}"), action, end, refused).await?;
        let others = others(app, participant).await?;
        chat.title = title(&participant.conversation.name, &others);
        let mut people = app.presence.people(id);
        if !people.iter().any(|person| person.id == participant.id()) {
            people.push(participant.person());
        }
        let shell = Shell::new(app, caller, NavItem::Threads).await?;
        let paired = participant.conversation.owner.is_none();
        Ok(ThreadPage { shell, chat, presence: presence::summary(id, people), others, paired })
    }

    fn here_now(&self) -> String {
        here_now(&self.presence)
    }

    fn avatars(&self) -> String {
        avatars(&self.presence)
    }

    /// Returns the read positions of the others as JSON, for the page's script.
    fn progress(&self) -> String {
        let progress: Vec<_> = self
            .others
            .iter()
            .map(|row| {
                let (account, seq) = (&row.account, row.membership.read_seq);
                serde_json::json!({ "id": account.id, "name": account.name, "seq": seq })
            })
            .collect();
        serde_json::Value::from(progress).to_string()
    }
}

/// `GET /threads/{conversation}`
pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    participant: Participant,
    Query(range): Query<MessageRange>,
) -> Result<Response> {
    match participant.policy().page {
        Page::Thread => page(&ThreadPage::new(&app, &caller, &participant, range.end(), None).await?),
        Page::Match => Ok(Redirect::to(participant.policy().leave_to).into_response()),
        Page::Room => Err(Error::NotFound), // the address of a room is its key
    }
}

#[derive(Template)]
#[template(path = "thread_about.html")]
struct AboutPage {
    shell: Shell,
    participant: Participant,
    title: String,
    people: Vec<MembershipRow>,
    name: String,
    users: String,
    error: Option<Error>,
}

impl AboutPage {
    async fn new(app: &App, participant: &Participant) -> Result<Self> {
        let people = everyone(app, participant).await?;
        let others: Vec<MembershipRow> =
            people.iter().filter(|row| row.account.id != participant.id()).cloned().collect();
        Ok(AboutPage {
            shell: Shell::new(app, &Caller::from(&participant.account), NavItem::Threads).await?,
            title: title(&participant.conversation.name, &others),
            name: participant.conversation.name.clone(),
            participant: participant.clone(),
            people,
            users: String::new(),
            error: None,
        })
    }

    fn path(&self) -> String {
        path(&self.participant)
    }

    fn initials(&self, row: &MembershipRow) -> String {
        initials(&row.account.name)
    }

    fn is_viewer(&self, row: &MembershipRow) -> bool {
        row.account.id == self.participant.id()
    }

    fn is_owner(&self, row: &MembershipRow) -> bool {
        self.participant.conversation.owner == Some(row.account.id)
    }

    /// Describes what a person has read: "has read everything".
    fn progress(&self, row: &MembershipRow) -> String {
        match self.participant.conversation.last_seq - row.membership.read_seq {
            _ if self.participant.conversation.last_seq == 0 => String::new(),
            ..=0 => "has read everything".into(),
            1 => "has not read the last message".into(),
            n => format!("has not read the last {n} messages"),
        }
    }

    fn name_fault(&self) -> Option<&str> {
        field_error(self.error.as_ref(), "name")
    }

    fn users_fault(&self) -> Option<String> {
        users_error(self.error.as_ref())
    }

    fn form_error(&self) -> Option<String> {
        if self.users_fault().is_some() { None } else { form_error(self.error.as_ref(), &["name"]) }
    }
}

fn path(participant: &Participant) -> String {
    format!("/threads/{}", participant.conversation.id)
}

/// `GET /threads/{thread}/about`
pub async fn about(State(app): State<Arc<App>>, thread: Thread) -> Result<Response> {
    page(&AboutPage::new(&app, thread.participant()).await?)
}

/// Redirects to the page about a thread, or renders it with the error.
async fn to_about_page(
    app: &App,
    thread: &Thread,
    result: Result<()>,
    fill: impl FnOnce(AboutPage) -> AboutPage,
) -> Result<Response> {
    match result {
        Ok(()) => Ok(Redirect::to(&format!("{}/about", path(thread.participant()))).into_response()),
        Err(error) => {
            show_form_error(error, async |error| {
                let about = fill(AboutPage::new(app, thread.participant()).await?);
                Ok(AboutPage { error: Some(error), ..about })
            })
            .await
        }
    }
}

/// The form for another name.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct NameForm {
    name: String,
}

/// `POST /threads/{thread}/about`: renames the thread.
pub async fn rename(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    thread: Thread,
    Input(form): Input<NameForm>,
) -> Result<Response> {
    let rename = async {
        app.limits.say(origin, thread.participant().id())?;
        let changes = Changes { name: Some(ThreadName::parse(&form.name)?), ..Changes::default() };
        let thread = thread.clone();
        app.db.write(move |tx| thread.change(tx, &changes).map(drop)).await
    };
    let result = rename.await;
    to_about_page(&app, &thread, result, |about| AboutPage { name: form.name, ..about }).await
}

/// The form to mute a thread.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MuteForm {
    muted: Option<String>,
}

/// `POST /threads/{thread}/mute`
pub async fn mute(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    thread: Thread,
    Input(form): Input<MuteForm>,
) -> Result<Response> {
    app.limits.write(origin)?;
    let changes = Changes { muted: Some(form.muted.is_some()), ..Changes::default() };
    let writer = thread.clone();
    let result = app.db.write(move |tx| writer.change(tx, &changes).map(drop)).await;
    to_about_page(&app, &thread, result, |about| about).await
}

/// The form to add people.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AddForm {
    users: String,
    history: Option<String>,
}

/// `POST /threads/{thread}/users`
pub async fn add(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    thread: Thread,
    Input(form): Input<AddForm>,
) -> Result<Response> {
    let add = async {
        app.limits.say(origin, thread.participant().id())?;
        let names = parse_users(&form.users)?;
        let history = if form.history.is_some() { History::All } else { History::FromNow };
        let thread = thread.clone();
        app.db.write(move |tx| thread.add(tx, &names, history, None).map(drop)).await
    };
    let result = add.await;
    to_about_page(&app, &thread, result, |about| AboutPage { users: form.users, ..about }).await
}

/// `POST /threads/{thread}/users/{id}/remove`
pub async fn remove(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    thread: Thread,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    app.limits.say(origin, thread.participant().id())?;
    let (id, writer) = (from_path(&id)?, thread.clone());
    let result = app.db.write(move |tx| writer.remove(tx, id)).await;
    to_about_page(&app, &thread, result, |about| about).await
}

/// `POST /threads/{thread}/leave`
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    thread: Thread,
) -> Result<Response> {
    app.limits.write(origin)?;
    app.db.write(move |tx| thread.remove(tx, thread.participant().id())).await?;
    Ok(Redirect::to("/threads").into_response())
}

/// `POST /threads/{thread}/delete`
pub async fn delete(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    thread: Thread,
) -> Result<Response> {
    app.limits.write(origin)?;
    app.db.write(move |tx| thread.delete(tx)).await?;
    Ok(Redirect::to("/threads").into_response())
}
