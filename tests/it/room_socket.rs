//! Tests of a room over the socket.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::common::{ApiClient, Guest, Listener, Rng, Room, SocketEvent, World, until};

/// Subscribes to a room from these numbers on. Returns the answer.
async fn subscribes(listener: &mut Listener, room: &Room, since: Option<i64>, change: Option<i64>) -> Value {
    let request = json!({
        "type": "subscribe", "stream": "room", "room": room.key, "since": since, "change": change,
    });
    listener.says(&request).await;
    let frame = listener.receives().await;
    assert_eq!(frame["event"], "subscribed", "{frame}");
    frame
}

/// Opens a socket for a guest and subscribes to the room from now on.
async fn listens_in(world: &World, guest: &Guest, room: &Room) -> Listener {
    let mut listener = Listener::with_token(&world.url(), &guest.token).await;
    subscribes(&mut listener, room, None, None).await;
    listener
}

/// Returns the next frame about the room's contents; presence and typing are skipped.
async fn next_content(listener: &mut Listener) -> Value {
    loop {
        let frame = listener.receives().await;
        if frame["event"] != "here" && frame["event"] != "typing" {
            return frame;
        }
    }
}

/// Returns every frame up to the next pong, without presence.
async fn until_pong(listener: &mut Listener) -> Vec<Value> {
    let received = listener.receives_until_pong().await;
    received.into_iter().filter(|frame| frame["event"] != "here").collect()
}

fn number(frame: &Value, name: &str) -> i64 {
    frame[name].as_i64().unwrap_or_else(|| panic!("{name} is not a number: {frame}"))
}

