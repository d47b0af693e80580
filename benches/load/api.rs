//! Messages a second through the API, in one thread and in a thousand, against SQLite committing the same rows in the
//! same batches; and how long `sync` takes for a member of a thousand threads. `bin/bench api [seconds] [rounds]`.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    median,
    posts_and_pages::{CONNECTIONS, WORDS, drive, length, row, sign_up},
    process::{Process, ask},
};

/// The number of threads of one member.
const THREADS: usize = 1000;

/// The number of measured calls of `sync`.
const SYNC_CALLS: usize = 300;

/// Runs the benchmark.
pub fn run(args: &[String]) {
    let seconds = args.first().and_then(|n| n.parse().ok()).unwrap_or(5);
    let rounds = args.get(1).and_then(|n| n.parse().ok()).unwrap_or(3);
    let time = Duration::from_secs(seconds);
    println!("{CONNECTIONS} connections, {seconds} s a run, medians of {rounds}\n");
    println!("{:44} {:>12} {:>12} {:>8}", "", "chitter/s", "bare/s", "ratio");
    messages(time, rounds, 1);
    messages(time, rounds, THREADS);
    sync();
}

/// Measures messages a second in this many threads, over all connections.
fn messages(time: Duration, rounds: usize, threads: usize) {
    let (mut product, mut bare, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let chitter = Process::chitter();
        let cookies: Vec<String> = (0..CONNECTIONS).map(|n| sign_up(chitter.addr, n)).collect();
        let ids: Vec<String> = (0..threads).map(|_| create_thread(chitter.addr, &cookies[0])).collect();
        let requests: Vec<Vec<Vec<u8>>> = cookies
            .iter()
            .enumerate()
            .map(|(n, cookie)| {
                // Each connection posts to threads of its own, if there are enough threads.
                let threads = ids.iter().skip(n % threads).step_by(CONNECTIONS.min(threads));
                let say = |id: &String| {
                    let path = format!("/api/v1/threads/{id}/messages");
                    post(&path, cookie, &format!("{{\"body\":\"{WORDS}\"}}"), "keep-alive")
                };
                threads.map(say).collect()
            })
            .collect();
        product.push(drive(chitter.addr, &requests, time));
        let batch = chitter.writes_a_commit();
        batches.push(batch);
        bare.push(bare_sqlite(batch.round().max(1.0) as usize, threads, time));
    }
    let name = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    row(&format!("messages in {name} ({:.0} a commit)", median(batches)), product, bare);
}

/// Creates a thread with all members. Returns its id.
fn create_thread(addr: SocketAddr, cookie: &str) -> String {
    let users: Vec<String> = (1..CONNECTIONS).map(|n| format!("\"p{n}\"")).collect();
    let body = format!("{{\"users\":[{}]}}", users.join(","));
    let request = post("/api/v1/threads", cookie, &body, "close");
    let answer = ask(addr, std::str::from_utf8(&request).expect("text"));
    let id = answer.split_once("{\"id\":\"").and_then(|(_, rest)| rest.split('"').next());
    id.unwrap_or_else(|| panic!("no thread: {answer}")).to_owned()
}

