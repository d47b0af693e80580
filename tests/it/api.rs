//! Tests of the Mastodon-compatible REST API.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, Person, World};

const TIMELINE: &str = "/api/v1/timelines/public";

fn texts(statuses: &Value) -> Vec<String> {
    let statuses = statuses.as_array().unwrap_or_else(|| panic!("a list was expected: {statuses}"));
    statuses.iter().map(|s| s["text"].as_str().expect("a text").to_owned()).collect()
}

fn id(status: &Value) -> String {
    status["id"].as_str().unwrap_or_else(|| panic!("an id in a string was expected: {status}")).to_owned()
}

/// Returns the path of the page that the `Link` header gives for this relation.
fn link(answer: &Answer, rel: &str) -> Option<String> {
    let mut links = answer.header("link").split(", ");
    let link = links.find(|link| link.ends_with(&format!("rel=\"{rel}\"")))?;
    let url = link.strip_prefix('<')?.split('>').next()?;
    Some(url[url.find("/api/").expect("a path")..].to_owned())
}

/// Posts a status with an idempotency key.
async fn keyed(person: &Person, key: &str, status: &str) -> Answer {
    let request = person.request(Method::POST, "/api/v1/statuses").header("idempotency-key", key);
    person.sends(request.json(&json!({ "status": status }))).await
}

