//! Parsing of request bodies, queries and paths.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, Uri, header, request::Parts},
};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{Error, config::one_line};

/// A body as a form, which browsers send, or as JSON, which programs send. Missing fields have the defaults of `T`.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let (kind, body) = read(request, state).await?;
        parse(&kind, &body).map(Input)
    }
}

/// Reads a body, and returns its content type and its bytes.
pub async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<(String, Bytes), Error> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or("application/x-www-form-urlencoded");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = Bytes::from_request(request, state).await.map_err(|rejection| body_error(&rejection))?;
    Ok((kind, body))
}

/// Parses a body of this content type.
pub fn parse<T: DeserializeOwned>(kind: &str, body: &[u8]) -> Result<T, Error> {
    match kind {
        "application/json" => json(body),
        "application/x-www-form-urlencoded" => form(body),
        _ => Err(Error::MediaType("Send JSON (application/json), or a form.")),
    }
}

fn body_error(rejection: &axum::extract::rejection::BytesRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        _ => Error::TooSlow,
    }
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // Serde would accept an array, too, and assign its items to the fields in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<IgnoredAny>(body).map_err(|error| malformed_json(&error))?;
        return Err(Error::invalid("", "That is not the JSON we expect: send an object, {…}."));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        if error.inner().is_data() {
            Error::invalid(pointer(error.path()), json_message(error.inner()))
        } else {
            malformed_json(error.inner())
        }
    })?;
    reader.end().map_err(|error| malformed_json(&error))?;
    Ok(value)
}

fn malformed_json(error: &serde_json::Error) -> Error {
    Error::Malformed(json_message(error))
}

fn json_message(error: &serde_json::Error) -> String {
    format!("That is not the JSON we expect: {}", one_line(&error.to_string()))
}

/// Returns the path to a JSON value as a pointer (RFC 6901), as in [`crate::error::Fault::field`].
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let steps = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    steps.collect::<Vec<_>>().join("/")
}

fn form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // The form decoder would replace invalid UTF-8 by U+FFFD, so text would be lost.
    if percent_encoding::percent_decode(body).decode_utf8().is_err() {
        return Err(Error::Malformed(
            "That text is not UTF-8, so we can’t read it. Send it as UTF-8.".into(),
        ));
    }
    serde_urlencoded::from_bytes(body).map_err(|error| {
        Error::Malformed(format!("That is not the form we expect: {}", one_line(&error.to_string())))
    })
}

/// The query of an address, parsed.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Query::from_uri(&parts.uri)
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// Parses the query of an address.
    pub fn from_uri(uri: &Uri) -> Result<Self, Error> {
        let query = uri.query().unwrap_or_default();
        if percent_encoding::percent_decode(query.as_bytes()).decode_utf8().is_err() {
            return Err(Error::Malformed("The address is not UTF-8, so we can’t read it.".into()));
        }
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(reader).map(Query).map_err(|error| {
            let reason = one_line(&error.inner().to_string());
            Error::invalid_query(pointer(error.path()), format!("That is not what we expect: {reason}"))
        })
    }
}

/// Parses an id or a number in a path. The error is 404.
pub fn from_path<T: std::str::FromStr>(raw: &str) -> Result<T, Error> {
    raw.parse().map_err(|_| Error::NotFound)
}
