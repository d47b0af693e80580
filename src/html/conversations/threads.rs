//! Threads: one's own, and what people who are named say to each other.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    chat::{Chat, Stretch as Around},
    messages::{Row, SayForm},
};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        accounts::Member,
        conversations::Participant,
        threads::{self, Beginning, Changes, History, MOST, Metadata, Names, Thread, ThreadName},
    },
    events::PresenceChanged,
    html::{Place, Shell, fault, note, page, page_refused},
    http::{
        input::{Input, Query, from_path},
        respond::head,
        session::{ClientAddr, Viewer},
    },
    ids::ConversationId,
    services::presence,
    store::{
        self,
        conversations::{Kind, Participant as One, Stretch},
        threads::Mine,
    },
    wire::{
        avatars::{flock, here_now},
        format::{ago, initials},
    },
};

/// Threads on a page.
const PAGE: i64 = 100;

#[derive(Template)]
#[template(path = "threads.html")]
struct ThreadsPage {
    shell: Shell,
    mine: Vec<(Mine, Vec<One>)>,
    form: NewThread,
    error: Option<Error>,
    now: Time,
}

impl ThreadsPage {
    async fn new(app: &App, member: &Member) -> Result<Self> {
        let stretch = Stretch::first(member.id(), PAGE);
        let (mine, people) = app
            .db
            .read(move |read| {
                Ok((store::threads::of(read, &stretch)?, store::threads::people_of(read, &stretch)?))
            })
            .await?;
        let mut people_of: HashMap<ConversationId, Vec<One>> = HashMap::new();
        for (id, one) in people.into_iter().filter(|(_, one)| one.account.id != member.id()) {
            people_of.entry(id).or_default().push(one);
        }
        let with = |mine: Mine| {
            let people = people_of.remove(&mine.thread.id).unwrap_or_default();
            (mine, people)
        };
        Ok(ThreadsPage {
            shell: Shell::new(app, &Viewer::from(member), Place::Threads).await?,
            mine: mine.into_iter().map(with).collect(),
            form: NewThread::default(),
            error: None,
            now: app.clock.now(),
        })
    }

    /// What is wrong with the names, each in a sentence.
    fn fault(&self) -> Option<String> {
        faults_of(self.error.as_ref())
    }

    fn note(&self) -> Option<String> {
        if self.fault().is_some() { None } else { note(self.error.as_ref(), &[]) }
    }

    fn title(&self, mine: &Mine, people: &[One]) -> String {
        title(&mine.thread.name, people)
    }

    fn ago(&self, mine: &Mine) -> String {
        ago(self.now, mine.thread.active_at)
    }

    fn unread(&self, mine: &Mine) -> i64 {
        (mine.thread.last_seq - mine.seat.read_seq).max(0)
    }

