//! Tests of reactions, of searching in a room, and of invalid requests about messages.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, ApiClient, Person, Room, World, each, text};

/// Returns the path of an emoji's reaction to a message.
fn reaction(room: &Room, message: &Value, emoji: &str) -> String {
    room.api(&format!("/messages/{}/reactions/{}", text(&message["id"]), encoded(emoji)))
}

fn search(room: &Room, query: &str) -> String {
    room.api(&format!("/search?q={}", encoded(query)))
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

async fn searches(client: &impl ApiClient, room: &Room, query: &str) -> Vec<String> {
    each(&client.fetches(&search(room, query)).await.is(200).list(), "body")
}

async fn sends_text(person: &Person, method: Method, path: &str, body: &'static str) -> Answer {
    person.sends(person.request(method, path).header("content-type", "application/json").body(body)).await
}

on_both! {
    async fn an_emoji_counts_once_for_each_person(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let message = nell.says(&room, "Coffee is ready").await;
        let teo = world.guest("Teo").await;
        for emoji in ["☕", "👩‍👩‍👧‍👦", "❤️"] {
            teo.does(Method::PUT, &reaction(&room, &message, emoji)).await.is(200);
            world.pass(std::time::Duration::from_secs(1));
        }
        let once = ify.does(Method::PUT, &reaction(&room, &message, "☕")).await.is(200).json();
        let twice = ify.does(Method::PUT, &reaction(&room, &message, "☕")).await.is(200).json();
        assert_eq!(once, twice);
        let ifys = nell.people(&room).await[2]["account"]["id"].clone();
        let expected = json!([
            { "emoji": "☕", "count": 2, "accounts": [teo.id, ifys] },
            { "emoji": "👩‍👩‍👧‍👦", "count": 1, "accounts": [teo.id] },
            { "emoji": "❤️", "count": 1, "accounts": [teo.id] },
        ]);
        assert_eq!(nell.messages(&room).await[0]["reactions"], expected);
        assert_eq!(twice["edited_at"], json!(null), "a reaction is not an edit");
        teo.does(Method::DELETE, &reaction(&room, &message, "☕")).await.is(200);
        let removed = teo.does(Method::DELETE, &reaction(&room, &message, "☕")).await.is(200).json();
        assert_eq!(removed["reactions"][0], json!({ "emoji": "👩‍👩‍👧‍👦", "count": 1, "accounts": [teo.id] }));
        assert_eq!(removed["reactions"][2], json!({ "emoji": "☕", "count": 1, "accounts": [ifys] }));
        assert!(removed["change"].as_i64() > twice["change"].as_i64());
    }

    async fn anything_but_one_emoji_is_refused(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let message = nell.says(&room, "Hello").await;
        for emoji in ["a", "1", "ok", "☕☕", "☕a", "<b>", "é", "/", "\0"] {
            let answer = nell.does(Method::PUT, &reaction(&room, &message, emoji)).await;
            assert!(matches!(answer.status, 404 | 422), "{emoji:?}: {answer:?}");
            answer.problem();
        }
        let refused = nell.does(Method::PUT, &reaction(&room, &message, "a")).await.is(422);
        assert_eq!(refused.problem(), "A reaction is one emoji.");
        let not_utf8 = room.api(&format!("/messages/{}/reactions/%FF", text(&message["id"])));
        nell.does(Method::PUT, &not_utf8).await.problem();
        nell.does(Method::PUT, &room.api("/messages/17/reactions/%E2%98%95")).await.is(404).problem();
        world.stranger().does(Method::PUT, &reaction(&room, &message, "☕")).await.is(401).problem();
        assert_eq!(nell.messages(&room).await, json!([message]), "nothing is stored");
    }

    async fn a_message_has_at_most_twenty_different_reactions(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let message = nell.says(&room, "Hello").await;
        let emoji: Vec<String> =
            (0..21).map(|n| char::from_u32(0x1F600 + n).expect("a face").to_string()).collect();
        for face in &emoji[..20] {
            nell.does(Method::PUT, &reaction(&room, &message, face)).await.is(200);
        }
        let refused = ify.does(Method::PUT, &reaction(&room, &message, &emoji[20])).await.is(422);
        assert_eq!(refused.problem(), "There are twenty kinds of emoji under it already. Use one of them.");
        ify.does(Method::PUT, &reaction(&room, &message, &emoji[19])).await.is(200);
        nell.does(Method::DELETE, &reaction(&room, &message, &emoji[0])).await.is(200);
        ify.does(Method::PUT, &reaction(&room, &message, &emoji[20])).await.is(200);
        let reactions = nell.messages(&room).await[0]["reactions"].clone();
        assert_eq!(reactions.as_array().map(Vec::len), Some(20));
    }

    async fn concurrent_reactions_are_all_counted(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let message = nell.says(&room, "Hello").await;
        let mut guests = Vec::new();
        for n in 0..12u8 {
            guests.push(world.guest(&format!("Guest of {}", char::from(b'a' + n))).await);
        }
        let path = reaction(&room, &message, "👍");
        let reacting = guests.iter().map(|guest| guest.does(Method::PUT, &path));
        for answer in futures_util::future::join_all(reacting).await {
            answer.is(200);
        }
        let summary = nell.messages(&room).await[0]["reactions"][0].clone();
        assert_eq!((&summary["count"], summary["accounts"].as_array().map(Vec::len)), (&json!(12), Some(12)));
    }

    async fn search_ignores_case_and_accents(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let tide = nell.makes_room("Tide").await;
        nell.says(&tide, "A stool elsewhere").await;
        for words in
            ["A Stool with three legs", "Jörg’s CAFÉ stool", "100% of it", "100 of_it", r"C:\temp", "ليلى"]
        {
            nell.says(&room, words).await;
        }
        let deleted = nell.says(&room, "a stool taken back").await;
        nell.does(Method::DELETE, &room.api(&format!("/messages/{}", text(&deleted["id"])))).await.is(204);
        for (query, expected) in [
            ("stool", vec!["Jörg’s CAFÉ stool", "A Stool with three legs"]),
            ("STOOL", vec!["Jörg’s CAFÉ stool", "A Stool with three legs"]),
            ("cafe", vec!["Jörg’s CAFÉ stool"]),
            ("CAFÉ", vec!["Jörg’s CAFÉ stool"]),
            ("jorg stool", vec!["Jörg’s CAFÉ stool"]),
            ("legs  stool", vec!["A Stool with three legs"]),
            ("stool anchor", vec![]),
            ("100%", vec!["100% of it"]),
            ("0%", vec!["100% of it"]),
            ("%%", vec![]),
            ("__", vec![]),
            ("of_it", vec!["100 of_it"]),
            (r"\temp", vec![r"C:\temp"]),
            ("ليلى", vec!["ليلى"]),
            ("taken back", vec![]),
            ("'; DROP TABLE messages; --", vec![]),
        ] {
            assert_eq!(searches(&nell, &room, query).await, expected, "{query}");
        }
        for query in ["", "a", " a ", "é", "%"] {
            let refused = nell.fetches(&search(&room, query)).await.is(422);
            assert_eq!(refused.problem(), "Look for two letters or more.", "{query:?}");
        }
        nell.fetches(&room.api("/search")).await.is(422);
        let first = nell.fetches(&room.api("/search?q=stool&limit=1")).await.is(200).json();
        assert_eq!(each(&first["data"], "body"), ["Jörg’s CAFÉ stool"]);
        let next = text(&first["next"]);
        let older = nell.fetches(world.path_of(&next)).await.is(200).json();
        assert_eq!(each(&older["data"], "body"), ["A Stool with three legs"]);
        assert!(nell.fetches(world.path_of(&text(&older["next"]))).await.is(200).json()["next"].is_null());
        nell.fetches(&room.api("/search?q=stool&cursor=first")).await.is(422).problem();
        let teo = world.guest("Teo").await;
        assert_eq!(searches(&teo, &room, "stool").await.len(), 2);
    }

    async fn a_message_is_not_found_by_the_path_of_another_room(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (room, other) = (nell.makes_room("Repair café").await, ify.makes_room("Tide").await);
        let message = nell.says(&room, "Between us").await;
        let id = text(&message["id"]);
        let path = other.api(&format!("/messages/{id}"));
        ify.fetches(&path).await.is(404).problem();
        nell.calls(Method::PATCH, &path, &json!({ "body": "moved" })).await.is(404).problem();
        ify.does(Method::DELETE, &path).await.is(404).problem();
        ify.does(Method::PUT, &format!("{path}/reactions/%E2%98%95")).await.is(404).problem();
        assert_eq!(nell.messages(&room).await, json!([message]));
        for id in ["1", "0", "-1", "x", "%00", "9223372036854775808"] {
            nell.fetches(&room.api(&format!("/messages/{id}"))).await.is(404).problem();
        }
    }

    async fn unexpected_json_is_refused_with_a_problem(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let message = nell.says(&room, "Hello").await;
        let before = nell.opens_link(&room).await.json();
        let messages = room.api("/messages");
        let path = room.api(&format!("/messages/{}", text(&message["id"])));
        for (method, path) in [
            (Method::POST, "/api/v1/sessions".to_owned()),
            (Method::POST, "/api/v1/rooms".to_owned()),
            (Method::PATCH, room.api("")),
            (Method::POST, room.api("/link")),
            (Method::POST, messages.clone()),
            (Method::PATCH, path.clone()),
            (Method::PUT, room.api("/read")),
            (Method::POST, room.api("/hooks")),
        ] {
            for body in ["", "{", "nonsense", "null", "7", "\"x\"", "{\"name\": }", "{\"body\": \"\\ud800\"}"]
            {
                let answer = sends_text(&nell, method.clone(), &path, body).await;
                assert!(matches!(answer.status, 400 | 422), "{method} {path} {body}: {answer:?}");
                assert!(!answer.problem().is_empty(), "{method} {path} {body}");
            }
            let request = nell.request(method.clone(), &path).header("content-type", "text/plain").body("x");
            nell.sends(request).await.is(415).problem();
        }
        for body in [
            json!({ "body": 7 }),
            json!({ "body": null }),
            json!({ "body": ["x"] }),
            json!({ "body": "x", "unknown": 1 }),
            json!({ "body": "x", "reply_to": "x" }),
            json!({ "body": "x", "reply_to": {} }),
            json!({ "body": "x", "attachments": "1" }),
            json!({ "body": "x", "attachments": ["x"] }),
            json!({ "body": "x", "idempotency_key": 7 }),
        ] {
            nell.calls(Method::POST, &messages, &body).await.is(422).problem();
        }
        assert_eq!(nell.opens_link(&room).await.json(), before);
        assert_eq!(nell.messages(&room).await, json!([message]));
        nell.does(Method::PUT, &messages).await.is(405).problem();
        let too_large = json!({ "body": "x".repeat(2 * 1024 * 1024) });
        let answer = nell.tries(nell.request(Method::POST, &messages).json(&too_large)).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 413));
    }
}
