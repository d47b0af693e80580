//! POSTs that are done once, however often they are sent: with an `Idempotency-Key` the second time gets
//! the bytes of the first, and `Idempotency-Replayed: true`.

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
    session::{ClientAddr, Viewer, place},
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

/// What is to be done once, if it came with a key.
pub struct Idempotent {
    keyed: Option<Keyed>,
    allowance: Option<Allowance>,
    secret: bool,
}

impl Idempotent {
    /// Does the work in a transaction, unless it has been done before, and answers.
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

    /// Tells with the answer how much is left of a limit.
    pub fn telling(self, allowance: Option<Allowance>) -> Self {
        Idempotent { allowance, ..self }
    }

    /// The answer has a secret in it, which is told once and kept nowhere.
    pub fn with_secret(self) -> Self {
        Idempotent { secret: true, ..self }
    }

    /// The same, of a body that was not there to be looked at before.
    pub fn of(mut self, body: &[u8]) -> Self {
        if let Some(keyed) = &mut self.keyed {
            keyed.fingerprint =
                hex(&Sha256::new().chain_update(&keyed.fingerprint).chain_update(body).finalize());
        }
        self
    }
}

/// An answer with something in it.
pub fn answer(status: StatusCode, what: &impl Serialize) -> Result<Answer> {
    let body = serde_json::to_string(what).map_err(Error::internal)?;
    Ok(Answer { status: status.as_u16(), location: None, body, about: About::Nothing })
}

/// An answer about something that was made, and where it is.
pub fn created(location: String, what: &impl Serialize) -> Result<Answer> {
    Ok(Answer { location: Some(location), ..answer(StatusCode::CREATED, what)? })
}

/// An answer without anything in it.
pub fn nothing() -> Answer {
    Answer {
        status: StatusCode::NO_CONTENT.as_u16(),
        location: None,
        body: String::new(),
        about: About::Nothing,
    }
}

/// Handlers of POSTs whose body is not JSON ask for this, and say by [`Idempotent::of`] what it was.
impl FromRequestParts<Arc<App>> for Idempotent {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Some(key) = parts.headers.get("idempotency-key") else {
            return Ok(Idempotent { keyed: None, allowance: None, secret: false });
        };
        let key = IdempotencyKey::parse(&String::from_utf8_lossy(key.as_bytes()))?;
        let viewer = Viewer::from_request_parts(parts, app).await?;
        let owner = match &viewer.account {
            Some(account) => format!("a{}", account.id),
            None => format!("p{}", place(app, ClientAddr::from_request_parts(parts, app).await?.0)),
        };
        let asked = format!("{} {}\n", parts.method, parts.uri);
        let fingerprint = hex(&Sha256::digest(asked.as_bytes()));
        Ok(Idempotent { keyed: Some(Keyed { owner, key, fingerprint }), allowance: None, secret: false })
    }
}

/// The body of a POST, and how it is done once.
pub struct Post<T>(pub Idempotent, pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Post<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let idempotent = Idempotent::from_request_parts(&mut parts, app).await?;
        let (kind, bytes) = input::read(Request::from_parts(parts, body), app).await?;
        Ok(Post(idempotent.of(&bytes), input::parse(&kind, &bytes)?))
    }
}

/// How a POST is done once that says everything by its address. What else is in it does not matter.
pub struct EmptyBody(pub Idempotent);

impl FromRequest<Arc<App>> for EmptyBody {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let idempotent = Idempotent::from_request_parts(&mut parts, app).await?;
        let (_, bytes) = input::read(Request::from_parts(parts, body), app).await?;
        Ok(EmptyBody(idempotent.of(&bytes)))
    }
}