on_both! {
    async fn an_idempotency_key_belongs_to_the_text_it_was_used_with(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let first = keyed(&nell, "k", "Hello, Row.").await.is(200).json();
        keyed(&nell, "k", "Something else").await.is(422);
        keyed(&ify, "k", "Something else").await.is(200);
        let edit = nell.request(Method::PUT, &format!("/api/v1/statuses/{}", id(&first)));
        nell.sends(edit.json(&json!({ "status": "Hello, all." }))).await.is(200);
        let again = keyed(&nell, "k", "Hello, Row.").await.is(200).json();
        assert_eq!(id(&again), id(&first), "an edit does not change the id");
        nell.deletes(&id(&first)).await.is(303);
        keyed(&nell, "k", "Hello, Row.").await.is(409);
        let timeline = world.stranger().gets("/api/v1/timelines/public").await.is(200).json();
        assert_eq!(timeline.as_array().map(Vec::len), Some(1), "only Ify's status is left");
    }

    async fn a_program_posts_a_status_and_reads_it_back(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let posted = nell.posts_by_api("Hello @ify & all <b> #Row\nhttps://row.example/").await;
        let read = world.stranger().gets(&format!("/api/v1/statuses/{}", id(&posted))).await.is(200).json();
        assert_eq!(posted, read);
        let (base, id) = (world.url(), id(&posted));
        let url = format!("{base}/@nell/{id}");
        let expected = json!({
            "id": id, "created_at": "2026-11-20T12:00:00.000Z", "edited_at": null,
            "in_reply_to_id": null, "in_reply_to_account_id": null,
            "visibility": "public", "sensitive": false, "spoiler_text": "",
            "uri": url, "url": url,
            "text": "Hello @ify & all <b> #Row\nhttps://row.example/",
            "replies_count": 0, "favourites_count": 0, "reblogs_count": 0, "favourited": false,
            "media_attachments": [], "emojis": [], "poll": null, "reblog": null, "card": null,
            "tags": [{ "name": "row", "url": format!("{base}/tags/row") }],
        });
        for (member, value) in expected.as_object().expect("members") {
            assert_eq!(posted[member], *value, "{member}");
        }
        let content = posted["content"].as_str().expect("content");
        assert!(
            content.starts_with(&format!(
                "<p>Hello <a class=\"mention\" href=\"{base}/@ify\">@ify</a> &amp; all &lt;b&gt; "
            )),
            "{content}"
        );
        assert!(content.contains("<br>") && content.ends_with("</p>"), "{content}");
        assert_eq!(posted["mentions"][0]["acct"], "ify");
        assert!(posted["account"]["id"].is_string());
        assert_eq!(posted["account"]["username"], "nell");
        assert_eq!(posted["account"]["display_name"], "Nell Ashby");
        assert_eq!(posted["account"]["url"], format!("{base}/@nell"));
        assert!(!posted.to_string().contains("harbour.example"), "emails are private");
    }

    async fn a_status_can_be_sent_as_json_or_as_a_form(world: World) {
        let [nell] = world.members(["nell"]).await;
        let parent = id(&nell.posts_by_api("as JSON").await);
        let form = [
            ("status", "as a form"),
            ("in_reply_to_id", parent.as_str()),
            ("visibility", "public"),
            ("unknown", "x"),
        ];
        let status = nell.posts("/api/v1/statuses", &form).await.is(200).json();
        assert_eq!((&status["text"], &status["in_reply_to_id"]), (&json!("as a form"), &json!(parent)));
        assert_eq!(status["in_reply_to_account_id"], status["account"]["id"]);
        for body in [
            json!({ "status": "x", "in_reply_to_id": parent }),
            json!({ "status": "y", "in_reply_to_id": parent.parse::<i64>().ok() }),
        ] {
            let status = nell.sends_json(Method::POST, "/api/v1/statuses", &body).await.is(200).json();
            assert_eq!(
                status["in_reply_to_id"],
                json!(parent),
                "an id is read from a string and from a number"
            );
        }
    }

    async fn a_refused_status_names_the_wrong_member_and_the_reason(world: World) {
        let [nell] = world.members(["nell"]).await;
        for (body, field, reason) in [
            (json!({ "status": "" }), "status", "Write something first."),
            (json!({}), "status", "Write something first."),
            (
                json!({ "status": "x".repeat(281) }),
                "status",
                "That is 281 characters, and there is room for 280. Take out 1.",
            ),
            (
                json!({ "status": "a\u{0}b" }),
                "status",
                "There is a hidden control character (U+0000) in it. Take it out.",
            ),
            (
                json!({ "status": "x", "visibility": "private" }),
                "visibility",
                "Peeps are public. Nothing was posted.",
            ),
            (
                json!({ "status": "x", "visibility": "direct" }),
                "visibility",
                "Peeps are public. Nothing was posted.",
            ),
            (
                json!({ "status": "x", "media_ids": ["1"] }),
                "media_ids",
                "There are no pictures and no polls here yet.",
            ),
            (
                json!({ "status": "x", "poll": { "options": ["a"] } }),
                "media_ids",
                "There are no pictures and no polls here yet.",
            ),
            (
                json!({ "status": "x", "in_reply_to_id": "17" }),
                "in_reply_to_id",
                "The peep you answer has been deleted.",
            ),
        ] {
            let answer = nell.sends_json(Method::POST, "/api/v1/statuses", &body).await.is(422);
            assert_eq!(answer.problem(), reason);
            let errors = answer.json()["errors"].clone();
            assert_eq!(errors, json!([{ "pointer": format!("#/{field}"), "detail": reason }]), "{body}");
        }
        assert_eq!(nell.gets(TIMELINE).await.json(), json!([]), "nothing was posted");
    }

    async fn writing_requires_a_session(world: World) {
        let [nell] = world.members(["nell"]).await;
        let status = format!("/api/v1/statuses/{}", id(&nell.posts_by_api("Hello").await));
        let stranger = world.stranger();
        let body = json!({ "status": "spam" });
        for (method, path) in [
            (Method::POST, "/api/v1/statuses".to_owned()),
            (Method::PUT, status.clone()),
            (Method::DELETE, status.clone()),
            (Method::POST, format!("{status}/favourite")),
            (Method::POST, format!("{status}/unfavourite")),
        ] {
            let answer = stranger.sends_json(method, &path, &body).await.is(401);
            assert_eq!(answer.problem(), "Log in first.", "{path}");
        }
        for path in [&status, &format!("{status}/context"), &format!("{status}/history"), TIMELINE] {
            stranger.gets(path).await.is(200);
        }
        assert_eq!(texts(&stranger.gets(TIMELINE).await.json()), ["Hello"]);
    }

    async fn an_edited_status_keeps_its_history(world: World) {
        let [nell, mallory] = world.members(["nell", "mallory"]).await;
        let posted = nell.posts_by_api("On Wensday").await;
        let path = format!("/api/v1/statuses/{}", id(&posted));
        world.pass(Duration::from_secs(5));
        let edited =
            nell.sends_json(Method::PUT, &path, &json!({ "status": "On Wednesday" })).await.is(200).json();
        assert_eq!((&edited["id"], &edited["text"]), (&posted["id"], &json!("On Wednesday")));
        assert_eq!(edited["created_at"], "2026-11-20T12:00:00.000Z");
        assert_eq!(edited["edited_at"], "2026-11-20T12:00:05.000Z");
        let history = world.stranger().gets(&format!("{path}/history")).await.is(200).json();
        let versions: Vec<_> = history
            .as_array()
            .expect("a list")
            .iter()
            .map(|v| (v["content"].clone(), v["created_at"].clone()))
            .collect();
        assert_eq!(
            versions,
            [
                (json!("<p>On Wensday</p>"), json!("2026-11-20T12:00:00.000Z")),
                (json!("<p>On Wednesday</p>"), json!("2026-11-20T12:00:05.000Z")),
            ]
        );
        let answer = mallory.sends_json(Method::PUT, &path, &json!({ "status": "Never" })).await.is(403);
        assert_eq!(answer.problem(), "Only the one who wrote a peep can change it.");
        assert_eq!(
            nell.sends_json(Method::PUT, &path, &json!({ "status": "" })).await.is(422).problem(),
            "Write something first."
        );
        assert_eq!(nell.gets(&path).await.json()["text"], "On Wednesday");
    }

    async fn deleting_a_status_returns_it_once(world: World) {
        let [nell, ify, mallory] = world.members(["nell", "ify", "mallory"]).await;
        let posted = ify.posts_by_api("Hello").await;
        let path = format!("/api/v1/statuses/{}", id(&posted));
        mallory.sends(mallory.request(Method::DELETE, &path)).await.is(403);
        let returned = ify.sends(ify.request(Method::DELETE, &path)).await.is(200).json();
        assert_eq!(returned["text"], "Hello", "a client can draft it again");
        let answers = [
            ify.sends(ify.request(Method::DELETE, &path)).await,
            ify.sends_json(Method::PUT, &path, &json!({ "status": "Again" })).await,
            nell.gets(&path).await,
            nell.gets(&format!("{path}/context")).await,
            nell.gets(&format!("{path}/history")).await,
            nell.posts(&format!("{path}/favourite"), &[]).await,
        ];
        for answer in answers {
            assert_eq!(answer.is(404).problem(), "There is nothing here. It may have been deleted.");
        }
    }

    async fn the_context_of_a_status_omits_deleted_statuses(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let reply = |person: &Person, to: &str, status: &str| {
            let (person, body) = (person.clone(), json!({ "status": status, "in_reply_to_id": to }));
            async move { id(&person.sends_json(Method::POST, "/api/v1/statuses", &body).await.is(200).json()) }
        };
        let question = id(&nell.posts_by_api("question").await);
        let answer = reply(&ify, &question, "answer").await;
        let thanks = reply(&nell, &answer, "thanks").await;
        reply(&ify, &question, "second answer").await;
        let context = |id: &str| {
            let (stranger, path) = (world.stranger(), format!("/api/v1/statuses/{id}/context"));
            async move {
                let context = stranger.gets(&path).await.is(200).json();
                (texts(&context["ancestors"]), texts(&context["descendants"]))
            }
        };
        assert_eq!(
            context(&question).await,
            (vec![], vec!["answer".into(), "thanks".into(), "second answer".into()])
        );
        assert_eq!(context(&answer).await, (vec!["question".into()], vec!["thanks".into()]));
        assert_eq!(context(&thanks).await, (vec!["question".into(), "answer".into()], vec![]));
        let counted = nell.gets(&format!("/api/v1/statuses/{question}")).await.json();
        assert_eq!(counted["replies_count"], 2, "direct replies only");
        ify.deletes(&answer).await.is(303);
        assert_eq!(context(&thanks).await, (vec!["question".into()], vec![]));
        assert_eq!(context(&question).await.1, ["thanks", "second answer"]);
        let counted = nell.gets(&format!("/api/v1/statuses/{question}")).await.json();
        assert_eq!(counted["replies_count"], 1);
    }

    async fn a_favourite_counts_once_and_is_marked_for_its_viewer_only(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let path = format!("/api/v1/statuses/{}", id(&nell.posts_by_api("Quince jelly").await));
        for _ in 0..2 {
            let status = ify.posts(&format!("{path}/favourite"), &[]).await.is(200).json();
            assert_eq!((&status["favourited"], &status["favourites_count"]), (&json!(true), &json!(1)));
        }
        assert_eq!(nell.gets(&path).await.json()["favourited"], false);
        assert_eq!(ify.gets(&path).await.json()["favourited"], true);
        assert_eq!(ify.gets(TIMELINE).await.json()[0]["favourited"], true);
        assert_eq!(world.stranger().gets(TIMELINE).await.json()[0]["favourited"], false);
        for _ in 0..2 {
            let status = ify.posts(&format!("{path}/unfavourite"), &[]).await.is(200).json();
            assert_eq!((&status["favourited"], &status["favourites_count"]), (&json!(false), &json!(0)));
        }
    }

    async fn missing_resources_are_answered_with_problem_json(world: World) {
        let [nell] = world.members(["nell"]).await;
        for id in [
            "1",
            "0",
            "-1",
            "9223372036854775807",
            "9223372036854775808",
            "99999999999999999999999",
            "x",
            "1x",
            "%00",
            "%FF",
            "1%20OR%201=1",
        ] {
            for path in [
                format!("/api/v1/statuses/{id}"),
                format!("/api/v1/statuses/{id}/context"),
                format!("/api/v1/statuses/{id}/history"),
            ] {
                let answer = nell.gets(&path).await;
                assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
                answer.problem();
            }
            for path in
                [format!("/api/v1/statuses/{id}/favourite"), format!("/api/v1/statuses/{id}/unfavourite")]
            {
                let answer = nell.posts(&path, &[]).await;
                assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
                answer.problem();
            }
        }
    }
}

