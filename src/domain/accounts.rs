//! Accounts: signing up, and what a member may do.

use unicode_normalization::UnicodeNormalization;

use super::text::{self, Rules};
use crate::{
    Error, Result,
    db::Read,
    error::Faults,
    events::Tx,
    ids::AccountId,
    store::{
        self,
        accounts::{Account, Kind, NewMember},
    },
};

/// Handles that would pose as the house, its places or everybody.
const RESERVED: &[&str] = &[
    "about",
    "admin",
    "administrator",
    "all",
    "anyone",
    "api",
    "assets",
    "bot",
    "chitter",
    "everyone",
    "feed",
    "guest",
    "help",
    "here",
    "host",
    "info",
    "login",
    "logout",
    "mail",
    "match",
    "me",
    "mod",
    "moderator",
    "nobody",
    "null",
    "official",
    "owner",
    "page",
    "peep",
    "peeps",
    "postmaster",
    "room",
    "rooms",
    "root",
    "security",
    "settings",
    "signup",
    "staff",
    "stream",
    "stranger",
    "support",
    "system",
    "tags",
    "team",
    "thread",
    "threads",
    "undefined",
    "webmaster",
    "you",
];

/// A username: 1 to 30 of `a-z 0-9 _`, in lower case, not reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Takes it in any case, with or without an `@` before it.
    pub fn parse(raw: &str) -> Result<Self> {
        let refuse = |message: &str| Err(Error::invalid("username", message));
        let username = raw.trim().trim_start_matches('@').to_ascii_lowercase();
        if username.is_empty() {
            return refuse("Choose a username.");
        }
        if !username.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return refuse("Only letters a to z, digits and _ go into a username.");
        }
        if username.len() > 30 {
            return refuse("A username has 30 characters at the most.");
        }
        if RESERVED.contains(&username.as_str()) {
            return refuse("That username is kept for the house. Choose another.");
        }
        Ok(Username(username))
    }

    /// In lower case, without the `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A display name: 1 to 50 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Cleans it. Refuses characters that turn the text around or hide in it.
    pub fn parse(raw: &str) -> Result<Self> {
        let rules = Rules { field: "name", limit: 50, lines: false, empty: "Tell us what to call you." };
        if text::is_disguised(raw) {
            return Err(Error::invalid(
                "name",
                "There is a character in it that can’t be seen. Type it anew.",
            ));
        }
        text::clean(raw, rules).map(|name| Name(name.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    /// As it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An email address, as it was typed.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Takes what RFC 5321 can deliver to: `local@domain`, 254 bytes at the most.
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

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared: without regard to case.
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// How emails and usernames are compared when someone logs in.
pub fn key(raw: &str) -> String {
    raw.trim().trim_start_matches('@').nfkc().flat_map(char::to_lowercase).collect()
}

/// A password that is good enough to be hashed. It never prints itself.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// 10 characters or more and 1,000 bytes at the most (Argon2 reads them all), and not just
    /// one character again and again.
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

    /// The words themselves, for the hash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The most used passwords that are long enough.
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

/// What someone filled in to become a member, as it was typed.
#[derive(Clone, Default)]
pub struct Application {
    /// The email.
    pub email: String,
    /// The password.
    pub password: String,
    /// The display name.
    pub name: String,
    /// The username.
    pub username: String,
}

/// An application in which each field can be taken.
#[derive(Clone)]
pub struct Applicant {
    email: Email,
    password: Password,
    name: Name,
    username: Username,
}

impl Application {
    /// Checks each field, also against who is here already, and tells of all that are wrong.
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
    /// The password to be hashed.
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// Becomes a member. The first member keeps the instance.
    pub fn join(&self, tx: &mut Tx<'_>, password_hash: &str) -> Result<AccountId> {
        check_username(tx, &self.username, self.name.as_str())?;
        check_email(tx, &self.email)?;
        let new = NewMember {
            username: self.username.as_str(),
            name: self.name.as_str(),
            email: self.email.as_str(),
            email_key: &self.email.key(),
            password_hash,
        };
        let id = store::accounts::insert_member(tx, &new)?
            .ok_or(Error::Conflict("Someone was faster: that username or email has just been taken."))?;
        store::accounts::claim_admin(tx, id)?;
        Ok(id)
    }
}

/// Refuses a username that someone has, and offers one that is free.
fn check_username(read: &Read<'_>, username: &Username, name: &str) -> Result<()> {
    let wanted = username.as_str();
    if !store::accounts::username_taken(read, wanted)? {
        return Ok(());
    }
    let instead = match another_username(read, wanted, name)? {
        Some(free) => format!("@{free} is free."),
        None => "Choose another.".into(),
    };
    Err(Error::invalid("username", format!("@{wanted} is taken. {instead}")))
}

/// A free username like the wanted one: with the initials of the other names, or a number.
fn another_username(read: &Read<'_>, wanted: &str, name: &str) -> Result<Option<String>> {
    let initials = name.split_whitespace().skip(1).filter_map(|word| word.nfd().next());
    let initials: String = initials.filter(char::is_ascii_alphabetic).collect();
    let initials = Some(initials.to_ascii_lowercase()).filter(|initials| !initials.is_empty());
    for ending in initials.into_iter().chain((2..10).map(|n| n.to_string())) {
        let candidate = format!("{wanted}{ending}");
        if candidate.len() <= 30 && !store::accounts::username_taken(read, &candidate)? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Refuses an email that someone has.
fn check_email(read: &Read<'_>, email: &Email) -> Result<()> {
    if store::accounts::email_taken(read, &email.key())? {
        return Err(Error::invalid("email", "There is an account with that email. Log in instead?"));
    }
    Ok(())
}

/// The credentials to check a password against, by username or email in any case.
pub fn credentials(read: &Read<'_>, login: &str) -> Result<Option<store::accounts::Credentials>> {
    let login = key(login);
    if login.is_empty() || login.contains('\0') {
        return Ok(None);
    }
    store::accounts::credentials(read, &login)
}

/// The same for all ways in which logging in can fail, so that it tells nothing.
pub fn wrong_login() -> Error {
    Error::invalid("password", "That login and password don’t go together. Try again.")
}

/// The member with this username, in any case.
pub fn member(read: &Read<'_>, username: &str) -> Result<Member> {
    let username = Username::parse(username).map_err(|_| Error::NotFound)?;
    Member::try_from(store::accounts::by_username(read, username.as_str())?)
}

/// An account that may do what members do. To have one is the permission.
#[derive(Clone, Debug)]
pub struct Member {
    /// The account.
    pub account: Account,
    /// Its handle: members always have one.
    pub username: String,
}

impl Member {
    /// The account's id.
    pub fn id(&self) -> AccountId {
        self.account.id
    }

    /// Turns the emails about mentions on or off.
    pub fn want_mention_mail(&self, tx: &mut Tx<'_>, wanted: bool) -> Result<()> {
        store::accounts::set_mention_mail(tx, self.id(), wanted)
    }
}

impl TryFrom<Account> for Member {
    type Error = Error;

    /// Anyone else is told to log in.
    fn try_from(account: Account) -> Result<Self> {
        match &account.username {
            Some(username) if account.kind == Kind::Member => {
                Ok(Member { username: username.clone(), account })
            }
            _ => Err(Error::Unauthenticated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_the_same_in_any_case_and_with_an_at() {
        for raw in ["sjmog", "@SJMOG", " Sjmog "] {
            assert_eq!(Username::parse(raw).expect("fine").as_str(), "sjmog");
        }
    }

    #[test]
    fn usernames_that_do_not_fit_are_refused() {
        for raw in ["", "@", "a b", "é", "a-b", "a.b", "admin", "API", "ｎｅｌｌ", &"a".repeat(31)] {
            assert!(Username::parse(raw).is_err(), "{raw:?}");
        }
        assert!(Username::parse(&"a".repeat(30)).is_ok());
    }

    #[test]
    fn an_email_is_kept_as_typed_and_compared_without_case() {
        let email = Email::parse(" Sam@X.org ").expect("fine");
        assert_eq!(email.as_str(), "Sam@X.org");
        assert_eq!(email.key(), "sam@x.org");
    }

    #[test]
    fn what_is_no_email_is_refused() {
        for raw in ["", "sam", "sam@", "@x.org", "a b@x.org", "sam@x.org\r\nBcc: all@x.org", "a@b@c"] {
            assert!(Email::parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn names_are_on_one_line_and_pose_as_nobody() {
        assert_eq!(Name::parse("  Nell   Ashby ").expect("fine").as_str(), "Nell Ashby");
        for raw in
            ["", "  ", "a\nb", "\u{202E}lleN", "Ne\u{200B}ll", "Nell\u{200D}", "Ne\u{AD}ll", &"n".repeat(51)]
        {
            assert!(Name::parse(raw).is_err(), "{raw:?}");
        }
        for raw in ["👩‍🚒 Ha", "می‌خواهم", "❤️", "ليلى حداد", "Ha\u{0300}"] {
            assert!(Name::parse(raw).is_ok(), "{raw:?}");
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
