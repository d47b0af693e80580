//! Threads: private conversations of 2 to 100 named people.

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

/// The most people in a thread. Larger groups are what rooms are for.
pub const MOST: usize = 100;

/// The most bytes of a thread's metadata, which is for a program's own ids, not for documents.
const METADATA: usize = 4096;

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

/// People named by their usernames, each once.
#[derive(Clone, Debug)]
pub struct Names(Vec<String>);

impl Names {
    /// Takes usernames in any case, with or without an `@`. Refuses repeated usernames, naming each.
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

    /// Finds the members with these usernames. Refuses unknown usernames, naming each.
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

    /// Finds the app's managed accounts with these handles, and creates those that do not exist yet.
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
        // Sorts the handles, because two transactions that name the same people in different orders would deadlock.
        handles.sort();
        let (handles, places): (Vec<_>, Vec<_>) = handles.into_iter().unzip();
        let mut people: Vec<_> = places.into_iter().zip(apps::people(tx, app, &handles)?).collect();
        people.sort_by_key(|(at, _)| *at);
        Ok(people.into_iter().map(|(_, one)| one).collect())
    }

    /// Finds the members with these usernames. Refuses those whom a block keeps apart from the account that names
    /// them. For a thread that an app looks after, finds or creates the app's managed accounts.
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
                // The message does not reveal which of the two blocked the other.
                faults.push(fault(at, format!("You and {} can’t be in a thread of yours.", self.0[at])));
            }
        }
        if faults.is_empty() { Ok(people) } else { Err(Error::Invalid(faults)) }
    }
}

fn fault(at: usize, message: String) -> Fault {
    Fault::of(format!("users/{at}"), message)
}

/// Returns true if a block keeps two members apart.
fn apart(read: &Read<'_>, one: AccountId, other: AccountId) -> Result<bool> {
    blocks::apart(read, &Party::account(one), &Party::account(other))
}

/// A participant of a thread. Having one is the permission to act in the thread.
#[derive(Clone, Debug)]
pub struct Thread(Participant);

/// The contents of a request for a new thread.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The people in the thread, besides the account that begins it.
    pub users: Names,
    pub name: ThreadName,
    pub metadata: Metadata,
    /// The app whose managed accounts these people are, if the request speaks for them.
    pub app: Option<AppId>,
}

/// Begins a thread, with the maker as its owner and a participant.
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

/// Creates a thread of these people.
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

/// Returns the thread without a name that has just these two people, if there is one.
pub fn of_two(read: &Read<'_>, one: AccountId, names: &Names) -> Result<Option<ConversationId>> {
    match &names.find(read)?[..] {
        [other] => store::threads::of_two(read, one, other.id),
        _ => Ok(None),
    }
}

/// Changes to a thread; a field that is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The name that everyone sees.
    pub name: Option<ThreadName>,
    pub metadata: Option<Metadata>,
    /// Muting of the thread, for the account alone.
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
    fn of(read: &Read<'_>, account: &Account, id: ConversationId) -> Result<Self> {
        conversations::find_participant(read, account, id)?.ok_or(Error::NotFound)?.try_into()
    }

    pub fn participant(&self) -> &Participant {
        &self.0
    }

    fn id(&self) -> ConversationId {
        self.0.conversation.id
    }

    /// Locks the thread until the commit and reads it again. Refuses an account that was removed meanwhile.
    fn now(&self, tx: &mut Tx<'_>) -> Result<Thread> {
        if !store::conversations::hold(tx, self.id())? {
            return Err(Error::NotFound);
        }
        Thread::of(tx, &self.0.account, self.id()).map_err(|_| conversations::OUT)
    }

    /// Changes the name or the metadata, or mutes the thread for the account. Returns the thread after the change.
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

    /// Adds people, who may read what the adder may read, or only messages from then on. In a thread that an app looks
    /// after, only a grant that speaks for that app may add people, and they are the app's managed accounts.
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

    /// Removes a participant. The owner, or the bot of the app that looks after the thread, may remove anyone; everyone
    /// else only themselves.
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
        // Deletes an empty thread, because nobody can ever open it again.
        if left.is_some_and(|thread| thread.size == 0) {
            conversations::delete(tx, self.id())
        } else {
            Ok(())
        }
    }

    /// Deletes the thread for everyone. Only the owner, or the bot of the app that looks after it, may do so.
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

    /// Refuses a participant of another kind of conversation as not found.
    fn try_from(participant: Participant) -> Result<Self> {
        match participant.conversation.kind {
            ConversationKind::Thread => Ok(Thread(participant)),
            _ => Err(Error::NotFound),
        }
    }
}

impl Participant {
    /// Refuses two people who are alone with each other in the conversation and whom a block keeps apart.
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

    /// Records that everything up to this message has reached one of the account's devices, and emits the receipt.
    pub fn receive(&self, tx: &mut Tx<'_>, seq: i64) -> Result<()> {
        let id = self.conversation.id;
        if self.has_receipts() && store::conversations::set_delivered(tx, id, self.id(), seq)? {
            self.tell_receipt(tx, seq, self.membership.read_seq)?;
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

    /// Emits how far the participant has read, to the other participants of a thread.
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

/// Returns the people in a thread.
pub fn people(read: &Read<'_>, id: ConversationId) -> Result<Vec<Person>> {
    let people = store::conversations::participants(read, id, MOST as i64)?;
    let somebody = |one: store::conversations::MembershipRow| Person {
        id: one.account.id,
        name: one.account.name,
        guest: false,
    };
    Ok(people.into_iter().map(somebody).collect())
}

/// Publishes the thread's new state to its subscribers.
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

/// Collects the faults of a request for a new thread.
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

/// A thread that an account is in, with all its people.
pub type WithPeople = (JoinedThread, Vec<MembershipRow>);

/// Returns a page of the threads that an account is in, most recently active first, each with its people.
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

/// Returns the number of threads with messages that the account has not read.
pub fn count_unread(read: &Read<'_>, account: AccountId) -> Result<i64> {
    store::threads::count_unread(read, account)
}

impl Participant {
    /// Returns all participants of a thread, in the order of joining.
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
