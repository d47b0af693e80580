//! Threads: private conversations of 2 to 100 people who are named.

use std::collections::{BTreeSet, HashMap};

use super::{
    apps,
    blocks::{self, Party},
    conversations::{self, Participant, remove_participant, tell},
    names::{Username, skeleton},
    text::{self, Rules},
    webhooks,
};
use crate::{
    Error, Result,
    db::Read,
    error::{Fault, Faults},
    events::{ConversationUpdated, Event, Person, Receipt, Tx},
    ids::{AccountId, AppId, ConversationId},
    store::{
        self,
        accounts::{Account, AccountKind},
        conversations::{ConversationKind, ConversationPage, MembershipRow, NewConversation, NewMembership},
        threads::JoinedThread,
        webhooks::EventType,
    },
};

/// People in a thread. Whoever wants more of them wants a room.
pub const MOST: usize = 100;

/// Bytes that a program may keep with a thread: ids of its own, not documents.
const METADATA: usize = 4096;

/// What a thread is called: up to 80 characters on one line. Without a name it is called by its people.
#[derive(Clone, Debug, Default)]
pub struct ThreadName(String);

impl ThreadName {
    /// Cleans it.
    pub fn parse(raw: &str) -> Result<Self> {
        if raw.trim().is_empty() {
            return Ok(ThreadName::default());
        }
        let rules = Rules { field: "name", limit: 80, lines: false, empty: "Give it a name, or none." };
        let name = text::clean(raw, rules)?;
        Ok(ThreadName(name.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    /// Whether it has none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a program keeps with a thread: a JSON object, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Metadata(String);

impl Metadata {
    /// Takes up to 4 KiB.
    pub fn parse(object: &serde_json::Map<String, serde_json::Value>) -> Result<Self> {
        if object.is_empty() {
            return Ok(Metadata::default());
        }
        let kept = serde_json::to_string(object).map_err(Error::internal)?;
        if kept.len() > METADATA || kept.contains("\\u0000") {
            return Err(Error::invalid(
                "metadata",
                "4 KiB of metadata is kept, and no NUL characters in it.",
            ));
        }
        Ok(Metadata(kept))
    }
}

fn full() -> Error {
    Error::invalid("users", "A thread has 100 people at the most. Open a room for more.")
}

/// People who are named by their usernames, each once.
#[derive(Clone, Debug)]
pub struct Names(Vec<String>);

impl Names {
    /// Takes usernames in any case, with or without an `@`. Refuses those that repeat, by name.
    pub fn parse<'a>(raw: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let (mut names, mut seen, mut faults) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (at, raw) in raw.into_iter().enumerate() {
            let name = raw.trim().to_owned();
            let why = if name.is_empty() {
                Some("Name somebody.".to_owned())
            } else if !seen.insert(name.trim_start_matches('@').to_lowercase()) {
                Some(format!("{name} is named twice."))
            } else {
                None
            };
            faults.extend(why.map(|message| fault(at, message)));
            names.push(name);
            if names.len() > MOST {
                return Err(full());
            }
        }
        if names.is_empty() {
            faults.push(Fault::of("users", "Name at least one other."));
        }
        if faults.is_empty() { Ok(Names(names)) } else { Err(Error::Invalid(faults)) }
    }

    /// The members who are called so. Refuses those whom nobody knows, by name.
    fn find(&self, read: &Read<'_>) -> Result<Vec<Account>> {
        let (mut people, mut faults) = (Vec::new(), Vec::new());
        for (at, name) in self.0.iter().enumerate() {
            let known =
                Username::parse(name).and_then(|name| store::accounts::by_username(read, name.as_str()));
            match known {
                Ok(account) => people.push(account),
                Err(Error::NotFound | Error::Invalid(_)) => {
                    faults.push(fault(at, format!("Nobody here is called {name}.")));
                }
                Err(other) => return Err(other),
            }
        }
        if faults.is_empty() { Ok(people) } else { Err(Error::Invalid(faults)) }
    }

    /// The people whom an app calls so; new ones where it is the first time.
    fn find_or_make(&self, tx: &mut Tx<'_>, app: AppId) -> Result<Vec<Account>> {
        let (mut handles, mut faults) = (Vec::new(), Vec::new());
        for (at, name) in self.0.iter().enumerate() {
            match apps::handle(name) {
                Ok(handle) => handles.push((handle, at)),
                Err(error) => faults.push(fault(at, error.sentence())),
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        // Always in the same order: two who name the same people would wait for each other.
        handles.sort();
        let (handles, places): (Vec<_>, Vec<_>) = handles.into_iter().unzip();
        let mut people: Vec<_> = places.into_iter().zip(apps::people(tx, app, &handles)?).collect();
        people.sort_by_key(|(at, _)| *at);
        Ok(people.into_iter().map(|(_, one)| one).collect())
    }

    /// Members who are called so, where nothing keeps them apart from whoever names them; of a thread that is
    /// in an app's care the app's people.
    fn find_for(&self, tx: &mut Tx<'_>, namer: &Account, app: Option<AppId>) -> Result<Vec<Account>> {
        if let Some(app) = app {
            return self.find_or_make(tx, app);
        }
        let read: &Read<'_> = tx;
        let people = self.find(read)?;
        let mut faults = Vec::new();
        for (at, one) in people.iter().enumerate() {
            if people[..at].iter().any(|other| other.id == one.id) {
                faults.push(fault(at, format!("{} is named twice.", self.0[at])));
            } else if apart(read, namer.id, one.id)? {
                // Not which of the two it was that wants nothing to do with the other.
                faults.push(fault(at, format!("You and {} can’t be in a thread of yours.", self.0[at])));
            }
        }
        if faults.is_empty() { Ok(people) } else { Err(Error::Invalid(faults)) }
    }
}

fn fault(at: usize, message: String) -> Fault {
    Fault::of(format!("users/{at}"), message)
}

/// Whether a block keeps two members apart.
fn apart(read: &Read<'_>, one: AccountId, other: AccountId) -> Result<bool> {
    blocks::apart(read, &Party::account(one), &Party::account(other))
}

/// Somebody who is in a thread. To have one is the permission to act in it.
#[derive(Clone, Debug)]
pub struct Thread(Participant);

/// What there is to begin a thread with.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Who is in it, besides whoever begins it.
    pub users: Names,
    /// What it is called.
    pub name: ThreadName,
    /// What a program keeps with it.
    pub metadata: Metadata,
    /// The app whose people they are, where it speaks for them.
    pub app: Option<AppId>,
}

/// Begins a thread. Whoever begins it is in it, and owns it.
pub fn begin(tx: &mut Tx<'_>, maker: &Account, beginning: &Beginning) -> Result<Thread> {
    if maker.kind == AccountKind::Guest {
        return Err(Error::Forbidden(
            "Threads are for members. Join, and you keep your name and your words.",
        ));
    }
    let mut people = beginning.users.find_for(tx, maker, beginning.app)?;
    people.retain(|one| one.id != maker.id);
    let entrusted = beginning.app.filter(|_| maker.kind == AccountKind::Bot);
    if people.len() < if entrusted.is_some() { 2 } else { 1 } {
        return Err(Error::invalid("users", "Name at least one other."));
    }
    if entrusted.is_none() {
        people.insert(0, maker.clone());
    }
    if people.len() > MOST {
        return Err(full());
    }
    let id = found(tx, Some(maker.id), &beginning.name, &people)?;
    if let Some(app) = beginning.app {
        let bot = store::apps::by_id(tx, app)?.ok_or(Error::NotFound)?.bot;
        store::threads::entrust(tx, id, app, bot)?;
    }
    store::threads::set_metadata(tx, id, &beginning.metadata.0)?;
    Thread::of(tx, maker, id)
}

/// Makes a thread of these people.
pub(super) fn found(
    tx: &mut Tx<'_>,
    owner: Option<AccountId>,
    name: &ThreadName,
    people: &[Account],
) -> Result<ConversationId> {
    let id = store::conversations::insert(
        tx,
        &NewConversation { owner, ..ConversationKind::Thread.new_conversation(&name.0) },
    )?;
    for one in people {
        add_person(tx, id, one, 0, 0)?;
    }
    Ok(id)
}

fn add_person(
    tx: &mut Tx<'_>,
    id: ConversationId,
    one: &Account,
    read_seq: i64,
    visible_after_seq: i64,
) -> Result<()> {
    store::conversations::resize(tx, id, 1)?;
    let skeleton = skeleton(&one.name);
    let new = NewMembership {
        conversation: id,
        account: one.id,
        alias: None,
        skeleton: &skeleton,
        read_seq,
        visible_after_seq,
        ip_hash: "",
    };
    store::conversations::join(tx, &new)
}

/// The thread without a name of just these two, where there is one.
pub fn of_two(read: &Read<'_>, one: AccountId, names: &Names) -> Result<Option<ConversationId>> {
    match &names.find(read)?[..] {
        [other] => store::threads::of_two(read, one, other.id),
        _ => Ok(None),
    }
}

/// What is to be changed about a thread; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Another name, for everyone.
    pub name: Option<ThreadName>,
    /// What a program keeps with it.
    pub metadata: Option<Metadata>,
    /// Whether it is to be quiet, for oneself.
    pub muted: Option<bool>,
}

/// What those see who are added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum History {
    /// Everything.
    All,
    /// What is said from then on.
    FromNow,
}

impl Thread {
    /// The account's place in the thread.
    fn of(read: &Read<'_>, account: &Account, id: ConversationId) -> Result<Self> {
        conversations::find_participant(read, account, id)?.ok_or(Error::NotFound)?.try_into()
    }

