//! Tests of rooms in a browser without scripts: pages and plain forms.

use reqwest::Method;
use serde_json::json;

use crate::common::{ApiClient, Page, Person, Room, World, text};

/// Returns the texts of the messages on a room's page or search page, from the top.
fn shown(page: &Page) -> Vec<String> {
    let list = page.0.find("<ol ").map_or("", |at| &page.0[at..]);
    let list = Page(list[..list.find("</ol>").expect("a list of messages")].into());
    let elements = list.all("div").into_iter();
    elements.filter(|div| div.get("class") == Some("body")).map(|div| div.text()).collect()
}

/// Posts a message by the form on the page, as a browser sends it.
async fn says_by_form(person: &Person, room: &Room, body: &str) {
    let page = person.opens(&room.page("")).await;
    let form = [
        ("body", body),
        ("reply_to", &page.value("reply_to")),
        ("idempotency_key", &page.value("idempotency_key")),
    ];
    let location = person.posts(&room.page("/messages"), &form).await.is(303).location();
    assert!(location.starts_with(&room.page("#m")), "no redirect to the message: {location}");
}

on_both! {
    async fn members_and_guests_can_open_the_pages_of_a_room(world: World) {
        let nell = world.member("nell").await;
        let teo = world.guest_with_browser("Teo").await;
        assert!(nell.opens("/rooms").await.says("No rooms yet"));
        let location = nell.posts("/rooms", &[("name", "Repair <café> & \"more\"")]).await.is(303).location();
        let room = Room { key: location.strip_prefix("/rooms/").expect("a room").into(), id: String::new() };
        for person in [&nell, &teo] {
            for path in [room.page(""), room.page("/about")] {
                assert_eq!(person.opens(&path).await.heading(), "Repair <café> & \"more\"", "{path}");
            }
            assert_eq!(
                person.opens(&room.page("/search")).await.heading(),
                "Search in Repair <café> & \"more\""
            );
            assert_eq!(
                person.opens(&room.page("/leave")).await.heading(),
                "Leave “Repair <café> & \"more\"”?"
            );
            let list = person.opens("/rooms").await;
            let rows = list.all("li").into_iter().map(|row| row.text()).collect::<Vec<_>>();
            assert!(rows.iter().any(|row| row.contains("Repair <café>")), "{rows:?}");
        }
        assert!(teo.opens(&room.page("")).await.says("You are here as a guest."));
        assert!(!nell.opens(&room.page("")).await.says("You are here as a guest."));
        for words in
            ["Room and link", "Make a new link", "Programs that post here", "Take it along", "Remove Teo"]
        {
            assert!(nell.opens(&room.page("/about")).await.says(words), "{words}");
            assert!(!teo.opens(&room.page("/about")).await.says(words), "{words}");
        }
        let page = nell.opens(&room.page("")).await;
        let link =
            page.all("input").into_iter().find(|input| input.get("id") == Some("link")).expect("the link");
        assert_eq!(
            link.get("value"),
            Some(&*format!("{}{}", world.app().config.base_url.as_str(), room.page("")))
        );
        assert!(
            page.all("svg").iter().any(|svg| svg.get("class") == Some("qr") && svg.inner.contains("path"))
        );
        for path in ["/rooms".to_owned(), room.page(""), room.page("/about"), room.page("/search")] {
            let location = world.stranger().gets(&path).await.is(303).location();
            assert!(location.starts_with("/session/new?next="), "{path}: {location}");
            let answer = teo.gets(&path).await.is(200);
            assert!(!answer.header("cache-control").contains("public"), "{path} is private");
        }
    }

    async fn a_message_is_posted_by_the_plain_form(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        assert!(nell.opens(&room.page("")).await.says("It is quiet in here"));
        let teo = world.guest_with_browser("Teo").await;
        says_by_form(&teo, &room, "Is the <b>door</b> open?\nI bring `a stool`.").await;
        says_by_form(&nell, &room, "It is.").await;
        for person in [&nell, &teo] {
            let page = person.opens(&room.page("")).await;
            assert_eq!(shown(&page), ["Is the <b>door</b> open?\nI bring a stool.", "It is."]);
            assert!(page.says("Teo") && page.says("guest") && page.says("Nell Ashby"));
        }
        assert_eq!(
            world.stranger().posts(&room.page("/messages"), &[("body", "Hello")]).await.is(401).status,
            401
        );
    }

    async fn the_same_form_sent_twice_posts_one_message(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let key = nell.opens(&room.page("")).await.value("idempotency_key");
        assert!(key.len() >= 16);
        for _ in 0..3 {
            let form = [("body", "Hello"), ("idempotency_key", key.as_str())];
            nell.posts(&room.page("/messages"), &form).await.is(303);
        }
        assert_eq!(nell.bodies(&room).await, ["Hello"]);
        let form = [("body", "Something else"), ("idempotency_key", key.as_str())];
        let page = nell.posts(&room.page("/messages"), &form).await.is(409).page();
        assert_eq!(page.value("body"), "Something else", "the form keeps the input");
        assert_ne!(page.value("idempotency_key"), key, "the form has a new key");
        let form = [("body", "Something else"), ("idempotency_key", &page.value("idempotency_key"))];
        nell.posts(&room.page("/messages"), &form).await.is(303);
        assert_eq!(nell.bodies(&room).await, ["Hello", "Something else"]);
    }

    async fn a_refused_message_form_keeps_its_text(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        nell.says(&room, "said before").await;
        let long = format!("{} & <b>", "x".repeat(3995));
        for (body, reason) in [
            ("", "Write something first."),
            ("  \n ", "Write something first."),
            (&*long, "That is 4001 characters, and there is room for 4000. Take out 1."),
            ("a\u{7}b", "There is a hidden control character (U+0007) in it. Take it out."),
        ] {
            let page = nell.posts(&room.page("/messages"), &[("body", body)]).await.is(422).page();
            assert_eq!(page.field_error("body").as_deref(), Some(reason));
            assert_eq!(page.value("body"), body, "the form keeps the input");
            assert_eq!(page.heading(), "Repair café");
            assert_eq!(shown(&page), ["said before"]);
        }
        for (field, value) in
            [("reply_to", "x"), ("reply_to", "17"), ("attachments", "x"), ("attachments", "17")]
        {
            let form = [("body", "Hello & <b>"), (field, value)];
            let page = nell.posts(&room.page("/messages"), &form).await.is(422).page();
            assert_eq!(page.value("body"), "Hello & <b>", "{field}={value}");
        }
        assert_eq!(nell.bodies(&room).await, ["said before"]);
    }

    async fn older_messages_are_on_earlier_pages(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        for n in 1..=120 {
            nell.says(&room, &format!("message {n}")).await;
        }
        ify.opens_link(&room).await.is(200);
        let messages = |from: i32, to: i32| (from..=to).map(|n| format!("message {n}")).collect::<Vec<_>>();
        let page = ify.opens(&room.page("")).await;
        assert_eq!(shown(&page), messages(71, 120));
        assert_eq!(page.link("Newest messages"), None);
        let older = page.link("Older messages").expect("there are older ones");
        let page = ify.opens(&older).await;
        assert_eq!(shown(&page), messages(21, 70));
        assert_eq!(page.link("Newest messages"), Some(room.page("")));
        let page = ify.opens(&page.link("Older messages").expect("there are older ones")).await;
        assert_eq!(shown(&page), messages(1, 20));
        assert_eq!(page.link("Older messages"), None);
        let page = ify.opens(&room.page("?at=30")).await;
        assert!(shown(&page).contains(&"message 30".to_owned()));
        for odd in [
            "?before=0",
            "?before=-5",
            "?before=99999",
            "?at=9223372036854775807",
            "?at=-9223372036854775808",
        ] {
            ify.opens(&room.page(odd)).await;
        }
        assert_eq!(ify.gets(&room.page("?before=x")).await.status / 100, 4);
    }

    async fn new_messages_are_marked_and_deleted_ones_leave_a_placeholder(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        nell.says(&room, "one").await;
        ify.says(&room, "two").await;
        let three = text(&nell.says(&room, "three").await["id"]);
        let page = ify.opens(&room.page("")).await;
        assert!(page.says("New since you left"));
        assert!(!nell.opens(&room.page("")).await.says("New since you left"), "a person's own messages are not marked");
        ify.posts(&room.page("/read"), &[]).await.is(303);
        assert!(!ify.opens(&room.page("")).await.says("New since you left"));
        let reply = json!({ "body": "an answer", "reply_to": three });
        ify.calls(Method::POST, &room.api("/messages"), &reply).await.is(201);
        nell.does(Method::DELETE, &room.api(&format!("/messages/{three}"))).await.is(204);
        let page = ify.opens(&room.page("")).await;
        assert_eq!(shown(&page), ["one", "two", "an answer"]);
        assert!(page.says("This message was deleted.") && !page.says("three"));
    }

    async fn the_search_page_finds_messages(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        for words in ["A stool with three legs", "The CAFÉ is open", "<b>bold</b> stool"] {
            nell.says(&room, words).await;
        }
        let teo = world.guest_with_browser("Teo").await;
        let search = |q: &'static str| {
            let (teo, path) = (teo.clone(), room.page(&format!("/search?q={q}")));
            async move { teo.opens(&path).await }
        };
        assert_eq!(shown(&search("stool").await), ["<b>bold</b> stool", "A stool with three legs"]);
        let page = search("Cafe").await;
        assert_eq!(shown(&page), ["The CAFÉ is open"]);
        assert_eq!(page.value("q"), "Cafe");
        assert!(page.all("a").iter().any(|a| a.get("href") == Some(&room.page("?at=2#m2"))));
        assert!(search("anchor").await.says("Nobody has said that here."));
        let page = search("a").await;
        assert_eq!(page.field_error("q").as_deref(), Some("Look for two letters or more."));
        assert!(!search("").await.says("Nobody has said that here."));
        assert_eq!(search("%3Cb%3E").await.value("q"), "<b>");
    }

    async fn the_owner_s_forms_work_without_scripts(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        ify.opens_link(&room).await.is(200);
        let form =
            [("name", "Sewing"), ("locked", "on"), ("expires_at", "2026-11-21T08:30"), ("uses_left", "2")];
        let location = nell.posts(&room.page("/about"), &form).await.is(303).location();
        let page = nell.opens(&location).await;
        assert!(page.says("Done."));
        assert_eq!(page.value("name"), "Sewing");
        assert_eq!(
            (page.value("expires_at"), page.value("uses_left")),
            ("2026-11-21T08:30".into(), "2".into())
        );
        let room_json = nell.opens_link(&room).await.json();
        assert_eq!(room_json["locked"], true);
        assert_eq!(room_json["link"], json!({ "expires_at": "2026-11-21T08:30:00.000Z", "uses_left": 2 }));
        let page = ify.opens(&room.page("")).await;
        assert!(page.says("This room is locked: it can be read, and only its owner writes."));
        assert!(ify.opens("/rooms").await.says("locked"));
        let form = [("name", "Sewing"), ("expires_at", ""), ("uses_left", "")];
        nell.posts(&room.page("/about"), &form).await.is(303);
        let room_json = nell.opens_link(&room).await.json();
        assert_eq!((&room_json["locked"], &room_json["link"]["uses_left"]), (&json!(false), &json!(null)));
        assert_eq!(room_json["link"]["expires_at"], json!(null));
        let location = nell.posts(&room.page("/link"), &[("everyone_leaves", "on")]).await.is(303).location();
        nell.opens(&location).await;
        ify.gets(&room.page("")).await.is(404);
    }

    async fn a_refused_hook_form_shows_the_reason_and_keeps_the_name(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let path = room.page("/hooks");
        let created = nell.posts(&path, &[("hook_name", "Grafana")]).await.is(200).page();
        assert!(created.0.contains(&format!("{}/hooks/", world.url())), "the URL is shown once");
        let refused = nell.posts(&path, &[("hook_name", "\u{202E}IC")]).await.is(422).page();
        assert!(refused.says("There is a character in it that can’t be seen. Type it anew."));
        assert_eq!(refused.value("hook_name"), "\u{202E}IC");
        for n in 2..=20 {
            nell.posts(&path, &[("hook_name", &format!("CI {n}"))]).await.is(200);
        }
        let refused = nell.posts(&path, &[("hook_name", "CI 21")]).await.is(422).page();
        assert!(refused.says("Twenty programs can post here already. Close one of their doors."));
    }
}
