//! Tests of incoming webhooks for rooms, and of a room's feed for its owner.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Instance, Room, World, each, text, well_formed};

/// Creates a hook in the room. Returns its URL and id.
async fn creates_hook(client: &impl ApiClient, room: &Room, name: &str) -> (String, String) {
    let hook = client.calls(Method::POST, &room.api("/hooks"), &json!({ "name": name })).await.is(201).json();
    (text(&hook["url"]), text(&hook["id"]))
}

/// Returns the author's name and the text of the latest message.
async fn latest(client: &impl ApiClient, room: &Room) -> (String, String) {
    let messages = client.messages(room).await;
    let last = messages.as_array().and_then(|messages| messages.last()).expect("a message");
    (text(&last["account"]["name"]), text(&last["body"]))
}

on_both! {
    async fn an_owner_creates_a_hook_for_a_program(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let hook = nell
            .calls(Method::POST, &room.api("/hooks"), &json!({ "name": " CI  bot " }))
            .await
            .is(201)
            .json();
        let base = world.app().config.base_url.as_str();
        let token = text(&hook["url"]);
        let token = token.strip_prefix(&format!("{base}/hooks/")).expect("an address of this site");
        assert!(token.len() >= 43, "256 bits of randomness");
        let listed = nell.fetches(&room.api("/hooks")).await.is(200).list();
        let expected =
            json!({ "id": hook["id"], "name": "CI bot", "created_at": "2026-11-20T12:00:00.000Z" });
        assert_eq!(listed, json!([expected]), "the list does not contain the URL");
        assert!(!nell.opens(&room.page("/about")).await.0.contains(token));
        let long = "x".repeat(51);
        for name in ["", &long, "a\nb", "\u{202E}IC"] {
            let answer =
                nell.calls(Method::POST, &room.api("/hooks"), &json!({ "name": name })).await.is(422);
            assert_eq!(answer.json()["errors"][0]["pointer"], "#/name");
        }
        assert_eq!(nell.names(&room).await, ["Nell Ashby"], "a program is not in the room");
        for n in 2..=20 {
            creates_hook(&nell, &room, &format!("CI {n}")).await;
        }
        nell.calls(Method::POST, &room.api("/hooks"), &json!({ "name": "CI 21" })).await.is(422);
        assert_eq!(nell.fetches(&room.api("/hooks")).await.list().as_array().map(Vec::len), Some(20));
    }

    async fn a_program_posts_json_or_a_form(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let (url, _) = creates_hook(&nell, &room, "CI").await;
        let answer = world
            .calls_hook(&url, &json!({ "text": "Build 7 *failed* <https://ci.example/7|log>" }))
            .await
            .is(200);
        assert_eq!(answer.text(), "ok");
        assert!(answer.header("content-type").starts_with("text/plain"));
        let message = nell.messages(&room).await[0].clone();
        assert_eq!(message["body"], "Build 7 *failed* log https://ci.example/7");
        assert_eq!((&message["account"]["kind"], &message["account"]["name"]), (&json!("bot"), &json!("CI")));
        assert_eq!(message["account"]["username"], json!(null));
        let form = [("payload", r#"{"text": "As a form &amp; more", "username": "Deploy"}"#)];
        let answer = world.stranger().posts(world.path_of(&url), &form).await.is(200);
        assert_eq!(answer.text(), "ok");
        assert_eq!(latest(&nell, &room).await, ("Deploy".into(), "As a form & more".into()));
        assert_eq!(nell.opens_link(&room).await.json()["unread"], 2);
        let page = nell.opens(&room.page("")).await;
        assert!(page.says("CI") && page.says("Deploy") && page.says("bot"));
    }

    async fn a_program_can_post_under_another_name(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let (url, _) = creates_hook(&nell, &room, "CI").await;
        let long = "x".repeat(51);
        for (username, shown) in
            [("Grafana", "Grafana"), ("", "CI"), ("\u{202E}x", "CI"), (&long, "CI"), ("CI", "CI"), ("NeII", "CI")]
        {
            world.calls_hook(&url, &json!({ "text": "x", "username": username })).await.is(200);
            assert_eq!(latest(&nell, &room).await.0, shown, "{username:?}");
        }
        world
            .calls_hook(&url, &json!({ "text": "x", "username": null, "channel": "#ops", "icon_url": "http://x" }))
            .await
            .is(200);
        let bots = each(
            &Value::Array(
                nell.messages(&room)
                    .await
                    .as_array()
                    .expect("messages")
                    .iter()
                    .map(|m| m["account"].clone())
                    .collect(),
            ),
            "id",
        );
        assert!(bots.iter().all(|id| id == &bots[0]), "one account for every name");
        nell.says(&room, "I am Nell.").await;
        assert_eq!(each(&nell.messages(&room).await, "body").len(), 8);
    }

    async fn slack_attachments_are_shown_as_text(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let (url, _) = creates_hook(&nell, &room, "Alertmanager").await;
        for (call, words) in [
            (
                json!({ "text": "Firing", "attachments": [{
                    "title": "Disk", "title_link": "http://am.example/1", "text": "Nearly full",
                    "fallback": "not shown", "color": "danger",
                    "fields": [
                        { "title": "host", "value": "quay", "short": true }, { "title": "left", "value": 3 },
                    ],
                }] }),
                "Firing\n\nDisk http://am.example/1\nNearly full\nhost: quay\nleft: 3",
            ),
            (json!({ "attachments": [{ "fallback": "Build broke" }] }), "Build broke"),
            (json!({ "attachments": [{ "pretext": "a" }, { "title": "b" }] }), "a\n\nb"),
            (json!({ "text": "\u{1b}[31mred\u{1b}[0m" }), "[31mred[0m"),
            (json!({ "text": "<!here> a < b" }), "@here a < b"),
        ] {
            world.calls_hook(&url, &call).await.is(200);
            assert_eq!(latest(&nell, &room).await.1, words);
        }
        world.calls_hook(&url, &json!({ "text": "x".repeat(5000) })).await.is(200);
        let body = latest(&nell, &room).await.1;
        assert_eq!(body.chars().count(), 4000);
        assert!(body.ends_with('…'), "a text that is too long is cut");
    }

    async fn a_call_without_text_or_with_an_unknown_hook_posts_nothing(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let (url, id) = creates_hook(&nell, &room, "CI").await;
        for call in
            [json!({}), json!({ "text": "" }), json!({ "text": " \n" }), json!({ "attachments": [{}] })]
        {
            assert_eq!(world.calls_hook(&url, &call).await.is(422).problem(), "There is no text in it.", "{call}");
        }
        for call in [json!([]), json!({ "text": 7 }), json!("x"), json!({ "attachments": "x" })] {
            world.calls_hook(&url, &call).await.is(422).problem();
        }
        let form = [("payload", "{nonsense")];
        world.stranger().posts(world.path_of(&url), &form).await.is(422).problem();
        let hello = json!({ "text": "Hello" });
        for token in ["wrong", "x", "%00", &"a".repeat(43), &room.key] {
            world.calls_hook(&format!("{}/hooks/{token}", world.url()), &hello).await.is(404).problem();
        }
        ify.opens_link(&room).await.is(200);
        ify.does(Method::DELETE, &room.api(&format!("/hooks/{id}"))).await.is(403);
        ify.calls(Method::POST, &room.api("/hooks"), &json!({ "name": "CI" })).await.is(403);
        nell.alters(&room, &json!({ "locked": true })).await.is(200);
        let locked = world.calls_hook(&url, &hello).await.is(403).problem();
        assert_eq!(locked, "This room is locked: it can be read, and only its owner writes.");
        nell.alters(&room, &json!({ "locked": false })).await.is(200);
        world.calls_hook(&url, &hello).await.is(200);
        let other = ify.makes_room("Tide").await;
        ify.does(Method::DELETE, &other.api(&format!("/hooks/{id}"))).await.is(404);
        nell.does(Method::DELETE, &room.api(&format!("/hooks/{id}"))).await.is(204);
        nell.does(Method::DELETE, &room.api(&format!("/hooks/{id}"))).await.is(404);
        world.calls_hook(&url, &hello).await.is(404);
        assert_eq!(nell.bodies(&room).await, ["Hello"], "the messages of a deleted hook stay");
        assert_eq!(latest(&nell, &room).await.0, "CI");
    }

    async fn a_hook_is_created_and_deleted_by_forms(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let page = nell.posts(&room.page("/hooks"), &[("hook_name", "Grafana")]).await.is(200).page();
        assert!(page.says("The door is open"));
        let field = page.all("input").into_iter().find(|input| input.get("id") == Some("hook-url"));
        let url = field.expect("a field").get("value").expect("a URL").to_owned();
        world.calls_hook(&url, &json!({ "text": "Hello" })).await.is(200);
        let page = nell.opens(&room.page("/about")).await;
        assert!(page.says("Grafana") && !page.0.contains(&url));
        let forms = page.all("form").into_iter();
        let action =
            forms.filter_map(|form| form.get("action").map(str::to_owned)).find(|to| to.contains("/hooks/"));
        nell.posts(&action.expect("a form that deletes the hook"), &[]).await.is(303);
        world.calls_hook(&url, &json!({ "text": "Hello" })).await.is(404);
        assert!(!nell.opens(&room.page("/about")).await.says("Grafana bot"));
    }

    async fn the_owner_reads_the_room_in_a_feed_reader(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair <café> & \"more\"").await;
        ify.opens_link(&room).await.is(200);
        assert_eq!(
            ify.opens(&room.page("/about")).await.link("this room as Atom"),
            None,
            "the feed is for the owner alone"
        );
        let feed =
            nell.opens(&room.page("/about")).await.link("this room as Atom").expect("the feed’s address");
        let reader = world.stranger();
        let path = world.path_of(&feed).to_owned();
        well_formed(&reader.gets(&path).await.is(200).text());
        let (url, _) = creates_hook(&nell, &room, "CI").await;
        nell.says(&room, "Hello <b>&amp;</b> `x < y` ]]> \u{1F426}").await;
        ify.says(&room, "see https://x.example/?a=1&b=2").await;
        world.calls_hook(&url, &json!({ "text": "Build 7 failed" })).await.is(200);
        let deleted = ify.says(&room, "taken back").await;
        ify.does(Method::DELETE, &room.api(&format!("/messages/{}", text(&deleted["id"])))).await.is(204);
        let answer = reader.gets(&path).await.is(200);
        assert_eq!(answer.header("content-type"), "application/atom+xml; charset=utf-8");
        assert!(answer.header("cache-control").contains("private"), "{answer:?}");
        let elements = well_formed(&answer.text());
        let texts = |name: &str| {
            elements.iter().filter(|e| e.name == name).map(|e| e.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(texts("name"), ["CI", "Ifeoma Okafor", "Nell Ashby"], "newest first");
        assert!(texts("title")[0..4].iter().any(|title| title.contains("Hello")), "{:?}", texts("title"));
        assert!(texts("title").iter().any(|title| title.starts_with("Repair <café> & \"more\" on ")));
        assert!(texts("content").iter().any(|html| html.contains("&lt;b&gt;")), "{:?}", texts("content"));
        assert!(!answer.text().contains("taken back"));
    }

    async fn a_feed_s_address_opens_nothing_else_and_can_be_revoked(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (room, other) = (nell.makes_room("Repair café").await, nell.makes_room("Tide").await);
        nell.says(&room, "Between us").await;
        ify.opens_link(&room).await.is(200);
        let feed_of = |room: &Room| {
            let (nell, path) = (nell.clone(), room.page("/about"));
            async move { nell.opens(&path).await.link("this room as Atom").expect("the feed’s address") }
        };
        let feed = feed_of(&room).await;
        let path = world.path_of(&feed).to_owned();
        let reader = world.stranger();
        reader.gets(&path).await.is(200);
        let secret = path.rsplit('/').next().expect("a secret").to_owned();
        let (id, signature) = secret.split_once('-').expect("an id and a signature");
        let ifys = text(&nell.people(&room).await[1]["account"]["id"]);
        for wrong in [
            format!("{id}-{}.atom", "0".repeat(64)),
            format!("{ifys}-{signature}"),
            format!("{id}-"),
            id.to_owned(),
            "x".into(),
            secret.replace(".atom", ""),
            secret.to_uppercase(),
        ] {
            reader.gets(&room.page(&format!("/feed/{wrong}"))).await.is(404);
        }
        reader.gets(&other.page(&format!("/feed/{secret}"))).await.is(404);
        reader.gets(&format!("/rooms/kq7Xv2mTfB9sLw0eRzUa1g/feed/{secret}")).await.is(404);
        assert!(!reader.gets(&room.page("")).await.text().contains("Between us"));

        let renewed = nell.calls(Method::POST, &room.api("/link"), &json!({})).await.is(201).json();
        reader.gets(&path).await.is(404);
        let room = Room::from_json(&renewed);
        let path = world.path_of(&feed_of(&room).await).to_owned();
        reader.gets(&path).await.is(200);
        nell.leaves(&room).await.is(204);
        reader.gets(&path).await.is(404);
        ify.opens(&room.page("/about")).await.link("this room as Atom").expect("Ify’s feed");
    }

    async fn a_hook_can_not_post_a_refused_word(mut instance: Instance) {
        instance.settings.refused_words = Some("scoundrel".into());
        let world = instance.open().await;
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let (url, _) = creates_hook(&nell, &room, "CI").await;
        let refused = world.calls_hook(&url, &json!({ "text": "You SCOUNDREL!" })).await.is(422);
        assert_eq!(refused.problem(), "There is a word in it that can’t be said here.");
        world.calls_hook(&url, &json!({ "text": "You dear" })).await.is(200);
        assert_eq!(latest(&nell, &room).await, ("CI".into(), "You dear".into()));
    }
}
