//! Tests of crashes: nothing that was acknowledged is lost when the process dies.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::common::{Instance, Person, Program, SmtpMode, SmtpServer, TIMEOUT, within};

/// The id of each attempt's status by its key, or `None` where no answer came.
type Attempts = BTreeMap<String, Option<String>>;

/// Tries to post with a key. Returns the id if the post is acknowledged by an answer.
async fn attempt(person: &Person, key: &str) -> Option<String> {
    let request = person.request(Method::POST, "/api/v1/statuses").header("idempotency-key", key);
    let answer = person.tries(request.json(&json!({ "status": key }))).await.ok()?;
    match answer.status {
        200 => answer.json()["id"].as_str().map(Into::into),
        // The server or its database is stopping, so nothing was acknowledged.
        503 => None,
        _ => panic!("unexpected status: {answer:?}"),
    }
}

/// Posts as fast as possible until the server is gone.
async fn writes(person: Person, name: String, answered: UnboundedSender<()>) -> Attempts {
    let mut attempts = Attempts::new();
    for n in 0.. {
        let key = format!("{name}.{n}");
        let id = attempt(&person, &key).await;
        let unanswered = id.is_none();
        attempts.insert(key, id);
        if unanswered || answered.send(()).is_err() {
            break;
        }
    }
    attempts
}

/// Returns the whole timeline: id and text, newest first.
async fn whole_timeline(person: &Person) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut bound = String::new();
    loop {
        let path = format!("/api/v1/timelines/public?limit=40{bound}");
        let page = person.gets(&path).await.is(200).json();
        let page = page.as_array().expect("a list");
        let text = |status: &Value, member: &str| status[member].as_str().expect("a string").to_owned();
        let Some(last) = page.last() else { return all };
        bound = format!("&max_id={}", text(last, "id"));
        all.extend(page.iter().map(|status| (text(status, "id"), text(status, "text"))));
    }
}

on_both! {
    async fn every_acknowledged_peep_survives_ten_kills_exactly_once(instance: Instance) {
        let mut program = Program::serve(&instance);
        let nell = Person::on_site(&program.url, "nell");
        nell.signs_up().await.is(303);
        let mut attempts = Attempts::new();
        for kill in 0..10 {
            let (answered, mut answers) = unbounded_channel();
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    tokio::spawn(writes(nell.clone(), format!("{kill}.{writer}"), answered.clone()))
                })
                .collect();
            for _ in 0..20 + 7 * kill {
                within("an answer", answers.recv()).await.expect("a running writer");
            }
            program.kill();
            for writer in join_all(writers).await {
                attempts.extend(writer.expect("a writer ends with the server"));
            }
            program = Program::serve(&instance);
            nell.goes_to(&program.url);
            // Every post without an answer is repeated with its key, and so are some that had an answer.
            for (n, (key, id)) in attempts.iter_mut().enumerate() {
                if id.is_none() || n % 50 == kill {
                    let again = attempt(&nell, key).await.expect("the server is back");
                    assert_eq!(
                        *id.get_or_insert_with(|| again.clone()),
                        again,
                        "the same key is the same peep"
                    );
                }
            }
        }
        let mut expected: Vec<_> = attempts.into_iter().map(|(key, id)| (id.expect("an id"), key)).collect();
        let mut actual = whole_timeline(&nell).await;
        expected.sort();
        actual.sort();
        assert!(actual.len() > 500, "{} peeps are too few to mean anything", actual.len());
        assert_eq!(actual, expected, "each acknowledged peep once");
    }

    async fn a_mail_enqueued_before_a_kill_is_sent_after_the_restart(instance: Instance) {
        let mut smtp = SmtpServer::start(SmtpMode::Hangs);
        let instance = instance.with_mail_by(&smtp.url);
        let mut program = Program::serve(&instance);
        let (nell, ify) = (Person::on_site(&program.url, "nell"), Person::on_site(&program.url, "ify"));
        nell.signs_up().await.is(303);
        ify.signs_up().await.is(303);
        nell.peeps("@ify, are you there?").await;
        smtp.wait_for_connection().await;
        program.kill();
        assert!(smtp.remaining().is_empty(), "the mail was sent before the kill");
        smtp.set_mode(SmtpMode::Accepts);
        let _program = Program::serve(&instance);
        let mail = smtp.next_mail().await;
        assert_eq!(mail.to, ["ify@harbour.example"]);
        assert!(mail.text().contains("@ify, are you there?"));
    }

    async fn a_shutdown_finishes_the_requests_under_way(instance: Instance) {
        let mut program = Program::serve(&instance);
        let nell = Person::on_site(&program.url, "nell");
        nell.signs_up().await.is(303);
        let address = program.url.strip_prefix("http://").expect("an address").to_owned();
        let mut stream = TcpStream::connect(&address).expect("a connection");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        let body = "body=half+of+it+and+the+rest";
        let head = format!(
            "POST /peeps HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n",
            nell.cookies(),
            body.len(),
        );
        stream.write_all(head.as_bytes()).expect("the head is sent");
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).expect("the server begins to read the body");
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(&body.as_bytes()[..12]).expect("half of it is sent");

        program.terminate();
        while TcpStream::connect(&address).is_ok() {} // until no new connection is accepted
        stream.write_all(&body.as_bytes()[12..]).expect("the rest is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer, and the end");
        assert!(answer.starts_with("HTTP/1.1 303 See Other\r\n"), "{answer}");
        assert_eq!(program.wait().code(), Some(0), "{}", program.output());

        let program = Program::serve(&instance);
        nell.goes_to(&program.url);
        assert_eq!(nell.opens("/").await.words(), ["half of it and the rest"]);
    }

    async fn a_shutdown_works_as_soon_as_the_address_is_printed(instance: Instance) {
        for _ in 0..3 {
            let mut program = Program::serve(&instance);
            program.terminate();
            assert_eq!(program.wait().code(), Some(0), "{}", program.output());
        }
    }

    async fn idle_connections_do_not_delay_a_shutdown(instance: Instance) {
        let mut program = Program::serve(&instance);
        let address = program.url.strip_prefix("http://").expect("an address").to_owned();
        let silent = TcpStream::connect(&address).expect("a connection");
        let mut idle = TcpStream::connect(&address).expect("a connection");
        idle.write_all(format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
            .expect("a request");
        let mut answer = [0; 15];
        idle.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        program.terminate();
        assert_eq!(program.wait().code(), Some(0));
        assert!(!program.output().contains("cut off"), "{}", program.output());
        drop((silent, idle));
    }

    async fn only_one_process_can_open_the_data_folder(instance: Instance) {
        let first = Program::serve(&instance);
        let second = Program::command(&instance).output().expect("the program runs");
        assert_eq!(second.status.code(), Some(1));
        let message = String::from_utf8(second.stderr).expect("UTF-8");
        let data = instance.data();
        let expected = format!(
            "chitter: another chitter is using {}: stop it first, or set CHITTER_DATA\n",
            data.display()
        );
        assert_eq!(message, expected);
        let nell = Person::on_site(&first.url, "nell");
        nell.signs_up().await.is(303);
        drop(first);
        let third = Program::serve(&instance);
        nell.goes_to(&third.url);
        assert!(nell.is_logged_in().await, "the lock ended with its process");
    }
}
