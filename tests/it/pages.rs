//! Tests of the page cache: freshness, conditional requests and compression.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::Method;

use crate::common::{Answer, World};

/// Returns the text of a compressed answer.
fn unzip(answer: &Answer) -> String {
    assert_eq!(answer.header("content-encoding"), "gzip", "{answer:?}");
    let mut text = String::new();
    GzDecoder::new(answer.bytes.as_slice()).read_to_string(&mut text).expect("gzip");
    text
}

on_both! {
    async fn cached_pages_include_every_committed_change(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let stranger = world.stranger();
        for n in 0..10 {
            let id = nell.peeps(&format!("peep {n}")).await;
            let get = |path: &str| {
                let (stranger, path) = (stranger.clone(), path.to_owned());
                async move { stranger.gets(&path).await.is(200) }
            };
            assert_eq!(get("/").await.page().peeps()[0].words, format!("peep {n}"));
            assert_eq!(get("/api/v1/timelines/public").await.json()[0]["text"], format!("peep {n}"));
            assert!(get("/feed.atom").await.text().contains(&format!("peep {n}<")));
            nell.edits(&id, &format!("p33p {n}")).await.is(303);
            assert_eq!(get("/").await.page().peeps()[0].words, format!("p33p {n}"));
            assert_eq!(get("/api/v1/timelines/public").await.json()[0]["text"], format!("p33p {n}"));
            ify.likes(&id).await.is(303);
            assert_eq!(get("/").await.page().peeps()[0].likes, "1");
            assert_eq!(get("/api/v1/timelines/public").await.json()[0]["favourites_count"], 1);
            nell.deletes(&id).await.is(303);
            assert!(get("/").await.page().peeps().is_empty());
            assert_eq!(get("/api/v1/timelines/public").await.json(), serde_json::json!([]));
        }
    }

    async fn a_conditional_request_for_an_unchanged_page_is_answered_with_304(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Hello").await;
        let stranger = world.stranger();
        let again = |path: &str, etag: &str| {
            let request = stranger.request(Method::GET, path).header("if-none-match", etag);
            let stranger = stranger.clone();
            async move { stranger.sends(request).await }
        };
        for path in ["/", "/api/v1/timelines/public", "/feed.atom"] {
            let first = stranger.gets(path).await.is(200);
            let etag = first.header("etag").to_owned();
            assert_eq!(first.header("cache-control"), "no-cache");
            assert!(
                first.whole_header("vary").contains("cookie"),
                "the page depends on the cookie"
            );
            let second = again(path, &etag).await.is(304);
            assert!(second.bytes.is_empty() && second.header("etag") == etag, "{path}");
            again(path, "\"another\"").await.is(200);
        }
        // The edited text has the same length and the same millisecond as the original.
        let etag = stranger.gets("/").await.header("etag").to_owned();
        nell.edits(&id, "Jello").await.is(303);
        let etag_of_edited = stranger.gets("/").await.header("etag").to_owned();
        assert_eq!(again("/", &etag).await.is(200).page().peeps()[0].words, "Jello");
        nell.edits(&id, "Cello").await.is(303);
        assert_eq!(again("/", &etag_of_edited).await.is(200).page().peeps()[0].words, "Cello");
    }

    async fn pages_are_compressed_for_clients_that_accept_it(world: World) {
        let [nell] = world.members(["nell"]).await;
        nell.peeps(&"Hello & welcome. ".repeat(10)).await;
        let stranger = world.stranger();
        for (reader, path) in [
            (&stranger, "/"),
            (&stranger, "/api/v1/timelines/public"),
            (&stranger, "/feed.atom"),
            (&stranger, "/@nell"),
            (&nell, "/@nell"),
        ] {
            let plain = reader.gets(path).await.is(200);
            assert_eq!(plain.header("content-encoding"), "");
            for accepted in ["gzip", "deflate, gzip;q=1.0, *;q=0.5"] {
                let request = reader.request(Method::GET, path).header("accept-encoding", accepted);
                let zipped = reader.sends(request).await.is(200);
                assert_eq!(unzip(&zipped), plain.text(), "{path}");
                assert!(zipped.whole_header("vary").contains("accept-encoding"), "{zipped:?}");
                assert!(zipped.bytes.len() < plain.bytes.len());
            }
            for refused in ["gzip;q=0", "identity", "br", "gzip;q=0.0"] {
                let request = reader.request(Method::GET, path).header("accept-encoding", refused);
                assert_eq!(reader.sends(request).await.is(200).bytes, plain.bytes, "{path} {refused}");
            }
        }
    }

    async fn errors_are_readable_for_clients_that_accept_compression(world: World) {
        let stranger = world.stranger();
        for path in [
            "/nowhere",
            "/api/v1/nowhere",
            "/api/v1/timelines/public?limit=many",
            "/?before=1&before=2",
            "/tags/%FF",
        ] {
            let request = stranger.request(Method::GET, path).header("accept-encoding", "gzip");
            let answer = stranger.sends(request).await;
            assert!(matches!(answer.status, 400 | 404 | 422), "{path}: {answer:?}");
            let text = match answer.header("content-encoding") {
                "gzip" => unzip(&answer),
                _ => answer.text(),
            };
            assert!(text.contains("stream") || text.contains("\"detail\""), "{path}: {text}");
        }
    }

    async fn a_head_request_is_answered_without_a_body(world: World) {
        let [nell] = world.members(["nell"]).await;
        nell.peeps("Hello").await;
        for path in ["/", "/@nell", "/feed.atom", "/livez"] {
            let (get, head) =
                (nell.gets(path).await.is(200), nell.sends(nell.request(Method::HEAD, path)).await.is(200));
            assert!(head.bytes.is_empty());
            assert_eq!(get.header("content-type"), head.header("content-type"));
        }
    }

    async fn a_mistyped_username_suggests_the_members_whose_names_begin_alike(world: World) {
        let [_nell, _ify] = world.members(["nell", "ify"]).await;
        let stranger = world.stranger();
        for path in ["/@nelll", "/@neil", "/@NE", "/@nel/123", "/@nell%C3%A9"] {
            let page = stranger.gets(path).await.is(404).page();
            assert!(page.says("(@nell)") && !page.says("(@ify)"), "{path}");
        }
        let long = format!("/@{}", "nell".repeat(500));
        for path in ["/@zzzz", "/@n", "/@", "/@nell/999", "/@%00ne", long.as_str()] {
            let page = stranger.gets(path).await.is(404).page();
            assert!(!page.says("Did you mean"), "{path}");
        }
    }
}
