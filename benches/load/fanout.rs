//! The cost of delivery: one sender and a thousand listeners in one room, beside a bare loop that writes the
//! same frames to the same number of sockets; and the memory of an idle listener.
//!
//! Both servers are separate processes and send at the same pace. The compared value is the CPU time for each
//! delivered frame. `bin/bench fanout [listeners] [seconds]`.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    median,
    process::{Process, ask, free_address},
};

/// Messages a second, as in a lively room.
const PACE: u64 = 20;

/// Connected listeners that receive nothing.
const IDLE: usize = 10_000;

/// Runs of each server, in turns. The median counts.
const ROUNDS: usize = 3;

/// Runs the benchmark.
pub fn run(args: &[String]) {
    let listeners = args.first().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let seconds = args.get(1).and_then(|n| n.parse().ok()).unwrap_or(10);
    rlimit::increase_nofile_limit(u64::MAX).expect("many open files");
    println!("{listeners} listeners, {PACE} messages a second, {seconds} s a run, medians of {ROUNDS}\n");
    println!("{:44} {:>12} {:>12} {:>8}", "", "chitter", "bare loop", "ratio");
    let (mut product, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (cost, frame) = chitter(listeners, seconds);
        product.push(cost);
        bare.push(bare_cost(listeners, seconds, &frame));
    }
    let ratio = median(product.iter().zip(&bare).map(|(product, bare)| product / bare).collect());
    let name = "µs of CPU for each frame delivered";
    println!("{name:44} {:>12.2} {:>12.2} {:>7.2}×", median(product), median(bare), ratio);
    println!("{:44} {:>8.1} KiB", format!("memory for each of {IDLE} idle listeners"), idle());
}

/// A guest and a room of its own.
struct Guest {
    addr: SocketAddr,
    token: String,
    key: String,
    sender: Mutex<TcpStream>,
}

impl Guest {
    /// Creates a guest on the server at this address.
    fn at(addr: SocketAddr) -> Self {
        let session = post(addr, "/api/v1/sessions", "", r#"{"name":"Teo"}"#);
        let token = member(&session, "token");
        let room = post(addr, "/api/v1/rooms", &token, r#"{"name":"Slipway"}"#);
        let sender = TcpStream::connect(addr).expect("connected");
        sender.set_nodelay(true).expect("set");
        Guest { addr, key: member(&room, "key"), token, sender: Mutex::new(sender) }
    }

    /// Posts a message on a persistent connection.
    fn says(&self, body: &str) {
        let body = format!("{{\"body\":\"{body}\"}}");
        let request = format!(
            "POST /api/v1/rooms/{}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            self.token,
            body.len()
        );
        let mut sender = self.sender.lock().expect("no panic");
        sender.write_all(request.as_bytes()).expect("sent");
        let mut answer = vec![0; 16 * 1024];
        let read = sender.read(&mut answer).expect("answered");
        assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer[..read]));
    }

