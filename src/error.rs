//! The one error of the product. The domain and the databases return it; the edge gives it one of
//! two faces (`web/respond.rs`): a page or a note beside a field, or RFC 9457 problem JSON.
//!
//! What the log says and what a person sees are different strings: only [`Error::Internal`] has
//! something for the log, and nobody else ever sees it.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Debug)]
pub enum Error {
    /// There is no such thing, or it is not for this viewer to know of.
    NotFound,
    /// Someone must log in first.
    Unauthenticated,
    /// Logged in, but this is not theirs to do. The sentence says why.
    Forbidden(&'static str),
    /// The input can't be taken. One fault per field, each a plain sentence.
    Invalid(Vec<Fault>),
    /// It can't be read at all: no JSON, no form. The sentence says what is wrong with it.
    Malformed(String),
    /// It is of a type that is not taken here. The sentence says which are.
    MediaType(&'static str),
    /// Something is here, but that can't be done with it.
    Method,
    /// The idempotency key was used for something else.
    KeyReused,
    /// It was fine, but something else happened first. The sentence says what.
    Conflict(&'static str),
    /// Too often. Come back after this long.
    TooMany {
        /// How long until the next try can succeed.
        retry_after: Duration,
        /// Of which limit, where it is one that is told of.
        limit: Option<Limit>,
    },
    /// The body is larger than anything we take.
    TooLarge,
    /// It did not arrive in the time that a request may take.
    TooSlow,
    /// More waits than we can promise to do soon. Nothing was done; try again.
    Busy,
    /// The disk is full. Nothing was saved and nothing is lost.
    Full,
    /// Our fault. The source is for the log alone.
    Internal(Box<dyn StdError + Send + Sync>),
}

/// A limit that was reached: so many in so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// What it is called.
    pub name: &'static str,
    /// How many at once.
    pub burst: u32,
    /// Until all of them come back.
    pub window: Duration,
}

/// One field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of the form field, or the way to the JSON value: `users/2`.
    pub field: Cow<'static, str>,
    /// Whether it is a part of the address (of its path, or behind the question mark), and not of the body.
    pub in_query: bool,
    /// A plain sentence for the person who filled it in.
    pub message: String,
}

impl Fault {
    /// What is wrong with one field.
    pub fn of(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Fault { field: field.into(), in_query: false, message: message.into() }
    }
}

impl Error {
    /// One field that can't be taken, and the sentence that says why.
    pub fn invalid(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Error::Invalid(vec![Fault::of(field, message)])
    }

    /// The same of a part of the address.
    pub fn invalid_query(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Error::Invalid(vec![Fault { in_query: true, ..Fault::of(field, message) }])
    }

    /// Our fault, with words for the log.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error::Internal(source.into())
    }

    /// The same, about this field where it was about none.
    pub fn about(self, field: &str) -> Self {
        match self {
            Error::Invalid(mut faults) => {
                let unnamed = faults.iter_mut().filter(|fault| fault.field.is_empty());
                unnamed.for_each(|fault| fault.field = field.to_owned().into());
                Error::Invalid(faults)
            }
            other => other,
        }
    }

    /// What to tell a person: one or two plain sentences.
    pub fn sentence(&self) -> String {
        match self {
            Error::NotFound => "There is nothing here. It may have been deleted.".into(),
            Error::Unauthenticated => "Log in first.".into(),
            Error::Forbidden(why) | Error::Conflict(why) => (*why).into(),
            Error::Invalid(faults) => {
                let messages: Vec<_> = faults.iter().map(|f| f.message.as_str()).collect();
                messages.join(" ")
            }
            Error::Malformed(why) => why.clone(),
            Error::MediaType(why) => (*why).into(),
            Error::KeyReused => {
                "Something else was asked for with that idempotency key. Take a new one for each request."
                    .into()
            }
            Error::Method => "That can’t be done at this address.".into(),
            Error::TooMany { retry_after, .. } => {
                format!("You’re quick. Try again in {}.", in_words(*retry_after))
            }
            Error::TooLarge => "That is more than fits here. Send less at once.".into(),
            Error::TooSlow => "That took too long to arrive. Try again.".into(),
            Error::Busy => "Too much is going on right now. Try again in a few seconds.".into(),
            Error::Full => "The disk is full, so nothing was saved. What was there before is safe; \
                 tell whoever keeps this place."
                .into(),
            Error::Internal(_) => "Something broke on our side, and it is in the log. Try again.".into(),
        }
    }
}

/// A wait as a person says it: whole seconds, or minutes from two minutes on. Never "0 seconds".
pub fn in_words(wait: Duration) -> String {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    match seconds {
        1 => "a second".into(),
        2..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Internal(source) => write!(f, "{source}"),
            other => f.write_str(&other.sentence()),
        }
    }
}

impl StdError for Error {}

/// Collects the faults of a whole form, so that a person hears of all of them at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Keeps the value, or notes what is wrong with it. An error of another kind ends the matter.
    pub fn check<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Invalid(faults)) => {
                self.0.extend(faults);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Nothing, or all that was wrong.
    pub fn done(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        assert_eq!(in_words(Duration::ZERO), "a second");
        assert_eq!(in_words(Duration::from_millis(1001)), "2 seconds");
        assert_eq!(in_words(Duration::from_secs(121)), "3 minutes");
    }

    #[test]
    fn the_source_of_an_internal_error_is_not_told_to_anyone() {
        let error = Error::internal("password=hunter2");
        assert!(!error.sentence().contains("hunter2"));
    }
}
