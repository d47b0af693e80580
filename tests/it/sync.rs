//! Tests of `GET /api/v1/sync`: a client that was away receives every change, in order and once.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Person, World, text};

const THREADS: &str = "/api/v1/threads";

/// A client that keeps the token of its last call.
struct Client<'a> {
    person: &'a Person,
    since: String,
}

impl<'a> Client<'a> {
    /// Makes the first call, which returns a token only.
    async fn begins(person: &'a Person) -> Self {
        let first = person.fetches("/api/v1/sync").await.is(200).json();
        assert_eq!((&first["data"], &first["next"]), (&json!([]), &json!(null)));
        Client { person, since: text(&first["since"]) }
    }

    /// Returns one page of changes, and whether there is more.
    async fn fetches_page(&mut self, limit: usize) -> (Vec<Value>, bool) {
        let path = format!("/api/v1/sync?since={}&limit={limit}", self.since);
        let answer = self.person.fetches(&path).await.is(200).json();
        self.since = text(&answer["since"]);
        (answer["data"].as_array().expect("a list").clone(), !answer["next"].is_null())
    }

    /// Returns all changes since the last call.
    async fn catches_up(&mut self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let (page, more) = self.fetches_page(50).await;
            all.extend(page);
            if !more {
                return all;
            }
        }
    }

    /// Returns all changes, and waits for this many. PostgreSQL delays a change until every transaction that
    /// began before it has ended.
    async fn receives_changes<const N: usize>(&mut self) -> [Value; N] {
        let mut all = Vec::new();
        for _ in 0..1000 {
            all.extend(self.catches_up().await);
            if all.len() >= N {
                break;
            }
        }
        all.try_into().unwrap_or_else(|all| panic!("{N} changes were expected: {all:?}"))
    }

    /// Asserts the next changes, each written in brief: `message Hello`, `thread`, `receipt ify 1/1`, `left`.
    async fn expects<const N: usize>(&mut self, expected: [&str; N]) {
        let summary = |change: &Value| match change["type"].as_str().expect("a type") {
            "message" => format!("message {}", change["message"]["body"].as_str().unwrap_or_default()),
            "receipt" => format!(
                "receipt {} {}/{}",
                text(&change["account"]["username"]),
                change["delivered_seq"],
                change["read_seq"]
            ),
            other => other.to_owned(),
        };
        assert_eq!(self.receives_changes::<N>().await.each_ref().map(summary), expected);
    }
}

/// Creates a thread. Returns its path.
async fn begins_thread(person: &Person, users: &[&str]) -> String {
    let thread = person.calls(Method::POST, THREADS, &json!({ "users": users })).await.is(201).json();
    format!("{THREADS}/{}", text(&thread["id"]))
}

/// Posts a message. Returns its path.
async fn says(person: &Person, thread: &str, body: &str) -> String {
    let message =
        person.calls(Method::POST, &format!("{thread}/messages"), &json!({ "body": body })).await.is(201);
    format!("{thread}/messages/{}", text(&message.json()["id"]))
}

