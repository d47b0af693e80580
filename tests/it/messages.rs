//! Tests of messages: posting to a room, and their representation.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, ApiClient, Room, World, each, text};

fn path(room: &Room, message: &Value) -> String {
    room.api(&format!("/messages/{}", text(&message["id"])))
}

fn seqs(messages: &Value) -> Vec<i64> {
    let messages = messages.as_array().expect("a list of messages");
    messages.iter().map(|message| message["seq"].as_i64().expect("a number")).collect()
}

/// Returns the path of the page that the `Link` header gives for this relation.
fn link(answer: &Answer, rel: &str) -> Option<String> {
    let mut links = answer.header("link").split(", ");
    let link = links.find(|link| link.ends_with(&format!("rel=\"{rel}\"")))?;
    let url = link.strip_prefix('<')?.split('>').next()?;
    Some(url[url.find("/api/").expect("a path")..].to_owned())
}

async fn posts(client: &impl ApiClient, room: &Room, body: &Value) -> Answer {
    client.calls(Method::POST, &room.api("/messages"), body).await
}

/// Posts a message with an idempotency key.
async fn keyed(client: &impl ApiClient, room: &Room, key: &str, body: &str) -> Answer {
    let request = client.request(Method::POST, &room.api("/messages")).header("idempotency-key", key);
    client.sends(request.json(&json!({ "body": body }))).await
}

