//! Tests of the public stream over the socket.

use std::{collections::BTreeSet, sync::Arc};

use chitter::{
    domain::{
        accounts::member,
        peeps::{Body, Draft},
        text::RefusedWords,
    },
    store,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Change, Instance, Listener, Person, Rng, SocketEvent, World, change, until};

/// Posts many peeps without HTTP: through the domain, in this process, ten in a transaction.
async fn post_many(world: &World, username: &'static str, from: usize, to: usize) {
    let db = &world.app().db;
    let posts = (from..to).step_by(10).map(|first| {
        db.write(move |tx| {
            let member = member(tx, username)?;
            for n in first..to.min(first + 10) {
                let body = Body::parse(&format!("peep {n}"), &RefusedWords::default())?;
                member.post(tx, &Draft { body, reply_to: None, idempotency_key: None })?;
            }
            Ok(())
        })
    });
    join_all(posts).await.into_iter().for_each(|posted| posted.expect("peeps are posted"));
}

/// Returns the latest number of the public stream.
async fn last_seq(world: &World) -> i64 {
    world.app().db.read(store::peeps::last_seq).await.expect("the latest number")
}

/// Returns the next `count` changes.
async fn receives(listener: &mut Listener, count: usize) -> Vec<Change> {
    let mut received = Vec::new();
    for _ in 0..count {
        received.push(listener.receives_change().await);
    }
    received
}

fn numbers(changes: &[Change]) -> Vec<i64> {
    changes.iter().map(|change| change.seq).collect()
}