on_both! {
    async fn every_kind_of_change_is_returned(world: World) {
        let [nell, ify, _ha] = world.members(["nell", "ify", "ha"]).await;
        let mut ifys = Client::begins(&ify).await;
        ifys.expects([]).await; // nothing has changed
        let thread = begins_thread(&nell, &["ify"]).await;
        ifys.expects(["thread"]).await;
        let hello = says(&nell, &thread, "Hello").await;
        ifys.expects(["message Hello", "receipt nell 1/1", "thread"]).await;
        // The delivery to Ify changes her own membership.
        ifys.expects(["thread"]).await;
        ifys.expects([]).await; // and no further change

        nell.calls(Method::PATCH, &hello, &json!({ "body": "Hullo" })).await.is(200);
        ifys.expects(["message Hullo", "thread"]).await;
        nell.does(Method::PUT, &format!("{hello}/reactions/👍")).await.is(200);
        let changes = ifys.receives_changes::<2>().await;
        assert_eq!(changes[0]["message"]["reactions"][0]["emoji"], "👍");
        nell.does(Method::DELETE, &hello).await.is(204);
        let changes = ifys.receives_changes::<2>().await;
        assert!(changes[0]["message"]["deleted_at"].is_string() && changes[0]["message"]["body"] == "");

        nell.calls(Method::PATCH, &thread, &json!({ "name": "Cake day" })).await.is(200);
        let [change] = ifys.receives_changes().await;
        assert_eq!(change["thread"]["name"], "Cake day");
        nell.calls(Method::PATCH, &thread, &json!({ "muted": true })).await.is(200);
        ifys.expects([]).await; // a change of Nell's own membership is sent to her alone
        nell.calls(Method::POST, &format!("{thread}/users"), &json!({ "users": ["ha"] })).await.is(200);
        let [change] = ifys.receives_changes().await;
        assert_eq!(change["thread"]["users"].as_array().map(Vec::len), Some(3));

        // Reading and muting on another device are changes, too.
        says(&nell, &thread, "Once more").await;
        ifys.expects(["message Once more", "receipt nell 2/2", "thread"]).await;
        ifys.expects(["thread"]).await;
        ify.calls(Method::PUT, &format!("{thread}/read"), &json!({ "seq": 2 })).await.is(204);
        let [change] = ifys.receives_changes().await;
        assert_eq!((&change["thread"]["read_seq"], &change["thread"]["unread"]), (&json!(2), &json!(0)));
        ify.calls(Method::PATCH, &thread, &json!({ "muted": true })).await.is(200);
        let [change] = ifys.receives_changes().await;
        assert_eq!(change["thread"]["muted"], true);

        let ifys_id = text(&ify.fetches(&thread).await.json()["users"][1]["id"]);
        nell.does(Method::DELETE, &format!("{thread}/users/{ifys_id}")).await.is(204);
        ifys.expects(["left"]).await;
        says(&nell, &thread, "Behind your back").await;
        ifys.expects([]).await;
        let other = begins_thread(&nell, &["ify"]).await;
        ifys.expects(["thread"]).await;
        nell.does(Method::DELETE, &other).await.is(204);
        world.outbox_empties().await;
        let [change] = ifys.receives_changes().await;
        assert_eq!(change, json!({ "type": "left", "conversation_id": other.rsplit('/').next() }));
    }

    async fn participants_who_left_before_a_deletion_receive_left(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let thread = begins_thread(&nell, &["ify"]).await;
        let mut client = Client::begins(&ify).await;
        // The thread is deleted with its last participant.
        for person in [&ify, &nell] {
            person.does(Method::DELETE, &format!("{thread}/users/me")).await.is(204);
        }
        nell.fetches(&thread).await.is(404);
        world.outbox_empties().await;
        client.expects(["left"]).await;
    }

    async fn pages_continue_where_the_last_one_ended(world: World) {
        let [nell, ify, _ha] = world.members(["nell", "ify", "ha"]).await;
        let mut client = Client::begins(&ify).await;
        let mut threads = Vec::new();
        for _ in 0..3 {
            threads.push(begins_thread(&nell, &["ify"]).await);
        }
        // Concurrent posts, so that their commits come in any order.
        join_all((0..30).map(|n| {
            let (nell, thread) = (nell.clone(), threads[n % 3].clone());
            async move { says(&nell, &thread, &format!("word {n}")).await }
        }))
        .await;
        let batch: Vec<_> = (0..60).map(|n| json!({ "body": format!("batch {n}") })).collect();
        let (path, batch) = (format!("{}/messages/batch", threads[0]), json!({ "messages": batch }));
        nell.calls(Method::POST, &path, &batch).await.is(201);
        let (mut bodies, mut pages) = (Vec::new(), 0);
        for _ in 0..1000 {
            let (page, more) = client.fetches_page(7).await;
            bodies.extend(page.iter().filter_map(|change| Some(change["message"]["body"].as_str()?.to_owned())));
            pages += 1;
            if !more && bodies.len() >= 90 {
                break;
            }
        }
        let batched: Vec<_> = bodies.iter().filter(|body| body.starts_with("batch")).cloned().collect();
        assert_eq!(batched, (0..60).map(|n| format!("batch {n}")).collect::<Vec<_>>(), "a batch is in order");
        let mut distinct = bodies.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((bodies.len(), distinct.len()), (90, 90), "each message once");
        assert!(pages > 4, "{pages}");
    }

    async fn concurrent_writes_lose_no_change(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let threads = [begins_thread(&nell, &["ify"]).await, begins_thread(&nell, &["ify"]).await];
        let mut client = Client::begins(&ify).await;
        let writes = join_all((0..8).map(|writer| {
            let (nell, thread) = (nell.clone(), threads[writer % 2].clone());
            async move {
                for n in 0..10 {
                    says(&nell, &thread, &format!("{writer}.{n}")).await;
                }
            }
        }));
        let mut received = Vec::new();
        let mut writes = std::pin::pin!(writes);
        loop {
            // Pages are fetched one at a time: a client that is cancelled between two of them would keep the
            // token and lose the changes.
            tokio::select! {
                _ = &mut writes => break,
                (page, _) = client.fetches_page(50) => received.extend(page),
            }
        }
        for _ in 0..1000 {
            received.extend(client.catches_up().await);
            if received.iter().filter(|change| change["type"] == "message").count() >= 80 {
                break;
            }
        }
        let mut bodies: Vec<_> =
            received.iter().filter_map(|change| Some(change["message"]["body"].as_str()?.to_owned())).collect();
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 80, "every message");
    }

    async fn rooms_are_included_and_matches_are_not(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let mut client = Client::begins(&ify).await;
        client.expects([]).await;
        ify.opens_link(&room).await.is(200);
        nell.says(&room, "Hello, Ify").await;
        let changes = client.receives_changes::<2>().await;
        assert_eq!(changes[0]["message"]["body"], "Hello, Ify");
        assert_eq!(changes[1]["room"]["name"], "Repair café");
        nell.does(Method::DELETE, &room.api("")).await.is(204);
        client.expects(["left"]).await;
    }

    async fn invalid_and_expired_tokens_are_refused(world: World) {
        let [nell] = world.members(["nell"]).await;
        let client = Client::begins(&nell).await;
        let sync = |since: String| {
            let nell = nell.clone();
            async move { nell.fetches(&format!("/api/v1/sync?since={since}")).await }
        };
        sync("yesterday".into()).await.is(422).problem();
        sync("99999999999.1763640000000".into()).await.is(409).problem();
        world.stranger().fetches("/api/v1/sync").await.is(401);
        world.pass(Duration::from_secs(31 * 24 * 3600));
        sync(client.since.clone()).await.is(409).problem();
    }
}
