//! Tests of guests: joining with a name alone, signing up later, and expiry.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::common::{Answer, ApiClient, PASSWORD, Person, Room, World, each, text, until};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A well-formed key of no room.
const NO_KEY: &str = "kq7Xv2mTfB9sLw0eRzUa1g";

async fn requests_guest(person: &Person, name: &str) -> Answer {
    person.calls(Method::POST, "/api/v1/sessions", &json!({ "name": name })).await
}

on_both! {
    async fn a_program_creates_a_guest_with_a_name_and_gets_a_token(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let answer = requests_guest(&world.stranger(), "  Teo   Lind ").await.is(201);
        assert_eq!(answer.header("set-cookie"), "", "a program has no cookie jar");
        let session = answer.json();
        let id = text(&session["account"]["id"]);
        let expected = json!({ "id": id, "kind": "guest", "username": null, "name": "Teo Lind" });
        assert_eq!(session["account"], expected);
        let token = text(&session["token"]);
        assert!(token.len() >= 43, "256 bits of randomness");

        let program = world.stranger();
        let with = |token: &str| program.request(Method::GET, &room.api("")).bearer_auth(token);
        assert_eq!(program.sends(with(&token)).await.is(200).json()["name"], "Repair café");
        let shouted = program.request(Method::GET, &room.api(""));
        program.sends(shouted.header("authorization", format!("BEARER {token}"))).await.is(200);
        assert_eq!(nell.names(&room).await, ["Nell Ashby", "Teo Lind"]);
    }

    async fn an_invalid_token_is_refused(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        for authorization in
            ["Bearer wrong", "Bearer ", "Bearer", "Basic bmVsbDpwdw==", "wrong", "Bearer a b"]
        {
            // An invalid token is refused even with a valid cookie.
            for path in [room.api(""), room.api("/messages"), "/api/v1/rooms".into()] {
                let request = nell.request(Method::GET, &path).header("authorization", authorization);
                let answer = nell.sends(request).await.is(401);
                assert_eq!(answer.header("www-authenticate"), "Bearer", "{authorization} {path}");
                assert_eq!(answer.problem(), "Log in first.");
            }
        }
        let answer = world.stranger().fetches("/api/v1/rooms").await.is(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }

    async fn a_program_ends_its_session(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest("Teo").await;
        teo.says(&room, "Is the door open?").await;
        teo.does(Method::DELETE, "/api/v1/sessions/current").await.is(204);
        teo.tries_to_say(&room, "Hello?").await.is(401);
        teo.does(Method::DELETE, "/api/v1/sessions/current").await.is(401);
        world.stranger().does(Method::DELETE, "/api/v1/sessions/current").await.is(401);
        assert_eq!(nell.bodies(&room).await, ["Is the door open?"]);
    }

    async fn an_invalid_name_is_refused_with_a_reason(world: World) {
        let long = "x".repeat(51);
        for (name, reason) in [
            ("", "Tell us what to call you."),
            (" \u{200B} ", "There is a character in it that can’t be seen. Type it anew."),
            (" ", "Tell us what to call you."),
            (&long, "That is 51 characters, and there is room for 50. Take out 1."),
            ("\u{202E}oeT", "There is a character in it that can’t be seen. Type it anew."),
            ("Te\u{200B}o", "There is a character in it that can’t be seen. Type it anew."),
            ("Te\no", "This has to fit on one line."),
            ("admin", "That name is kept for the house. Choose another."),
            ("A d m i n", "That name is kept for the house. Choose another."),
            ("АDMIN", "That name is kept for the house. Choose another."),
            ("Chitter", "That name is kept for the house. Choose another."),
            ("m0derator", "That name is kept for the house. Choose another."),
        ] {
            let answer = requests_guest(&world.stranger(), name).await.is(422);
            assert_eq!(answer.problem(), reason, "{name:?}");
            assert_eq!(answer.json()["errors"][0]["pointer"], "#/name", "{name:?}");
            let answer = world.stranger().posts("/session/new", &[("name", name)]).await.is(422);
            assert_eq!(answer.header("set-cookie"), "", "{name:?}");
            assert_eq!(answer.page().field_error("name").as_deref(), Some(reason), "{name:?}");
            assert_eq!(answer.page().value("name"), name, "the form keeps the name");
        }
        let answer = world.stranger().calls(Method::POST, "/api/v1/sessions", &json!({})).await.is(422);
        assert_eq!(answer.problem(), "Tell us what to call you.");
        let odd = json!({ "name": "Teo", "admin": true });
        world.stranger().calls(Method::POST, "/api/v1/sessions", &odd).await.is(422);
        assert_eq!(world.counts("SELECT COUNT(*) FROM accounts").await, 0, "no account was created");
        requests_guest(&world.stranger(), &"é".repeat(50)).await.is(201);
        requests_guest(&world.stranger(), "ليلى").await.is(201);
    }

    async fn names_that_look_like_a_member_s_are_refused(world: World) {
        world.members(["nell", "ify"]).await;
        for name in [
            "Nell Ashby",
            "nell",
            "NELL",
            "NeII",
            "ne11",
            "Νell",
            "Ｎｅｌｌ",
            "n e l l",
            "@nell",
            "Nèll",
            "Ne|l Ashby",
            "Ifeoma  Okafor",
            "lfeoma 0kafor",
            "ify",
            "lfy",
        ] {
            let answer = requests_guest(&world.stranger(), name).await.is(422);
            let reason = answer.problem();
            assert!(reason.ends_with("log in; if not, choose another name."), "{name}: {reason}");
            let page = world.stranger().posts("/session/new", &[("name", name)]).await.is(422).page();
            assert!(page.field_error("name").is_some(), "{name}");
        }
        for name in ["Nell Ashby (@nell)", "Teo @home", "＠teo"] {
            let reason = requests_guest(&world.stranger(), name).await.is(422).problem();
            assert_eq!(reason, "Only members have an @ in front of a name. Leave it out.", "{name}");
        }
        for name in ["Nelly", "Nell Quince", "Ella", "Teo"] {
            requests_guest(&world.stranger(), name).await.is(201);
        }
        requests_guest(&world.stranger(), "Teo").await.is(201);
    }

    async fn a_browser_opens_a_link_and_joins_with_a_name(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (café, tide) = (nell.makes_room("Repair café").await, ify.makes_room("Tide").await);
        let teo = world.stranger();
        let location = teo.gets(&café.page("")).await.is(303).location();
        assert!(location.starts_with("/session/new?next="), "{location}");
        let page = teo.opens(&location).await;
        assert_eq!(page.heading(), "What should we call you?");
        assert!(page.says("One person in “Repair café”"), "{}", page.0);
        let next = page.value("next");
        assert_eq!(next, café.page(""));
        assert_eq!(nell.names(&café).await, ["Nell Ashby"], "a visitor without a name has not joined");
        let answer = teo.posts("/session/new", &[("name", "Teo"), ("next", &next)]).await.is(303);
        assert_eq!(answer.location(), café.page(""));
        assert!(answer.header("set-cookie").contains("HttpOnly"));
        assert_eq!(teo.opens(&café.page("")).await.heading(), "Repair café");
        assert_eq!(nell.names(&café).await, ["Nell Ashby", "Teo"]);
        assert!(teo.opens(&tide.page("")).await.says("You are here as a guest."), "the second room asks for no name");
        let id = |people: serde_json::Value| text(&people[1]["account"]["id"]);
        assert_eq!(id(nell.people(&café).await), id(ify.people(&tide).await), "one account in every room");
        assert_eq!(teo.gets(&location).await.is(303).location(), café.page(""), "a guest is redirected");
        let again = teo.posts("/session/new", &[("name", "Oskar"), ("next", &next)]).await.is(303);
        assert_eq!(again.header("set-cookie"), "", "the session stays the same");
    }

    async fn joining_never_leads_to_another_site(world: World) {
        for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
            let teo = world.stranger();
            let answer = teo.posts("/session/new", &[("name", "Teo"), ("next", next)]).await.is(303);
            assert_eq!(answer.location(), "/", "{next}");
            let query = format!("/session/new?next={}", next.replace('/', "%2F"));
            assert_eq!(teo.gets(&query).await.is(303).location(), "/", "{next}");
            assert_eq!(world.stranger().opens(&query).await.value("next"), "/", "{next}");
        }
        world.stranger().gets(&format!("/session/new?next=%2Frooms%2F{NO_KEY}")).await.is(404);
    }

    async fn an_unknown_key_is_not_found_for_everyone(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest("Teo").await;
        let (stranger, browser) = (world.stranger(), world.guest_with_browser("Oskar").await);
        let mut almost = room.key.clone();
        almost.replace_range(0..1, if almost.starts_with('a') { "b" } else { "a" });
        for key in [NO_KEY, "x", &almost, "%00", "..%2F", &"a".repeat(500)] {
            for path in ["", "/about", "/search?q=hello", "/leave", "/delete", "/export.json"] {
                let path = format!("/rooms/{key}{path}");
                for person in [&nell, &stranger, &browser] {
                    assert_eq!(person.gets(&path).await.is(404).page().heading(), "Nothing here", "{path}");
                }
            }
            for path in ["/messages", "/read", "/leave", "/link", "/hooks", "/delete", "/about"] {
                let path = format!("/rooms/{key}{path}");
                for person in [&nell, &stranger, &browser] {
                    person
                        .posts(&path, &[("body", "Hello"), ("name", "Mine"), ("hook_name", "CI")])
                        .await
                        .is(404);
                }
            }
            let wrong = Room { id: room.id.clone(), key: key.into() };
            for path in ["", "/messages", "/participants", "/search?q=hello"] {
                nell.fetches(&wrong.api(path)).await.is(404).problem();
                teo.fetches(&wrong.api(path)).await.is(404).problem();
                stranger.fetches(&wrong.api(path)).await.is(401).problem();
            }
            teo.tries_to_say(&wrong, "Hello").await.is(404);
            nell.tries_to_say(&wrong, "Hello").await.is(404);
            stranger.tries_to_say(&wrong, "Hello").await.is(401);
        }
        stranger.fetches(&room.api("")).await.is(401);
        stranger.tries_to_say(&room, "Hello").await.is(401);
        assert_eq!(nell.names(&room).await, ["Nell Ashby"]);
    }

    async fn guests_can_not_use_what_is_for_members(world: World) {
        let nell = world.member("nell").await;
        let peep = nell.peeps("Good morning").await;
        let (browser, teo) = (world.guest_with_browser("Oskar").await, world.guest("Teo").await);
        for (path, field) in [
            ("/peeps".to_owned(), "body"),
            (format!("/peeps/{peep}"), "body"),
            (format!("/peeps/{peep}/like"), "likes"),
            (format!("/peeps/{peep}/delete"), "x"),
            ("/settings".to_owned(), "x"),
        ] {
            browser.posts(&path, &[(field, "true")]).await.is(401);
        }
        teo.calls(Method::POST, "/api/v1/statuses", &json!({ "status": "spam" })).await.is(403).problem();
        teo.does(Method::POST, &format!("/api/v1/statuses/{peep}/favourite")).await.is(403).problem();
        let location = browser.gets("/settings").await.is(303).location();
        assert!(location.starts_with("/login?next="), "{location}");
        assert!(browser.opens("/login").await.says("Log in"), "a guest can still log in as a member");
        assert_eq!(nell.opens("/").await.words(), ["Good morning"]);
        teo.fetches("/api/v1/timelines/public").await.is(200);
    }

    async fn a_guest_who_signs_up_keeps_every_room_and_message(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest_with_browser("Teo").await;
        let corner = teo.makes_room("Teo’s corner").await;
        let message = teo.says(&room, "I bring my own stool.").await;
        nell.says(&room, "Good.").await;
        let before = message["account"].clone();
        assert_eq!((&before["kind"], &before["username"]), (&json!("guest"), &json!(null)));
        let token = teo.cookies();

        let form = teo.opens(&format!("/signup?next={}", room.page(""))).await;
        assert_eq!(form.value("next"), room.page(""));
        teo.signs_up_with("teo@harbour.example", "short", "Teo Lind", "teo").await.is(422);
        teo.fetches(&room.api("")).await.is(200);
        teo.signs_up_with("teo@harbour.example", PASSWORD, "Teo Lind", "teo").await.is(303);
        assert!(teo.is_logged_in().await);
        let after = teo.messages(&room).await[0]["account"].clone();
        let expected = json!({ "id": before["id"], "kind": "member", "username": "teo", "name": "Teo Lind" });
        assert_eq!(after, expected, "the same account with its new name");
        let rooms = teo.fetches("/api/v1/rooms").await.list();
        let mut names = each(&rooms, "name");
        names.sort();
        assert_eq!(names, ["Repair café", "Teo’s corner"]);
        teo.alters(&corner, &json!({ "name": "Teo’s" })).await.is(200);
        let edit = room.api(&format!("/messages/{}", text(&message["id"])));
        teo.calls(Method::PATCH, &edit, &json!({ "body": "I bring two." })).await.is(200);
        assert_eq!(nell.names(&room).await, ["Nell Ashby", "Teo Lind"]);

        assert_ne!(teo.cookies(), token);
        let (name, secret) = token.split_once('=').expect("a cookie");
        let thief = world.stranger();
        let request =
            thief.request(Method::GET, "/api/v1/rooms").header("cookie", format!("{name}={secret}"));
        thief.sends(request).await.is(401);
        let request = thief.request(Method::GET, "/api/v1/rooms").bearer_auth(secret);
        thief.sends(request).await.is(401);
        let elsewhere = teo.at_another_device();
        elsewhere.logs_in("teo", PASSWORD).await.is(303);
        assert_eq!(each(&elsewhere.fetches("/api/v1/rooms").await.list(), "name").len(), 2);
    }

    async fn two_guests_with_one_name_are_numbered(world: World) {
        let nell = world.member("nell").await;
        let (room, tide) = (nell.makes_room("Repair café").await, nell.makes_room("Tide").await);
        let (first, second, third) =
            (world.guest("Teo").await, world.guest("Teo").await, world.guest("TEO").await);
        for (guest, words) in [(&first, "one"), (&second, "two"), (&third, "three")] {
            guest.says(&room, words).await;
        }
        let names = |list: serde_json::Value| {
            list.as_array().expect("messages").iter().map(|m| text(&m["account"]["name"])).collect::<Vec<_>>()
        };
        assert_eq!(names(nell.messages(&room).await), ["Teo", "Teo 2", "TEO 3"]);
        assert_eq!(nell.names(&room).await, ["Nell Ashby", "Teo", "Teo 2", "TEO 3"]);
        second.says(&tide, "alone here").await;
        assert_eq!(names(nell.messages(&tide).await), ["Teo"], "in another room the name is free");
        first.leaves(&room).await.is(204);
        let fourth = world.guest("Teo").await;
        fourth.says(&room, "four").await;
        assert_eq!(
            names(nell.messages(&room).await),
            ["Teo", "Teo 2", "TEO 3", "Teo 4"],
            "the names of message authors stay taken"
        );
    }

    async fn a_guest_whose_name_looks_like_another_is_numbered(world: World) {
        let teo = world.guest_with_browser("Teo").await;
        let room = teo.makes_room("Repair café").await;
        teo.signs_up_with("teo@harbour.example", PASSWORD, "Captain", "teo").await.is(303);
        let nell = world.member("nell").await;
        let oskar = world.guest("Oskar").await;
        oskar.opens_link(&room).await.is(200);
        let look_alike = world.guest("0skar").await;
        look_alike.opens_link(&room).await.is(200);
        world.pass(Duration::from_secs(1));
        nell.opens_link(&room).await.is(200);
        assert_eq!(nell.names(&room).await, ["Captain", "Oskar", "0skar 2", "Nell Ashby"]);
    }

    async fn a_guest_expires_after_a_month_without_activity(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let (teo, oskar) = (world.guest("Teo").await, world.guest("Oskar").await);
        let browser = world.guest_with_browser("Layla").await;
        teo.says(&room, "I was here.").await;
        oskar.says(&room, "So was I.").await;
        browser.says(&room, "And I.").await;
        world.pass(20 * DAY);
        oskar.says(&room, "I still am.").await;
        world.pass(11 * DAY);
        let expired = || async { (teo.fetches("/api/v1/rooms").await.status == 401).then_some(()) };
        until("the silent guest to expire", expired).await;
        teo.tries_to_say(&room, "Hello?").await.is(401);
        let location = browser.gets(&room.page("")).await.is(303).location();
        assert!(location.starts_with("/session/new"), "the browser has no session: {location}");
        oskar.says(&room, "Anyone?").await;
        assert_eq!(
            nell.bodies(&room).await,
            ["I was here.", "So was I.", "And I.", "I still am.", "Anyone?"],
            "the messages stay"
        );
        assert_eq!(nell.messages(&room).await[0]["account"]["name"], "Teo");
        assert_eq!(nell.names(&room).await, ["Nell Ashby", "Oskar"]);
        assert_eq!(nell.fetches(&room.api("")).await.json()["participants"], 2);
        browser.signs_up_with("l@x.org", PASSWORD, "Layla", "layla").await.is(303);
        assert_ne!(
            text(&browser.says(&room, "Back.").await["account"]["id"]),
            text(&nell.messages(&room).await[2]["account"]["id"])
        );
    }
}
