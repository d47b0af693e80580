//! Idempotent POSTs: a repeated request with the same `Idempotency-Key` receives the stored response of the first, with
//! `Idempotency-Replayed: true`.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    input, ratelimit,
    session::{Caller, ClientAddr, ip_hash},
};
use crate::{
    Error, Result,
    app::App,
    domain::idempotency::Keyed,
    events::Tx,
    ids::{IdempotencyKey, hex},
    services::limits::Allowance,
    store::idempotency::{About, Answer},
};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request that is executed once per key; without a key each time.
pub struct Idempotent {
    keyed: Option<Keyed>,
    allowance: Option<Allowance>,
    secret: bool,
}

impl Idempotent {
    /// Does the work in a transaction and returns its response, or the stored response of the first request.
    pub async fn answer(
        self,
        app: &App,
        work: impl Fn(&mut Tx<'_>) -> Result<Answer> + Send + 'static,
    ) -> Result<Response> {
        let Idempotent { keyed, allowance, secret } = self;
        let (answer, replayed) = app
            .db
            .write(move |tx| match &keyed {
                Some(keyed) => keyed.once(tx, secret, &work),
                None => Ok((work(tx)?, false)),
            })
            .await?;
        let status = StatusCode::from_u16(answer.status).map_err(Error::internal)?;
        let mut response = match answer.body.is_empty() {
            true => status.into_response(),
            false => {
                let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                (status, [json], answer.body).into_response()
            }
        };
        if let Some(location) = answer.location.and_then(|location| HeaderValue::try_from(location).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if let Some(allowance) = allowance {
            ratelimit::add(response.headers_mut(), &allowance);
        }
        Ok(response)
    }

    /// Adds the state of a rate limit to the response.
    pub fn with_rate_limit(self, allowance: Option<Allowance>) -> Self {
        Idempotent { allowance, ..self }
    }

    /// Marks the response as one with a secret, which is sent once and never stored.
    pub fn with_secret(self) -> Self {
        Idempotent { secret: true, ..self }
    }

    /// Adds a body to the fingerprint, for handlers that read the body themselves.
    pub fn with_body(mut self, body: &[u8]) -> Self {
        if let Some(keyed) = &mut self.keyed {
            keyed.fingerprint =
                hex(&Sha256::new().chain_update(&keyed.fingerprint).chain_update(body).finalize());
        }
        self
    }
}

/// Returns an answer with a JSON body.
pub fn answer(status: StatusCode, value: &impl Serialize) -> Result<Answer> {
    let body = serde_json::to_string(value).map_err(Error::internal)?;
    Ok(Answer { status: status.as_u16(), location: None, body, about: About::Nothing })
}

/// Returns an answer with status 201, the address of the new resource, and a JSON body.
pub fn created(location: String, value: &impl Serialize) -> Result<Answer> {
    Ok(Answer { location: Some(location), ..answer(StatusCode::CREATED, value)? })
}

/// Returns an answer with status 204.
pub fn no_content() -> Answer {
    Answer {
        status: StatusCode::NO_CONTENT.as_u16(),
        location: None,
        body: String::new(),
        about: About::Nothing,
    }
}

/// The extractor for POSTs whose body is not JSON. Their handlers add the body by [`Idempotent::with_body`].
impl FromRequestParts<Arc<App>> for Idempotent {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Some(key) = parts.headers.get("idempotency-key") else {
            return Ok(Idempotent { keyed: None, allowance: None, secret: false });
        };
        let key = IdempotencyKey::parse(&String::from_utf8_lossy(key.as_bytes()))?;
        let caller = Caller::from_request_parts(parts, app).await?;
        let owner = match &caller.account {
            Some(account) => format!("a{}", account.id),
            None => format!("p{}", ip_hash(app, ClientAddr::from_request_parts(parts, app).await?.0)),
        };
        let request_line = format!("{} {}\n", parts.method, parts.uri);
        let fingerprint = hex(&Sha256::digest(request_line.as_bytes()));
        Ok(Idempotent { keyed: Some(Keyed { owner, key, fingerprint }), allowance: None, secret: false })
    }
}

/// The parsed body of a POST, with its [`Idempotent`].
pub struct Post<T>(pub Idempotent, pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Post<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let idempotent = Idempotent::from_request_parts(&mut parts, app).await?;
        let (kind, bytes) = input::read(Request::from_parts(parts, body), app).await?;
        Ok(Post(idempotent.with_body(&bytes), input::parse(&kind, &bytes)?))
    }
}

/// The [`Idempotent`] of a POST whose parameters are all in its URL. The body is read for the fingerprint and otherwise
/// ignored.
pub struct EmptyBody(pub Idempotent);

impl FromRequest<Arc<App>> for EmptyBody {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let idempotent = Idempotent::from_request_parts(&mut parts, app).await?;
        let (_, bytes) = input::read(Request::from_parts(parts, body), app).await?;
        Ok(EmptyBody(idempotent.with_body(&bytes)))
    }
}
