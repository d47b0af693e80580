//! Socket clients.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::within;

/// An open socket. Frames are read only on demand, so an idle listener is a slow reader.
pub struct Listener {
    socket: WebSocketStream<TcpStream>,
}

/// The reason why a socket was not opened.
enum Refused {
    /// The HTTP status.
    Status(u16),
    Unreachable,
}

/// A frame or the end of the connection.
#[derive(Debug, Clone, PartialEq)]
pub enum SocketEvent {
    Frame(Value),
    /// The close code.
    Closed(u16),
}

/// A numbered change of the public stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub seq: i64,
    /// `update`, `status.update` or `delete`.
    pub event: String,
    /// The peep's id.
    pub id: String,
    /// The status, or `null` for a deletion.
    pub status: Value,
}

impl Listener {
    /// Opens the socket with a query such as `?format=html`.
    pub async fn open(url: &str, query: &str) -> Self {
        match Self::try_open(url, query, None).await {
            Ok(listener) => listener,
            Err(status) => panic!("the socket was refused with {status}"),
        }
    }

    /// Opens the socket with an `Origin` header. Returns the HTTP status of a refusal.
    pub async fn try_open(url: &str, query: &str, origin: Option<&str>) -> Result<Self, u16> {
        let origin = origin.map(|origin| ("origin", origin.to_owned()));
        match Self::connect(url, query, origin).await {
            Ok(listener) => Ok(listener),
            Err(Refused::Status(status)) => Err(status),
            Err(Refused::Unreachable) => panic!("the server is unreachable"),
        }
    }

    /// Opens the socket with a bearer token.
    pub async fn with_token(url: &str, token: &str) -> Self {
        match Self::try_with_token(url, token).await {
            Some(listener) => listener,
            None => panic!("the socket was refused"),
        }
    }

    /// Tries to open the socket while the server may be unavailable.
    pub async fn try_with_token(url: &str, token: &str) -> Option<Self> {
        let authorization = ("authorization", format!("Bearer {token}"));
        Self::connect(url, "", Some(authorization)).await.ok()
    }

    /// Opens the socket with a browser's cookie.
    pub async fn with_cookie(url: &str, query: &str, cookie: &str) -> Self {
        match Self::connect(url, query, Some(("cookie", cookie.into()))).await {
            Ok(listener) => listener,
            Err(_) => panic!("the socket was refused"),
        }
    }

    async fn connect(
        url: &str,
        query: &str,
        header: Option<(&'static str, String)>,
    ) -> Result<Self, Refused> {
        let host = url.strip_prefix("http://").expect("a plain URL");
        let address = format!("ws://{host}/api/v1/streaming{query}");
        let mut request = address.into_client_request().expect("the socket's address");
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, HeaderValue::from_str(&value).expect("a header"));
        }
        // A small receive buffer makes the server notice a slow reader early.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(8 * 1024).expect("a small buffer");
        let stream = socket.connect(host.parse().expect("an address")).await;
        let stream = stream.map_err(|_| Refused::Unreachable)?;
        match within("the handshake", client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Listener { socket }),
            Err(Error::Http(refusal)) => Err(Refused::Status(refusal.status().as_u16())),
            Err(_) => Err(Refused::Unreachable),
        }
    }

    /// Subscribes to the public stream from `since` on, or from now on.
    pub async fn subscribed(mut self, since: Option<i64>) -> Self {
        self.subscribes(since).await;
        self
    }

    /// Subscribes to the public stream. Returns the number after which changes follow.
    pub async fn subscribes(&mut self, since: Option<i64>) -> i64 {
        self.says(&json!({ "type": "subscribe", "stream": "public", "since": since })).await;
        let frame = self.receives().await;
        assert_eq!(frame["event"], "subscribed", "{frame}");
        frame["seq"].as_i64().expect("a number")
    }

    /// Sends JSON.
    pub async fn says(&mut self, message: &Value) {
        self.sends(Message::text(message.to_string())).await;
    }

    /// Sends JSON. Returns whether the socket was still open.
    pub async fn tries_to_say(&mut self, message: &Value) -> bool {
        self.socket.send(Message::text(message.to_string())).await.is_ok()
    }

    /// Sends a WebSocket message of any kind.
    pub async fn sends(&mut self, message: Message) {
        within("the socket to take a message", self.socket.send(message)).await.expect("the socket is open");
    }

    /// Returns the next frame.
    pub async fn receives(&mut self) -> Value {
        match self.next_event().await {
            SocketEvent::Frame(frame) => frame,
            SocketEvent::Closed(code) => {
                panic!("the socket was closed with {code}, but a frame was expected")
            }
        }
    }

    /// Skips frames until the server closes the socket. Returns the close code.
    pub async fn receives_close(&mut self) -> u16 {
        loop {
            if let SocketEvent::Closed(code) = self.next_event().await {
                return code;
            }
        }
    }

    /// Returns the next numbered change; counts are skipped.
    pub async fn receives_change(&mut self) -> Change {
        loop {
            let frame = self.receives().await;
            match frame["event"].as_str() {
                Some("counts") => {}
                Some("update" | "status.update" | "delete") => return change(&frame),
                _ => panic!("a change was expected, not {frame}"),
            }
        }
    }

    /// Sends a ping. Returns every frame before the pong.
    pub async fn receives_until_pong(&mut self) -> Vec<Value> {
        self.says(&json!({ "type": "ping" })).await;
        let mut received = Vec::new();
        loop {
            let frame = self.receives().await;
            if frame["event"] == "pong" {
                return received;
            }
            received.push(frame);
        }
    }

    /// Returns the next frame, or the close code.
    pub async fn next_event(&mut self) -> SocketEvent {
        // The time-out covers the whole wait: the server's pings would restart one for each WebSocket message.
        within("a frame", self.wait_for_event()).await
    }

    async fn wait_for_event(&mut self) -> SocketEvent {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text);
                    return SocketEvent::Frame(
                        frame.unwrap_or_else(|e| panic!("a frame is JSON ({e}): {text}")),
                    );
                }
                Some(Ok(Message::Close(Some(frame)))) => return SocketEvent::Closed(frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return SocketEvent::Closed(1006),
            }
        }
    }
}

/// Parses a frame about a peep.
pub fn change(frame: &Value) -> Change {
    let event = frame["event"].as_str().expect("an event").to_owned();
    let payload = frame["payload"].as_str().expect("the payload is JSON in a string, or an id");
    let (id, status) = match event.as_str() {
        "delete" => (payload.to_owned(), Value::Null),
        _ => {
            let status: Value = serde_json::from_str(payload).expect("a status");
            (status["id"].as_str().expect("an id").to_owned(), status)
        }
    };
    Change { seq: frame["seq"].as_i64().expect("a number"), event, id, status }
}
