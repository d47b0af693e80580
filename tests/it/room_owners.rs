//! Tests of a room owner's actions, which are refused to everyone else.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Room, World, text};

const HOUR: Duration = Duration::from_secs(3600);

const NOT_YOURS: &str = "Only the room’s owner can do that.";
const LOCKED: &str = "This room is locked: it can be read, and only its owner writes.";
const RUN_OUT: &str = "This link has run out. Ask someone inside for a new one.";
const REMOVED: &str = "You were asked to leave this room.";

/// Returns the id of the participant with this name.
async fn id_of(client: &impl ApiClient, room: &Room, name: &str) -> String {
    let people = client.people(room).await;
    let person = people.as_array().expect("people").iter().find(|person| person["account"]["name"] == name);
    text(&person.unwrap_or_else(|| panic!("{name} is not in the room"))["account"]["id"])
}

/// Tries to join with a new guest session from this address. Returns the status.
async fn new_guest_from(world: &World, address: &'static str, name: &str, room: &Room) -> u16 {
    world.guest_from(address, name).await.opens_link(room).await.status
}

on_both! {
    async fn an_owner_renames_the_room(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let renamed = nell.alters(&room, &json!({ "name": "  Sewing  circle " })).await.is(200).json();
        assert_eq!(renamed["name"], "Sewing circle");
        assert_eq!(renamed["key"], room.key);
        assert_eq!(nell.opens(&room.page("")).await.heading(), "Sewing circle");
        let long = "x".repeat(81);
        for name in ["", " ", "a\nb", &long] {
            nell.alters(&room, &json!({ "name": name })).await.is(422).problem();
        }
        let form = [("name", "By the form"), ("expires_at", ""), ("uses_left", "")];
        nell.posts(&room.page("/about"), &form).await.is(303);
        let page = nell.posts(&room.page("/about"), &[("name", "")]).await.is(422).page();
        assert_eq!(page.field_error("name").as_deref(), Some("Give it a name."));
        assert_eq!(nell.opens_link(&room).await.json()["name"], "By the form");
    }

    async fn invalid_changes_are_refused_and_change_nothing(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let before = nell.opens_link(&room).await.json();
        for changes in [
            json!({}),
            json!({ "nickname": "x" }),
            json!({ "name": "Fine", "owner_id": "1" }),
            json!({ "locked": "yes" }),
            json!({ "uses_left": 0 }),
            json!({ "uses_left": -1 }),
            json!({ "uses_left": 10_001 }),
            json!({ "uses_left": 1.5 }),
            json!({ "expires_at": "2026-11-20T12:00:00Z" }),
            json!({ "expires_at": "2020-01-01T00:00:00Z" }),
            json!({ "expires_at": "tomorrow" }),
            json!({ "expires_at": 7 }),
            json!({ "name": "Fine", "uses_left": 0 }),
            json!([]),
        ] {
            nell.alters(&room, &changes).await.is(422).problem();
            assert_eq!(nell.opens_link(&room).await.json(), before, "{changes}");
        }
        let both = nell.alters(&room, &json!({ "uses_left": 0, "expires_at": "2020-01-01T00:00:00Z" })).await;
        assert_eq!(both.is(422).json()["errors"].as_array().map(Vec::len), Some(2), "both errors are reported at once");
        let form = [("name", "Fine"), ("expires_at", "2020-01-01T00:00"), ("uses_left", "many")];
        let page = nell.posts(&room.page("/about"), &form).await.is(422).page();
        assert_eq!(page.field_error("uses_left").as_deref(), Some("Write a number, or nothing."));
        assert_eq!(page.value("uses_left"), "many");
        assert_eq!(page.value("name"), "Fine");
        assert_eq!(nell.opens_link(&room).await.json(), before);
    }

    async fn in_a_locked_room_only_the_owner_can_post(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let teo = world.guest("Teo").await;
        let room = ify.makes_room("Repair café").await;
        let nells = text(&nell.says(&room, "before").await["id"]);
        let ifys = text(&ify.says(&room, "before, too").await["id"]);
        teo.says(&room, "and I").await;
        assert_eq!(ify.alters(&room, &json!({ "locked": true })).await.is(200).json()["locked"], true);
        let (words, edit) = (json!({ "body": "after" }), room.api(&format!("/messages/{nells}")));
        let reaction = room.api(&format!("/messages/{ifys}/reactions/%F0%9F%91%8D"));
        for answer in [
            nell.tries_to_say(&room, "after").await,
            teo.tries_to_say(&room, "after").await,
            nell.calls(Method::PATCH, &edit, &words).await,
            nell.does(Method::PUT, &reaction).await,
            teo.does(Method::PUT, &reaction).await,
            teo.uploads(&room, "a.txt", b"a").await,
        ] {
            assert_eq!(answer.is(403).problem(), LOCKED);
        }
        let page = nell.posts(&room.page("/messages"), &[("body", "after")]).await.is(403).page();
        assert!(page.says(LOCKED), "the administrator can't post either: {}", page.0);
        assert_eq!(teo.bodies(&room).await, ["before", "before, too", "and I"]);
        ify.says(&room, "The owner writes on.").await;
        ify.does(Method::PUT, &reaction).await.is(200);
        let own = room.api(&format!("/messages/{ifys}"));
        ify.calls(Method::PATCH, &own, &json!({ "body": "changed" })).await.is(200);
        teo.leaves(&room).await.is(204);
        assert_eq!(ify.alters(&room, &json!({ "locked": false })).await.is(200).json()["locked"], false);
        teo.says(&room, "after").await;
        nell.does(Method::PUT, &reaction).await.is(200);
    }

    async fn a_new_link_replaces_the_old_one_at_once(world: World) {
        let [nell, ify, ha] = world.members(["nell", "ify", "ha"]).await;
        let old = nell.makes_room("Repair café").await;
        ify.says(&old, "I am in.").await;
        nell.alters(&old, &json!({ "uses_left": 3, "expires_at": "2026-12-01T00:00:00Z" })).await.is(200);
        let renewed = nell.calls(Method::POST, &old.api("/link"), &json!({})).await.is(201).json();
        let new = Room::from_json(&renewed);
        assert_eq!(new.id, old.id);
        assert_ne!(new.key, old.key);
        let limits = json!({ "expires_at": "2026-12-01T00:00:00.000Z", "uses_left": 3 });
        assert_eq!(renewed["link"], limits, "the new link keeps the limits");
        ha.opens_link(&old).await.is(404);
        ha.gets(&old.page("")).await.is(404);
        ha.tries_to_say(&old, "Hello?").await.is(404);
        world.stranger().gets(&old.page("")).await.is(404);
        world.stranger().opens_link(&old).await.is(401);
        ify.says(&old, "With the old key").await;
        ify.says(&new, "and with the new one").await;
        assert_eq!(ify.gets(&old.page("")).await.is(303).location(), new.page(""), "the old address redirects");
        assert_eq!(ify.opens_link(&old).await.json()["key"], new.key);
        ha.says(&new, "Hello").await;
        ify.leaves(&old).await.is(204);
        ify.opens_link(&old).await.is(404);
        ify.opens_link(&new).await.is(200);
    }

    async fn a_new_link_can_remove_everyone(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let teo = world.guest("Teo").await;
        let old = nell.makes_room("Repair café").await;
        ify.says(&old, "one").await;
        teo.says(&old, "two").await;
        let renewed = nell.calls(Method::POST, &old.api("/link"), &json!({ "everyone_leaves": true })).await;
        let renewed = renewed.is(201).json();
        let new = Room::from_json(&renewed);
        assert_eq!(renewed["participants"], 1);
        for outside in [&old, &Room { key: "kq7Xv2mTfB9sLw0eRzUa1g".into(), ..old.clone() }] {
            ify.opens_link(outside).await.is(404);
            teo.tries_to_say(outside, "Hello?").await.is(404);
        }
        assert_eq!(ify.fetches("/api/v1/rooms").await.list(), json!([]));
        assert_eq!(nell.names(&old).await, ["Nell Ashby"], "the owner stays");
        teo.says(&new, "three").await;
        ify.opens_link(&new).await.is(200);
        assert_eq!(nell.bodies(&new).await, ["one", "two", "three"]);
        let location = nell.posts(&new.page("/link"), &[]).await.is(303).location();
        let key = location.strip_prefix("/rooms/").and_then(|rest| rest.split('/').next()).expect("a key");
        assert!(key.len() == 22 && key != new.key);
        let odd = json!({ "everyone_leaves": "perhaps" });
        nell.calls(Method::POST, &new.api("/link"), &odd).await.is(422).problem();
    }

    async fn an_expired_link_admits_nobody_new(world: World) {
        let [nell, ify, ha] = world.members(["nell", "ify", "ha"]).await;
        let room = nell.makes_room("Repair café").await;
        let room_json =
            nell.alters(&room, &json!({ "expires_at": "2026-11-20T15:00:00+02:00" })).await.is(200).json();
        assert_eq!(room_json["link"]["expires_at"], "2026-11-20T13:00:00.000Z");
        ify.opens_link(&room).await.is(200);
        world.pass(HOUR - Duration::from_millis(1));
        world.guest("Teo").await.opens_link(&room).await.is(200);
        world.pass(Duration::from_millis(1));
        assert_eq!(ha.opens_link(&room).await.is(403).problem(), RUN_OUT);
        assert_eq!(ha.tries_to_say(&room, "Hello?").await.is(403).problem(), RUN_OUT);
        assert!(ha.gets(&room.page("")).await.is(403).page().says(RUN_OUT));
        assert_eq!(world.guest("Oskar").await.opens_link(&room).await.is(403).problem(), RUN_OUT);
        let page = world.stranger().gets(&room.page("")).await.is(403).page();
        assert!(page.says(RUN_OUT), "the page asks for no name");
        ify.says(&room, "Those inside stay.").await;
        assert_eq!(nell.names(&room).await, ["Nell Ashby", "Ifeoma Okafor", "Teo"]);
        let form = [("name", "Repair café"), ("expires_at", "2026-11-20T13:00"), ("uses_left", "")];
        nell.posts(&room.page("/about"), &form).await.is(303);
        nell.alters(&room, &json!({ "expires_at": null })).await.is(200);
        ha.opens_link(&room).await.is(200);
    }

    async fn a_link_admits_exactly_as_many_as_its_uses(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        nell.alters(&room, &json!({ "uses_left": 3 })).await.is(200);
        let mut guests = Vec::new();
        for n in 0..10 {
            guests.push(world.guest(&format!("Teo {}", char::from(b'a' + n))).await);
        }
        let answers =
            futures_util::future::join_all(guests.iter().map(|guest| guest.opens_link(&room))).await;
        let (inside, outside): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((inside.len(), outside.len()), (3, 7));
        for answer in outside {
            assert_eq!(answer.is(403).problem(), RUN_OUT);
        }
        let room_json = nell.opens_link(&room).await.json();
        assert_eq!((&room_json["participants"], &room_json["link"]["uses_left"]), (&json!(4), &json!(0)));
        nell.alters(&room, &json!({ "locked": true })).await.is(200);
        nell.alters(&room, &json!({ "uses_left": null })).await.is(200);
        for guest in &guests {
            guest.opens_link(&room).await.is(200);
        }
        assert_eq!(nell.opens_link(&room).await.json()["participants"], 11);
    }

    async fn only_the_owner_can_change_the_room(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = ify.makes_room("Repair café").await;
        let teo = world.guest("Teo").await;
        teo.opens_link(&room).await.is(200);
        nell.opens_link(&room).await.is(200);
        let ifys = id_of(&ify, &room, "Ifeoma Okafor").await;
        let hook =
            ify.calls(Method::POST, &room.api("/hooks"), &json!({ "name": "CI" })).await.is(201).json();
        let hook = text(&hook["id"]);
        let before = ify.opens_link(&room).await.json();
        // Nell is the administrator of the instance, but not the owner of this room.
        assert_refused(&teo, &room, &ifys, &hook).await;
        assert_refused(&nell, &room, &ifys, &hook).await;
        let browser = world.guest_with_browser("Oskar").await;
        for (path, form) in [
            ("/about".to_owned(), [("name", "Mine")]),
            ("/link".to_owned(), [("x", "")]),
            ("/delete".to_owned(), [("x", "")]),
            ("/hooks".to_owned(), [("hook_name", "CI")]),
            (format!("/hooks/{hook}/delete"), [("x", "")]),
            (format!("/people/{ifys}/remove"), [("x", "")]),
            (format!("/people/{ifys}/readmit"), [("x", "")]),
        ] {
            assert!(nell.posts(&room.page(&path), &form).await.is(403).page().says(NOT_YOURS), "{path}");
            assert!(browser.posts(&room.page(&path), &form).await.is(403).page().says(NOT_YOURS), "{path}");
        }
        browser.gets(&room.page("/delete")).await.is(403);
        browser.leaves(&room).await.is(204);
        let after = ify.opens_link(&room).await.json();
        assert_eq!((&after["name"], &after["key"]), (&before["name"], &before["key"]));
        assert_eq!(after["participants"], before["participants"]);
    }

    async fn a_removed_guest_is_banned_for_an_hour(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest_from("203.0.113.7", "Teo").await;
        let oskar = world.guest_from("203.0.113.7", "Oskar").await;
        let message = text(&teo.says(&room, "spam").await["id"]);
        oskar.says(&room, "I sit beside him").await;
        nell.removes(&room, &teo.id).await.is(204);
        nell.removes(&room, &teo.id).await.is(404);
        let path = room.api(&format!("/messages/{message}"));
        for answer in [
            teo.opens_link(&room).await,
            teo.tries_to_say(&room, "more").await,
            teo.fetches(&room.api("/messages")).await,
            teo.calls(Method::PATCH, &path, &json!({ "body": "more" })).await,
            teo.leaves(&room).await,
        ] {
            assert_eq!(answer.is(403).problem(), REMOVED);
        }
        let elsewhere = teo.at("198.51.100.1");
        assert_eq!(elsewhere.opens_link(&room).await.is(403).problem(), REMOVED, "the ban holds at another address");
        assert_eq!(new_guest_from(&world, "203.0.113.7", "Somebody else", &room).await, 403);
        assert_eq!(new_guest_from(&world, "203.0.113.8", "Neighbour", &room).await, 200);
        oskar.says(&room, "I am still here").await;
        world.pass(Duration::from_secs(1));
        let same_address = ify.request(Method::GET, &room.api("")).header("x-forwarded-for", "203.0.113.7");
        ify.sends(same_address).await.is(200);
        assert_eq!(nell.names(&room).await, ["Nell Ashby", "Oskar", "Neighbour", "Ifeoma Okafor"]);
        let tide = nell.makes_room("Tide").await;
        teo.says(&tide, "Another room is another matter").await;

        world.pass(HOUR - Duration::from_millis(1_001));
        teo.opens_link(&room).await.is(403);
        assert_eq!(new_guest_from(&world, "203.0.113.7", "Somebody", &room).await, 403);
        world.pass(Duration::from_millis(1));
        teo.opens_link(&room).await.is(200);
        assert_eq!(new_guest_from(&world, "203.0.113.7", "Anybody", &room).await, 200);
        assert_eq!(nell.bodies(&room).await[0], "spam", "the messages stay");
    }

    async fn a_guest_s_ban_can_be_lifted(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest_from("203.0.113.7", "Teo").await;
        teo.says(&room, "sorry").await;
        nell.removes(&room, &teo.id).await.is(204);
        teo.opens_link(&room).await.is(403);
        nell.posts(&room.page(&format!("/people/{}/readmit", teo.id)), &[]).await.is(303);
        teo.opens_link(&room).await.is(200);
    }

    async fn a_removed_member_is_banned_until_the_ban_is_lifted(world: World) {
        let [nell, mallory] = world.members(["nell", "mallory"]).await;
        let room = nell.makes_room("Repair café").await;
        mallory.says(&room, "spam").await;
        let id = id_of(&nell, &room, "Mallory").await;
        nell.posts(&room.page(&format!("/people/{id}/remove")), &[]).await.is(303);
        assert_eq!(mallory.opens_link(&room).await.is(403).problem(), REMOVED);
        assert!(mallory.gets(&room.page("")).await.is(403).page().says(REMOVED));
        assert_eq!(mallory.fetches("/api/v1/rooms").await.list(), json!([]));
        let people = nell.people(&room).await;
        assert_eq!((&people[1]["account"]["id"], &people[1]["removed"]), (&json!(id), &json!(true)));
        assert!(nell.opens(&room.page("/about")).await.says("Let back in"));
        let teo = world.guest("Teo").await;
        assert_eq!(teo.people(&room).await.as_array().map(Vec::len), Some(2), "only the owner sees the ban");
        world.pass(40 * 24 * HOUR);
        mallory.opens_link(&room).await.is(403);
        nell.posts(&room.page(&format!("/people/{id}/readmit")), &[]).await.is(303);
        mallory.opens_link(&room).await.is(200);
        assert!(!nell.opens(&room.page("/about")).await.says("Let back in"));
    }

    async fn removing_an_unknown_participant_is_refused(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (room, other) = (nell.makes_room("Repair café").await, ify.makes_room("Tide").await);
        let (nells, ifys) =
            (id_of(&nell, &room, "Nell Ashby").await, id_of(&ify, &other, "Ifeoma Okafor").await);
        nell.posts(&room.page(&format!("/people/{nells}/remove")), &[]).await.is(409);
        for id in [&ifys, "1", "0", "-1", "x", "9223372036854775808"] {
            nell.removes(&room, id).await.is(404).problem();
            nell.posts(&room.page(&format!("/people/{id}/remove")), &[]).await.is(404);
        }
        ify.opens_link(&room).await.is(200);
        assert_eq!(nell.names(&room).await, ["Nell Ashby", "Ifeoma Okafor"]);
        assert_eq!(nell.opens_link(&room).await.json()["participants"], 2);
    }
}

/// Asserts that each of the owner's API calls is refused.
async fn assert_refused(client: &impl ApiClient, room: &Room, participant: &str, hook: &str) {
    let no_body = Value::Null;
    for (method, path, body) in [
        (Method::PATCH, room.api(""), json!({ "name": "Mine" })),
        (Method::PATCH, room.api(""), json!({ "locked": true })),
        (Method::PATCH, room.api(""), json!({ "expires_at": null })),
        (Method::PATCH, room.api(""), json!({ "uses_left": 1 })),
        (Method::POST, room.api("/link"), json!({})),
        (Method::POST, room.api("/link"), json!({ "everyone_leaves": true })),
        (Method::DELETE, room.api(&format!("/participants/{participant}")), no_body.clone()),
        (Method::POST, room.api("/hooks"), json!({ "name": "CI" })),
        (Method::GET, room.api("/hooks"), no_body.clone()),
        (Method::DELETE, room.api(&format!("/hooks/{hook}")), no_body.clone()),
        (Method::DELETE, room.api(""), no_body.clone()),
    ] {
        let answer = client.calls(method.clone(), &path, &body).await.is(403);
        assert_eq!(answer.problem(), NOT_YOURS, "{method} {path}");
    }
}