fn post(path: &str, cookie: &str, body: &str, connection: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\nCookie: {cookie}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Writes the rows of a message to SQLite alone, in durable batches. Returns messages a second.
fn bare_sqlite(batch: usize, threads: usize, time: Duration) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let conn = rusqlite::Connection::open(folder.path().join("bare.db")).expect("opened");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768;
         PRAGMA mmap_size = 268435456;",
    )
    .expect("set");
    for schema in [
        include_str!("../../migrations/0001_accounts_and_peeps.sql"),
        include_str!("../../migrations/0002_rooms.sql"),
        include_str!("../../migrations/0003_matches.sql"),
        include_str!("../../migrations/0004_pairings.sql"),
        include_str!("../../migrations/0005_threads.sql"),
        include_str!("../../migrations/0006_apps.sql"),
        include_str!("../../migrations/0007_idempotency.sql"),
        include_str!("../../migrations/0008_sync.sql"),
    ] {
        conn.execute_batch(&schema.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")).expect("made");
    }
    for account in 1..=CONNECTIONS as i64 {
        let sql = "INSERT INTO accounts (id, kind, name, created_at) VALUES (?1, 'member', 'P', 0)";
        conn.execute(sql, [account]).expect("inserted");
    }
    for thread in 1..=threads as i64 {
        let sql = "INSERT INTO conversations (id, kind, name, active_at, created_at) VALUES (?1, 'thread', '', 0, 0)";
        conn.execute(sql, [thread]).expect("inserted");
        for account in 1..=CONNECTIONS as i64 {
            let sql = "INSERT INTO participants (conversation_id, account_id, skeleton, joined_at)
                       VALUES (?1, ?2, '', 0)";
            conn.execute(sql, [thread, account]).expect("inserted");
        }
    }
    let began = Instant::now();
    let mut id = 1_i64 << 56;
    let mut messages = 0_i64;
    while began.elapsed() < time {
        conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
        for _ in 0..batch {
            (id, messages) = (id + 1, messages + 1);
            let (thread, account) = (messages % threads as i64 + 1, messages % CONNECTIONS as i64 + 1);
            let sync_version: i64 = conn
                .prepare_cached(
                    "UPDATE streams SET last_seq = last_seq + 1 WHERE name = 'ticks' RETURNING last_seq",
                )
                .and_then(|mut next| next.query_row([], |row| row.get(0)))
                .expect("a number");
            let (seq, change): (i64, i64) = conn
                .prepare_cached(
                    "UPDATE conversations SET last_seq = last_seq + 1, last_change = last_change + 1,
                         active_at = ?1, tick = ?2 WHERE id = ?3 RETURNING last_seq, last_change",
                )
                .and_then(|mut next| {
                    next.query_row((id, sync_version, thread), |row| Ok((row.get(0)?, row.get(1)?)))
                })
                .expect("numbers");
            conn.prepare_cached(
                "INSERT INTO messages (id, conversation_id, seq, change, account_id, body, folded, created_at, tick)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)",
            )
            .and_then(|mut insert| insert.execute((id, thread, seq, change, account, WORDS, id >> 16, sync_version)))
            .expect("inserted");
            conn.prepare_cached(
                "UPDATE participants SET read_seq = ?1, delivered_seq = ?1, tick = ?2, receipt_tick = ?2
                 WHERE conversation_id = ?3 AND account_id = ?4",
            )
            .and_then(|mut update| update.execute((seq, sync_version, thread, account)))
            .expect("updated");
        }
        conn.execute_batch("COMMIT").expect("committed");
    }
    messages as f64 / began.elapsed().as_secs_f64()
}

/// Measures `sync` with a thousand threads, after several numbers of changes.
fn sync() {
    let chitter = Process::chitter();
    let cookies: Vec<String> = (0..CONNECTIONS).map(|n| sign_up(chitter.addr, n)).collect();
    let ids: Vec<String> = (0..THREADS).map(|_| create_thread(chitter.addr, &cookies[0])).collect();
    let mut stream = TcpStream::connect(chitter.addr).expect("connected");
    stream.set_nodelay(true).expect("set");
    println!(
        "\n{:44} {:>12} {:>12}",
        format!("sync in {THREADS} threads of {CONNECTIONS}"),
        "µs",
        "99 in 100"
    );
    let mut since = sync_token(&exchange(&mut stream, &get("/api/v1/sync", &cookies[1])));
    for changed in [0, 1, 50] {
        let mut durations = Vec::new();
        for call in 0..SYNC_CALLS {
            for n in 0..changed {
                let path = format!("/api/v1/threads/{}/messages", ids[(call * changed + n) % THREADS]);
                let request = post(&path, &cookies[0], &format!("{{\"body\":\"{WORDS}\"}}"), "keep-alive");
                exchange(&mut stream, &request);
            }
            let request = get(&format!("/api/v1/sync?limit=200&since={since}"), &cookies[1]);
            let began = Instant::now();
            let answer = exchange(&mut stream, &request);
            durations.push(began.elapsed().as_secs_f64() * 1e6);
            since = sync_token(&answer);
        }
        durations.sort_by(f64::total_cmp);
        let name = format!("{changed} new messages since");
        println!(
            "{name:44} {:>12.0} {:>12.0}",
            durations[durations.len() / 2],
            durations[durations.len() * 99 / 100]
        );
    }
}

fn get(path: &str, cookie: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n").into_bytes()
}

/// Returns the sync token in an answer.
fn sync_token(answer: &str) -> String {
    let since = answer.rsplit_once("\"since\":\"").and_then(|(_, rest)| rest.split('"').next());
    since.unwrap_or_else(|| panic!("no sync token: {answer}")).to_owned()
}

/// Sends one request and reads its answer.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).expect("written");
    let mut buffer = vec![0; 1024 * 1024];
    let (mut read, mut whole) = (0, None);
    while whole.is_none_or(|whole| read < whole) {
        let n = stream.read(&mut buffer[read..]).expect("read");
        assert!(n > 0, "the server closed the connection");
        read += n;
        whole = whole.or_else(|| length(&buffer[..read]));
    }
    assert!(buffer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&buffer[..read.min(400)]));
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}