/// Tests of idempotency keys.
mod keys {
    use super::{BTreeSet, TIMELINE, World, id, join_all, keyed, texts};

    on_both! {
        async fn the_same_key_twice_posts_once(world: World) {
            let [nell, ify] = world.members(["nell", "ify"]).await;
            let first = keyed(&nell, "attempt 1", "Hello").await.is(200).json();
            let second = keyed(&nell, "attempt 1", "Hello").await.is(200).json();
            assert_eq!(first, second);
            let other = keyed(&nell, "attempt 2", "Hello").await.is(200).json();
            assert_ne!(first["id"], other["id"]);
            let ifys = keyed(&ify, "attempt 1", "Hello").await.is(200).json();
            assert_ne!(first["id"], ifys["id"], "keys belong to one account");
            assert_eq!(texts(&nell.gets(TIMELINE).await.json()).len(), 3);
        }

        async fn the_same_key_in_twenty_concurrent_requests_posts_once(world: World) {
            let [nell] = world.members(["nell"]).await;
            let answers = join_all((0..20).map(|_| keyed(&nell, "once", "Hello"))).await;
            let ids: BTreeSet<_> = answers.into_iter().map(|answer| id(&answer.is(200).json())).collect();
            assert_eq!(ids.len(), 1);
            assert_eq!(texts(&nell.gets(TIMELINE).await.json()), ["Hello"]);
        }

        async fn a_refused_attempt_does_not_use_up_its_key(world: World) {
            let [nell] = world.members(["nell"]).await;
            keyed(&nell, "k", "").await.is(422);
            keyed(&nell, "k", "Hello").await.is(200);
        }

        async fn an_idempotency_key_must_be_visible_ascii(world: World) {
            let [nell] = world.members(["nell"]).await;
            for key in ["", "é", &"k".repeat(256)] {
                keyed(&nell, key, "Hello").await.is(422).problem();
            }
            keyed(&nell, &"k".repeat(255), "Hello").await.is(200);
        }
    }
}

