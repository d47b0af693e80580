//! Errors as programs receive them: RFC 9457 problem JSON, and the meaning of each type of problem.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Error, error::Fault};

/// The page that explains the types of problems, with an anchor for each.
pub const PAGE: &str = "/docs/problems";

/// A type of problem.
#[derive(Debug)]
pub struct Kind {
    /// The anchor on the page that explains the types.
    pub slug: &'static str,
    /// The status code, by RFC 9110.
    pub status: StatusCode,
    /// A short summary that never changes.
    pub title: &'static str,
    /// The meaning of the problem, and what to do about it.
    pub meaning: &'static str,
}

macro_rules! kinds {
    ($($name:ident $slug:literal $status:ident $title:literal $meaning:literal)+) => {
        $(static $name: Kind = Kind {
            slug: $slug,
            status: StatusCode::$status,
            title: $title,
            meaning: $meaning,
        };)+

        /// All types, in the order of their statuses.
        pub static KINDS: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    MALFORMED "malformed" BAD_REQUEST "It can’t be read"
        "The request is no HTTP, JSON or form that can be read. Nothing was done. Send it as the reference \
         shows; the detail says where the reading stopped."
    UNAUTHENTICATED "unauthenticated" UNAUTHORIZED "Say who you are first"
        "There is no token or session with the request, or it does not hold any more. Send one as \
         Authorization: Bearer …"
    FORBIDDEN "forbidden" FORBIDDEN "Not yours to do"
        "You are known, but may not do this: the detail says why. A token may lack the scope."
    NOT_FOUND "not-found" NOT_FOUND "Nothing here"
        "There is no such thing, it has been deleted, or it is not for you to know of."
    METHOD "method" METHOD_NOT_ALLOWED "That can’t be done here"
        "Something is at this address, but it does not know this method. The header Allow names those it knows."
    TOO_SLOW "too-slow" REQUEST_TIMEOUT "It took too long to arrive"
        "The body did not arrive in time. Nothing was done. Try again."
    CONFLICT "conflict" CONFLICT "Something else happened first"
        "It could have been done a moment ago. Look at how things are now, and decide anew."
    TOO_LARGE "too-large" PAYLOAD_TOO_LARGE "More than fits"
        "The body is larger than anything that is taken: 128 KiB, 1 MiB for messages, 20 MB for files."
    MEDIA_TYPE "media-type" UNSUPPORTED_MEDIA_TYPE "Not a type that is taken"
        "Send application/json, and files as multipart/form-data."
    INVALID "invalid" UNPROCESSABLE_ENTITY "It can’t be taken"
        "It can be read, but not taken: errors says of each value what is wrong with it, by a JSON pointer \
         into the body or the name of the query parameter."
    KEY_REUSED "key-reused" UNPROCESSABLE_ENTITY "That key was used for something else"
        "An Idempotency-Key belongs to one request, for a day: the same method, address and body. Nothing was \
         done. Take a new key for what is new."
    TOO_MANY "too-many" TOO_MANY_REQUESTS "Too often"
        "Come back after as many seconds as Retry-After says. RateLimit tells with each answer how much is left."
    INTERNAL "broken" INTERNAL_SERVER_ERROR "Something broke on our side"
        "It is in the log, under the request_id. Try again; with an Idempotency-Key nothing is done twice."
    BUSY "busy" SERVICE_UNAVAILABLE "Busy right now"
        "More waits than can be done soon, or the server is about to stop. Nothing was done. Retry-After says \
         when to try again."
    FULL "full" INSUFFICIENT_STORAGE "The disk is full"
        "Nothing was saved, and nothing that was there is lost. Whoever keeps the place has to make room."
}

/// Returns the type of problem of an error.
pub fn kind(error: &Error) -> &'static Kind {
    match error {
        Error::Malformed(_) => &MALFORMED,
        Error::Unauthenticated => &UNAUTHENTICATED,
        Error::Forbidden(_) => &FORBIDDEN,
        Error::NotFound => &NOT_FOUND,
        Error::Method => &METHOD,
        Error::TooSlow => &TOO_SLOW,
        Error::Conflict(_) => &CONFLICT,
        Error::TooLarge => &TOO_LARGE,
        Error::MediaType(_) => &MEDIA_TYPE,
        Error::Invalid(_) => &INVALID,
        Error::KeyReused => &KEY_REUSED,
        Error::TooMany { .. } => &TOO_MANY,
        Error::Internal(_) => &INTERNAL,
        Error::Busy => &BUSY,
        Error::Full => &FULL,
    }
}

/// A problem (RFC 9457), with the member `error` that Mastodon's clients read.
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    /// The address of the type's explanation.
    r#type: String,
    /// A short summary, the same for each problem of this type.
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// An explanation of this occurrence, in plain words.
    detail: &'a str,
    /// The values that are not accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong<'a>>,
    /// The value of the header `X-Request-Id`.
    request_id: &'a str,
    /// The same as `detail`.
    error: &'a str,
}

/// A value that is not accepted.
#[derive(Serialize, ToSchema)]
pub struct Wrong<'a> {
    /// Its place in the body: a JSON pointer (RFC 6901), as a fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// The query parameter, if the value is in the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    /// The reason, in plain words.
    detail: &'a str,
}

impl<'a> Wrong<'a> {
    fn new(fault: &'a Fault) -> Self {
        let field = &*fault.field;
        let pointer =
            (!fault.in_query).then(|| if field.is_empty() { "#".into() } else { format!("#/{field}") });
        Wrong { pointer, parameter: fault.in_query.then_some(field), detail: &fault.message }
    }
}

/// Returns the problem JSON of an error. `base` is the base URL.
pub fn answer(error: &Error, status: StatusCode, base: &str, request_id: &str) -> Response {
    let (kind, detail) = (kind(error), error.sentence());
    let errors = match error {
        Error::Invalid(faults) => faults.iter().map(Wrong::new).collect(),
        _ => Vec::new(),
    };
    let problem = Problem {
        r#type: format!("{base}{PAGE}#{}", kind.slug),
        title: kind.title,
        status: status.as_u16(),
        detail: &detail,
        errors,
        request_id,
        error: &detail,
    };
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    (status, [media_type], Json(problem).into_response().into_body()).into_response()
}