on_both! {
    async fn a_message_is_returned_with_its_author_and_context(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let answer =
            nell.tries_to_say(&room, " Hello @ify & <b> #row\r\nhttps://row.example/ ").await.is(201);
        let message = answer.json();
        let base = world.app().config.base_url.as_str().to_owned();
        let expected = json!({
            "id": message["id"], "conversation_id": room.id, "seq": 1, "change": message["change"],
            "body": "Hello @ify & <b> #row\nhttps://row.example/",
            "html": format!(
                "Hello <a class=\"mention\" href=\"{base}/@ify\">@ify</a> &amp; &lt;b&gt; #row<br>\n\
                 <a href=\"https://row.example/\" rel=\"nofollow noopener noreferrer ugc\">row.example/</a>"
            ),
            "account": {
                "id": message["account"]["id"], "kind": "member", "username": "nell", "name": "Nell Ashby",
            },
            "reply_to": null, "reactions": [], "attachments": [],
            "created_at": "2026-11-20T12:00:00.000Z", "edited_at": null, "deleted_at": null,
        });
        assert_eq!(message, expected);
        assert!(message["change"].is_i64() && text(&message["account"]["id"]).parse::<i64>().is_ok());
        assert_eq!(nell.fetches(&path(&room, &message)).await.is(200).json(), message);
        assert_eq!(nell.messages(&room).await, json!([message]));
        let teo = world.guest("Teo").await;
        let next = teo.says(&room, "Hi").await;
        let account = json!({ "id": teo.id, "kind": "guest", "username": null, "name": "Teo" });
        assert_eq!((&next["seq"], &next["account"]), (&json!(2), &account));
        assert!(next["change"].as_i64() > message["change"].as_i64());
        assert_eq!(nell.says(&room, "three").await["seq"], 3);
    }

    async fn a_message_has_1_to_4000_characters(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        for (body, reason) in [
            (json!({}), "Write something first."),
            (json!({ "body": "" }), "Write something first."),
            (json!({ "body": " \n\u{200B}" }), "Write something first."),
            (
                json!({ "body": "x".repeat(4001) }),
                "That is 4001 characters, and there is room for 4000. Take out 1.",
            ),
            (
                json!({ "body": "a\u{0}b" }),
                "There is a hidden control character (U+0000) in it. Take it out.",
            ),
        ] {
            let answer = posts(&nell, &room, &body).await.is(422);
            assert_eq!(answer.problem(), reason);
            assert_eq!(answer.json()["errors"][0]["pointer"], "#/body");
        }
        assert_eq!(nell.messages(&room).await, json!([]));
        for body in ["x".to_owned(), "x".repeat(4000), "👨‍👩‍👧‍👦".repeat(4000)] {
            assert_eq!(nell.says(&room, &body).await["body"], body);
        }
    }

    async fn code_is_rendered_verbatim(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        for (body, html) in [
            ("run `rm <dir> @nell`", "run <code>rm &lt;dir&gt; @nell</code>"),
            (
                "so:\n```rust\nif a < b {\n\n    #x\n}\n```\nok",
                "so:<pre><code>if a &lt; b {\n\n    #x\n}</code></pre>ok",
            ),
            ("a ` b", "a ` b"),
            ("`<script>`", "<code>&lt;script&gt;</code>"),
        ] {
            assert_eq!(nell.says(&room, body).await["html"], html, "{body}");
        }
    }

    async fn messages_are_paginated(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let empty = nell.fetches(&room.api("/messages")).await.is(200);
        assert_eq!((empty.list(), empty.header("link")), (json!([]), ""));
        for n in 1..=120 {
            nell.says(&room, &n.to_string()).await;
        }
        let get = |query: &'static str| {
            let (nell, path) = (nell.clone(), room.api(&format!("/messages{query}")));
            async move { nell.fetches(&path).await.is(200) }
        };
        for (query, from, to) in [
            ("", 71, 120),
            ("?limit=3", 118, 120),
            ("?before=11&limit=3", 8, 10),
            ("?before=3", 1, 2),
            ("?since=0&limit=2", 1, 2),
            ("?since=100", 101, 120),
            ("?limit=200", 1, 120),
            ("?before=99999&limit=1", 120, 120),
        ] {
            assert_eq!(seqs(&get(query).await.list()), (from..=to).collect::<Vec<_>>(), "{query}");
        }
        for query in ["?since=120", "?before=1", "?since=9223372036854775807"] {
            assert_eq!(get(query).await.list(), json!([]), "{query}");
        }
        for query in [
            "?since=x", "?since=-1", "?before=1.5", "?before=-9", "?limit=9223372036854775808", "?limit=0", "?limit=-3",
            "?limit=201",
        ] {
            let answer = nell.fetches(&room.api(&format!("/messages{query}"))).await;
            assert!(matches!(answer.status, 400 | 422), "{query}: {answer:?}");
            answer.problem();
        }
        let mut backwards = Vec::new();
        let mut page = get("?limit=50").await;
        loop {
            backwards.splice(0..0, seqs(&page.list()));
            match link(&page, "prev") {
                Some(older) => page = nell.fetches(&older).await.is(200),
                None => break,
            }
        }
        assert_eq!(backwards, (1..=120).collect::<Vec<_>>());
        let page = get("?since=0&limit=100").await;
        let newer = link(&page, "next").expect("there is more");
        assert_eq!(seqs(&nell.fetches(&newer).await.is(200).list()), (101..=120).collect::<Vec<_>>());
    }

    async fn a_reply_quotes_its_message(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (room, tide) = (nell.makes_room("Repair café").await, nell.makes_room("Tide").await);
        let question = nell.says(&room, &format!("Who has a key? {}", "x".repeat(300))).await;
        let foreign = nell.says(&tide, "elsewhere").await;
        let answer =
            posts(&ify, &room, &json!({ "body": "I do.", "reply_to": question["id"] })).await.is(201).json();
        let quote = &answer["reply_to"];
        assert_eq!((&quote["id"], &quote["seq"]), (&question["id"], &json!(1)));
        assert_eq!(
            (&quote["account_id"], &quote["name"]),
            (&question["account"]["id"], &json!("Nell Ashby"))
        );
        let excerpt = text(&quote["excerpt"]);
        assert!(excerpt.starts_with("Who has a key?") && excerpt.chars().count() <= 121, "{excerpt}");
        let by_number =
            json!({ "body": "As a number", "reply_to": text(&question["id"]).parse::<i64>().ok() });
        posts(&ify, &room, &by_number).await.is(201);
        let edit = json!({ "body": "Who has the key?" });
        nell.calls(Method::PATCH, &path(&room, &question), &edit).await.is(200);
        let quote = ify.fetches(&path(&room, &answer)).await.json()["reply_to"].clone();
        assert_eq!(quote["excerpt"], "Who has the key?", "the quote has the edited text");
        nell.does(Method::DELETE, &path(&room, &question)).await.is(204);
        let quote = ify.fetches(&path(&room, &answer)).await.json()["reply_to"].clone();
        assert!(!quote.to_string().contains("key"), "a deleted text is not quoted: {quote}");
        for id in [&question["id"], &foreign["id"], &json!("17"), &json!(0), &json!("-1")] {
            let refused = posts(&ify, &room, &json!({ "body": "x", "reply_to": id })).await.is(422);
            assert_eq!(refused.problem(), "The message you answer has been deleted.", "{id}");
            assert_eq!(refused.json()["errors"][0]["pointer"], "#/reply_to");
        }
        assert_eq!(nell.messages(&room).await.as_array().map(Vec::len), Some(3));
    }

    async fn an_idempotency_key_posts_a_message_once(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (room, tide) = (nell.makes_room("Repair café").await, nell.makes_room("Tide").await);
        let first = keyed(&nell, &room, "k", "Hello").await.is(201).json();
        assert_eq!(keyed(&nell, &room, "k", "Hello").await.is(201).json(), first);
        keyed(&nell, &room, "k", "Something else").await.is(422);
        let in_json = json!({ "body": "In JSON, too", "idempotency_key": "j" });
        let second = posts(&nell, &room, &in_json).await.is(201).json();
        assert_eq!(posts(&nell, &room, &in_json).await.is(201).json(), second);
        let other = json!({ "body": "Something else", "idempotency_key": "j" });
        let other = posts(&nell, &room, &other).await.is(409);
        assert_eq!(other.problem(), "Something else was said with that key. Send this with a new one.");
        keyed(&ify, &room, "k", "Something else").await.is(201);
        keyed(&nell, &tide, "k2", "Something else").await.is(201);
        nell.calls(Method::PATCH, &path(&room, &first), &json!({ "body": "Hello, all" })).await.is(200);
        assert_eq!(keyed(&nell, &room, "k", "Hello").await.is(201).json()["id"], first["id"]);
        nell.does(Method::DELETE, &path(&room, &first)).await.is(204);
        keyed(&nell, &room, "k", "Hello").await.is(409);
        assert_eq!(nell.bodies(&room).await, ["", "In JSON, too", "Something else"]);
        assert_eq!(world.counts("SELECT COUNT(*) FROM idempotency WHERE body LIKE '%Hello%'").await, 0);
        for key in [String::new(), "x".repeat(256), "\u{e9}".into()] {
            let odd = json!({ "body": "Hello", "idempotency_key": key });
            posts(&nell, &room, &odd).await.is(422).problem();
        }
    }

    async fn twenty_concurrent_attempts_post_one_message(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let answers = join_all((0..20).map(|_| keyed(&nell, &room, "k", "Hello"))).await;
        let first = answers[0].json();
        for answer in answers {
            assert_eq!(answer.is(201).json(), first);
        }
        assert_eq!(nell.messages(&room).await, json!([first]));
        assert_eq!(nell.says(&room, "next").await["seq"], 2, "no number is lost");
    }

    async fn concurrent_messages_are_numbered_without_gaps(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let mut guests = Vec::new();
        for n in 0..10u8 {
            guests.push(world.guest(&format!("Guest of {}", char::from(b'a' + n))).await);
        }
        let posting = guests.iter().map(|guest| {
            let room = room.clone();
            async move {
                let mut own = Vec::new();
                for n in 0..20 {
                    own.push(guest.says(&room, &n.to_string()).await["seq"].as_i64().expect("a number"));
                }
                own
            }
        });
        let numbers = join_all(posting).await;
        assert!(numbers.iter().all(|own| own.is_sorted()), "each guest's messages are in order");
        let mut all: Vec<i64> = numbers.into_iter().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, (1..=200).collect::<Vec<_>>());
        let messages = nell.messages(&room).await;
        assert_eq!(seqs(&messages), (1..=200).collect::<Vec<_>>());
        let room = nell.opens_link(&room).await.json();
        assert_eq!(
            (&room["last_seq"], &room["participants"], &room["unread"]),
            (&json!(200), &json!(11), &json!(200))
        );
    }

    async fn only_the_author_edits_a_message(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let message = ify.says(&room, "On Wensday @nell").await;
        world.pass(Duration::from_secs(5));
        let same =
            ify.calls(Method::PATCH, &path(&room, &message), &json!({ "body": " On Wensday @nell " })).await;
        assert_eq!(same.is(200).json(), message, "the same text is not an edit");
        let edit = json!({ "body": "On Wednesday <b>" });
        let edited = ify.calls(Method::PATCH, &path(&room, &message), &edit).await.is(200).json();
        assert_eq!(
            (&edited["body"], &edited["html"]),
            (&json!("On Wednesday <b>"), &json!("On Wednesday &lt;b&gt;"))
        );
        assert_eq!(edited["edited_at"], "2026-11-20T12:00:05.000Z");
        for member in ["id", "seq", "created_at", "account"] {
            assert_eq!(edited[member], message[member]);
        }
        assert!(edited["change"].as_i64() > message["change"].as_i64());
        assert_eq!(nell.messages(&room).await, json!([edited]));
        let teo = world.guest("Teo").await;
        let edit_by_others = json!({ "body": "Never" });
        for answer in [
            nell.calls(Method::PATCH, &path(&room, &message), &edit_by_others).await,
            teo.calls(Method::PATCH, &path(&room, &message), &edit_by_others).await,
        ] {
            assert_eq!(answer.is(403).problem(), "Only the one who said something can change it.");
        }
        for body in [json!({}), json!({ "body": "" }), json!({ "body": "x".repeat(4001) }), json!({ "x": 1 })]
        {
            ify.calls(Method::PATCH, &path(&room, &message), &body).await.is(422).problem();
        }
        world.stranger().calls(Method::PATCH, &path(&room, &message), &edit_by_others).await.is(401);
        for id in ["1", "0", "x", "9223372036854775808"] {
            ify.calls(Method::PATCH, &room.api(&format!("/messages/{id}")), &edit_by_others).await.is(404).problem();
        }
        assert_eq!(nell.bodies(&room).await, ["On Wednesday <b>"]);
        let results = nell.fetches(&room.api("/search?q=wensday")).await.list();
        assert_eq!(results, json!([]), "the earlier text is not found");
    }

    async fn a_deleted_message_leaves_a_placeholder(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let room = ify.makes_room("Repair café").await;
        let teo = world.guest("Teo").await;
        let own = teo.says(&room, "one").await;
        let spam = joerg.says(&room, "two").await;
        let owners = ify.says(&room, "three").await;
        let more = joerg.says(&room, "four").await;
        nell.opens_link(&room).await.is(200);
        for answer in [
            teo.does(Method::DELETE, &path(&room, &spam)).await,
            joerg.does(Method::DELETE, &path(&room, &owners)).await,
        ] {
            assert_eq!(
                answer.is(403).problem(),
                "Only the one who said something, or the room’s owner, can delete it."
            );
        }
        world.stranger().does(Method::DELETE, &path(&room, &own)).await.is(401);
        world.pass(Duration::from_secs(5));
        teo.does(Method::PUT, &format!("{}/reactions/%E2%98%95", path(&room, &spam))).await.is(200);
        teo.does(Method::DELETE, &path(&room, &own)).await.is(204);
        ify.does(Method::DELETE, &path(&room, &spam)).await.is(204);
        nell.does(Method::DELETE, &path(&room, &more)).await.is(204); // she is the administrator
        let messages = nell.messages(&room).await;
        assert_eq!(seqs(&messages), [1, 2, 3, 4]);
        assert_eq!(each(&messages, "body"), ["", "", "three", ""]);
        let deleted = &messages[1];
        assert_eq!((&deleted["html"], &deleted["deleted_at"]), (&json!(""), &json!("2026-11-20T12:00:05.000Z")));
        assert_eq!(
            (&deleted["reactions"], &deleted["attachments"], &deleted["reply_to"]),
            (&json!([]), &json!([]), &json!(null))
        );
        assert!(deleted["change"].as_i64() > messages[2]["change"].as_i64());
        assert_eq!(messages[2]["deleted_at"], json!(null));
        for answer in [
            teo.does(Method::DELETE, &path(&room, &own)).await,
            teo.calls(Method::PATCH, &path(&room, &own), &json!({ "body": "again" })).await,
            teo.does(Method::PUT, &format!("{}/reactions/%E2%98%95", path(&room, &own))).await,
        ] {
            answer.is(404).problem();
        }
        assert_eq!(world.counts("SELECT COUNT(*) FROM reactions").await, 0);
        assert_eq!(nell.says(&room, "five").await["seq"], 5);
    }
}