/// Tests of pagination as Mastodon's clients use it.
mod paging {
    use super::{Person, TIMELINE, Value, World, id, join_all, link, texts};

    /// Posts thirty statuses. Returns their author, their ids and their texts, newest first.
    async fn thirty(world: &World) -> (Person, Vec<String>, Vec<String>) {
        let [nell] = world.members(["nell"]).await;
        let mut ids = Vec::new();
        for n in 0..30 {
            ids.push(id(&nell.posts_by_api(&n.to_string()).await));
        }
        ids.reverse();
        (nell, ids, (0..30).rev().map(|n: i32| n.to_string()).collect())
    }

    /// Returns the texts of the statuses from one number down to another.
    fn range(from: i32, to: i32) -> Vec<String> {
        (to..=from).rev().map(|n| n.to_string()).collect()
    }

    on_both! {
        async fn a_timeline_is_paginated_in_both_directions(world: World) {
            let (nell, _, all) = thirty(&world).await;
            for reader in [world.stranger(), nell] {
                for limit in [7, 20] {
                    let mut read = Vec::new();
                    let mut next = Some(format!("{TIMELINE}?limit={limit}"));
                    let mut last = None;
                    while let Some(path) = next {
                        let page = reader.gets(&path).await.is(200);
                        next = link(&page, "next");
                        last = link(&page, "prev").or(last);
                        read.extend(texts(&page.json()));
                    }
                    assert_eq!(read, all, "every status once, newest first, {limit} at a time");
                    // Reads in the opposite direction too, from the last page to the first.
                    let mut prev = last;
                    let mut back = read.split_off(read.len() - (30 % limit));
                    while let Some(path) = prev {
                        let page = reader.gets(&path).await.is(200);
                        prev = link(&page, "prev");
                        back.splice(0..0, texts(&page.json()));
                    }
                    assert_eq!(back, all, "no gap in the other direction");
                }
            }
        }

        async fn pagination_parameters_follow_mastodon(world: World) {
            let (_, ids, _) = thirty(&world).await;
            let id_of = |n: usize| ids[29 - n].clone();
            let (ten, twenty) = (id_of(10), id_of(20));
            let stranger = world.stranger();
            for (query, expected) in [
                (String::new(), range(29, 10)),
                (format!("?max_id={ten}"), range(9, 0)),
                (format!("?since_id={twenty}"), range(29, 21)),
                (format!("?since_id={ten}&limit=3"), range(29, 27)),
                (format!("?min_id={ten}&limit=3"), range(13, 11)),
                (format!("?min_id={ten}&max_id={twenty}"), range(19, 11)),
                (format!("?since_id={ten}&max_id={twenty}&limit=4"), range(19, 16)),
                ("?limit=1".into(), range(29, 29)),
                ("?limit=0".into(), range(29, 29)),
                ("?limit=-5".into(), range(29, 29)),
                ("?limit=40".into(), range(29, 0)),
                ("?limit=4000".into(), range(29, 0)),
                ("?max_id=1".into(), vec![]),
                ("?min_id=9223372036854775807".into(), vec![]),
                ("?max_id=-1".into(), vec![]),
                ("?local=true&remote=false&only_media=false".into(), range(29, 10)),
            ] {
                let answer = stranger.gets(&format!("{TIMELINE}{query}")).await.is(200);
                assert_eq!(texts(&answer.json()), expected, "{query}");
                assert_eq!(answer.header("link").is_empty(), expected.is_empty(), "{query}");
            }
        }

        async fn invalid_pagination_parameters_are_refused(world: World) {
            for query in [
                "limit=many",
                "max_id=x",
                "min_id=1.5",
                "since_id=",
                "max_id=99999999999999999999",
                "limit=1&limit=2",
            ] {
                let answer = world.stranger().gets(&format!("{TIMELINE}?{query}")).await.is(422);
                answer.problem();
            }
        }

        async fn the_cached_timeline_equals_the_one_from_the_database(world: World) {
            let (nell, ..) = thirty(&world).await;
            let stranger = world.stranger();
            let cached = stranger.gets(TIMELINE).await.is(200);
            let read = stranger.gets(&format!("{TIMELINE}?max_id=9223372036854775807")).await.is(200);
            let own = nell.gets(TIMELINE).await.is(200);
            let json: Vec<Value> = [&cached, &read, &own].map(super::Answer::json).into();
            assert!(json.iter().all(|page| *page == json[0]));
            assert_eq!(cached.header("link"), read.header("link"));
            assert_eq!(cached.header("link"), own.header("link"));
            assert_eq!(cached.header("content-type"), "application/json");
            join_all((0..8).map(|_| stranger.gets(TIMELINE))).await.into_iter().for_each(|a| drop(a.is(200)));
        }
    }
}