on_both! {
    async fn new_messages_and_their_changes_are_received(world: World) {
        let [teo, oskar] = world.guests(["Teo", "Oskar"]).await;
        let room = teo.makes_room("Slipway").await;
        let mut oskars = listens_in(&world, &oskar, &room).await;
        let message = teo.says(&room, "Hello `there`").await;
        let received = next_content(&mut oskars).await;
        assert_eq!(received["event"], "message");
        assert_eq!((number(&received, "seq"), number(&received, "change")), (1, 1));
        assert_eq!(received["message"], message, "the socket and the API send the same JSON");
        let path = room.api(&format!("/messages/{}", message["id"].as_str().expect("an id")));
        teo.calls(Method::PATCH, &path, &json!({ "body": "Hello" })).await.is(200);
        let edited = next_content(&mut oskars).await;
        assert_eq!((&edited["event"], &edited["seq"], &edited["change"]), (&json!("change"), &json!(1), &json!(2)));
        assert_eq!(edited["message"]["body"], "Hello");
        oskar.does(Method::PUT, &format!("{path}/reactions/%E2%98%95")).await.is(200);
        let reacted = next_content(&mut oskars).await;
        assert_eq!(reacted["message"]["reactions"], json!([{ "emoji": "☕", "count": 1, "accounts": [oskar.id] }]));
        teo.does(Method::DELETE, &path).await.is(204);
        let deleted = next_content(&mut oskars).await;
        assert!(deleted["message"]["deleted_at"].is_string(), "{deleted}");
        assert_eq!((&deleted["message"]["body"], &deleted["change"]), (&json!(""), &json!(4)));
    }

    async fn a_replay_contains_new_and_changed_messages_once(world: World) {
        let [teo, oskar] = world.guests(["Teo", "Oskar"]).await;
        let room = teo.makes_room("Slipway").await;
        let first = teo.says(&room, "one").await;
        teo.says(&room, "two").await;
        let mut listener = listens_in(&world, &oskar, &room).await;
        assert!(until_pong(&mut listener).await.is_empty(), "without a number the subscription begins now");
        drop(listener);
        let path = room.api(&format!("/messages/{}", first["id"].as_str().expect("an id")));
        teo.calls(Method::PATCH, &path, &json!({ "body": "ONE" })).await.is(200);
        teo.says(&room, "three").await;
        let mut listener = Listener::with_token(&world.url(), &oskar.token).await;
        let subscribed = subscribes(&mut listener, &room, Some(2), Some(2)).await;
        assert_eq!((&subscribed["seq"], &subscribed["change"]), (&json!(2), &json!(2)));
        assert_eq!(subscribed["room"]["name"], "Slipway");
        let received = until_pong(&mut listener).await;
        let events: Vec<_> = received.iter().map(|f| (f["event"].as_str().unwrap_or(""), f["seq"].clone())).collect();
        assert_eq!(events, [("change", json!(1)), ("message", json!(3))]);
        assert_eq!(received[0]["message"]["body"], "ONE");
        // A subscription by `since` alone replays new messages only.
        let mut listener = Listener::with_token(&world.url(), &oskar.token).await;
        subscribes(&mut listener, &room, Some(0), None).await;
        let received = until_pong(&mut listener).await;
        let bodies: Vec<_> = received.iter().map(|frame| frame["message"]["body"].clone()).collect();
        assert_eq!(bodies, ["ONE", "two", "three"], "in their current state");
    }

    async fn only_participants_receive_and_subscribing_with_the_key_joins(world: World) {
        let [teo, oskar] = world.guests(["Teo", "Oskar"]).await;
        let room = teo.makes_room("Slipway").await;
        let mut nobody = Listener::open(&world.url(), "").await;
        nobody.says(&json!({ "type": "subscribe", "stream": "room", "room": room.key })).await;
        let refused = nobody.receives().await;
        assert_eq!((&refused["event"], &refused["room"]), (&json!("error"), &json!(room.key)), "{refused}");
        let mut oskars = Listener::with_token(&world.url(), &oskar.token).await;
        for key in ["", "short", "kq7Xv2mTfB9sLw0eRzUa1g", "../../../etc/passwd", &"a".repeat(3000)] {
            oskars.says(&json!({ "type": "subscribe", "stream": "room", "room": key })).await;
            assert_eq!(oskars.receives().await["event"], "error", "{key}");
        }
        subscribes(&mut oskars, &room, None, None).await;
        assert_eq!(teo.names(&room).await, ["Teo", "Oskar"], "the subscription joins the room");
        teo.says(&room, "Hello").await;
        assert_eq!(next_content(&mut oskars).await["seq"], 1);
        assert!(nobody.receives_until_pong().await.is_empty());
    }

    async fn one_socket_receives_several_rooms_and_the_stream(world: World) {
        let [nell] = world.members(["nell"]).await;
        let [teo] = world.guests(["Teo"]).await;
        let (slip, quay) = (teo.makes_room("Slip").await, teo.makes_room("Quay").await);
        let mut listener = listens_in(&world, &teo, &slip).await;
        listener.says(&json!({ "type": "subscribe", "stream": "room", "room": quay.key })).await;
        listener.says(&json!({ "type": "subscribe", "stream": "public" })).await;
        until_pong(&mut listener).await;
        teo.says(&slip, "at the slip").await;
        teo.says(&quay, "at the quay").await;
        nell.peeps("everywhere").await;
        assert_eq!(next_content(&mut listener).await["conversation_id"], json!(slip.id));
        assert_eq!(next_content(&mut listener).await["conversation_id"], json!(quay.id));
        assert_eq!(listener.receives().await["event"], "update");
        listener.says(&json!({ "type": "unsubscribe", "stream": "room", "room": slip.key })).await;
        until_pong(&mut listener).await;
        teo.says(&slip, "nobody listens").await;
        teo.says(&quay, "but here").await;
        assert_eq!(next_content(&mut listener).await["conversation_id"], json!(quay.id));
    }

    async fn a_removed_participant_receives_nothing_more(world: World) {
        let speakers = world.guests(["Ada", "Bo", "Cy"]).await;
        let [owner, teo] = world.guests(["Oskar", "Teo"]).await;
        let room = owner.makes_room("Slipway").await;
        let mut teos = listens_in(&world, &teo, &room).await;
        for speaker in &speakers {
            // Everyone joins before the removal, which keeps new guests from this address out.
            speaker.opens_link(&room).await.is(200);
        }
        let speak = speakers.map(|guest| {
            let room = room.clone();
            tokio::spawn(async move {
                for n in 0..40 {
                    guest.says(&room, &format!("word {n}")).await;
                }
            })
        });
        next_content(&mut teos).await;
        owner.removes(&room, &teo.id).await.is(204);
        join_all(speak).await.into_iter().for_each(|done| done.expect("a speaker posts"));
        let received = teos.receives_until_pong().await;
        let (last, before) = received.split_last().expect("the end of the subscription");
        assert_eq!(last["event"], "left", "frames follow the end of the subscription: {last}");
        // The removal has a change number of its own, and no frame after it was received.
        let messages = owner.messages(&room).await;
        let numbers: BTreeSet<i64> =
            messages.as_array().expect("a list").iter().map(|message| number(message, "change")).collect();
        let removal = (1..).find(|n| !numbers.contains(n)).expect("the number of the removal");
        let latest = before.iter().filter(|f| f["event"] == "message").map(|f| number(f, "change")).max();
        assert!(latest.is_none_or(|latest| latest < removal), "{latest:?} after {removal}");
        teos.says(&json!({ "type": "subscribe", "stream": "room", "room": room.key, "since": 0 })).await;
        assert_eq!(teos.receives().await["event"], "error", "a removed guest can not subscribe again");
        teos.says(&json!({ "type": "typing", "room": room.key })).await;
        owner.says(&room, "quiet now").await;
        assert!(teos.receives_until_pong().await.is_empty());
    }

    async fn leaving_a_new_link_or_a_deleted_room_ends_the_subscription(world: World) {
        let [owner, teo, oskar] = world.guests(["Ada", "Teo", "Oskar"]).await;
        let room = owner.makes_room("Slipway").await;
        let mut owners = listens_in(&world, &owner, &room).await;
        let mut teos = listens_in(&world, &teo, &room).await;
        let mut oskars = listens_in(&world, &oskar, &room).await;
        oskar.leaves(&room).await.is(204);
        assert_eq!(next_content(&mut oskars).await["event"], "left");
        // A new link leaves those in the room subscribed: they receive the new key, and the old one still works.
        let renewed = owner.calls(Method::POST, &room.api("/link"), &json!({})).await.is(201).json();
        let frame = next_content(&mut teos).await;
        assert_eq!((&frame["event"], &frame["room"]["key"]), (&json!("room"), &renewed["key"]));
        owner.says(&room, "still here").await;
        assert_eq!(next_content(&mut teos).await["message"]["body"], "still here");
        // A new link with `everyone_leaves` ends every subscription.
        let path = room.api("/link");
        owner.calls(Method::POST, &path, &json!({ "everyone_leaves": true })).await.is(201);
        assert_eq!(next_content(&mut teos).await["event"], "left");
        owner.says(&room, "alone").await;
        assert!(until_pong(&mut teos).await.is_empty());
        let received = until_pong(&mut owners).await;
        let messages = received.iter().filter(|frame| frame["event"] == "message").count();
        assert_eq!(messages, 2, "the owner receives both messages: {received:?}");
        owner.does(Method::DELETE, &room.api("")).await.is(204);
        assert_eq!(next_content(&mut owners).await["event"], "left");
    }

    async fn the_new_owner_is_announced_when_the_owner_leaves(world: World) {
        let [owner, teo] = world.guests(["Ada", "Teo"]).await;
        let room = owner.makes_room("Slipway").await;
        let mut teos = listens_in(&world, &teo, &room).await;
        let owners = listens_in(&world, &owner, &room).await;
        owner.leaves(&room).await.is(204);
        let frame = next_content(&mut teos).await;
        assert_eq!((&frame["event"], &frame["room"]["owner_id"]), (&json!("room"), &json!(teo.id)));
        let here = || world.app().presence.people(room.id.parse().expect("an id"));
        until("Ada not to be here any more", || async { (here().len() == 1).then_some(()) }).await;
        drop(owners);
    }

    async fn renaming_or_locking_a_room_is_announced(world: World) {
        let [owner, teo] = world.guests(["Ada", "Teo"]).await;
        let room = owner.makes_room("Slipway").await;
        let mut teos = listens_in(&world, &teo, &room).await;
        owner.alters(&room, &json!({ "name": "Slipway rota", "locked": true })).await.is(200);
        let frame = next_content(&mut teos).await;
        assert_eq!(frame["event"], "room");
        assert_eq!((&frame["room"]["name"], &frame["room"]["locked"]), (&json!("Slipway rota"), &json!(true)));
    }

    async fn presence_spans_tabs_and_outlasts_the_last_one_briefly(world: World) {
        let [teo, oskar] = world.guests(["Teo", "Oskar"]).await;
        let room = teo.makes_room("Slipway").await;
        let mut teos = listens_in(&world, &teo, &room).await;
        assert_eq!(teos.receives().await["people"], json!([{ "id": teo.id, "name": "Teo", "guest": true }]));
        let tabs = [listens_in(&world, &oskar, &room).await, listens_in(&world, &oskar, &room).await];
        world.pass(Duration::from_secs(1));
        let both = until("Oskar to be here", || async {
            let people = world.app().presence.people(room.id.parse().expect("an id"));
            (people.len() == 2).then_some(people)
        })
        .await;
        assert_eq!(both[1].name, "Oskar");
        let frame = loop {
            let frame = teos.receives().await;
            if frame["count"] == 2 {
                break frame;
            }
        };
        assert_eq!((&frame["event"], &frame["guests"]), (&json!("here"), &json!(2)));
        drop(tabs);
        let topic = chitter::events::Topic::Conversation(room.id.parse().expect("an id"));
        until("the tabs to be closed", || async {
            (world.app().events.subscribers(&topic) == 1).then_some(())
        })
        .await;
        world.pass(Duration::from_secs(29));
        assert!(teos.receives_until_pong().await.iter().all(|f| f["count"] == 2), "presence outlasts a reload");
        world.pass(Duration::from_secs(2));
        let here = teos.receives().await;
        assert_eq!((&here["event"], &here["count"]), (&json!("here"), &json!(1)));
    }

    async fn typing_is_announced_to_the_others_at_a_limited_rate(world: World) {
        let [teo, oskar] = world.guests(["Teo", "Oskar"]).await;
        let room = teo.makes_room("Slipway").await;
        let mut teos = listens_in(&world, &teo, &room).await;
        let mut oskars = listens_in(&world, &oskar, &room).await;
        for _ in 0..5 {
            teos.says(&json!({ "type": "typing", "room": room.key })).await;
        }
        assert!(teos.receives_until_pong().await.iter().all(|frame| frame["event"] != "typing"));
        let typing = loop {
            let frame = oskars.receives().await;
            if frame["event"] == "typing" {
                break frame;
            }
        };
        assert_eq!(typing["account"], json!({ "id": teo.id, "name": "Teo", "guest": true }));
        let further = oskars.receives_until_pong().await;
        assert!(further.iter().all(|frame| frame["event"] != "typing"), "one announcement for five signals");
        teos.says(&json!({ "type": "typing", "room": "kq7Xv2mTfB9sLw0eRzUa1g" })).await;
        assert!(teos.receives_until_pong().await.iter().all(|frame| frame["event"] != "error"));
    }

    async fn a_room_subscription_with_impossible_numbers_begins_now(world: World) {
        let [teo] = world.guests(["Teo"]).await;
        let room = teo.makes_room("Slipway").await;
        teo.says(&room, "one").await;
        for (since, change) in
            [(Some(-1), None), (Some(9), Some(9)), (Some(i64::MAX), Some(i64::MIN)), (None, Some(-1))]
        {
            let mut listener = Listener::with_token(&world.url(), &teo.token).await;
            let subscribed = subscribes(&mut listener, &room, since, change).await;
            assert_eq!((number(&subscribed, "seq"), number(&subscribed, "change")), (1, 1), "{since:?} {change:?}");
            assert!(until_pong(&mut listener).await.is_empty());
        }
    }

    async fn pages_receive_the_html_that_the_server_renders(world: World) {
        let [teo] = world.guests(["Teo"]).await;
        let room = teo.makes_room("Slipway").await;
        let message = teo.says(&room, "<b>Hello</b>").await;
        let nell = world.member("nell").await;
        let page = nell.opens(&room.page("")).await;
        let cookie = nell.cookies();
        let mut listener = Listener::with_cookie(&world.url(), "?format=html", &cookie).await;
        subscribes(&mut listener, &room, Some(0), None).await;
        let received = next_content(&mut listener).await;
        assert_eq!((&received["event"], &received["id"]), (&json!("message"), &message["id"]));
        let html = received["html"].as_str().expect("html");
        assert!(html.contains("&lt;b&gt;Hello&lt;/b&gt;"), "{html}");
        assert!(page.0.contains(html.trim()), "the socket and the page have the same HTML:\n{html}");
    }

    async fn fifty_reconnecting_listeners_receive_everything_exactly_once(mut world: World) {
        const MESSAGES: i64 = 2000;
        let owner = world.guest("Ada").await;
        let room = owner.makes_room("Slipway").await;
        let (count, posted) = watch::channel(0);
        let mut listeners = Vec::new();
        for n in 0..50 {
            let guest = world.guest(&format!("Listener {n}")).await;
            let (room, posted) = (room.clone(), posted.clone());
            listeners.push(tokio::spawn(listens_with_interruptions(guest, room, posted, Rng(0x5EED + n), MESSAGES)));
        }
        let mut speakers = Vec::new();
        for n in 0..5 {
            let guest = world.guest(&format!("Speaker {n}")).await;
            let (room, count) = (room.clone(), count.clone());
            speakers.push(tokio::spawn(posts_and_edits(guest, room, count, MESSAGES / 5)));
        }
        for stop in [500, 1200] {
            let mut posted = posted.clone();
            posted.wait_for(|count| *count >= stop).await.expect("a running speaker");
            world.restart().await;
        }
        join_all(speakers).await.into_iter().for_each(|done| done.expect("a speaker posts to the end"));
        let mut expected = BTreeMap::new();
        while (expected.len() as i64) < MESSAGES {
            let path = room.api(&format!("/messages?limit=200&since={}", expected.len()));
            for message in owner.fetches(&path).await.is(200).list().as_array().expect("a list") {
                expected.insert(number(message, "seq"), message["body"].clone());
            }
        }
        assert!(expected.keys().copied().eq(1..=MESSAGES), "the numbers have no gap");
        for received in join_all(listeners).await {
            let received = received.expect("a listener receives to the end");
            let differences: Vec<_> =
                expected.iter().filter(|(seq, body)| received.get(seq) != Some(body)).take(5).collect();
            assert!(differences.is_empty(), "received otherwise: {differences:?}");
            assert_eq!(received.len(), expected.len());
        }
    }
}