on_both! {
    async fn a_peep_reaches_every_subscriber(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (mut first, mut second) = (world.listener().await, world.listener().await);
        let hello = nell.peeps("Hello").await;
        let welcome = ify.replies(&hello, "Welcome").await;
        nell.edits(&hello, "Hello, Row").await.is(303);
        ify.deletes(&welcome).await.is(303);
        for listener in [&mut first, &mut second] {
            let received = receives(listener, 4).await;
            let changes: Vec<_> = received.iter().map(|c| (c.seq, c.event.as_str(), c.id.as_str())).collect();
            assert_eq!(
                changes,
                [
                    (1, "update", hello.as_str()),
                    (2, "update", welcome.as_str()),
                    (3, "status.update", hello.as_str()),
                    (4, "delete", welcome.as_str()),
                ]
            );
            assert_eq!(received[0].status["text"], "Hello");
            assert_eq!(received[1].status["in_reply_to_id"], json!(hello));
            assert_eq!(received[2].status["text"], "Hello, Row");
            assert_eq!(received[2].status["edited_at"], "2026-11-20T12:00:00.000Z");
        }
    }

    async fn a_frame_is_as_mastodon_s_clients_expect_it(world: World) {
        let [nell] = world.members(["nell"]).await;
        let mut listener = Listener::open(&world.url(), "?stream=public").await;
        assert_eq!(listener.receives().await["event"], "subscribed", "the query subscribes");
        let posted = nell.posts_by_api("Hello").await;
        let frame = listener.receives().await;
        assert_eq!(frame["stream"], json!(["public"]));
        assert_eq!(frame["event"], "update");
        let payload: Value =
            serde_json::from_str(frame["payload"].as_str().expect("JSON in a string")).expect("a status");
        assert_eq!(payload, posted);
    }

    async fn pages_receive_a_peep_as_rendered_html(world: World) {
        let [nell] = world.members(["nell"]).await;
        let mut page = Listener::open(&world.url(), "?format=html").await.subscribed(None).await;
        let mut program = world.listener().await;
        let id = nell.peeps("1 < 2").await;
        let frame = page.receives().await;
        assert_eq!((&frame["event"], &frame["seq"], &frame["id"]), (&json!("update"), &json!(1), &json!(id)));
        let html = frame["html"].as_str().expect("html").to_owned();
        let shown = crate::common::Page(html).peep(&id);
        assert_eq!(shown, world.stranger().opens("/").await.peep(&id), "the same peep as on a stranger's page");
        assert!(!shown.source.contains("/edit"), "the HTML has no actions of the author");
        nell.deletes(&id).await.is(303);
        let frame = page.receives().await;
        assert_eq!(
            (&frame["event"], &frame["seq"], &frame["html"]),
            (&json!("delete"), &json!(2), &json!(""))
        );
        assert_eq!(numbers(&receives(&mut program, 2).await), [1, 2]);
    }

    async fn like_and_reply_counts_reach_everyone(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let id = nell.peeps("Hello").await;
        let mut listener = world.listener().await;
        ify.likes(&id).await.is(303);
        assert_eq!(listener.receives().await, json!({ "event": "counts", "id": id, "likes": 1, "replies": 0 }));
        ify.likes(&id).await.is(303);
        let reply = ify.replies(&id, "Welcome").await;
        assert_eq!(
            listener.receives().await,
            json!({ "event": "counts", "id": id, "likes": 1, "replies": 1 }),
            "a second like is not counted"
        );
        assert_eq!(listener.receives_change().await.id, reply);
        ify.unlikes(&id).await.is(303);
        assert_eq!(listener.receives().await["likes"], 0);
        ify.deletes(&reply).await.is(303);
        assert_eq!(listener.receives().await["replies"], 0);
    }

    async fn a_viewer_s_own_like_is_not_sent_to_others(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Hello").await;
        nell.likes(&id).await.is(303);
        let mut listener = world.listener().await;
        nell.edits(&id, "Hello, Row").await.is(303);
        let change = listener.receives_change().await;
        assert_eq!(
            (&change.status["favourited"], &change.status["favourites_count"]),
            (&json!(false), &json!(1))
        );
    }

    async fn a_replay_contains_missed_peeps_once_before_live_ones(world: World) {
        let [nell] = world.members(["nell"]).await;
        post_many(&world, "nell", 0, 250).await;
        let mut listener = Listener::open(&world.url(), "").await;
        assert_eq!(listener.subscribes(Some(17)).await, 17);
        assert_eq!(numbers(&receives(&mut listener, 233).await), (18..=250).collect::<Vec<_>>());
        nell.peeps("live").await;
        assert_eq!(listener.receives_change().await.seq, 251);
        assert_eq!(listener.receives_until_pong().await, Vec::<Value>::new(), "nothing is received twice");
    }

    async fn a_replay_contains_the_latest_state_of_a_changed_peep(world: World) {
        let [nell] = world.members(["nell"]).await;
        let (edited, deleted) = (nell.peeps("Hello").await, nell.peeps("Oops").await);
        nell.edits(&edited, "Hello, Row").await.is(303);
        nell.deletes(&deleted).await.is(303);
        let mut listener = Listener::open(&world.url(), "").await.subscribed(Some(0)).await;
        let received = receives(&mut listener, 2).await;
        assert_eq!(
            (received[0].seq, received[0].event.as_str(), received[0].id.as_str()),
            (3, "status.update", edited.as_str())
        );
        assert_eq!(
            (received[1].seq, received[1].event.as_str(), received[1].id.as_str()),
            (4, "delete", deleted.as_str())
        );
        nell.peeps("live").await;
        assert_eq!(listener.receives_change().await.seq, 5);
    }

    async fn a_long_absence_resets_the_subscription(world: World) {
        let [nell] = world.members(["nell"]).await;
        post_many(&world, "nell", 0, 1001).await;
        let mut listener = Listener::open(&world.url(), "").await.subscribed(Some(0)).await;
        assert_eq!(listener.receives().await, json!({ "event": "reset", "seq": 1001 }));
        nell.peeps("live").await;
        assert_eq!(listener.receives_change().await.seq, 1002, "new peeps follow the reset");
        let mut other = Listener::open(&world.url(), "").await.subscribed(Some(2)).await;
        assert_eq!(
            receives(&mut other, 1000).await.last().map(|c| c.seq),
            Some(1002),
            "a thousand changes are replayed"
        );
    }

    async fn a_stream_subscription_with_an_impossible_number_begins_now(world: World) {
        let [nell] = world.members(["nell"]).await;
        nell.peeps("Hello").await;
        for since in [-1, 2, i64::MAX, i64::MIN] {
            let mut listener = Listener::open(&world.url(), "").await;
            assert_eq!(listener.subscribes(Some(since)).await, 1, "{since}");
            assert!(listener.receives_until_pong().await.is_empty());
        }
        let mut listener = Listener::open(&world.url(), "?stream=public&since=0").await;
        assert_eq!(listener.receives().await["seq"], 0);
        assert_eq!(listener.receives_change().await.seq, 1);
    }

    async fn subscribing_twice_delivers_everything_once(world: World) {
        let [nell] = world.members(["nell"]).await;
        let mut listener = world.listener().await;
        listener.subscribes(None).await;
        nell.peeps("one").await;
        assert_eq!(listener.receives_change().await.seq, 1);
        assert!(listener.receives_until_pong().await.is_empty());
        listener.subscribes(Some(0)).await;
        assert_eq!(listener.receives_change().await.seq, 1, "a new `since` replays it");
    }

    async fn unsubscribing_ends_the_delivery(world: World) {
        let [nell] = world.members(["nell"]).await;
        let mut listener = world.listener().await;
        listener.says(&json!({ "type": "unsubscribe", "stream": "public" })).await;
        assert!(listener.receives_until_pong().await.is_empty());
        let id = nell.peeps("one").await;
        nell.likes(&id).await.is(303);
        assert!(listener.receives_until_pong().await.is_empty());
        assert_eq!(listener.subscribes(Some(0)).await, 0);
        assert_eq!(listener.receives_change().await.seq, 1);
    }

    async fn a_socket_without_a_subscription_receives_nothing(world: World) {
        let [nell] = world.members(["nell"]).await;
        let mut listener = Listener::open(&world.url(), "").await;
        nell.peeps("one").await;
        assert!(listener.receives_until_pong().await.is_empty());
    }

    async fn a_slow_reader_eventually_receives_everything_in_order(world: World) {
        world.members(["nell"]).await;
        let mut slow = world.listener().await;
        // Fewer peeps than the replay limit, so nothing may be missing.
        post_many(&world, "nell", 0, 900).await;
        assert_eq!(numbers(&receives(&mut slow, 900).await), (1..=900).collect::<Vec<_>>());
        assert!(slow.receives_until_pong().await.is_empty());
    }

    async fn a_very_slow_reader_receives_a_reset(world: World) {
        world.members(["nell"]).await;
        let mut slow = world.listener().await;
        for step in 0..10 {
            post_many(&world, "nell", step * 200, (step + 1) * 200).await;
        }
        let mut last = 0;
        while last < 2000 {
            let frame = slow.receives().await;
            if frame["event"] == "reset" {
                let to = frame["seq"].as_i64().expect("a number");
                assert!(to > last + 1000, "a reset from {last} to {to} in place of a replay");
                last = to;
            } else {
                assert_eq!(change(&frame).seq, last + 1, "the changes are in order, without a gap, each once");
                last += 1;
            }
        }
        assert_eq!(last, 2000);
        assert!(slow.receives_until_pong().await.is_empty());
    }

    async fn a_slow_reader_does_not_delay_others(world: World) {
        let [nell] = world.members(["nell"]).await;
        let (mut slow, mut quick) = (world.listener().await, world.listener().await);
        let quick = tokio::spawn(async move { numbers(&receives(&mut quick, 600).await) });
        post_many(&world, "nell", 0, 600).await;
        assert_eq!(quick.await.expect("the quick listener receives to the end"), (1..=600).collect::<Vec<_>>());
        nell.peeps("and people go on posting").await;
        assert_eq!(numbers(&receives(&mut slow, 601).await), (1..=601).collect::<Vec<_>>());
    }

    async fn a_stopping_server_closes_sockets_with_going_away(mut world: World) {
        let [nell] = world.members(["nell"]).await;
        let (mut listener, mut silent) = (world.listener().await, Listener::open(&world.url(), "").await);
        let id = nell.peeps("Hello").await;
        world.stop().await;
        assert_eq!(listener.receives_change().await.id, id, "earlier changes arrive before the close");
        assert_eq!(listener.receives_close().await, 1001);
        assert_eq!(silent.receives_close().await, 1001);
    }

    async fn a_replay_after_a_restart_misses_nothing(mut world: World) {
        let [nell] = world.members(["nell"]).await;
        let mut listener = world.listener().await;
        nell.peeps("one").await;
        let last = listener.receives_change().await.seq;
        world.restart().await;
        nell.peeps("two").await;
        let mut listener = Listener::open(&world.url(), "").await.subscribed(Some(last)).await;
        nell.peeps("three").await;
        assert_eq!(numbers(&receives(&mut listener, 2).await), [2, 3]);
    }

    async fn another_site_s_page_can_not_listen(mut instance: Instance) {
        instance.settings.base_url = Some("https://row.example".into());
        let world = instance.open().await;
        let host = world.url();
        for origin in [
            "https://evil.example",
            "https://row.example.evil.example",
            "null",
            "http://row.example",
            "https://row.example:444",
            "",
        ] {
            let opened = Listener::try_open(&host, "", Some(origin)).await;
            assert_eq!(opened.err(), Some(403), "{origin}");
        }
        for origin in [Some("https://row.example"), Some(host.as_str()), None] {
            assert!(Listener::try_open(&host, "", origin).await.is_ok(), "{origin:?}");
        }
    }

    async fn a_plain_request_or_a_wrong_query_is_refused_with_a_message(world: World) {
        let stranger = world.stranger();
        let answer = stranger.gets("/api/v1/streaming").await;
        assert!(matches!(answer.status, 400 | 426), "{answer:?}");
        answer.problem();
        for query in ["?format=xml", "?since=now", "?since=1&since=2"] {
            let refused = Listener::try_open(&world.url(), query, None).await.err();
            assert!(matches!(refused, Some(400 | 422)), "{query}: {refused:?}");
        }
    }

    async fn an_invalid_message_is_answered_and_the_socket_stays_open(world: World) {
        let [nell] = world.members(["nell"]).await;
        let mut listener = world.listener().await;
        for nonsense in [
            "",
            "hello",
            "{",
            "[]",
            "null",
            "17",
            "{}",
            "{\"type\":\"shout\"}",
            "{\"type\":\"subscribe\"}",
            "{\"type\":\"subscribe\",\"stream\":7}",
            "{\"type\":\"subscribe\",\"stream\":\"public\",\"since\":\"x\"}",
            "{\"type\":\"subscribe\",\"stream\":\"user\"}",
            "{\"type\":\"subscribe\",\"stream\":\"public\",\"since\":1e99}",
            &format!("\"{}\"", "x".repeat(4000)),
            &"[".repeat(4000),
        ] {
            listener.sends(Message::text(nonsense)).await;
            let frame = listener.receives().await;
            assert_eq!(frame["event"], "error", "{nonsense}");
            assert!(frame["error"].as_str().is_some_and(|error| error.ends_with('.')), "a sentence: {frame}");
        }
        listener.says(&json!({ "type": "unsubscribe", "stream": "user" })).await;
        listener.sends(Message::Ping(b"?".as_slice().into())).await;
        nell.peeps("Hello").await;
        assert_eq!(listener.receives_change().await.seq, 1);
    }

    async fn large_or_binary_messages_close_the_socket(world: World) {
        let [nell] = world.members(["nell"]).await;
        let mut binary = world.listener().await;
        binary.sends(Message::binary(vec![0, 159, 146, 150])).await;
        assert_eq!(binary.receives_close().await, 1003);
        let mut large = world.listener().await;
        large.sends(Message::text("x".repeat(100_000))).await;
        assert!(matches!(large.receives_close().await, 1006 | 1009), "closed with 1009, or cut off");
        let mut other = world.listener().await;
        nell.peeps("Hello").await;
        assert_eq!(other.receives_change().await.seq, 1, "other sockets are not affected");
    }

    async fn a_closed_socket_is_unsubscribed(world: World) {
        let [nell] = world.members(["nell"]).await;
        let topic = chitter::events::Topic::Public;
        let app = Arc::clone(world.app());
        let listeners = [world.listener().await, world.listener().await, world.listener().await];
        assert_eq!(app.events.subscribers(&topic), 3);
        drop(listeners);
        nell.peeps("Is anybody there?").await;
        until("the closed sockets to be unsubscribed", || async {
            (app.events.subscribers(&topic) == 0).then_some(())
        })
        .await;
    }

    async fn twenty_reconnecting_listeners_eventually_receive_everything(world: World) {
        let people = world.members(["nell", "ify", "joerg"]).await;
        let url = world.url();
        let listeners: Vec<_> =
            (0..20).map(|n| tokio::spawn(listens_with_interruptions(url.clone(), Rng(0x5EED + n)))).collect();
        let posts = |person: Person| async move {
            for n in 0..100 {
                person.posts_by_api(&format!("@{} says {n}", person.username)).await;
            }
        };
        join_all(people.map(|person| tokio::spawn(posts(person))))
            .await
            .into_iter()
            .for_each(|done| done.expect("a running poster"));
        assert_eq!(last_seq(&world).await, 300);
        let expected: BTreeSet<_> = ["nell", "ify", "joerg"]
            .iter()
            .flat_map(|name| (0..100).map(move |n| format!("@{name} says {n}")))
            .collect();
        for received in join_all(listeners).await {
            let received = received.expect("a listener receives to the end");
            assert_eq!(received.len(), 300, "nothing twice");
            assert_eq!(received.into_iter().collect::<BTreeSet<_>>(), expected, "nothing missing");
        }
    }
}

/// Listens until the 300th change while it sometimes loses the connection or closes it.
async fn listens_with_interruptions(url: String, mut rng: Rng) -> Vec<String> {
    let mut received: Vec<String> = Vec::new();
    let mut last = 0;
    while last < 300 {
        let mut listener = Listener::open(&url, "").await.subscribed(Some(last)).await;
        let changes = 1 + rng.below(60);
        for _ in 0..changes {
            if last == 300 {
                break;
            }
            let change = listener.receives_change().await;
            assert_eq!(change.seq, last + 1, "the changes are in order, without a gap");
            last = change.seq;
            received.push(change.status["text"].as_str().expect("a text").to_owned());
        }
        if rng.below(2) == 0 {
            listener.sends(Message::Close(None)).await;
            assert!(matches!(listener.next_event().await, SocketEvent::Frame(_) | SocketEvent::Closed(_)));
        }
    }
    received
}
