//! Accounts: signing up, and the permissions of a member.

use unicode_normalization::UnicodeNormalization;

use super::{
    names::{self, MAX_USERNAME, Name, Username, skeleton},
    viewer::Viewer,
};
use crate::{
    Error, Result,
    db::Read,
    error::Faults,
    events::Tx,
    ids::AccountId,
    store::{
        self,
        accounts::{Account, AccountKind, NewMember, Skeletons},
    },
};

/// An email address, as it was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Email(String);

impl Email {
    /// Accepts an address that RFC 5321 can deliver to: `local@domain`, 254 bytes at the most.
    pub fn parse(raw: &str) -> Result<Self> {
        let email = raw.trim();
        let fits = email.len() <= 254
            && !email.chars().any(|c| c.is_control() || c.is_whitespace())
            && email.parse::<lettre::Address>().is_ok();
        if !fits {
            return Err(Error::invalid("email", "That does not look like an email address."));
        }
        Ok(Email(email.into()))
    }

    /// Returns the address as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form that is compared, which ignores case.
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// Returns the form in which emails and usernames are compared at login.
pub fn key(raw: &str) -> String {
    raw.trim().trim_start_matches('@').nfkc().flat_map(char::to_lowercase).collect()
}

/// A password that is good enough to be hashed. Has no `Debug`, so that it is never printed.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Accepts 10 characters or more and 1,000 bytes at the most (Argon2 reads them all). Refuses a password of one
    /// repeated character, and the most common ones.
    pub fn parse(raw: &str) -> Result<Self> {
        let refuse = |message: &str| Err(Error::invalid("password", message));
        if raw.chars().count() < 10 {
            return refuse("Ten characters or more. A silly sentence is best.");
        }
        if raw.len() > 1000 {
            return refuse("That is more than anyone could type. Use a shorter one.");
        }
        let first = raw.chars().next();
        if raw.chars().all(|c| Some(c) == first) || COMMON.contains(&raw.to_lowercase().as_str()) {
            return refuse("That is one of the first that someone would try. A silly sentence is best.");
        }
        Ok(Password(raw.into()))
    }

