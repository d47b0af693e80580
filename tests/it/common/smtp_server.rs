//! A real SMTP server on loopback, on mailin's state machine.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use mailin::{Action, Handler, Response, SessionBuilder};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::within;

/// The way in which the server treats mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SmtpMode {
    Accepts,
    /// Refuses mail temporarily, with 451.
    Refuses,
    /// Accepts the connection and never answers.
    Hangs,
}

/// A mail server. Dropping it closes its connections.
pub struct SmtpServer {
    /// The server's URL, such as `smtp://127.0.0.1:2525`.
    pub url: String,
    state: Arc<Mutex<State>>,
    events: UnboundedReceiver<Event>,
}

struct State {
    mode: SmtpMode,
    open: Vec<TcpStream>,
    /// True once the server was dropped.
    closed: bool,
}

/// An event on the server.
#[derive(Debug)]
enum Event {
    Connected,
    Refused,
    Accepted(Box<Mail>),
}

impl SmtpServer {
    /// Starts the server.
    pub fn start(mode: SmtpMode) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for mail");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let (sender, events) = unbounded_channel();
        let state = Arc::new(Mutex::new(State { mode, open: Vec::new(), closed: false }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut state = lock(&shared);
                if state.closed {
                    return;
                }
                state.open.push(stream.try_clone().expect("a second handle"));
                let _ = sender.send(Event::Connected);
                let (state, sender) = (Arc::clone(&shared), sender.clone());
                // A client that disconnects in the middle of a mail is not an event.
                thread::spawn(move || drop(serve(stream, &state, &sender)));
            }
        });
        SmtpServer { url, state, events }
    }

    /// Changes the treatment of mail from now on. Hanging connections are closed.
    pub fn set_mode(&self, mode: SmtpMode) {
        let mut state = lock(&self.state);
        state.mode = mode;
        state.disconnect();
    }

    /// Waits for the next accepted mail.
    pub async fn next_mail(&mut self) -> Mail {
        loop {
            if let Event::Accepted(mail) = self.event("a mail").await {
                return *mail;
            }
        }
    }

    /// Waits until a mail is refused.
    pub async fn wait_for_refusal(&mut self) {
        while !matches!(self.event("a mail to be refused").await, Event::Refused) {}
    }

    /// Waits until a client connects.
    pub async fn wait_for_connection(&mut self) {
        while !matches!(self.event("a connection").await, Event::Connected) {}
    }

    /// Returns every accepted mail that has not been returned before.
    pub fn remaining(&mut self) -> Vec<Mail> {
        let events = std::iter::from_fn(|| self.events.try_recv().ok());
        events
            .filter_map(|event| if let Event::Accepted(mail) = event { Some(*mail) } else { None })
            .collect()
    }

    async fn event(&mut self, name: &str) -> Event {
        within(name, self.events.recv()).await.expect("the server runs")
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.disconnect();
        // A connection wakes the accepting thread, which then sees `closed` and ends.
        let _ = TcpStream::connect(self.url.trim_start_matches("smtp://"));
    }
}

impl State {
    fn disconnect(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: TcpStream,
    state: &Arc<Mutex<State>>,
    events: &UnboundedSender<Event>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    if lock(state).mode == SmtpMode::Hangs {
        lines.read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let handler =
        Session { state: Arc::clone(state), events: events.clone(), to: Vec::new(), data: Vec::new() };
    let mut session = SessionBuilder::new("post.example").build(IpAddr::V4(Ipv4Addr::LOCALHOST), handler);
    out.write_all(&session.greeting().buffer()?)?;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let response = session.process(&line);
        line.clear();
        out.write_all(&response.buffer()?)?;
        if response.action == Action::Close {
            break;
        }
    }
    Ok(())
}

/// An SMTP session.
struct Session {
    state: Arc<Mutex<State>>,
    events: UnboundedSender<Event>,
    to: Vec<String>,
    data: Vec<u8>,
}

impl Handler for Session {
    fn rcpt(&mut self, _to: &str) -> Response {
        if lock(&self.state).mode == SmtpMode::Refuses {
            let _ = self.events.send(Event::Refused);
            return Response::custom(451, "Not now".into());
        }
        mailin::response::OK
    }

