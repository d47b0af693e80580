//! A webhook endpoint: a real HTTP server on loopback.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chitter::domain::webhooks::sign;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::within;

/// The status of the answers, and the address in `Location`.
type Reply = Arc<Mutex<(u16, Option<String>)>>;

/// A lock that delays the answers while it is held.
type Gate = Arc<tokio::sync::Mutex<()>>;

/// An HTTP server that records the webhook calls it receives.
pub struct Endpoint {
    /// The endpoint's URL, such as `http://127.0.0.1:4000/hook`.
    pub url: String,
    reply: Reply,
    gate: Gate,
    calls: UnboundedReceiver<Call>,
}

/// A received call.
#[derive(Debug)]
pub struct Call {
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Returns a header of the call.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    /// Returns the body as JSON, after a check of the signature against this secret.
    #[track_caller]
    pub fn signed_with(&self, secret: &str) -> Value {
        let seconds = self.header("webhook-timestamp").parse().expect("a number");
        let signature = sign(secret, self.header("webhook-id"), seconds, &self.body).expect("a secret");
        assert_eq!(self.header("webhook-signature"), signature);
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

impl Endpoint {
    /// Starts the server. Its answers are 204 at first.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let reply: Reply = Arc::new(Mutex::new((204, None)));
        let (sender, calls) = unbounded_channel();
        let gate = Gate::default();
        let state = (Arc::clone(&reply), Arc::clone(&gate), sender);
        let router = Router::new().fallback(receive).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Endpoint { url, reply, gate, calls }
    }

    /// Sets the status and `Location` of the answers to all further calls.
    pub fn set_answer(&self, status: u16, location: Option<&str>) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = (status, location.map(Into::into));
    }

    /// Holds all answers back until the returned guard is dropped. Calls are still received.
    pub async fn hold_answers(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.gate).lock_owned().await
    }

    /// Waits for the next call.
    pub async fn next_call(&mut self) -> Call {
        within("a call", self.calls.recv()).await.expect("the server is open")
    }

    /// Returns whether no further call has been received.
    pub fn has_no_call(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

async fn receive(
    State((reply, gate, sender)): State<(Reply, Gate, UnboundedSender<Call>)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // The answer is chosen before the test receives the call, because the test may then set the next answer.
    let (status, location) = reply.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let _ = sender.send(Call { headers, body });
    let _open = gate.lock().await;
    let status = StatusCode::from_u16(status).expect("a status");
    match location {
        Some(location) => (status, [(header::LOCATION, location)]).into_response(),
        None => status.into_response(),
    }
}
