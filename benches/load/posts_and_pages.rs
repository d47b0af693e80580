//! Posts and pages a second: posts against SQLite committing the same rows in the same batches, and the
//! stream page against a hyper server that answers with the same bytes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;

use crate::{
    median,
    process::{Process, ask, free_address},
};

/// Connections that post or read at the same time.
pub const CONNECTIONS: usize = 64;

/// Threads of the load generator. Few, because the server needs the same cores.
const DRIVERS: usize = 2;

/// Runs the benchmark.
pub fn run(args: &[String]) {
    let seconds = args.first().and_then(|n| n.parse().ok()).unwrap_or(5);
    let rounds = args.get(1).and_then(|n| n.parse().ok()).unwrap_or(3);
    let time = Duration::from_secs(seconds);
    println!("{CONNECTIONS} connections, {seconds} s a run, medians of {rounds}\n");
    println!("{:44} {:>12} {:>12} {:>8}", "", "chitter/s", "bare/s", "ratio");
    posts(time, rounds);
    pages(time, rounds, "/", "stream page, anonymous, HTML");
    pages(time, rounds, "/@p0", "a member's own page, anonymous");
    pages(time, rounds, "/api/v1/timelines/public", "stream page, anonymous, JSON");
}

/// Measures durable posts over HTTP, against SQLite committing the same rows in the same batches.
fn posts(time: Duration, rounds: usize) {
    let mut product = Vec::new();
    let mut bare = Vec::new();
    let mut batches = Vec::new();
    for _ in 0..rounds {
        let chitter = Process::chitter();
        let requests: Vec<Vec<Vec<u8>>> = (0..CONNECTIONS)
            .map(|n| {
                let cookie = sign_up(chitter.addr, n);
                let body = format!("{{\"status\":\"{WORDS}\"}}");
                let request = format!(
                    "POST /api/v1/statuses HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                vec![request.into_bytes()]
            })
            .collect();
        product.push(drive(chitter.addr, &requests, time));
        let batch = chitter.writes_a_commit();
        batches.push(batch);
        bare.push(bare_sqlite(batch.round().max(1.0) as usize, time));
    }
    row(&format!("durable posts (SQLite, {:.0} a commit)", median(batches)), product, bare);
}

/// The body of every post.
pub const WORDS: &str =
    "The press is warm and so is the kettle. Open workshop until nine, bring paper you like.";

/// Measures a cached page, against a bare hyper server with the same bytes.
fn pages(time: Duration, rounds: usize, path: &str, name: &str) {
    let chitter = Process::chitter();
    let cookie = sign_up(chitter.addr, 0);
    for n in 0..40 {
        let body = format!("status=Peep+number+{n}.+{}", WORDS.replace(' ', "+"));
        let answer = ask(
            chitter.addr,
            &format!(
                "POST /api/v1/statuses HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookie}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let published = ask(
        chitter.addr,
        &format!(
            "POST /settings/page/publish HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Length: 0\r\n\r\n"
        ),
    );
    assert!(published.starts_with("HTTP/1.1 303"), "{published}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();
    let page = ask(chitter.addr, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    let body = page.split_once("\r\n\r\n").expect("a head and a body").1;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), body).expect("written");
    let addr = free_address();
    let bare_server =
        Process::this_program("bare-server", &format!("{addr},{}", file.path().display()), addr);
    let requests = vec![vec![request]; CONNECTIONS];
    let mut product = Vec::new();
    let mut bare = Vec::new();
    for _ in 0..rounds {
        product.push(drive(chitter.addr, &requests, time));
        bare.push(drive(bare_server.addr, &requests, time));
    }
    drop(chitter);
    row(&format!("{name} ({} KiB)", body.len() / 1024), product, bare);
}

/// Prints a row: the product, the bare limit, and their ratio.
pub fn row(name: &str, product: Vec<f64>, bare: Vec<f64>) {
    let ratio = median(product.iter().zip(&bare).map(|(product, bare)| product / bare).collect());
    println!("{name:44} {:>12.0} {:>12.0} {:>7.0}%", median(product), median(bare), ratio * 100.0);
}

/// Signs a member up. Returns the cookie.
pub fn sign_up(addr: SocketAddr, n: usize) -> String {
    let body = format!("email=p{n}%40x.example&username=p{n}&name=P{n}&password=a+heron+on+the+slip");
    let answer = ask(
        addr,
        &format!(
            "POST /signup HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    cookie.and_then(|c| c.split(';').next()).unwrap_or_else(|| panic!("no cookie: {answer}")).to_owned()
}

/// Runs a hyper server that always sends the same answer. The argument is `address,file`.
pub fn bare_server(arguments: &str) {
    let (addr, file) = arguments.split_once(',').expect("address,file");
    let body = Bytes::from(std::fs::read(file).expect("the body"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(addr).await.expect("the port is free");
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("set");
            let body = body.clone();
            let service = service_fn(move |_: hyper::Request<Incoming>| {
                let body = Full::new(body.clone());
                async move {
                    let answer = Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8");
                    Ok::<_, Infallible>(answer.body(body).expect("a response"))
                }
            });
            tokio::spawn(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

/// Writes the rows of a peep to SQLite alone, in durable batches. Returns peeps a second.
fn bare_sqlite(batch: usize, time: Duration) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let conn = rusqlite::Connection::open(folder.path().join("bare.db")).expect("opened");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -32768; PRAGMA mmap_size = 268435456;",
    )
    .expect("set");
    let schema = include_str!("../../migrations/0001_accounts_and_peeps.sql");
    conn.execute_batch(&schema.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")).expect("made");
    for account in 1..=64 {
        let sql = "INSERT INTO accounts (id, kind, name, created_at) VALUES (?1, 'member', 'P', 0)";
        conn.execute(sql, [account]).expect("inserted");
    }
    let began = Instant::now();
    let mut id = 1_i64 << 56;
    let mut rows = 0_u64;
    while began.elapsed() < time {
        conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
        for _ in 0..batch {
            id += 1;
            rows += 1;
            let mut next = conn
                .prepare_cached(
                    "UPDATE streams SET last_seq = last_seq + 1 WHERE name = 'public' RETURNING last_seq",
                )
                .expect("prepared");
            let seq: i64 = next.query_row([], |row| row.get(0)).expect("a number");
            let mut insert = conn
                .prepare_cached(
                    "INSERT INTO peeps (id, account_id, body, seq, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                )
                .expect("prepared");
            insert.execute((id, id % 64 + 1, WORDS, seq, id >> 16)).expect("inserted");
        }
        conn.execute_batch("COMMIT").expect("committed");
    }
    rows as f64 / began.elapsed().as_secs_f64()
}

/// Sends each connection's requests in turn, repeatedly. Returns answers a second.
pub fn drive(addr: SocketAddr, requests: &[Vec<Vec<u8>>], time: Duration) -> f64 {
    let answers = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let deadline = began + time;
    thread::scope(|scope| {
        for share in requests.chunks(requests.len().div_ceil(DRIVERS)) {
            let answers = Arc::clone(&answers);
            scope.spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let all = share.iter().map(|requests| connection(addr, requests, deadline, &answers));
                runtime.block_on(futures_util::future::join_all(all));
            });
        }
    });
    answers.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// Sends requests over one connection until the deadline.
async fn connection(addr: SocketAddr, requests: &[Vec<u8>], deadline: Instant, answers: &AtomicU64) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(addr).await.expect("connected");
    stream.set_nodelay(true).expect("set");
    let mut buffer = vec![0; 256 * 1024];
    for request in requests.iter().cycle() {
        if Instant::now() >= deadline {
            break;
        }
        stream.write_all(request).await.expect("written");
        let mut read = 0;
        let mut whole = None;
        while whole.is_none_or(|whole| read < whole) {
            let n = stream.read(&mut buffer[read..]).await.expect("read");
            assert!(n > 0, "the server closed the connection");
            read += n;
            whole = whole.or_else(|| length(&buffer[..read]));
        }
        assert!(buffer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&buffer[..read.min(400)]));
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns the length of an answer including its head, once the head is complete.
pub fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head + length.expect("a length"))
}