    fn data_start(&mut self, _domain: &str, _from: &str, _is8bit: bool, to: &[String]) -> Response {
        self.to = to.to_vec();
        self.data.clear();
        mailin::response::OK
    }

    fn data(&mut self, buf: &[u8]) -> std::io::Result<()> {
        self.data.extend_from_slice(buf);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let mail = Mail::read(self.to.clone(), &self.data);
        let _ = self.events.send(Event::Accepted(Box::new(mail)));
        mailin::response::OK
    }
}

/// A parsed mail.
#[derive(Debug)]
pub struct Mail {
    /// The recipients on the envelope.
    pub to: Vec<String>,
    /// The headers: names in lower case, values unfolded and decoded.
    headers: HashMap<String, String>,
    /// The parts: media type and decoded text.
    parts: Vec<(String, String)>,
}

impl Mail {
    /// Parses a mail.
    pub fn read(to: Vec<String>, data: &[u8]) -> Self {
        let source = String::from_utf8(data.to_vec()).expect("a mail of UTF-8").replace("\r\n", "\n");
        let (headers, body) = entity(&source);
        let kind = headers.get("content-type").cloned().unwrap_or_default();
        let boundary = kind.split("boundary=").nth(1).map(|b| b.trim_matches('"').to_owned());
        let boundary = format!("--{}", boundary.expect("a mail in several parts"));
        let parts = body.split(&boundary).skip(1).take_while(|part| !part.starts_with("--"));
        let parts = parts.map(|part| {
            let (headers, body) = entity(part.trim_start_matches('\n'));
            let header = |name: &str| headers.get(name).map_or("", String::as_str);
            let text = decode(header("content-transfer-encoding"), body);
            (header("content-type").split(';').next().unwrap_or_default().to_owned(), text)
        });
        Mail { to, parts: parts.collect(), headers }
    }

    /// Returns the value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(&name.to_ascii_lowercase()).map_or("", String::as_str)
    }

    /// Returns the part of this media type.
    pub fn part(&self, kind: &str) -> &str {
        let part = self.parts.iter().find(|(k, _)| k == kind);
        &part.unwrap_or_else(|| panic!("a part {kind} was expected: {self:?}")).1
    }

    /// Returns the plain text.
    pub fn text(&self) -> &str {
        self.part("text/plain")
    }

    /// Returns the path of the link that unsubscribes.
    pub fn unsubscribe_path(&self) -> String {
        let link = self.header("list-unsubscribe").trim_matches(['<', '>']);
        let path = link.find("/unsubscribe/").map(|at| &link[at..]);
        path.unwrap_or_else(|| panic!("a link to unsubscribe was expected: {self:?}")).to_owned()
    }
}

/// Splits headers and body.
fn entity(source: &str) -> (HashMap<String, String>, &str) {
    let (head, body) = source.split_once("\n\n").unwrap_or((source, ""));
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
    let headers = unfolded.lines().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), decode_header(value.trim())));
    (headers.collect(), body)
}

/// Decodes encoded words (RFC 2047) in base64, which is the only encoding that the product's mail library writes.
fn decode_header(value: &str) -> String {
    let mut out = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find("=?utf-8?b?") {
        let before = &rest[..at];
        // White space between two encoded words is not part of the text.
        if !before.trim().is_empty() || out.is_empty() {
            out.extend_from_slice(before.as_bytes());
        }
        let (word, after) = rest[at + 10..].split_once("?=").expect("an encoded word ends");
        out.extend(BASE64_STANDARD.decode(word).expect("base64"));
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).expect("a header of UTF-8")
}

fn decode(encoding: &str, body: &str) -> String {
    match encoding {
        "base64" => {
            let joined: String = body.split_whitespace().collect();
            String::from_utf8(BASE64_STANDARD.decode(joined).expect("base64")).expect("a text of UTF-8")
        }
        "quoted-printable" => {
            let joined = body.replace("=\n", "");
            let mut bytes = joined.bytes();
            let mut out = Vec::new();
            while let Some(byte) = bytes.next() {
                if byte != b'=' {
                    out.push(byte);
                    continue;
                }
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
            }
            String::from_utf8(out).expect("a text of UTF-8").replace("\r\n", "\n")
        }
        _ => body.to_owned(),
    }
}