    /// Who acts.
    pub fn participant(&self) -> &Participant {
        &self.0
    }

    fn id(&self) -> ConversationId {
        self.0.conversation.id
    }

    /// Takes the thread until the commit: what is so now stays so. Whoever has been taken out meanwhile is out.
    fn now(&self, tx: &mut Tx<'_>) -> Result<Thread> {
        if !store::conversations::hold(tx, self.id())? {
            return Err(Error::NotFound);
        }
        Thread::of(tx, &self.0.account, self.id()).map_err(|_| conversations::OUT)
    }

    /// Gives it another name, keeps something with it, or makes it quiet for oneself. How it is then.
    pub fn change(&self, tx: &mut Tx<'_>, changes: &Changes) -> Result<Thread> {
        let id = self.id();
        if changes.name.is_some() || changes.metadata.is_some() {
            let (change, now) = self.0.next_change(tx)?;
            now.may_write_to_the_other(tx)?;
            if let Some(name) = &changes.name {
                store::conversations::rename(tx, id, &name.0)?;
            }
            if let Some(metadata) = &changes.metadata {
                store::threads::set_metadata(tx, id, &metadata.0)?;
            }
            altered(tx, id, change)?;
        }
        if let Some(muted) = changes.muted {
            store::threads::set_muted(tx, id, self.0.id(), muted)?;
        }
        Thread::of(tx, &self.0.account, id)
    }

