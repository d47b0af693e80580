//! Tests of rooms: creating, joining, leaving and deleting one, and its unread count.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Room, World, each, text, until};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Queries for the rows that a room may leave behind, in every table that refers to one.
const ROWS: [&str; 8] = [
    "SELECT COUNT(*) FROM conversations",
    "SELECT COUNT(*) FROM links",
    "SELECT COUNT(*) FROM participants",
    "SELECT COUNT(*) FROM bans",
    "SELECT COUNT(*) FROM messages",
    "SELECT COUNT(*) FROM reactions",
    "SELECT COUNT(*) FROM attachments",
    "SELECT COUNT(*) FROM hooks",
];

/// Returns the name and the number of unread messages of each of the caller's rooms, from the top.
async fn unread(client: &impl ApiClient) -> Vec<(String, i64)> {
    let rooms = client.fetches("/api/v1/rooms").await.is(200).list();
    let rooms = rooms.as_array().expect("a list of rooms");
    rooms.iter().map(|room| (text(&room["name"]), room["unread"].as_i64().expect("a number"))).collect()
}

async fn reads(client: &impl ApiClient, room: &Room, seq: i64) {
    client.calls(Method::PUT, &room.api("/read"), &json!({ "seq": seq })).await.is(204);
}

on_both! {
    async fn a_room_is_created_with_a_name_alone(world: World) {
        let nell = world.member("nell").await;
        let name = json!({ "name": "  Repair   café " });
        let answer = nell.calls(Method::POST, "/api/v1/rooms", &name).await.is(201);
        let created = answer.json();
        let room = Room::from_json(&created);
        assert_eq!(answer.location(), room.api(""));
        assert_eq!(room.key.len(), 22, "128 bits");
        let base = world.app().config.base_url.as_str().to_owned();
        let owner = text(&nell.people(&room).await[0]["account"]["id"]);
        let expected = json!({
            "id": room.id, "key": room.key, "url": format!("{base}/rooms/{}", room.key),
            "name": "Repair café", "locked": false, "owner_id": owner, "participants": 1,
            "last_seq": 0, "read_seq": 0, "unread": 0,
            "active_at": "2026-11-20T12:00:00.000Z", "created_at": "2026-11-20T12:00:00.000Z",
            "link": { "expires_at": null, "uses_left": null },
        });
        assert_eq!(created, expected);
        assert_eq!(nell.opens_link(&room).await.is(200).json(), expected);
        assert_eq!(nell.fetches("/api/v1/rooms").await.is(200).list(), json!([expected]));
        let another = nell.makes_room("Repair café").await;
        assert_ne!(another.key, room.key, "each room has a key of its own");
        let teo = world.guest("Teo").await;
        let teos = teo.makes_room("Guests may, too").await;
        assert_eq!(teo.opens_link(&teos).await.json()["owner_id"], teo.id);
    }

    async fn an_invalid_room_name_is_refused(world: World) {
        let nell = world.member("nell").await;
        let long = "x".repeat(81);
        for (name, reason) in [
            ("", "Give it a name."),
            (" \t ", "This has to fit on one line."),
            ("  ", "Give it a name."),
            ("\u{200B}", "Give it a name."),
            (&long, "That is 81 characters, and there is room for 80. Take out 1."),
            ("Repair\ncafé", "This has to fit on one line."),
        ] {
            let answer = nell.calls(Method::POST, "/api/v1/rooms", &json!({ "name": name })).await.is(422);
            assert_eq!(answer.problem(), reason, "{name:?}");
            let page = nell.posts("/rooms", &[("name", name)]).await.is(422).page();
            assert_eq!(page.field_error("name").as_deref(), Some(reason), "{name:?}");
        }
        for body in [json!({}), json!({ "name": 7 }), json!({ "name": "a", "secret": true }), json!([])] {
            nell.calls(Method::POST, "/api/v1/rooms", &body).await.is(422).problem();
        }
        world
            .stranger()
            .calls(Method::POST, "/api/v1/rooms", &json!({ "name": "a" }))
            .await
            .is(401)
            .problem();
        assert_eq!(nell.fetches("/api/v1/rooms").await.list(), json!([]));
        nell.makes_room(&"é".repeat(80)).await;
    }

    async fn rooms_are_ordered_by_their_latest_message(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let tick = || world.pass(Duration::from_secs(1));
        let café = nell.makes_room("Repair café").await;
        tick();
        let tide = nell.makes_room("Tide").await;
        tick();
        let other = ify.makes_room("Not Nell’s").await;
        ify.opens_link(&café).await.is(200);
        assert_eq!(unread(&nell).await, [("Tide".into(), 0), ("Repair café".into(), 0)]);
        tick();
        ify.says(&café, "one").await;
        ify.says(&café, "two").await;
        ify.says(&other, "three").await;
        assert_eq!(unread(&nell).await, [("Repair café".into(), 2), ("Tide".into(), 0)]);
        tick();
        nell.says(&tide, "my own words are read").await;
        assert_eq!(unread(&nell).await, [("Tide".into(), 0), ("Repair café".into(), 2)]);
        assert_eq!(unread(&ify).await, [("Not Nell’s".into(), 0), ("Repair café".into(), 0)]);
        world.stranger().fetches("/api/v1/rooms").await.is(401);
    }

    async fn read_messages_stay_read(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        nell.says(&room, "before she came").await;
        ify.opens_link(&room).await.is(200);
        assert_eq!(unread(&ify).await, [("Repair café".into(), 0)], "messages from before the join are not unread");
        for n in 2..=5 {
            nell.says(&room, &format!("message {n}")).await;
        }
        let name = || String::from("Repair café");
        assert_eq!(unread(&ify).await, [(name(), 4)]);
        reads(&ify, &room, 3).await;
        assert_eq!(unread(&ify).await, [(name(), 2)]);
        for seq in [2, 0] {
            reads(&ify, &room, seq).await;
            assert_eq!(unread(&ify).await, [(name(), 2)], "the read position never decreases: {seq}");
        }
        reads(&ify, &room, 5).await;
        assert_eq!(unread(&ify).await, [(name(), 0)]);
        reads(&ify, &room, i64::MAX).await;
        nell.says(&room, "message 6").await;
        assert_eq!(unread(&ify).await, [(name(), 1)], "later messages are unread");
        ify.says(&room, "I answer, so I have read").await;
        assert_eq!((unread(&ify).await, unread(&nell).await), (vec![(name(), 0)], vec![(name(), 1)]));
        for body in
            [json!({}), json!({ "seq": "x" }), json!({ "seq": null }), json!({ "seq": 1.5 }), json!({ "seq": -7 })]
        {
            ify.calls(Method::PUT, &room.api("/read"), &body).await.is(422).problem();
        }
        world.stranger().calls(Method::PUT, &room.api("/read"), &json!({ "seq": 1 })).await.is(401);
        nell.posts(&room.page("/read"), &[]).await.is(303);
        assert_eq!(unread(&nell).await, [(name(), 0)]);
    }

    async fn opening_the_link_joins_the_room(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest("Teo").await;
        world.pass(Duration::from_secs(60));
        assert_eq!(ify.opens_link(&room).await.is(200).json()["participants"], 2);
        ify.opens_link(&room).await.is(200);
        teo.says(&room, "Saying something is coming in, too").await;
        let people = nell.people(&room).await;
        let actual: Vec<_> = people
            .as_array()
            .expect("people")
            .iter()
            .map(|person| (&person["account"], person["owner"] == true))
            .map(|(account, owner)| (text(&account["name"]), text(&account["kind"]), owner))
            .collect();
        let expected =
            [("Nell Ashby", "member", true), ("Ifeoma Okafor", "member", false), ("Teo", "guest", false)];
        assert_eq!(actual, expected.map(|(name, kind, owner)| (name.into(), kind.into(), owner)));
        assert_eq!(people[1]["joined_at"], "2026-11-20T12:01:00.000Z");
        assert!(people.as_array().expect("people").iter().all(|person| person["removed"] == false));
        assert_eq!(people, teo.people(&room).await, "every participant sees the same list");
        assert!(!people.to_string().contains("harbour.example"), "emails are private");
        assert_eq!(nell.opens_link(&room).await.json()["participants"], 3, "each participant counts once");
        let joining = (0..8).map(|_| ify.opens_link(&room));
        futures_util::future::join_all(joining).await;
        assert_eq!(nell.opens_link(&room).await.json()["participants"], 3);
    }

    async fn joining_many_times_at_once_makes_one_participant(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        nell.alters(&room, &json!({ "uses_left": 5 })).await.is(200);
        let answers = futures_util::future::join_all((0..20).map(|_| ify.opens_link(&room))).await;
        for answer in answers {
            answer.is(200);
        }
        let joined = nell.opens_link(&room).await.json();
        assert_eq!((&joined["participants"], &joined["link"]["uses_left"]), (&json!(2), &json!(4)));
    }

    async fn leaving_and_rejoining_works(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        ify.says(&room, "Hello").await;
        ify.leaves(&room).await.is(204);
        assert_eq!(nell.names(&room).await, ["Nell Ashby"]);
        assert_eq!(ify.fetches("/api/v1/rooms").await.list(), json!([]));
        nell.says(&room, "She left.").await;
        assert_eq!(ify.opens_link(&room).await.is(200).json()["participants"], 2);
        assert_eq!(nell.names(&room).await, ["Nell Ashby", "Ifeoma Okafor"]);
        ify.opens(&room.page("/leave")).await;
        assert_eq!(ify.posts(&room.page("/leave"), &[]).await.is(303).location(), "/rooms");
        assert_eq!(nell.names(&room).await, ["Nell Ashby"]);
        assert_eq!(nell.opens_link(&room).await.json()["participants"], 1);
        assert_eq!(nell.bodies(&room).await, ["Hello", "She left."], "the messages stay");
    }

    async fn a_leaving_owner_is_succeeded_by_a_member_first(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest("Teo").await;
        let oskar = world.guest("Oskar").await;
        for guest in [&teo, &oskar] {
            world.pass(Duration::from_secs(1));
            guest.opens_link(&room).await.is(200);
        }
        for member in [&joerg, &ify] {
            world.pass(Duration::from_secs(1));
            member.opens_link(&room).await.is(200);
        }
        let rename = json!({ "name": "Ours" });
        for person in [&ify, &joerg] {
            person.alters(&room, &rename).await.is(403);
        }
        nell.leaves(&room).await.is(204);
        ify.alters(&room, &rename).await.is(403);
        joerg.alters(&room, &rename).await.is(200);
        nell.alters(&room, &rename).await.is(403); // back, and no longer the owner
        nell.leaves(&room).await.is(204);
        joerg.leaves(&room).await.is(204);
        ify.alters(&room, &rename).await.is(200);
        ify.leaves(&room).await.is(204);
        oskar.alters(&room, &rename).await.is(403);
        teo.alters(&room, &rename).await.is(200);
        teo.leaves(&room).await.is(204);
        oskar.alters(&room, &rename).await.is(200);
    }

    async fn the_last_participant_who_rejoins_owns_the_room_again(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        nell.says(&room, "Alone").await;
        nell.leaves(&room).await.is(204);
        assert_eq!(nell.fetches("/api/v1/rooms").await.list(), json!([]));
        let rejoined = nell.opens_link(&room).await.is(200).json();
        assert_eq!((&rejoined["participants"], &rejoined["last_seq"]), (&json!(1), &json!(1)));
        nell.alters(&room, &json!({ "name": "Mine again" })).await.is(200);
        nell.leaves(&room).await.is(204);
        ify.opens_link(&room).await.is(200);
        ify.alters(&room, &json!({ "name": "Or whose it is" })).await.is(200);
        nell.alters(&room, &json!({ "name": "No" })).await.is(403);
    }

    async fn a_deleted_room_is_gone_for_everyone_and_from_the_database(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let other = nell.makes_room("Tide").await;
        nell.says(&other, "This one stays").await;
        let before = row_counts(&world).await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest("Teo").await;
        let first = text(&nell.says(&room, "first").await["id"]);
        let answer = json!({ "body": "an answer", "reply_to": first });
        teo.calls(Method::POST, &room.api("/messages"), &answer).await.is(201);
        ify.does(Method::PUT, &room.api(&format!("/messages/{first}/reactions/%E2%98%95"))).await.is(200);
        nell.uploads(&room, "a.txt", b"never said").await.is(201);
        let file = text(&nell.uploads(&room, "b.txt", b"said").await.is(201).json()["id"]);
        let with_file = json!({ "body": "", "attachments": [file] });
        nell.calls(Method::POST, &room.api("/messages"), &with_file).await.is(201);
        let hook =
            nell.calls(Method::POST, &room.api("/hooks"), &json!({ "name": "CI" })).await.is(201).json();
        nell.removes(&room, &teo.id).await.is(204);
        nell.calls(Method::POST, &room.api("/link"), &json!({})).await.is(201);
        let path = world.app().files.path(file.parse().expect("an id"));
        assert!(path.exists());

        ify.does(Method::DELETE, &room.api("")).await.is(403);
        nell.does(Method::DELETE, &room.api("")).await.is(204);
        nell.does(Method::DELETE, &room.api("")).await.is(404);
        nell.opens_link(&room).await.is(404);
        ify.tries_to_say(&room, "Hello?").await.is(404);
        ify.gets(&room.page("")).await.is(404);
        ify.gets(&format!("/files/{}/{file}/b.txt", room.id)).await.is(404);
        world.calls_hook(&text(&hook["url"]), &json!({ "text": "x" })).await.is(404);
        assert_eq!(each(&nell.fetches("/api/v1/rooms").await.list(), "name"), ["Tide"]);
        world.outbox_empties().await;
        assert_eq!(row_counts(&world).await, before, "rows of the deleted room are left");
        assert!(!path.exists(), "the file is deleted");
        assert_eq!(nell.bodies(&other).await, ["This one stays"]);
    }

    async fn a_deleted_room_with_many_messages_leaves_nothing_behind(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        for _ in 0..5 {
            futures_util::future::join_all((0..90).map(|n| nell.says(&room, if n == 0 { "a" } else { "b" })))
                .await;
        }
        nell.opens(&room.page("/delete")).await;
        assert_eq!(nell.posts(&room.page("/delete"), &[]).await.is(303).location(), "/rooms");
        world.outbox_empties().await;
        assert_eq!(row_counts(&world).await, [0; 8]);
    }

    async fn an_expired_and_inactive_room_is_purged(world: World) {
        let nell = world.member("nell").await;
        let (open, active, expired, used_up, empty) = (
            nell.makes_room("open").await,
            nell.makes_room("active").await,
            nell.makes_room("expired").await,
            nell.makes_room("used up").await,
            nell.makes_room("empty").await,
        );
        let soon = json!({ "expires_at": "2026-11-21T12:00:00Z" });
        nell.alters(&expired, &soon).await.is(200);
        nell.alters(&active, &soon).await.is(200);
        nell.alters(&used_up, &json!({ "uses_left": 1 })).await.is(200);
        world.member("ify").await.opens_link(&used_up).await.is(200);
        nell.leaves(&empty).await.is(204);
        for room in [&open, &active, &expired] {
            nell.says(room, "Hello").await;
        }
        world.pass(20 * DAY);
        nell.says(&active, "Still here").await;
        let names = || async {
            let mut names = each(&nell.fetches("/api/v1/rooms").await.list(), "name");
            names.sort();
            names
        };
        assert_eq!(names().await, ["active", "expired", "open", "used up"], "no room is purged after twenty days");
        world.pass(11 * DAY);
        until("the expired rooms to be purged", || async {
            (names().await == ["active", "open"]).then_some(())
        })
        .await;
        nell.opens_link(&expired).await.is(404);
        until("the empty room to be purged", || async { (nell.opens_link(&empty).await.status == 404).then_some(()) })
            .await;
        world.outbox_empties().await;
        assert_eq!(world.counts("SELECT COUNT(*) FROM conversations").await, 2);
        assert_eq!(nell.bodies(&open).await, ["Hello"]);
    }

    async fn outsiders_learn_only_the_name_of_a_room(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        nell.says(&room, "Between us").await;
        let location = world.stranger().gets(&room.page("")).await.is(303).location();
        let page = world.stranger().opens(&location).await;
        assert!(page.says("Repair café") && !page.says("Between us") && !page.says("Nell Ashby"));
        for path in ["", "/messages", "/participants", "/search?q=between", "/hooks"] {
            let answer = world.stranger().fetches(&room.api(path)).await.is(401);
            assert!(!answer.text().contains("Repair") && !answer.text().contains("Between"), "{path}");
        }
        let timeline: Value = world.stranger().fetches("/api/v1/timelines/public").await.json();
        assert_eq!(timeline, json!([]), "messages of a room are in no stream");
    }
}

/// Returns the number of rows for each query of [`ROWS`].
async fn row_counts(world: &World) -> [i64; 8] {
    let mut counts = [0; 8];
    for (count, sql) in counts.iter_mut().zip(ROWS) {
        *count = world.counts(sql).await;
    }
    counts
}