    /// Under the title: who is in it, where it has a name of its own.
    fn people(&self, mine: &Mine, people: &[One]) -> String {
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

/// What is wrong with the people who were named.
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

/// What a thread is called for somebody: by its name, or by the others in it.
fn title(name: &str, others: &[One]) -> String {
    if name.is_empty() { names(others) } else { name.into() }
}

/// What the thread is called for this participant.
pub(in crate::html) async fn title_of(app: &App, participant: &Participant) -> Result<String> {
    Ok(title(&participant.conversation.name, &others(app, participant).await?))
}

async fn everyone(app: &App, participant: &Participant) -> Result<Vec<One>> {
    let id = participant.conversation.id;
    app.db.read(move |read| store::conversations::participants(read, id, MOST as i64)).await
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

/// The form that a thread is begun with: usernames, with spaces or commas between them.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct NewThread {
    users: String,
    name: String,
}

fn named(users: &str) -> Result<Names> {
    Names::parse(users.split([',', ' ', ';']).filter(|name| !name.is_empty()))
}

/// `POST /threads`: leads straight into the thread; with one other into the one that there is already.
pub async fn begin(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
    Input(form): Input<NewThread>,
) -> Result<Response> {
    let begin = async {
        let name = ThreadName::parse(&form.name);
        let beginning = threads::beginning(named(&form.users), name, Ok(Metadata::default()), None)?;
        app.limits.room(from, &member.account)?;
        let maker = member.account.clone();
        app.db.write(move |tx| find_or_begin(tx, &maker, &beginning)).await
    };
    match begin.await {
        Ok(id) => Ok(Redirect::to(&format!("/threads/{id}")).into_response()),
        Err(error) if crate::html::accounts::is_note(&error) => {
            let threads = ThreadsPage::new(&app, &member).await?;
            page_refused(head(&error), &ThreadsPage { form, error: Some(error), ..threads })
        }
        Err(error) => Err(error),
    }
}

fn find_or_begin(
    tx: &mut crate::events::Tx<'_>,
    maker: &store::accounts::Account,
    beginning: &Beginning,
) -> Result<ConversationId> {
    if beginning.name.is_none()
        && let Ok(Some(id)) = threads::of_two(tx, maker.id, &beginning.users)
    {
        return Ok(id);
    }
    Ok(threads::begin(tx, maker, beginning)?.participant().conversation.id)
}

#[derive(Template)]
#[template(path = "thread.html")]
pub(super) struct ThreadPage {
    shell: Shell,
    chat: Chat,
    here: PresenceChanged,
    others: Vec<One>,
    /// Whether it was begun for the two by the weekly pairs.
    paired: bool,
}

impl ThreadPage {
    /// The latest messages, or those before `end`; with what could not be said.
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
        let shell = Shell::new(app, viewer, Place::Threads).await?;
        let paired = participant.conversation.owner.is_none();
        Ok(ThreadPage { shell, chat, here: presence::here(id, people), others, paired })
    }

    fn here_now(&self) -> String {
        here_now(&self.here)
    }

    fn flock(&self) -> String {
        flock(&self.here)
    }

    /// How far the others have read, for the page's script.
    fn progress(&self) -> String {
        let progress: Vec<_> = self
            .others
            .iter()
            .map(|one| serde_json::json!({ "id": one.account.id, "name": one.account.name, "seq": one.seat.read_seq }))
            .collect();
        serde_json::Value::from(progress).to_string()
    }
}

/// `GET /threads/{conversation}`
pub async fn show(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    participant: Participant,
    Query(stretch): Query<Around>,
) -> Result<Response> {
    match participant.conversation.kind {
        Kind::Thread => page(&ThreadPage::new(&app, &viewer, &participant, stretch.end(), None).await?),
        Kind::Match => Ok(Redirect::to("/match").into_response()),
        Kind::Room => Err(Error::NotFound), // its address is its key
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
            shell: Shell::new(app, &Viewer::from(&participant.account), Place::Threads).await?,
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
        match self.participant.conversation.last_seq - one.seat.read_seq {
            _ if self.participant.conversation.last_seq == 0 => String::new(),
            ..=0 => "has read everything".into(),
            1 => "has not read the last message".into(),
            n => format!("has not read the last {n} messages"),
        }
    }

    fn name_fault(&self) -> Option<&str> {
        fault(self.error.as_ref(), "name")
    }

    fn users_fault(&self) -> Option<String> {
        faults_of(self.error.as_ref())
    }

    fn note(&self) -> Option<String> {
        if self.users_fault().is_some() { None } else { note(self.error.as_ref(), &["name"]) }
    }
}

fn path(participant: &Participant) -> String {
    format!("/threads/{}", participant.conversation.id)
}

/// `GET /threads/{thread}/about`
pub async fn about(State(app): State<Arc<App>>, thread: Thread) -> Result<Response> {
    page(&AboutPage::new(&app, thread.participant()).await?)
}

/// Back to the people of a thread; with what could not be done.
async fn back(
    app: &App,
    thread: &Thread,
    done: Result<()>,
    keep: impl FnOnce(AboutPage) -> AboutPage,
) -> Result<Response> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("{}/about", path(thread.participant()))).into_response()),
        Err(error) if crate::html::accounts::is_note(&error) => {
            let about = keep(AboutPage::new(app, thread.participant()).await?);
            page_refused(head(&error), &AboutPage { error: Some(error), ..about })
        }
        Err(error) => Err(error),
    }
}

/// Another name.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct NameForm {
    name: String,
}

/// `POST /threads/{thread}/about`: another name.
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

/// Whether a thread is to be quiet.
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

/// Who is to be added.
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