    /// Adds people. Those see everything, or what is said from then on.
    /// Of a thread in an app's care, those whom the app names: only for whom it `speaks_for`.
    pub fn add(
        &self,
        tx: &mut Tx<'_>,
        names: &Names,
        history: History,
        speaks_for: Option<AppId>,
    ) -> Result<Thread> {
        let (change, now) = self.0.next_change(tx)?;
        now.may_write_to_the_other(tx)?;
        if now.conversation.app.is_some() && now.conversation.app != speaks_for {
            return Err(Error::Forbidden("Only a key with the scope act_as names the app’s people."));
        }
        let (id, mut faults) = (self.id(), Vec::new());
        let people = names.find_for(tx, &self.0.account, now.conversation.app)?;
        if now.conversation.size as usize + people.len() > MOST {
            return Err(full());
        }
        for (at, one) in people.iter().enumerate() {
            if conversations::find_participant(tx, one, id)?.is_some() {
                faults.push(fault(at, format!("{} is in it already.", names.0[at])));
                continue;
            }
            let last = now.conversation.last_seq;
            let (read_seq, visible_after_seq) = match history {
                History::All => (now.membership.visible_after_seq, now.membership.visible_after_seq),
                History::FromNow => (last, last),
            };
            add_person(tx, id, one, read_seq, visible_after_seq)?;
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        altered(tx, id, change)?;
        Thread::of(tx, &self.0.account, id)
    }

    /// Takes somebody out: its owner anyone, and everyone themselves.
    pub fn remove(&self, tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
        let now = self.now(tx)?;
        let looks_after = now.0.is_owner() || now.0.membership.hidden;
        let hidden = store::conversations::seen_by(tx, self.id(), account)?
            .is_some_and(|(_, membership)| membership.hidden);
        if hidden {
            return Err(Error::Forbidden("The app looks after this thread. Delete the thread instead."));
        }
        if account != self.0.id() && !looks_after {
            return Err(Error::Forbidden("Only whoever began the thread can take others out."));
        }
        remove_participant(tx, self.id(), account, None)?;
        let change = store::conversations::next_change(tx, self.id())?.ok_or(Error::NotFound)?;
        altered(tx, self.id(), change)?;
        let left = store::conversations::by_id(tx, self.id())?;
        // Nobody can ever open it again.
        if left.is_some_and(|thread| thread.size == 0) {
            conversations::delete(tx, self.id())
        } else {
            Ok(())
        }
    }

    /// Deletes it, for everyone: its owner can.
    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        let now = self.now(tx)?;
        if !now.0.is_owner() && !now.0.membership.hidden {
            return Err(Error::Forbidden("Only whoever began the thread can delete it. You can leave it."));
        }
        conversations::delete(tx, self.id())
    }
}

impl TryFrom<Participant> for Thread {
    type Error = Error;

