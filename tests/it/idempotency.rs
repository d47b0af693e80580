//! Tests of idempotency: a request that is sent more than once is done once.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, ApiClient, Guest, Room, World, text, until};

/// Sends JSON with an idempotency key.
async fn sends(person: &Guest, key: &str, path: &str, body: &Value) -> Answer {
    person.sends(person.request(Method::POST, path).header("idempotency-key", key).json(body)).await
}

/// Returns whether an answer repeats an earlier one.
fn is_replayed(answer: &Answer) -> bool {
    match answer.header("idempotency-replayed") {
        "true" => true,
        "" => false,
        other => panic!("{other}"),
    }
}

/// Creates a program that acts with a token of Nell's.
async fn program(world: &World) -> Guest {
    let [nell, _ify] = world.members(["nell", "ify"]).await;
    let created =
        nell.posts("/settings/tokens", &[("name", "Script"), ("read", "on"), ("write", "on")]).await;
    world.program(&created.is(200).page().value("secret"))
}

on_both! {
    async fn a_repeated_request_returns_the_bytes_of_the_first_response(world: World) {
        let program = program(&world).await;
        let request = json!({ "users": ["ify"], "name": "Cake day" });
        let first = sends(&program, "k1", "/api/v1/threads", &request).await.is(201);
        assert!(!is_replayed(&first));
        world.pass(Duration::from_secs(60));
        let again = sends(&program, "k1", "/api/v1/threads", &request).await.is(201);
        assert!(is_replayed(&again));
        assert_eq!((&again.bytes, again.header("location")), (&first.bytes, first.header("location")));
        let path = format!("/api/v1/threads/{}", text(&first.json()["id"]));
        // The replay is the first response, even after the resource has changed.
        program.calls(Method::PATCH, &path, &json!({ "name": "Pie day" })).await.is(200);
        assert_eq!(sends(&program, "k1", "/api/v1/threads", &request).await.is(201).bytes, first.bytes);
        assert_eq!(world.counts("SELECT COUNT(*) FROM conversations").await, 1);

        // The same key with another body, path or method is a conflict.
        for (path, body) in [
            ("/api/v1/threads".to_owned(), json!({ "users": ["ify"] })),
            (format!("{path}/messages"), json!({ "body": "Hello" })),
        ] {
            let refused = sends(&program, "k1", &path, &body).await.is(422);
            assert!(refused.problem().contains("Something else was asked for with that idempotency key."));
            assert!(text(&refused.json()["type"]).ends_with("#key-reused"));
        }
        // A refused request does not use up its key, and keys belong to one account.
        sends(&program, "k2", &format!("{path}/messages"), &json!({ "body": "" })).await.is(422);
        sends(&program, "k2", &format!("{path}/messages"), &json!({ "body": "Hello" })).await.is(201);
        let teo = world.guest("Teo").await;
        assert!(!is_replayed(&sends(&teo, "k1", "/api/v1/rooms", &json!({ "name": "Café" })).await.is(201)));
        for key in ["", &"k".repeat(256), "ä"] {
            sends(&program, key, "/api/v1/threads", &request).await.is(422).problem();
        }
    }

    async fn a_hundred_concurrent_requests_post_one_message(world: World) {
        let program = program(&world).await;
        let thread = program.calls(Method::POST, "/api/v1/threads", &json!({ "users": ["ify"] })).await.is(201).json();
        let path = format!("/api/v1/threads/{}/messages", text(&thread["id"]));
        let body = json!({ "body": "Once" });
        let answers = join_all((0..100).map(|_| sends(&program, "k1", &path, &body))).await;
        let first = answers.iter().filter(|answer| answer.status == 201 && !is_replayed(answer));
        assert_eq!(first.count(), 1);
        for answer in &answers {
            match answer.status {
                201 => assert_eq!(answer.bytes, answers.iter().find(|answer| answer.status == 201).expect("one").bytes),
                429 => assert!(!answer.header("retry-after").is_empty(), "the rate limit applies"),
                other => panic!("{other}: {answer:?}"),
            }
        }
        assert_eq!(world.counts("SELECT COUNT(*) FROM messages").await, 1);
    }

    async fn every_post_route_accepts_an_idempotency_key(world: World) {
        let program = program(&world).await;
        let room = sends(&program, "room", "/api/v1/rooms", &json!({ "name": "Repair café" })).await.is(201).json();
        let api = format!("/api/v1/rooms/{}", text(&room["key"]));
        let hello = json!({ "body": "Hello" });
        let message = sends(&program, "say", &format!("{api}/messages"), &hello).await.is(201).json();
        assert_eq!(message["seq"], 1);
        let status = sends(&program, "peep", "/api/v1/statuses", &json!({ "status": "Hello" })).await.is(200).json();
        let like = format!("/api/v1/statuses/{}/favourite", text(&status["id"]));
        for (key, path, body) in [
            ("say", format!("{api}/messages"), json!({ "body": "Hello" })),
            ("like", like.clone(), json!({})),
            ("like", like, json!({})),
            ("peep", "/api/v1/statuses".into(), json!({ "status": "Hello" })),
            ("link", format!("{api}/link"), json!({})),
            ("link", format!("{api}/link"), json!({})),
            ("seek", "/api/v1/matches".into(), json!({ "adult": true })),
            ("seek", "/api/v1/matches".into(), json!({ "adult": true })),
            ("next", "/api/v1/matches/current/next".into(), json!({})),
            ("next", "/api/v1/matches/current/next".into(), json!({})),
        ] {
            let answer = sends(&program, key, &path, &body).await;
            assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
        }
        assert_eq!(world.counts("SELECT COUNT(*) FROM messages").await, 1);
        assert_eq!(world.counts("SELECT COUNT(*) FROM peeps").await, 1);
        assert_eq!(world.counts("SELECT COUNT(*) FROM links").await, 2, "the room's first link and one new link");
        let room = Room::from_json(&room);
        let file = || program.upload(&room, "file", "rota.txt", b"nine, ten").header("idempotency-key", "file");
        let first = program.sends(file()).await.is(201);
        let again = program.sends(file()).await.is(201);
        assert!(is_replayed(&again) && again.bytes == first.bytes);
    }

    async fn a_secret_is_returned_once_and_not_stored(world: World) {
        let create_session = || {
            let request = world.stranger().request(Method::POST, "/api/v1/sessions");
            request.header("idempotency-key", "k1").json(&json!({ "name": "Teo" }))
        };
        world.stranger().sends(create_session()).await.is(201);
        world.stranger().sends(create_session()).await.is(409).problem();
        assert_eq!(world.counts("SELECT COUNT(*) FROM accounts").await, 1);
        assert_eq!(world.counts("SELECT COUNT(*) FROM idempotency WHERE body <> ''").await, 0);
    }

    async fn deleted_content_is_in_no_stored_response(world: World) {
        let program = program(&world).await;
        let thread = sends(&program, "t", "/api/v1/threads", &json!({ "users": ["ify"] })).await.is(201).json();
        let path = format!("/api/v1/threads/{}/messages", text(&thread["id"]));
        let first = sends(&program, "m1", &path, &json!({ "body": "The safe is 1234" })).await.is(201).json();
        let reply = json!({ "body": "Thanks", "reply_to": first["id"] });
        sends(&program, "m2", &path, &reply).await.is(201);
        sends(&program, "m3", &path, &json!({ "body": "Bye" })).await.is(201);
        program.does(Method::DELETE, &format!("{path}/{}", text(&first["id"]))).await.is(204);
        assert_eq!(world.counts("SELECT COUNT(*) FROM idempotency WHERE body LIKE '%1234%'").await, 0);
        sends(&program, "m1", &path, &json!({ "body": "The safe is 1234" })).await.is(409);
        sends(&program, "m2", &path, &reply).await.is(409);
        assert!(is_replayed(&sends(&program, "m3", &path, &json!({ "body": "Bye" })).await.is(201)));
        assert!(is_replayed(&sends(&program, "t", "/api/v1/threads", &json!({ "users": ["ify"] })).await.is(201)));
        // Deleting a thread also deletes the stored responses about it.
        sends(&program, "u", &path.replace("messages", "users"), &json!({ "users": ["nobody"] })).await.is(422);
        program.does(Method::DELETE, path.trim_end_matches("/messages")).await.is(204);
        assert_eq!(world.counts("SELECT COUNT(*) FROM idempotency WHERE body <> ''").await, 0);
    }

    async fn an_idempotency_key_expires_after_a_day(world: World) {
        let program = program(&world).await;
        let request = json!({ "users": ["ify"] });
        let first = sends(&program, "k1", "/api/v1/threads", &request).await.is(201);
        world.pass(Duration::from_secs(25 * 3600));
        until("the key to expire", async || {
            (world.counts("SELECT COUNT(*) FROM idempotency").await == 0).then_some(())
        })
        .await;
        let later = sends(&program, "k1", "/api/v1/threads", &request).await.is(201);
        assert!(!is_replayed(&later));
        assert_ne!(later.json()["id"], first.json()["id"]);
    }
}