/// Posts this many messages and edits every twentieth, each exactly once, even if the server is unavailable in between.
async fn posts_and_edits(guest: Guest, room: Room, count: watch::Sender<i64>, messages: i64) {
    for n in 0..messages {
        let body = json!({ "body": format!("{} says {n}", guest.id), "idempotency_key": format!("{n}") });
        let message = retries(&guest, Method::POST, &room.api("/messages"), &body, 201).await;
        if n % 20 == 0 {
            let path = room.api(&format!("/messages/{}", message["id"].as_str().expect("an id")));
            let body = json!({ "body": format!("{} said {n}", guest.id) });
            retries(&guest, Method::PATCH, &path, &body, 200).await;
        }
        count.send_modify(|count| *count += 1);
    }
}

/// Repeats a request until it is answered, because the server may be restarting.
async fn retries(guest: &Guest, method: Method, path: &str, body: &Value, status: u16) -> Value {
    until("an answer", || async {
        let answer = guest.tries(guest.request(method.clone(), path).json(body)).await?;
        (answer.status != 503).then(|| answer.is(status).json())
    })
    .await
}

/// Receives everything although it sometimes loses the connection, stops reading for a while, or finds the server
/// restarting. Returns the received texts by number.
async fn listens_with_interruptions(
    guest: Guest,
    room: Room,
    mut posted: watch::Receiver<i64>,
    mut rng: Rng,
    messages: i64,
) -> BTreeMap<i64, Value> {
    let mut received = BTreeMap::new();
    let (mut seq, mut change) = (0, 0);
    // Every twentieth message was edited once.
    let changes = messages + messages / 20;
    while seq < messages || change < changes {
        let connected = Listener::try_with_token(&guest.url(""), &guest.token).await;
        let Some(mut listener) = connected else {
            tokio::task::yield_now().await;
            continue;
        };
        let request = json!({
            "type": "subscribe", "stream": "room", "room": room.key, "since": seq, "change": change,
        });
        if !listener.tries_to_say(&request).await {
            continue;
        }
        let frames = 1 + rng.below(300);
        for _ in 0..frames {
            if rng.below(100) == 0 {
                // A pause in reading overflows the server's mailbox for this socket.
                let backlog = (seq + 200).min(messages);
                let _ = posted.wait_for(|count| *count >= backlog).await;
            }
            let SocketEvent::Frame(frame) = listener.next_event().await else { break };
            match frame["event"].as_str() {
                Some("message") => {
                    assert_eq!(
                        number(&frame, "seq"),
                        seq + 1,
                        "the messages are in order, without a gap, each once"
                    );
                    seq += 1;
                    received.insert(seq, frame["message"]["body"].clone());
                    change = change.max(number(&frame, "change"));
                }
                Some("change") => {
                    let at = number(&frame, "seq");
                    assert!(
                        at <= seq,
                        "a change of message {at} was received before the message, after {seq}"
                    );
                    received.insert(at, frame["message"]["body"].clone());
                    change = change.max(number(&frame, "change"));
                }
                Some("subscribed" | "here" | "room") => {}
                _ => panic!("unexpected frame: {frame}"),
            }
            if seq == messages && change == changes {
                break;
            }
        }
    }
    received
}