    /// Whoever is in another kind of conversation is in no thread.
    fn try_from(participant: Participant) -> Result<Self> {
        match participant.conversation.kind {
            ConversationKind::Thread => Ok(Thread(participant)),
            _ => Err(Error::NotFound),
        }
    }
}

impl Participant {
    /// Refuses two who are kept apart, and alone with each other.
    pub(super) fn may_write_to_the_other(&self, read: &Read<'_>) -> Result<()> {
        if !self.policy().blocks_writing || self.conversation.size != 2 {
            return Ok(());
        }
        for one in store::conversations::participants(read, self.conversation.id, 2)? {
            if one.account.id != self.id() && apart(read, self.id(), one.account.id)? {
                return Err(Error::Forbidden("You two can’t write to each other any more."));
            }
        }
        Ok(())
    }

    /// Everything up to this message has reached one of its devices: the others of a thread are told.
    pub fn receive(&self, tx: &mut Tx<'_>, seq: i64) -> Result<()> {
        let id = self.conversation.id;
        if self.has_receipts() && store::conversations::set_delivered(tx, id, self.id(), seq)? {
            self.tell_receipt(tx, seq, self.membership.read_seq)?;
        }
        Ok(())
    }

    /// Whether others are told how far it has come.
    pub fn has_receipts(&self) -> bool {
        self.policy().receipts && !self.membership.hidden
    }

    /// Refuses whoever can't say anything here to say that it types.
    pub fn may_type(&self, read: &Read<'_>) -> Result<()> {
        if !self.may_write() || self.membership.hidden {
            return Err(Error::Forbidden("You can only read here."));
        }
        self.may_write_to_the_other(read)
    }

    /// Tells the others of a thread how far it has read.
    pub(super) fn tell_read(&self, tx: &mut Tx<'_>, seq: i64) -> Result<()> {
        match self.has_receipts() {
            true => self.tell_receipt(tx, seq.max(self.membership.delivered_seq), seq),
            false => Ok(()),
        }
    }

