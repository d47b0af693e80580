//! Threads: private conversations of 2 to 100 named people.

use std::collections::{BTreeSet, HashMap};

use super::{
    apps,
    blocks::{self, Party, Scope},
    conversations::{self, FIRST_POSITION, Participant, emit, remove_participant},
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

/// The maximum number of people in a thread. Larger groups use rooms.
pub const MAX_PEOPLE: usize = 100;

/// The maximum size of a thread's metadata in bytes: enough for a program's own ids, too little for documents.
const MAX_METADATA: usize = 4096;

/// A thread's name: up to 80 characters on one line. A thread without a name is shown by the names of its people.
#[derive(Clone, Debug, Default)]
pub struct ThreadName(String);

impl ThreadName {
    /// Cleans the name.
    pub fn parse(raw: &str) -> Result<Self> {
        if raw.trim().is_empty() {
            return Ok(ThreadName::default());
        }
        let rules = Rules { field: "name", limit: 80, lines: false, empty: "Give it a name, or none." };
        let name = text::clean(raw, rules)?;
        Ok(ThreadName(name.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

/// A program's metadata for a thread: a JSON object, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Metadata(String);

impl Metadata {
    /// Encodes an object of up to 4 KiB.
    pub fn parse(object: &serde_json::Map<String, serde_json::Value>) -> Result<Self> {
        if object.is_empty() {
            return Ok(Metadata::default());
        }
        let json = serde_json::to_string(object).map_err(Error::internal)?;
        if json.len() > MAX_METADATA || json.contains("\\u0000") {
            return Err(Error::invalid(
                "metadata",
                "4 KiB of metadata is kept, and no NUL characters in it.",
            ));
        }
        Ok(Metadata(json))
    }
}

fn full() -> Error {
    Error::invalid("users", "A thread has 100 people at the most. Open a room for more.")
}

/// People by their usernames, without repetitions.
#[derive(Clone, Debug)]
pub struct Names(Vec<String>);

impl Names {
    /// Parses usernames in any case, with or without an `@`. Refuses repeated ones, each with a fault of its own.
    pub fn parse<'a>(raw: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let (mut names, mut seen, mut faults) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (index, raw) in raw.into_iter().enumerate() {
            let name = raw.trim().to_owned();
            let message = if name.is_empty() {
                Some("Name somebody.".to_owned())
            } else if !seen.insert(name.trim_start_matches('@').to_lowercase()) {
                Some(format!("{name} is named twice."))
            } else {
                None
            };
            faults.extend(message.map(|message| fault(index, message)));
            names.push(name);
            if names.len() > MAX_PEOPLE {
                return Err(full());
            }
        }
        if names.is_empty() {
            faults.push(Fault::new("users", "Name at least one other."));
        }
        if faults.is_empty() { Ok(Names(names)) } else { Err(Error::Invalid(faults)) }
    }

    /// Returns the members with these usernames. Refuses unknown ones, each with a fault of its own.
    fn find(&self, read: &Read<'_>) -> Result<Vec<Account>> {
        let (mut people, mut faults) = (Vec::new(), Vec::new());
        for (index, name) in self.0.iter().enumerate() {
            let account =
                Username::parse(name).and_then(|name| store::accounts::by_username(read, name.as_str()));
            match account {
                Ok(account) => people.push(account),
                Err(Error::NotFound | Error::Invalid(_)) => {
                    faults.push(fault(index, format!("Nobody here is called {name}.")));
                }
                Err(other) => return Err(other),
            }
        }
        if faults.is_empty() { Ok(people) } else { Err(Error::Invalid(faults)) }
    }

    /// Returns the app's managed accounts with these handles, and creates those that do not exist yet.
    fn find_or_create(&self, tx: &mut Tx<'_>, app: AppId) -> Result<Vec<Account>> {
        let (mut handles, mut faults) = (Vec::new(), Vec::new());
        for (index, name) in self.0.iter().enumerate() {
            match apps::handle(name) {
                Ok(handle) => handles.push((handle, index)),
                Err(error) => faults.push(fault(index, error.sentence())),
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        // The handles are sorted, because two transactions that name the same people in different orders would
        // deadlock.
        handles.sort();
        let (handles, indices): (Vec<_>, Vec<_>) = handles.into_iter().unzip();
        let mut people: Vec<_> = indices.into_iter().zip(apps::people(tx, app, &handles)?).collect();
        people.sort_by_key(|(index, _)| *index);
        Ok(people.into_iter().map(|(_, account)| account).collect())
    }

    /// Returns the members with these usernames. Refuses those whom a block keeps apart from `requester`. For a thread
    /// that an app manages, returns or creates the app's managed accounts.
    fn find_for(&self, tx: &mut Tx<'_>, requester: &Account, app: Option<AppId>) -> Result<Vec<Account>> {
        if let Some(app) = app {
            return self.find_or_create(tx, app);
        }
        let read: &Read<'_> = tx;
        let people = self.find(read)?;
        let mut faults = Vec::new();
        for (index, person) in people.iter().enumerate() {
            if people[..index].iter().any(|other| other.id == person.id) {
                faults.push(fault(index, format!("{} is named twice.", self.0[index])));
            } else if apart(read, requester.id, person.id)? {
                // The message does not reveal which of the two blocked the other.
                faults
                    .push(fault(index, format!("You and {} can’t be in a thread of yours.", self.0[index])));
            }
        }
        if faults.is_empty() { Ok(people) } else { Err(Error::Invalid(faults)) }
    }
}

fn fault(index: usize, message: String) -> Fault {
    Fault::new(format!("users/{index}"), message)
}

/// Returns true if a block keeps two members apart.
fn apart(read: &Read<'_>, one: AccountId, other: AccountId) -> Result<bool> {
    blocks::apart(read, &Party::account(one), &Party::account(other), Scope::Everywhere)
}

/// A participant of a thread. Having one is the permission to act in the thread.
#[derive(Clone, Debug)]
pub struct Thread(Participant);

/// The contents of a request for a new thread.
#[derive(Clone, Debug)]
pub struct ThreadDraft {
    /// The people in the thread, besides the account that creates it.
    pub users: Names,
    pub name: ThreadName,
    pub metadata: Metadata,
    /// The app whose managed accounts these people are, if the request acts for that app.
    pub app: Option<AppId>,
}

/// Creates a thread, with the creator as its owner and a participant.
pub fn create(tx: &mut Tx<'_>, creator: &Account, new: &ThreadDraft) -> Result<Thread> {
    if creator.kind == AccountKind::Guest {
        return Err(Error::Forbidden(
            "Threads are for members. Join, and you keep your name and your words.",
        ));
    }
    let mut people = new.users.find_for(tx, creator, new.app)?;
    people.retain(|person| person.id != creator.id);
    // An app's bot creates threads of others, and is no participant whom they see.
    let by_bot = new.app.is_some() && creator.kind == AccountKind::Bot;
    if people.len() < if by_bot { 2 } else { 1 } {
        return Err(Error::invalid("users", "Name at least one other."));
    }
    if !by_bot {
        people.insert(0, creator.clone());
    }
    if people.len() > MAX_PEOPLE {
        return Err(full());
    }
    let id = insert(tx, Some(creator.id), &new.name, &people)?;
    if let Some(app) = new.app {
        let bot = store::apps::by_id(tx, app)?.ok_or(Error::NotFound)?.bot;
        store::threads::set_app(tx, id, app, bot)?;
    }
    store::threads::set_metadata(tx, id, &new.metadata.0)?;
    Thread::find(tx, creator, id)
}

/// Creates a thread of these people.
pub(super) fn insert(
    tx: &mut Tx<'_>,
    owner: Option<AccountId>,
    name: &ThreadName,
    people: &[Account],
) -> Result<ConversationId> {
    let id = store::conversations::insert(
        tx,
        &NewConversation { owner, ..ConversationKind::Thread.new_conversation(&name.0) },
    )?;
    for person in people {
        add_person(tx, id, person, 0, 0)?;
    }
    Ok(id)
}

fn add_person(
    tx: &mut Tx<'_>,
    id: ConversationId,
    person: &Account,
    read_seq: i64,
    visible_after_seq: i64,
) -> Result<()> {
    store::conversations::resize(tx, id, 1)?;
    let skeleton = skeleton(&person.name);
    let new = NewMembership {
        conversation: id,
        account: person.id,
        alias: None,
        skeleton: &skeleton,
        read_seq,
        visible_after_seq,
        ip_hash: "",
    };
    store::conversations::join(tx, &new)
}

/// Returns the thread without a name whose only people are the account and the one that is named, if there is one.
pub fn of_two(read: &Read<'_>, account: AccountId, names: &Names) -> Result<Option<ConversationId>> {
    match &names.find(read)?[..] {
        [other] => store::threads::of_two(read, account, other.id),
        _ => Ok(None),
    }
}

/// Changes to a thread; a field that is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The name that everyone sees.
    pub name: Option<ThreadName>,
    pub metadata: Option<Metadata>,
    /// True to mute the thread, for the account alone.
    pub muted: Option<bool>,
}

/// The messages that newly added people may read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum History {
    /// The messages that the person who adds them may read.
    All,
    FromNow,
}

impl Thread {
    /// Returns the account as a participant of the thread.
    fn find(read: &Read<'_>, account: &Account, id: ConversationId) -> Result<Self> {
        conversations::find_participant(read, account, id)?.ok_or(Error::NotFound)?.try_into()
    }

    pub fn participant(&self) -> &Participant {
        &self.0
    }

    fn id(&self) -> ConversationId {
        self.0.conversation.id
    }

    /// Locks the thread until the commit and reads it again. Refuses an account that was removed meanwhile.
    fn lock(&self, tx: &mut Tx<'_>) -> Result<Thread> {
        if !store::conversations::lock(tx, self.id())? {
            return Err(Error::NotFound);
        }
        Thread::find(tx, &self.0.account, self.id()).map_err(|_| conversations::NOT_IN_IT)
    }

    /// Changes the name or the metadata, or mutes the thread for the account. Returns the thread after the change.
    pub fn change(&self, tx: &mut Tx<'_>, changes: &Changes) -> Result<Thread> {
        let id = self.id();
        if changes.name.is_some() || changes.metadata.is_some() {
            let (change, current) = self.0.next_change(tx)?;
            current.may_write_to_the_other(tx)?;
            if let Some(name) = &changes.name {
                store::conversations::rename(tx, id, &name.0)?;
            }
            if let Some(metadata) = &changes.metadata {
                store::threads::set_metadata(tx, id, &metadata.0)?;
            }
            emit_update(tx, id, change)?;
        }
        if let Some(muted) = changes.muted {
            store::threads::set_muted(tx, id, self.0.id(), muted)?;
        }
        Thread::find(tx, &self.0.account, id)
    }

    /// Adds people. They may read what the account that adds them may read, or only messages from then on. In a thread
    /// that an app manages, only a grant that acts for that app may add people, and they are its managed accounts.
    pub fn add(
        &self,
        tx: &mut Tx<'_>,
        names: &Names,
        history: History,
        acts_for: Option<AppId>,
    ) -> Result<Thread> {
        let (change, current) = self.0.next_change(tx)?;
        current.may_write_to_the_other(tx)?;
        if current.conversation.app.is_some() && current.conversation.app != acts_for {
            return Err(Error::Forbidden("Only a key with the scope act_as names the app’s people."));
        }
        let (id, mut faults) = (self.id(), Vec::new());
        let people = names.find_for(tx, &self.0.account, current.conversation.app)?;
        if current.conversation.size as usize + people.len() > MAX_PEOPLE {
            return Err(full());
        }
        for (index, person) in people.iter().enumerate() {
            if conversations::find_participant(tx, person, id)?.is_some() {
                faults.push(fault(index, format!("{} is in it already.", names.0[index])));
                continue;
            }
            let visible_after_seq = match history {
                History::All => current.membership.visible_after_seq,
                History::FromNow => current.conversation.last_seq,
            };
            let read_seq = visible_after_seq;
            add_person(tx, id, person, read_seq, visible_after_seq)?;
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        emit_update(tx, id, change)?;
        Thread::find(tx, &self.0.account, id)
    }

    /// Removes a participant. The owner, or the bot of the app that manages the thread, may remove anyone; everyone
    /// else only themselves.
    pub fn remove(&self, tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
        let current = self.lock(tx)?;
        let may_manage = current.0.is_owner() || current.0.membership.hidden;
        let hidden = store::conversations::with_membership(tx, self.id(), account)?
            .is_some_and(|(_, membership)| membership.hidden);
        if hidden {
            return Err(Error::Forbidden("The app looks after this thread. Delete the thread instead."));
        }
        if account != self.0.id() && !may_manage {
            return Err(Error::Forbidden("Only whoever began the thread can take others out."));
        }
        remove_participant(tx, self.id(), account, None)?;
        let change = store::conversations::next_change(tx, self.id())?.ok_or(Error::NotFound)?;
        emit_update(tx, self.id(), change)?;
        let remaining = store::conversations::by_id(tx, self.id())?;
        // An empty thread is deleted, because nobody can ever open it again.
        if remaining.is_some_and(|thread| thread.size == 0) {
            conversations::delete(tx, self.id())
        } else {
            Ok(())
        }
    }

    /// Deletes the thread for everyone. Only the owner, or the bot of the app that manages the thread, may do so.
    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        let current = self.lock(tx)?;
        if !current.0.is_owner() && !current.0.membership.hidden {
            return Err(Error::Forbidden("Only whoever began the thread can delete it. You can leave it."));
        }
        conversations::delete(tx, self.id())
    }
}

impl TryFrom<Participant> for Thread {
    type Error = Error;

    /// Refuses a participant of another kind of conversation as not found.
    fn try_from(participant: Participant) -> Result<Self> {
        match participant.conversation.kind {
            ConversationKind::Thread => Ok(Thread(participant)),
            _ => Err(Error::NotFound),
        }
    }
}

impl Participant {
    /// Refuses the participant if the conversation has only one other person and a block keeps the two apart.
    pub(super) fn may_write_to_the_other(&self, read: &Read<'_>) -> Result<()> {
        if !self.policy().blocks_writing || self.conversation.size != 2 {
            return Ok(());
        }
        for other in self.people(read, FIRST_POSITION, 2)? {
            if other.account.id != self.id() && apart(read, self.id(), other.account.id)? {
                return Err(Error::Forbidden("You two can’t write to each other any more."));
            }
        }
        Ok(())
    }

    /// Records that everything up to this message has reached one of the account's devices, and emits the receipt.
    pub fn receive(&self, tx: &mut Tx<'_>, seq: i64) -> Result<()> {
        let id = self.conversation.id;
        if self.has_receipts() && store::conversations::set_delivered(tx, id, self.id(), seq)? {
            self.emit_receipt(tx, seq, self.membership.read_seq)?;
        }
        Ok(())
    }

    /// Returns true if the other participants receive this participant's receipts.
    pub fn has_receipts(&self) -> bool {
        self.policy().receipts && !self.membership.hidden
    }

    /// Refuses the typing notice of a participant who cannot write here.
    pub fn may_type(&self, read: &Read<'_>) -> Result<()> {
        if !self.may_write() || self.membership.hidden {
            return Err(Error::Forbidden("You can only read here."));
        }
        self.may_write_to_the_other(read)
    }

    /// Emits the receipt that the participant has read up to this message, where participants see receipts.
    pub(super) fn emit_read(&self, tx: &mut Tx<'_>, seq: i64) -> Result<()> {
        match self.has_receipts() {
            true => self.emit_receipt(tx, seq.max(self.membership.delivered_seq), seq),
            false => Ok(()),
        }
    }

    fn emit_receipt(&self, tx: &mut Tx<'_>, delivered_seq: i64, read_seq: i64) -> Result<()> {
        let conversation = self.conversation.id;
        webhooks::enqueue_deliveries(tx, EventType::ReceiptChanged, conversation, self.id().0)?;
        let receipt = Receipt { conversation, person: self.person(), delivered_seq, read_seq };
        emit(tx, conversation, receipt, Event::ReceiptChanged);
        Ok(())
    }
}

/// Returns the people in a thread.
pub fn people(read: &Read<'_>, id: ConversationId) -> Result<Vec<Person>> {
    let people = store::conversations::participants(read, id, MAX_PEOPLE as i64)?;
    let person = |row: MembershipRow| Person { id: row.account.id, name: row.account.name, guest: false };
    Ok(people.into_iter().map(person).collect())
}

/// Publishes the thread's new state to its subscribers.
fn emit_update(tx: &mut Tx<'_>, id: ConversationId, change: i64) -> Result<()> {
    let thread = store::conversations::by_id(tx, id)?.ok_or(Error::NotFound)?;
    let people = people(tx, id)?;
    let update = ConversationUpdated {
        id,
        change,
        name: thread.name,
        locked: thread.locked,
        owner: thread.owner,
        link: None,
        people,
    };
    webhooks::enqueue_deliveries(tx, EventType::ThreadChanged, id, 0)?;
    emit(tx, id, update, Event::ConversationUpdated);
    Ok(())
}

/// Puts together the parts of a request for a new thread, and reports the faults of all parts at once.
pub fn draft(
    users: Result<Names>,
    name: Result<ThreadName>,
    metadata: Result<Metadata>,
    app: Option<AppId>,
) -> Result<ThreadDraft> {
    let mut faults = Faults::default();
    let (users, name) = (faults.check(users)?, faults.check(name)?);
    let metadata = faults.check(metadata)?;
    faults.done()?;
    let users = users.unwrap_or(Names(Vec::new()));
    Ok(ThreadDraft { users, name: name.unwrap_or_default(), metadata: metadata.unwrap_or_default(), app })
}

/// A thread that an account is in, with all its people.
pub type WithPeople = (JoinedThread, Vec<MembershipRow>);

/// Returns a page of the threads that an account is in, most recently active first, each with its people.
pub fn page(read: &Read<'_>, page: &ConversationPage) -> Result<Vec<WithPeople>> {
    let threads = store::threads::joined(read, page)?;
    let mut people_of: HashMap<ConversationId, Vec<MembershipRow>> = HashMap::new();
    for (id, person) in store::threads::people_of(read, page)? {
        people_of.entry(id).or_default().push(person);
    }
    let with_people = |thread: JoinedThread| {
        let people = people_of.remove(&thread.thread.id).unwrap_or_default();
        (thread, people)
    };
    Ok(threads.into_iter().map(with_people).collect())
}

/// Returns the number of threads with messages that the account has not read.
pub fn count_unread(read: &Read<'_>, account: AccountId) -> Result<i64> {
    store::threads::count_unread(read, account)
}

impl Participant {
    /// Returns everyone in a thread, in the order of joining.
    pub fn everyone(&self, read: &Read<'_>) -> Result<Vec<MembershipRow>> {
        self.people(read, FIRST_POSITION, MAX_PEOPLE as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the parsed names, or the faults as text.
    fn parse(names: &[&str]) -> Vec<String> {
        match Names::parse(names.iter().copied()) {
            Ok(Names(names)) => names,
            Err(Error::Invalid(faults)) => {
                faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_fault_of_a_repeated_name_contains_the_name() {
        assert_eq!(parse(&["Alma", "@bob"]), ["Alma", "@bob"]);
        assert_eq!(parse(&["alma", "bob", " @ALMA "]), ["users/2: @ALMA is named twice."]);
        assert_eq!(parse(&[]), ["users: Name at least one other."]);
        assert_eq!(parse(&[" "]), ["users/0: Name somebody."]);
    }

    #[test]
    fn metadata_has_at_most_four_kibibytes() {
        let parse =
            |value: &str| Metadata::parse(serde_json::json!({ "k": value }).as_object().expect("an object"));
        assert_eq!(parse("v").expect("a small object").0, r#"{"k":"v"}"#);
        assert!(parse(&"v".repeat(5000)).is_err());
        assert!(parse("\0").is_err(), "PostgreSQL stores no NUL");
    }
}
