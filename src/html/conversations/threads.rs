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
    messages::SayForm,
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
        session::{ClientAddr, Viewer},
    },
    ids::ConversationId,
    services::presence,
    store::{
        self,
        conversations::{ConversationPage, MembershipRow as One},
        threads::JoinedThread,
    },
    wire::{
        avatars::{avatars, here_now},
        filters,
        format::{ago, initials},
    },
};

/// Threads on a page.
const PAGE: i64 = 100;

#[derive(Template)]
#[template(path = "threads.html")]
struct ThreadsPage {
    shell: Shell,
    mine: Vec<(JoinedThread, Vec<One>)>,
    form: NewThread,
    error: Option<Error>,
    now: Time,
}

impl ThreadsPage {
    async fn new(app: &App, member: &Member) -> Result<Self> {
        let stretch = ConversationPage::first(member.id(), PAGE);
        let mut mine = app.db.read(move |read| threads::page(read, &stretch)).await?;
        for (_, people) in &mut mine {
            people.retain(|one| one.account.id != member.id());
        }
        Ok(ThreadsPage {
            shell: Shell::new(app, &Viewer::from(member), NavItem::Threads).await?,
            mine,
            form: NewThread::default(),
            error: None,
            now: app.clock.now(),
        })
    }

    /// The errors about the usernames, a sentence each.
    fn field_error(&self) -> Option<String> {
        faults_of(self.error.as_ref())
    }

    fn form_error(&self) -> Option<String> {
        if self.field_error().is_some() { None } else { form_error(self.error.as_ref(), &[]) }
    }

    fn title(&self, mine: &JoinedThread, people: &[One]) -> String {
        title(&mine.thread.name, people)
    }

    fn ago(&self, mine: &JoinedThread) -> String {
        ago(self.now, mine.thread.active_at)
    }

    fn unread(&self, mine: &JoinedThread) -> i64 {
        (mine.thread.last_seq - mine.membership.read_seq).max(0)
    }

    /// The line under the title: the people, where the thread has a name of its own.
    fn people(&self, mine: &JoinedThread, people: &[One]) -> String {
        match people.len() {
            0 => "just you".into(),
            1 if mine.thread.name.is_empty() => people
                .iter()
                .filter_map(|one| one.account.username.as_ref())
                .map(|name| format!("@{name}"))
                .collect(),
            _ if mine.thread.name.is_empty() => format!("{} people", people.len() + 1),
            _ => names(people),
        }
    }
}