    /// Opens this many sockets on the room. `received` counts the frames about messages.
    async fn listens(&self, count: usize, received: &Arc<AtomicU64>) {
        for _ in 0..count {
            let mut stream = self.socket().await;
            let received = Arc::clone(received);
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 * 1024];
                let mut tail = Vec::new();
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    count_frames(&mut tail, &buffer[..read], &received);
                }
            });
        }
    }

    /// Opens a socket and subscribes it to the room.
    async fn socket(&self) -> tokio::net::TcpStream {
        let mut stream = tokio::net::TcpStream::connect(self.addr).await.expect("connected");
        let head = format!(
            "GET /api/v1/streaming HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {}\r\n\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        read_until(&mut stream, b"\r\n\r\n").await;
        let request = format!(r#"{{"type":"subscribe","stream":"room","room":"{}"}}"#, self.key);
        // A client's frame is masked (RFC 6455); a mask of zeros leaves it unchanged.
        let mut frame = vec![0x81, 0x80 | u8::try_from(request.len()).expect("a short frame"), 0, 0, 0, 0];
        frame.extend_from_slice(request.as_bytes());
        stream.write_all(&frame).await.expect("subscribed");
        read_until(&mut stream, b"\"event\":\"here\"").await;
        stream
    }
}

/// Counts the frames about new messages by their first bytes, which reads may split at any point.
fn count_frames(tail: &mut Vec<u8>, read: &[u8], received: &AtomicU64) {
    const MARK: &[u8] = br#"{"event":"message""#;
    tail.extend_from_slice(read);
    let count = tail.windows(MARK.len()).filter(|window| *window == MARK).count();
    received.fetch_add(count as u64, Ordering::Relaxed);
    // The last bytes may begin a mark and are scanned again; they are too few to count a whole mark twice.
    let keep = tail.len().min(MARK.len() - 1);
    tail.drain(..tail.len() - keep);
}

/// Reads until the mark was received.
async fn read_until(stream: &mut tokio::net::TcpStream, mark: &[u8]) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !bytes.windows(mark.len()).any(|window| window == mark) {
        let read = stream.read(&mut buffer).await.expect("read");
        assert!(read > 0, "the connection was closed: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// Measures Chitter. Returns µs of CPU for each delivered frame, and the frame.
fn chitter(listeners: usize, seconds: u64) -> (f64, Vec<u8>) {
    let server = Process::chitter();
    let guest = Guest::at(server.addr);
    let received = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(guest.listens(listeners, &received));
    guest.says(WORDS);
    wait(&received, listeners as u64);
    let frame = runtime.block_on(async {
        let mut stream = guest.socket().await;
        thread::scope(|scope| scope.spawn(|| guest.says(WORDS)).join().expect("sent"));
        let mut frame = vec![0; 4096];
        let read = stream.read(&mut frame).await.expect("a frame");
        frame.truncate(read);
        frame
    });
    wait(&received, 2 * listeners as u64);
    let before = server.cpu();
    let messages = pace(seconds, || guest.says(WORDS));
    wait(&received, (2 + messages) * listeners as u64);
    let cost = (server.cpu() - before).as_secs_f64() * 1e6 / (messages * listeners as u64) as f64;
    (cost, frame)
}

const WORDS: &str = "The press is warm and so is the kettle. Open workshop until nine, bring paper you like.";

/// Measures the bare loop. Returns µs of CPU for each delivered frame.
fn bare_cost(listeners: usize, seconds: u64, frame: &[u8]) -> f64 {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), frame).expect("written");
    let addr = free_address();
    let server =
        Process::this_program("bare-loop", &format!("{addr},{listeners},{}", file.path().display()), addr);
    let received = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        for _ in 0..listeners {
            let mut stream = tokio::net::TcpStream::connect(addr).await.expect("connected");
            let received = Arc::clone(&received);
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 * 1024];
                let mut tail = Vec::new();
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    count_frames(&mut tail, &buffer[..read], &received);
                }
            });
        }
    });
    let mut sender = TcpStream::connect(addr).expect("connected");
    sender.set_nodelay(true).expect("set");
    let mut done = [0];
    let mut say = || {
        sender.write_all(b"!").expect("sent");
        sender.read_exact(&mut done).expect("done");
    };
    say();
    wait(&received, listeners as u64);
    let before = server.cpu();
    let messages = pace(seconds, say);
    wait(&received, (1 + messages) * listeners as u64);
    (server.cpu() - before).as_secs_f64() * 1e6 / (messages * listeners as u64) as f64
}

/// Serves `address,listeners,file`: accepts this many listeners, and writes the frame to each whenever the
/// last listener sends something.
pub fn bare_loop(arguments: &str) {
    let mut parts = arguments.splitn(3, ',');
    let mut next = || parts.next().expect("address,listeners,file");
    let (addr, listeners, file) = (next(), next().parse().expect("a number"), next());
    let frame = std::fs::read(file).expect("the frame");
    rlimit::increase_nofile_limit(u64::MAX).expect("many open files");
    let listener = TcpListener::bind(addr).expect("the port is free");
    // The first connection only checks that the port is open.
    drop(listener.accept());
    let mut streams: Vec<TcpStream> =
        (0..listeners).map(|_| listener.accept().expect("a listener").0).collect();
    for stream in &streams {
        stream.set_nodelay(true).expect("set");
    }
    let (mut sender, _) = listener.accept().expect("the sender");
    let mut signal = [0];
    while sender.read_exact(&mut signal).is_ok() {
        for stream in &mut streams {
            stream.write_all(&frame).expect("written");
        }
        sender.write_all(&signal).expect("answered");
    }
}

/// Calls `say` at the pace for this many seconds. Returns the number of calls.
fn pace(seconds: u64, mut say: impl FnMut()) -> u64 {
    let began = Instant::now();
    let messages = seconds * PACE;
    for n in 0..messages {
        let due = Duration::from_micros(n * 1_000_000 / PACE);
        thread::sleep(due.saturating_sub(began.elapsed()));
        say();
    }
    messages
}

/// Waits until this many frames were received.
fn wait(received: &AtomicU64, count: u64) {
    let began = Instant::now();
    while received.load(Ordering::Relaxed) < count {
        let so_far = received.load(Ordering::Relaxed);
        assert!(began.elapsed() < Duration::from_secs(60), "{so_far} of {count} frames were delivered");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Measures the KiB of memory for each idle listener.
fn idle() -> f64 {
    let server = Process::chitter();
    let guest = Guest::at(server.addr);
    let received = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    // The first listeners cause allocations that happen only once.
    runtime.block_on(guest.listens(100, &received));
    let before = server.memory();
    runtime.block_on(guest.listens(IDLE, &received));
    let after = server.memory();
    guest.says(WORDS);
    wait(&received, IDLE as u64 + 100);
    (after - before) as f64 / 1024.0 / IDLE as f64
}

fn post(addr: SocketAddr, path: &str, token: &str, body: &str) -> String {
    let authorization =
        if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let answer = ask(
        addr,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    answer
}

/// Returns a text member of the JSON in an answer.
fn member(answer: &str, name: &str) -> String {
    let body = answer.split_once("\r\n\r\n").expect("a head and a body").1;
    let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
    json[name].as_str().expect("a text").to_owned()
}
