//! Tests of exporting a room.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Person, Room, World, each, text};

on_both! {
    async fn an_empty_room_is_exported_as_json(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Quiet <b> & \"more\"").await;
        let answer = nell.gets(&room.page("/export.json")).await.is(200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(
            answer.header("content-disposition").starts_with("attachment; filename=\"room-2026-11-20.json\"")
        );
        let export = answer.json();
        assert_eq!(export["messages"], Value::Array(Vec::new()));
        assert_eq!(export["room"]["name"], "Quiet <b> & \"more\"");
        assert_eq!(export["room"]["id"], room.id);
        assert_eq!(export["exported_at"], "2026-11-20T12:00:00.000Z");
    }

    async fn an_empty_room_is_exported_as_html(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Quiet <b> & \"more\"").await;
        let answer = nell.gets(&room.page("/export.html")).await.is(200);
        assert!(answer.header("content-disposition").starts_with("attachment; "));
        let page = answer.page();
        assert_eq!(page.heading(), "Quiet <b> & \"more\"");
        assert!(page.0.ends_with("</html>\n"), "the page is complete");
    }

    async fn the_json_export_contains_every_message(world: World) {
        let (nell, room) = a_lively_room(&world).await;
        let export = nell.gets(&room.page("/export.json")).await.is(200).json();
        assert_eq!(export["messages"], nell.messages(&room).await, "the same messages as in the API");
    }

    async fn the_html_export_contains_every_message_escaped(world: World) {
        let (nell, room) = a_lively_room(&world).await;
        let html = nell.gets(&room.page("/export.html")).await.is(200).page();
        assert!(!html.0.contains("<script") && !html.0.contains("<i>"), "{}", html.0);
        assert!(html.0.contains("&lt;script&gt;alert(2)&lt;/script&gt;"), "{}", html.0);
        let base = world.app().config.base_url.as_str();
        assert!(html.0.contains(&format!("href=\"{base}/@ify\"")), "{}", html.0);
        assert!(html.says("Teo <i>") && html.says("This message was deleted."));
        assert!(!html.says("A secret"), "a deleted message is not in the export");
        assert_eq!(html.all("li").len(), 3);
    }

    async fn a_compressed_export_is_complete(world: World) {
        let (nell, room) = a_lively_room(&world).await;
        for ending in ["json", "html"] {
            let path = room.page(&format!("/export.{ending}"));
            let plain = nell.gets(&path).await.is(200);
            let request = nell.request(Method::GET, &path).header("accept-encoding", "gzip");
            let compressed = nell.tries(request).await.expect("a complete answer").is(200);
            assert_eq!(compressed.header("content-encoding"), "gzip");
            let mut text = Vec::new();
            std::io::copy(&mut flate2::read::GzDecoder::new(&compressed.bytes[..]), &mut text).expect("complete gzip");
            assert_eq!(text, plain.bytes, "{ending}");
        }
    }

    async fn only_the_owner_can_export_a_room(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        nell.says(&room, "Between us").await;
        ify.opens_link(&room).await.is(200);
        let teo = world.guest_with_browser("Teo").await;
        for ending in ["json", "html"] {
            let path = room.page(&format!("/export.{ending}"));
            for person in [&ify, &teo] {
                let answer = person.gets(&path).await.is(403);
                assert!(answer.page().says("Only the room’s owner can do that."));
            }
            let location = world.stranger().gets(&path).await.is(303).location();
            assert!(location.starts_with("/session/new?next="), "{location}");
        }
    }

    async fn the_json_export_of_a_long_room_is_complete(world: World) {
        let (nell, room) = a_long_lived_room(&world).await;
        let export = nell.gets(&room.page("/export.json")).await.is(200).json();
        let messages = &export["messages"];
        let seqs: Vec<_> = messages.as_array().expect("messages").iter().map(|m| m["seq"].as_i64()).collect();
        assert_eq!(seqs, (1..=600).map(Some).collect::<Vec<_>>());
        let mut bodies = each(messages, "body");
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 600);
    }

    async fn the_html_export_of_a_long_room_is_complete(world: World) {
        let (nell, room) = a_long_lived_room(&world).await;
        let html = nell.gets(&room.page("/export.html")).await.is(200).page();
        assert_eq!(html.all("li").len(), 600);
        assert!(html.says("message 599") && html.0.ends_with("</html>\n"));
        nell.does(Method::DELETE, &room.api("")).await.is(204);
        nell.gets(&room.page("/export.html")).await.is(404);
    }
}

/// Makes a room with text that needs escaping, an edited message and a deleted one.
async fn a_lively_room(world: &World) -> (Person, Room) {
    let [nell, ify] = world.members(["nell", "ify"]).await;
    let room = nell.makes_room("Repair café").await;
    let teo = world.guest("Teo <i>").await;
    let path = |message: &Value| room.api(&format!("/messages/{}", text(&message["id"])));
    let first = nell.says(&room, "<script>alert(1)</script> & `a < b`").await;
    teo.says(&room, "See https://x.example/?a=1&b=2 @ify").await;
    let deleted = ify.says(&room, "A secret that I take back").await;
    ify.does(Method::DELETE, &path(&deleted)).await.is(204);
    let edit = json!({ "body": "<script>alert(2)</script>" });
    nell.calls(Method::PATCH, &path(&first), &edit).await.is(200);
    (nell, room)
}

/// Makes a room with 600 messages, more than the export reads at once.
async fn a_long_lived_room(world: &World) -> (Person, Room) {
    let nell = world.member("nell").await;
    let room = nell.makes_room("Repair café").await;
    for hundred in 0..6 {
        let bodies: Vec<_> = (0..100).map(|n| format!("message {}", hundred * 100 + n)).collect();
        join_all(bodies.iter().map(|body| nell.says(&room, body))).await;
    }
    (nell, room)
}