    fn tell_receipt(&self, tx: &mut Tx<'_>, delivered_seq: i64, read_seq: i64) -> Result<()> {
        let conversation = self.conversation.id;
        webhooks::enqueue_deliveries(tx, EventType::ReceiptChanged, conversation, self.id().0)?;
        let receipt = Receipt { conversation, who: self.person(), delivered_seq, read_seq };
        tell(tx, conversation, receipt, Event::ReceiptChanged);
        Ok(())
    }
}

/// Who is in a thread.
pub fn people(read: &Read<'_>, id: ConversationId) -> Result<Vec<Person>> {
    let people = store::conversations::participants(read, id, MOST as i64)?;
    let somebody = |one: store::conversations::MembershipRow| Person {
        id: one.account.id,
        name: one.account.name,
        guest: false,
    };
    Ok(people.into_iter().map(somebody).collect())
}

/// Tells everyone who has it open how the thread is now.
fn altered(tx: &mut Tx<'_>, id: ConversationId, change: i64) -> Result<()> {
    let thread = store::conversations::by_id(tx, id)?.ok_or(Error::NotFound)?;
    let people = people(tx, id)?;
    let altered = ConversationUpdated {
        id,
        change,
        name: thread.name,
        locked: thread.locked,
        owner: thread.owner,
        link: None,
        people,
    };
    webhooks::enqueue_deliveries(tx, EventType::ThreadChanged, id, 0)?;
    tell(tx, id, altered, Event::ConversationUpdated);
    Ok(())
}

/// Collects what is wrong with a thread that is to be begun.
pub fn beginning(
    users: Result<Names>,
    name: Result<ThreadName>,
    metadata: Result<Metadata>,
    app: Option<AppId>,
) -> Result<Beginning> {
    let mut faults = Faults::default();
    let (users, name) = (faults.check(users)?, faults.check(name)?);
    let metadata = faults.check(metadata)?;
    faults.done()?;
    let users = users.unwrap_or(Names(Vec::new()));
    Ok(Beginning { users, name: name.unwrap_or_default(), metadata: metadata.unwrap_or_default(), app })
}

/// A thread that an account is in, with everyone in it.
pub type WithPeople = (JoinedThread, Vec<MembershipRow>);

/// A page of the threads that an account is in, most recently active first, each with its people.
pub fn page(read: &Read<'_>, stretch: &ConversationPage) -> Result<Vec<WithPeople>> {
    let threads = store::threads::of(read, stretch)?;
    let mut people_of: HashMap<ConversationId, Vec<MembershipRow>> = HashMap::new();
    for (id, one) in store::threads::people_of(read, stretch)? {
        people_of.entry(id).or_default().push(one);
    }
    let with_people = |thread: JoinedThread| {
        let people = people_of.remove(&thread.thread.id).unwrap_or_default();
        (thread, people)
    };
    Ok(threads.into_iter().map(with_people).collect())
}

/// The number of threads with messages that the account has not read.
pub fn count_unread(read: &Read<'_>, account: AccountId) -> Result<i64> {
    store::threads::count_unread(read, account)
}

impl Participant {
    /// Everyone in a thread, in the order in which they joined.
    pub fn everyone(&self, read: &Read<'_>) -> Result<Vec<MembershipRow>> {
        store::conversations::participants(read, self.conversation.id, MOST as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(names: &[&str]) -> Vec<String> {
        match Names::parse(names.iter().copied()) {
            Ok(Names(names)) => names,
            Err(Error::Invalid(faults)) => {
                faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn whoever_is_named_twice_is_refused_by_name() {
        assert_eq!(said(&["Alma", "@bob"]), ["Alma", "@bob"]);
        assert_eq!(said(&["alma", "bob", " @ALMA "]), ["users/2: @ALMA is named twice."]);
        assert_eq!(said(&[]), ["users: Name at least one other."]);
        assert_eq!(said(&[" "]), ["users/0: Name somebody."]);
    }

    #[test]
    fn metadata_is_kept_up_to_four_kibibytes() {
        let of =
            |value: &str| Metadata::parse(serde_json::json!({ "k": value }).as_object().expect("an object"));
        assert_eq!(of("v").expect("little").0, r#"{"k":"v"}"#);
        assert!(of(&"v".repeat(5000)).is_err());
        assert!(of("\0").is_err(), "PostgreSQL keeps no NUL");
    }
}