    /// Returns the plain text, for the hash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The most used passwords among those that are long enough.
const COMMON: &[&str] = &[
    "0123456789",
    "0987654321",
    "1234567890",
    "12345678910",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "abcdefghij",
    "administrator",
    "changeme123",
    "football123",
    "iloveyou123",
    "letmein123",
    "monkey1234",
    "password01",
    "password10",
    "password12",
    "password123",
    "password1234",
    "password12345",
    "princess123",
    "q1w2e3r4t5",
    "qazwsxedcrfv",
    "qwerty12345",
    "qwerty1234",
    "qwertyuiop",
    "sunshine123",
    "superman123",
    "welcome123",
];

/// The sign-up form, with each field as it was typed.
#[derive(Clone, Default)]
pub struct Application {
    pub email: String,
    pub password: String,
    pub name: String,
    pub username: String,
}

/// An application whose fields are all valid.
#[derive(Clone)]
pub struct Applicant {
    email: Email,
    password: Password,
    name: Name,
    username: Username,
}

impl Application {
    /// Checks each field, also against the accounts that exist, and reports all faults at once.
    pub fn check(&self, read: &Read<'_>) -> Result<Applicant> {
        let mut faults = Faults::default();
        let name = faults.check(Name::parse(&self.name))?;
        let username = faults.check(Username::parse(&self.username))?;
        let email = faults.check(Email::parse(&self.email))?;
        let password = faults.check(Password::parse(&self.password))?;
        if let Some(username) = &username {
            faults.check(check_username(read, username, &self.name))?;
        }
        if let Some(email) = &email {
            faults.check(check_email(read, email))?;
        }
        faults.done()?;
        match (email, password, name, username) {
            (Some(email), Some(password), Some(name), Some(username)) => {
                Ok(Applicant { email, password, name, username })
            }
            _ => Err(Error::internal("a field without a value and without a fault")),
        }
    }
}

impl Applicant {
    /// Returns the password, which the caller hashes.
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// Creates the member. A guest's account becomes the member's, with everything that the guest wrote. The first
    /// member becomes the administrator of the instance.
    pub fn join(&self, tx: &mut Tx<'_>, guest: Option<AccountId>, password_hash: &str) -> Result<AccountId> {
        check_username(tx, &self.username, self.name.as_str())?;
        check_email(tx, &self.email)?;
        let new = NewMember {
            username: self.username.as_str(),
            name: self.name.as_str(),
            skeletons: Skeletons {
                name: &skeleton(self.name.as_str()),
                username: &skeleton(self.username.as_str()),
            },
            email: self.email.as_str(),
            email_key: &self.email.key(),
            password_hash,
        };
        let id = match guest {
            Some(guest) if store::accounts::claim(tx, guest, &new)? => {
                store::conversations::clear_aliases(tx, guest)?;
                guest
            }
            _ => store::accounts::insert_member(tx, &new)?
                .ok_or(Error::Conflict("Someone was faster: that username or email has just been taken."))?,
        };
        store::accounts::claim_admin(tx, id)?;
        Ok(id)
    }
}

/// Creates a guest: an account with a display name and nothing else. Refuses the names of members and the reserved
/// names, and names that look like them.
pub fn create_guest(tx: &mut Tx<'_>, name: &Name) -> Result<Account> {
    check_name(tx, name, None)?;
    let id =
        store::accounts::insert_nameless(tx, AccountKind::Guest, name.as_str(), &skeleton(name.as_str()))?;
    store::accounts::by_id(tx, id)
}

/// Refuses a display name, of an account without a username, that could pass for the instance or for a member. The name
/// of the member `except` is allowed.
pub(super) fn check_name(read: &Read<'_>, name: &Name, except: Option<AccountId>) -> Result<()> {
    if names::is_reserved(name) {
        return Err(Error::invalid("name", "That name is kept for the house. Choose another."));
    }
    let similar = store::accounts::member_who_looks_like(read, &skeleton(name.as_str()))?;
    if let Some(member) = similar.filter(|member| Some(member.id) != except) {
        return Err(Error::invalid(
            "name",
            format!("{} is a member here. If that’s you, log in; if not, choose another name.", member.name),
        ));
    }
    if name.as_str().nfkc().any(|c| c == '@') {
        return Err(Error::invalid("name", "Only members have an @ in front of a name. Leave it out."));
    }
    Ok(())
}

/// Computes skeletons for a batch of accounts that were created before skeletons were stored, and returns their number.
/// The next call continues.
pub fn fill_skeletons(tx: &mut Tx<'_>) -> Result<usize> {
    let accounts = store::accounts::without_skeleton(tx, 500)?;
    for (id, name, username) in &accounts {
        let username = username.as_deref().map(skeleton).unwrap_or_default();
        let skeletons = Skeletons { name: &skeleton(name), username: &username };
        store::accounts::set_skeletons(tx, *id, skeletons)?;
    }
    Ok(accounts.len())
}

/// Refuses a username that is taken, and suggests a free one.
fn check_username(read: &Read<'_>, username: &Username, name: &str) -> Result<()> {
    let username = username.as_str();
    if !store::accounts::username_taken(read, username)? {
        return Ok(());
    }
    let suggestion = match similar_username(read, username, name)? {
        Some(free) => format!("@{free} is free."),
        None => "Choose another.".into(),
    };
    Err(Error::invalid("username", format!("@{username} is taken. {suggestion}")))
}

/// Returns a free username: this one with the initials of the further names, or a number, at its end.
fn similar_username(read: &Read<'_>, username: &str, name: &str) -> Result<Option<String>> {
    let initials = name.split_whitespace().skip(1).filter_map(|word| word.nfd().next());
    let initials: String = initials.filter(char::is_ascii_alphabetic).collect();
    let initials = Some(initials.to_ascii_lowercase()).filter(|initials| !initials.is_empty());
    for ending in initials.into_iter().chain((2..10).map(|n| n.to_string())) {
        let candidate = format!("{username}{ending}");
        if candidate.len() <= 30 && !store::accounts::username_taken(read, &candidate)? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Refuses an email that is taken.
fn check_email(read: &Read<'_>, email: &Email) -> Result<()> {
    if store::accounts::email_taken(read, &email.key())? {
        return Err(Error::invalid("email", "There is an account with that email. Log in instead?"));
    }
    Ok(())
}

/// Returns the credentials to check a password against, by username or email in any case.
pub fn credentials(read: &Read<'_>, login: &str) -> Result<Option<store::accounts::Credentials>> {
    let login = key(login);
    if login.is_empty() || login.contains('\0') {
        return Ok(None);
    }
    store::accounts::credentials(read, &login)
}

/// Returns the same error for all ways in which a login can fail, so that it does not reveal which accounts exist.
pub fn wrong_login() -> Error {
    Error::invalid("password", "That login and password don’t go together. Try again.")
}

/// Returns the member with this username, in any case.
pub fn member(read: &Read<'_>, username: &str) -> Result<Member> {
    let username = Username::parse(username).map_err(|_| Error::NotFound)?;
    Member::try_from(store::accounts::by_username(read, username.as_str())?)
}

/// Returns at most `limit` members whose username or name begins with `prefix`, other than the viewer.
pub fn search(read: &Read<'_>, viewer: Viewer, prefix: &str, limit: i64) -> Result<Vec<Account>> {
    let prefix = super::text::folded(prefix.trim().trim_start_matches('@'));
    if prefix.is_empty() || prefix.len() > 60 || prefix.contains('\0') {
        return Ok(Vec::new());
    }
    let literal = prefix.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    store::accounts::search(read, viewer.account, &format!("{literal}%"), limit)
}

/// The maximum number of members that are suggested for a mistyped username.
const MAX_SIMILAR: usize = 3;

/// Returns the members whose usernames share the longest beginning, of two characters or more, with a mistyped one.
/// Returns none for the username of a member.
pub fn similar(read: &Read<'_>, typed: &str) -> Result<Vec<Account>> {
    let typed = key(typed);
    if typed.len() > 2 * MAX_USERNAME || typed.contains('\0') {
        return Ok(Vec::new());
    }
    let shared = |account: &Account| {
        let username = account.username.as_deref().unwrap_or_default();
        username.bytes().zip(typed.bytes()).take_while(|(a, b)| a == b).count()
    };
    // In alphabetical order, the usernames with the longest shared beginning are next to the typed one.
    let mut members = store::accounts::neighbors(read, &typed, MAX_SIMILAR as i64)?;
    if members.iter().any(|member| member.username.as_deref() == Some(typed.as_str())) {
        return Ok(Vec::new()); // the member exists, but not the rest of the path
    }
    let longest = members.iter().map(shared).max().unwrap_or_default();
    members.retain(|member| longest >= 2 && shared(member) == longest);
    members.truncate(MAX_SIMILAR);
    Ok(members)
}

/// An account that may do what members do. Having a value of this type is the permission.
#[derive(Clone, Debug)]
pub struct Member {
    pub account: Account,
    /// The account's username, which every member has.
    pub username: String,
}

impl Member {
    pub fn id(&self) -> AccountId {
        self.account.id
    }

    /// Turns the emails about mentions on or off.
    pub fn set_mention_mail(&self, tx: &mut Tx<'_>, on: bool) -> Result<()> {
        store::accounts::set_mention_mail(tx, self.id(), on)
    }
}

impl TryFrom<Account> for Member {
    type Error = Error;

    /// Returns [`Error::Unauthenticated`] for an account that is not a member.
    fn try_from(account: Account) -> Result<Self> {
        match &account.username {
            Some(username) if account.kind == AccountKind::Member => {
                Ok(Member { username: username.clone(), account })
            }
            _ => Err(Error::Unauthenticated),
        }
    }
}

/// Returns the email of an account; guests, bots and managed accounts have none.
pub fn email(read: &Read<'_>, account: AccountId) -> Result<Option<String>> {
    store::accounts::email(read, account)
}

/// Returns whether the account has stated that it is of age.
pub fn is_adult(read: &Read<'_>, account: AccountId) -> Result<bool> {
    store::accounts::is_adult(read, account)
}

/// Turns the emails about mentions off for the holder of the signed link in such an email.
pub fn stop_mention_mail(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    store::accounts::set_mention_mail(tx, account, false)
}

/// Returns the number of members.
pub fn count_members(read: &Read<'_>) -> Result<i64> {
    store::accounts::count_members(read)
}

/// Returns the member who administers the instance; `None` until the first member has signed up.
pub fn admin(read: &Read<'_>) -> Result<Option<Account>> {
    store::accounts::admin(read)
}

/// An account with an address that mail can be sent to.
#[derive(Clone, Debug)]
pub struct Recipient {
    pub account: Account,
    pub address: String,
}

impl Recipient {
    /// Returns the account as a recipient, or `None` where it has no address.
    pub fn find(read: &Read<'_>, id: AccountId) -> Result<Option<Self>> {
        let account = store::accounts::by_id(read, id)?;
        Ok(store::accounts::email(read, id)?.map(|address| Recipient { account, address }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_stored_as_typed_and_compared_without_case() {
        let email = Email::parse(" Sam@X.org ").expect("fine");
        assert_eq!(email.as_str(), "Sam@X.org");
        assert_eq!(email.key(), "sam@x.org");
    }

    #[test]
    fn an_invalid_email_is_refused() {
        for raw in ["", "sam", "sam@", "@x.org", "a b@x.org", "sam@x.org\r\nBcc: all@x.org", "a@b@c"] {
            assert!(Email::parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn short_and_common_passwords_are_refused() {
        for raw in ["", "short", "aaaaaaaaaaaa", "Password123", &"long".repeat(300)] {
            assert!(Password::parse(raw).is_err(), "{raw:?}");
        }
        assert!(Password::parse("a heron on the slip").is_ok());
    }
}
