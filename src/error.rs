//! The error type of all layers. The edges render it as a page, as a message beside a form field, or as problem JSON
//! (RFC 9457).
//!
//! The log and people get different texts: [`Error::sentence`] is for people, and the source of [`Error::Internal`] is
//! for the log alone.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// A result with [`Error`] as its error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a request was not served.
#[derive(Debug)]
pub enum Error {
    /// The object does not exist, or the viewer may not see that it does.
    NotFound,
    /// The request needs a login.
    Unauthenticated,
    /// The account may not do this. The sentence gives the reason.
    Forbidden(&'static str),
    /// The input is not valid. One fault per field.
    Invalid(Vec<Fault>),
    /// The body is not readable as JSON or as a form. The sentence gives the reason.
    Malformed(String),
    /// The media type is not supported. The sentence names those that are.
    MediaType(&'static str),
    /// The method is not allowed at this address.
    Method,
    /// The idempotency key was used for another request.
    KeyReused,
    /// The request conflicts with the present state. The sentence names the conflict.
    Conflict(&'static str),
    /// A rate limit was reached.
    TooMany {
        /// The time until the next attempt can succeed.
        retry_after: Duration,
        /// The limit, where it is one of those that headers announce.
        limit: Option<Limit>,
    },
    /// The body is larger than the maximum.
    TooLarge,
    /// The body did not arrive in the time that a request may take.
    TooSlow,
    /// The queue is full. Nothing was done, so the request may be repeated.
    Busy,
    /// The disk is full. Nothing was saved and nothing was lost.
    Full,
    /// An error of the server. The source is for the log alone.
    Internal(Box<dyn StdError + Send + Sync>),
}

/// A rate limit: a number of requests in a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    pub name: &'static str,
    /// The number of requests that may come at once.
    pub burst: u32,
    /// The time until the whole burst is available again.
    pub window: Duration,
}

/// A field that is not valid, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of the form field, or the path of the JSON value: `users/2`.
    pub field: Cow<'static, str>,
    /// True if the field is a parameter of the URL (in its path or its query), and not of the body.
    pub in_query: bool,
    /// A plain sentence for the person who filled it in.
    pub message: String,
}

impl Fault {
    /// Creates a fault of a field of the body.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Fault { field: field.into(), in_query: false, message: message.into() }
    }
}

impl Error {
    /// Creates an error about one field of the body.
    pub fn invalid(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Error::Invalid(vec![Fault::new(field, message)])
    }

    /// Creates an error about one parameter of the URL.
    pub fn invalid_query(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Error::Invalid(vec![Fault { in_query: true, ..Fault::new(field, message) }])
    }

    /// Creates an error of the server, with its source for the log.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error::Internal(source.into())
    }

    /// Returns the same error, with `field` as the field of every fault that names none.
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

    /// Returns the text for people: one or two plain sentences.
    pub fn sentence(&self) -> String {
        match self {
            Error::NotFound => "There is nothing here. It may have been deleted.".into(),
            Error::Unauthenticated => "Log in first.".into(),
            Error::Forbidden(sentence) | Error::Conflict(sentence) => (*sentence).into(),
            Error::Invalid(faults) => {
                let messages: Vec<_> = faults.iter().map(|f| f.message.as_str()).collect();
                messages.join(" ")
            }
            Error::Malformed(sentence) => sentence.clone(),
            Error::MediaType(sentence) => (*sentence).into(),
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

/// Returns a duration in words: whole seconds, or minutes from two minutes on. Never "0 seconds".
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

/// Collects the faults of a whole form, so that people see all of them at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Returns the value, or collects its faults and returns `None`. An error of another kind is returned at once.
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

    /// Returns an error if there were faults.
    pub fn done(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_given_in_whole_seconds_and_is_never_zero() {
        assert_eq!(in_words(Duration::ZERO), "a second");
        assert_eq!(in_words(Duration::from_millis(1001)), "2 seconds");
        assert_eq!(in_words(Duration::from_secs(121)), "3 minutes");
    }

    #[test]
    fn the_sentence_of_an_internal_error_leaves_out_its_source() {
        let error = Error::internal("password=hunter2");
        assert!(!error.sentence().contains("hunter2"));
    }
}