/// The errors about the usernames, a sentence each.
fn faults_of(error: Option<&Error>) -> Option<String> {
    let Some(Error::Invalid(faults)) = error else { return None };
    let about: Vec<_> = faults.iter().filter(|fault| fault.field.starts_with("users")).collect();
    let words: Vec<&str> = about.iter().map(|fault| fault.message.as_str()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// "Ify, Jörg and Hà"
fn names(people: &[One]) -> String {
    let names: Vec<&str> = people.iter().map(|one| one.account.name.as_str()).collect();
    match &names[..] {
        [] => "Just you".into(),
        [one] => (*one).into(),
        [first @ .., last] if first.len() < 4 => format!("{} and {last}", first.join(", ")),
        [one, two, three, rest @ ..] => format!("{one}, {two}, {three} and {} more", rest.len()),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The title of a thread: its name, or the names of the others.
fn title(name: &str, others: &[One]) -> String {
    if name.is_empty() { names(others) } else { name.into() }
}

/// The title of the thread for this participant.
pub(in crate::html) async fn title_of(app: &App, participant: &Participant) -> Result<String> {
    Ok(title(&participant.conversation.name, &others(app, participant).await?))
}

async fn everyone(app: &App, participant: &Participant) -> Result<Vec<One>> {
    let asked = participant.clone();
    app.db.read(move |read| asked.everyone(read)).await
}

async fn others(app: &App, participant: &Participant) -> Result<Vec<One>> {
    let mut people = everyone(app, participant).await?;
    people.retain(|one| one.account.id != participant.id());
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

fn named(users: &str) -> Result<Names> {
    Names::parse(users.split([',', ' ', ';']).filter(|name| !name.is_empty()))
}

/// `POST /threads`: creates a thread, and redirects to it; with one other person to the existing one, if there is one.
pub async fn begin(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
    Input(form): Input<NewThread>,
) -> Result<Response> {
    let begin = async {
        let name = ThreadName::parse(&form.name);
        let draft = threads::draft(named(&form.users), name, Ok(Metadata::default()), None)?;
        app.limits.room(from, &member.account)?;
        let maker = member.account.clone();
        app.db.write(move |tx| find_or_begin(tx, &maker, &draft)).await
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
    maker: &store::accounts::Account,
    draft: &ThreadDraft,
) -> Result<ConversationId> {
    if draft.name.is_none()
        && let Ok(Some(id)) = threads::of_two(tx, maker.id, &draft.users)
    {
        return Ok(id);
    }
    Ok(threads::create(tx, maker, draft)?.participant().conversation.id)
}

#[derive(Template)]
#[template(path = "thread.html")]
pub(super) struct ThreadPage {
    shell: Shell,
    chat: Chat,
    here: PresenceChanged,
    others: Vec<One>,
    /// True if the weekly pairs created the thread.
    paired: bool,
}

impl ThreadPage {
    /// The latest messages, or those before `end`; with the form that was refused.
    pub(super) async fn new(
        app: &App,
        viewer: &Viewer,
        participant: &Participant,
        end: Option<i64>,
        refused: Option<(SayForm, &Error)>,
    ) -> Result<Self> {
        let id = participant.conversation.id;
        let action = format!("/conversations/{id}/messages");
        let mut chat = Chat::new(app, participant, &format!("/threads/{id}"), action, end, refused).await?;
        let others = others(app, participant).await?;
        chat.title = title(&participant.conversation.name, &others);
        let mut people = app.presence.people(id);
        if !people.iter().any(|one| one.id == participant.id()) {
            people.push(participant.person());
        }
        let shell = Shell::new(app, viewer, NavItem::Threads).await?;
        let paired = participant.conversation.owner.is_none();
        Ok(ThreadPage { shell, chat, here: presence::summary(id, people), others, paired })
    }

    fn here_now(&self) -> String {
        here_now(&self.here)
    }

    fn avatars(&self) -> String {
        avatars(&self.here)
    }

    /// The read positions of the others, for the page's script.
    fn progress(&self) -> String {
        let progress: Vec<_> = self
            .others
            .iter()
            .map(|one| {
                let (account, seq) = (&one.account, one.membership.read_seq);
                serde_json::json!({ "id": account.id, "name": account.name, "seq": seq })
            })
            .collect();
        serde_json::Value::from(progress).to_string()
    }
}

/// `GET /threads/{conversation}`
pub async fn show(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    participant: Participant,
    Query(range): Query<MessageRange>,
) -> Result<Response> {
    match participant.policy().page {
        Page::Thread => page(&ThreadPage::new(&app, &viewer, &participant, range.end(), None).await?),
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
    people: Vec<One>,
    name: String,
    users: String,
    error: Option<Error>,
}

impl AboutPage {
    async fn new(app: &App, participant: &Participant) -> Result<Self> {
        let people = everyone(app, participant).await?;
        let others: Vec<One> =
            people.iter().filter(|one| one.account.id != participant.id()).cloned().collect();
        Ok(AboutPage {
            shell: Shell::new(app, &Viewer::from(&participant.account), NavItem::Threads).await?,
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

    fn initials(&self, one: &One) -> String {
        initials(&one.account.name)
    }

    fn me(&self, one: &One) -> bool {
        one.account.id == self.participant.id()
    }

    fn began(&self, one: &One) -> bool {
        self.participant.conversation.owner == Some(one.account.id)
    }

    /// "has read everything"
    fn progress(&self, one: &One) -> String {
        match self.participant.conversation.last_seq - one.membership.read_seq {
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
        faults_of(self.error.as_ref())
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
async fn back(
    app: &App,
    thread: &Thread,
    done: Result<()>,
    keep: impl FnOnce(AboutPage) -> AboutPage,
) -> Result<Response> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("{}/about", path(thread.participant()))).into_response()),
        Err(error) => {
            show_form_error(error, async |error| {
                let about = keep(AboutPage::new(app, thread.participant()).await?);
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
    ClientAddr(from): ClientAddr,
    thread: Thread,
    Input(form): Input<NameForm>,
) -> Result<Response> {
    let rename = async {
        app.limits.say(from, thread.participant().id())?;
        let changes = Changes { name: Some(ThreadName::parse(&form.name)?), ..Changes::default() };
        let thread = thread.clone();
        app.db.write(move |tx| thread.change(tx, &changes).map(drop)).await
    };
    let done = rename.await;
    back(&app, &thread, done, |about| AboutPage { name: form.name, ..about }).await
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
    ClientAddr(from): ClientAddr,
    thread: Thread,
    Input(form): Input<MuteForm>,
) -> Result<Response> {
    app.limits.write(from)?;
    let changes = Changes { muted: Some(form.muted.is_some()), ..Changes::default() };
    let muted = thread.clone();
    let done = app.db.write(move |tx| muted.change(tx, &changes).map(drop)).await;
    back(&app, &thread, done, |about| about).await
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
    ClientAddr(from): ClientAddr,
    thread: Thread,
    Input(form): Input<AddForm>,
) -> Result<Response> {
    let add = async {
        app.limits.say(from, thread.participant().id())?;
        let names = named(&form.users)?;
        let history = if form.history.is_some() { History::All } else { History::FromNow };
        let thread = thread.clone();
        app.db.write(move |tx| thread.add(tx, &names, history, None).map(drop)).await
    };
    let done = add.await;
    back(&app, &thread, done, |about| AboutPage { users: form.users, ..about }).await
}

/// `POST /threads/{thread}/users/{id}/remove`
pub async fn remove(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    thread: Thread,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    app.limits.say(from, thread.participant().id())?;
    let (id, acting) = (from_path(&id)?, thread.clone());
    let done = app.db.write(move |tx| acting.remove(tx, id)).await;
    back(&app, &thread, done, |about| about).await
}

/// `POST /threads/{thread}/leave`
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    thread: Thread,
) -> Result<Response> {
    app.limits.write(from)?;
    app.db.write(move |tx| thread.remove(tx, thread.participant().id())).await?;
    Ok(Redirect::to("/threads").into_response())
}

/// `POST /threads/{thread}/delete`
pub async fn delete(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    thread: Thread,
) -> Result<Response> {
    app.limits.write(from)?;
    app.db.write(move |tx| thread.delete(tx)).await?;
    Ok(Redirect::to("/threads").into_response())
}
