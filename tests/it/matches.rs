//! Tests of matches through the API and the socket.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, ApiClient, Guest, Listener, World, each, text, until};

const CURRENT: &str = "/api/v1/matches/current";

/// Requests a match.
async fn seeks(client: &impl ApiClient, search: &Value) -> Answer {
    let mut body = json!({ "adult": true });
    body.as_object_mut().expect("an object").extend(search.as_object().expect("an object").clone());
    client.calls(Method::POST, "/api/v1/matches", &body).await
}

/// Returns the current state of the match.
async fn current(client: &impl ApiClient) -> Value {
    client.fetches(CURRENT).await.is(200).json()
}

/// Waits until the match is in this state.
async fn is_in_state(client: &impl ApiClient, state: &str) -> Value {
    until(state, || async {
        let current = current(client).await;
        (current["state"] == state).then_some(current)
    })
    .await
}

/// Matches two guests. Returns both, and the path of their conversation.
async fn matched(world: &World) -> (Guest, Guest, String) {
    let (teo, ada) = (world.guest_from("192.0.2.1", "Teo").await, world.guest_from("192.0.2.2", "Ada").await);
    for person in [&teo, &ada] {
        seeks(person, &json!({})).await.is(201);
    }
    let talk = is_in_state(&teo, "matched").await;
    is_in_state(&ada, "matched").await;
    let path = format!("/api/v1/conversations/{}", text(&talk["conversation_id"]));
    (teo, ada, path)
}

/// Performs an action on the current match.
async fn does(client: &impl ApiClient, action: &str, body: &Value) -> Answer {
    client.calls(Method::POST, &format!("{CURRENT}/{action}"), body).await
}

async fn says(client: &impl ApiClient, path: &str, body: &str) -> Answer {
    client.calls(Method::POST, &format!("{path}/messages"), &json!({ "body": body })).await
}

/// Subscribes a socket to this account's match. Returns the socket, and the match in the first frame.
async fn subscribes(world: &World, person: &Guest) -> (Listener, Value) {
    let mut listener = Listener::with_token(&world.url(), &person.token).await;
    listener.says(&json!({ "type": "subscribe", "stream": "match" })).await;
    let frame = listener.receives().await;
    assert_eq!((&frame["event"], &frame["stream"]), (&json!("subscribed"), &json!("match")));
    (listener, frame["match"].clone())
}

/// Returns the next frame of this event; other frames about the match are skipped.
async fn receives(listener: &mut Listener, event: &str) -> Value {
    loop {
        let frame = listener.receives().await;
        if frame["event"] == event {
            return frame;
        }
    }
}

on_both! {
    async fn two_waiting_guests_are_matched_and_leave(world: World) {
        let (teo, ada) = (world.guest("Teo").await, world.guest("Ada").await);
        teo.fetches(CURRENT).await.is(404);
        let waiting = seeks(&teo, &json!({ "interests": ["Bread", "moths"], "language": "en" })).await.is(201).json();
        assert_eq!(waiting["state"], "waiting");
        assert_eq!(waiting["interests"], json!(["bread", "moths"]));
        assert_eq!((&waiting["waiting"]["place"], &waiting["waiting"]["count"]), (&json!(1), &json!(1)));
        assert_eq!(waiting["waiting"]["looks_for"], "all_interests");
        seeks(&ada, &json!({ "interests": ["moths", "bread"] })).await.is(201);
        let talk = is_in_state(&teo, "matched").await;
        let other = &talk["talk"]["partners"][0];
        assert_eq!(
            other["account"],
            json!({ "id": other["account"]["id"], "kind": "stranger", "username": null, "name": "Stranger" })
        );
        let path = format!("/api/v1/conversations/{}", text(&talk["conversation_id"]));
        let message = says(&teo, &path, "Crust or middle?").await.is(201).json();
        assert_eq!(message["account"]["id"], talk["talk"]["account_id"], "the author is the mask");
        assert_eq!(each(&ada.fetches(&format!("{path}/messages")).await.is(200).list(), "body"), ["Crust or middle?"]);
        seeks(&teo, &json!({})).await.is(409);
        world.guest("Mallory").await.fetches(&format!("{path}/messages")).await.is(404);
        ada.does(Method::DELETE, CURRENT).await.is(204);
        assert_eq!(current(&teo).await["ended_by"], "partner");
        assert_eq!(current(&ada).await["ended_by"], "you");
        for person in [&teo, &ada] {
            person.fetches(&format!("{path}/messages")).await.is(404);
            says(person, &path, "Hello?").await.is(404);
        }
    }

    async fn invalid_requests_are_refused_with_a_message(world: World) {
        let teo = world.guest("Teo").await;
        let refused = teo.calls(Method::POST, "/api/v1/matches", &json!({})).await.is(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "#/adult");
        for (search, field) in [
            (json!({ "interests": ["a", "b", "c", "d", "e", "f"] }), "interests"),
            (json!({ "interests": ["n".repeat(25)] }), "interests"),
            (json!({ "interests": ["\u{FDFA}".repeat(24)] }), "interests"),
            (json!({ "language": "xx" }), "language"),
            (json!({ "shows_name": true }), "shows_name"),
        ] {
            let refused = seeks(&teo, &search).await.is(422).json();
            assert_eq!(refused["errors"][0]["pointer"], format!("#/{field}"), "{search}");
        }
        seeks(&teo, &json!({ "nonsense": 1 })).await.is(422);
        does(&teo, "next", &json!({})).await.is(404);
        for action in ["reveal", "pictures", "block"] {
            let reason = does(&teo, action, &json!({})).await.is(409).problem();
            assert_eq!(reason, "You are not talking with anyone.");
        }
        does(&teo, "report", &json!({ "reason": "boring" })).await.is(422);
        does(&teo, "report", &json!({ "reason": "spam" })).await.is(409);
        teo.does(Method::DELETE, CURRENT).await.is(404);
        world.stranger().calls(Method::POST, "/api/v1/matches", &json!({ "adult": true })).await.is(401);
        seeks(&teo, &json!({})).await.is(201);
        teo.calls(Method::POST, "/api/v1/matches", &json!({})).await.is(201).json();
    }

    async fn masks_reveal_nothing_about_their_accounts(world: World) {
        let nell = world.member("nell").await;
        let ada = world.guest("Ada").await;
        let id = text(&nell.calls(Method::POST, "/api/v1/rooms", &json!({ "name": "x" })).await.json()["owner_id"]);
        let (mut listener, _) = subscribes(&world, &ada).await;
        seeks(&ada, &json!({})).await.is(201);
        seeks(&nell, &json!({})).await.is(201);
        let talk = is_in_state(&ada, "matched").await;
        let path = format!("/api/v1/conversations/{}", text(&talk["conversation_id"]));
        let conversation = text(&talk["conversation_id"]);
        let request = json!({ "type": "subscribe", "stream": "conversation", "conversation": conversation });
        listener.says(&request).await;
        let subscribed = loop {
            let frame = receives(&mut listener, "subscribed").await;
            if frame["stream"] == "conversation" {
                break frame;
            }
        };
        let message = says(&nell, &path, "Hello, stranger").await.is(201).json();
        let reaction = format!("{path}/messages/{}/reactions/%F0%9F%91%8B", text(&message["id"]));
        nell.does(Method::PUT, &reaction).await.is(200);
        let mut outputs = vec![
            subscribed.to_string(),
            ada.fetches(&format!("{path}/messages")).await.text(),
            ada.fetches(CURRENT).await.text(),
            ada.fetches(&format!("{path}/search?q=stranger")).await.text(),
        ];
        loop {
            let frame = listener.receives().await.to_string();
            let last = frame.contains("👋");
            outputs.push(frame);
            if last {
                break;
            }
        }
        for output in outputs {
            for secret in [&id, "nell", "Nell"] {
                assert!(!output.contains(secret), "{secret} in {output}");
            }
        }
        let mask = text(&message["account"]["id"]);
        ada.fetches(&format!("/api/v1/rooms/{mask}/participants")).await.is(404);
    }

    async fn the_socket_reports_every_state_of_a_match(world: World) {
        let (teo, ada) = (world.guest("Teo").await, world.guest("Ada").await);
        let (mut teos, state) = subscribes(&world, &teo).await;
        assert_eq!(state, json!(null));
        seeks(&teo, &json!({ "interests": ["trains"] })).await.is(201);
        assert_eq!(receives(&mut teos, "waiting").await["match"]["waiting"]["place"], 1);
        let (adas, _) = subscribes(&world, &ada).await;
        seeks(&ada, &json!({ "interests": ["trains"] })).await.is(201);
        assert_eq!(receives(&mut teos, "matched").await["match"]["talk"]["partners"][0]["here"], true);
        drop(adas);
        assert_eq!(receives(&mut teos, "reconnecting").await["match"]["talk"]["partners"][0]["here"], false);
        world.pass(Duration::from_secs(20));
        let (adas, state) = subscribes(&world, &ada).await;
        assert_eq!(state["state"], "matched", "the place was kept");
        assert_eq!(receives(&mut teos, "reconnected").await["match"]["talk"]["partners"][0]["here"], true);
        does(&ada, "reveal", &json!({})).await.is(204);
        let offered = receives(&mut teos, "changed").await;
        assert_eq!(offered["match"]["talk"]["partners"][0]["reveals"], true);
        assert_eq!(offered["match"]["talk"]["partners"][0]["account"]["name"], "Stranger", "not before both reveal");
        does(&teo, "reveal", &json!({})).await.is(204);
        let revealed = receives(&mut teos, "changed").await;
        assert_eq!(revealed["match"]["talk"]["partners"][0]["account"]["name"], "Ada (guest)");
        drop(adas);
        receives(&mut teos, "reconnecting").await;
        world.pass(Duration::from_secs(31));
        assert_eq!(receives(&mut teos, "partner_left").await["match"]["ended_by"], "partner");
        does(&teo, "next", &json!({})).await.is(200);
        assert_eq!(receives(&mut teos, "waiting").await["match"]["interests"], json!(["trains"]));
    }

    async fn waiting_without_a_sign_of_life_ends_the_search(world: World) {
        let teo = world.guest("Teo").await;
        seeks(&teo, &json!({})).await.is(201);
        world.pass(Duration::from_secs(20));
        assert_eq!(current(&teo).await["state"], "waiting", "this call is a sign of life");
        world.pass(Duration::from_secs(20));
        assert_eq!(current(&teo).await["state"], "waiting");
        world.pass(Duration::from_secs(31));
        until("the place to be given up", || async {
            let waiting = world.counts("SELECT COUNT(*) FROM tickets WHERE state = 'waiting'").await;
            (waiting == 0).then_some(())
        })
        .await;
        assert_eq!(current(&teo).await["state"], "ended");
    }

    async fn a_blocked_guest_is_not_matched_again_even_as_a_new_guest(world: World) {
        let (teo, ada, _) = matched(&world).await;
        does(&ada, "block", &json!({})).await.is(204);
        assert_eq!(current(&teo).await["state"], "ended");
        for person in [&teo, &ada] {
            seeks(person, &json!({})).await.is(201);
        }
        let again = world.guest_from("192.0.2.1", "Somebody new").await;
        seeks(&again, &json!({})).await.is(201);
        // Teo and the new guest share an address and are matched because nobody else can take them: Ada
        // has blocked Teo and his address.
        assert_eq!(is_in_state(&teo, "matched").await["state"], "matched");
        assert_eq!(current(&ada).await["state"], "waiting");
        let elsewhere = world.guest_from("192.0.2.3", "Bo").await;
        seeks(&elsewhere, &json!({})).await.is(201);
        is_in_state(&ada, "matched").await;
    }

    async fn a_report_stores_a_sealed_transcript_once_per_talk(world: World) {
        let (teo, ada, path) = matched(&world).await;
        let stored = async || {
            let all = "SELECT reporter_id, reported_id, words, transcript, seal FROM reports ORDER BY id";
            let read = world.app().db.read(move |read| {
                read.all(all, &[], |row| {
                    let (reporter, reported): (i64, i64) = (row.get(0)?, row.get(1)?);
                    Ok((reporter, reported, row.get::<String>(2)?, row.get::<String>(3)?, row.get::<String>(4)?))
                })
            });
            read.await.expect("the reports")
        };
        says(&teo, &path, "Where do you live?").await.is(201);
        let report = json!({ "reason": "harassment", "words": "He asks where I live." });
        does(&ada, "report", &report).await.is(204);
        let [(reporter, reported, words, transcript, first_seal)] = &stored().await[..] else { panic!("one report") };
        assert_eq!((reporter.to_string(), reported.to_string()), (ada.id.clone(), teo.id.clone()));
        assert_eq!(words, "He asks where I live.");
        let transcript: Value = serde_json::from_str(transcript).expect("JSON");
        assert_eq!(transcript[0]["body"], "Where do you live?");
        assert_eq!(transcript[0]["account_id"], json!(teo.id), "the transcript names the account behind the mask");

        // A second report replaces the first. The other person's report is another one.
        says(&teo, &path, "Well?").await.is(201);
        teo.does(Method::DELETE, CURRENT).await.is(204);
        does(&ada, "report", &json!({ "reason": "harassment", "words": "He asks again." })).await.is(204);
        does(&teo, "report", &json!({ "reason": "other" })).await.is(204);
        does(&ada, "block", &json!({})).await.is(204);
        let [(_, _, words, later, seal), (reporter, ..)] = &stored().await[..] else { panic!("two reports") };
        assert!(words == "He asks again." && later.contains("Well?") && seal.len() == 32 && seal != first_seal);
        assert_eq!(reporter.to_string(), teo.id);
    }

    async fn reports_at_once_are_one_report_of_limited_size(world: World) {
        let (teo, ada, path) = matched(&world).await;
        let family = "👨‍👩‍👧‍👦".repeat(4000);
        for _ in 0..10 {
            says(&teo, &path, &family).await.is(201);
        }
        says(&teo, &path, "The last word").await.is(201);
        let report = json!({ "reason": "spam" });
        let reports = (0..10).map(|_| does(&ada, "report", &report));
        for answer in futures_util::future::join_all(reports).await {
            answer.is(204);
        }
        assert_eq!(world.counts("SELECT COUNT(*) FROM reports").await, 1);
        let bytes = world.counts("SELECT CAST(MAX(OCTET_LENGTH(transcript)) AS BIGINT) FROM reports").await;
        assert!((16 * 1024..=256 * 1024).contains(&bytes), "{bytes} bytes");
        assert_eq!(world.counts("SELECT COUNT(*) FROM reports WHERE transcript LIKE '%The last word%'").await, 1);
    }

    async fn pictures_require_the_consent_of_both(world: World) {
        let (teo, ada, path) = matched(&world).await;
        let file = || {
            let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n\
                        words\r\n--b--\r\n";
            let request = teo.request(Method::POST, &format!("{path}/attachments"));
            request.header("content-type", "multipart/form-data; boundary=b").body(form)
        };
        let reason = "No pictures yet: both of you have to agree to them first.";
        assert_eq!(teo.sends(file()).await.is(403).problem(), reason);
        does(&teo, "pictures", &json!({})).await.is(204);
        assert_eq!(teo.sends(file()).await.is(403).problem(), reason);
        does(&ada, "pictures", &json!({})).await.is(204);
        assert_eq!(current(&teo).await["talk"]["pictures"], true);
        assert_eq!(teo.sends(file()).await.is(422).problem(), "Only pictures can be sent here.");
    }

    async fn a_group_begins_with_three_and_accepts_more(world: World) {
        let guests = world.guests(["Ada", "Bo", "Cy", "Dee"]).await;
        for guest in &guests[..2] {
            seeks(guest, &json!({ "group": true })).await.is(201);
        }
        assert_eq!(current(&guests[0]).await["state"], "waiting", "a group begins with three");
        seeks(&guests[2], &json!({ "group": true })).await.is(201);
        let talk = is_in_state(&guests[0], "matched").await;
        assert_eq!(talk["talk"]["partners"].as_array().map(Vec::len), Some(2));
        let partners = &talk["talk"]["partners"];
        assert_ne!(partners[0]["account"]["name"], partners[1]["account"]["name"], "the names of masks differ");
        seeks(&guests[3], &json!({ "group": true })).await.is(201);
        let joined = is_in_state(&guests[3], "matched").await;
        assert_eq!(joined["conversation_id"], talk["conversation_id"]);
        for guest in &guests[..2] {
            guest.does(Method::DELETE, CURRENT).await.is(204);
        }
        assert_eq!(current(&guests[2]).await["state"], "matched", "two participants may continue");
        does(&guests[2], "block", &json!({})).await.is(422);
        guests[3].does(Method::DELETE, CURRENT).await.is(204);
        assert_eq!(current(&guests[2]).await["state"], "ended");
    }

    async fn late_joiners_of_a_group_see_only_later_messages(world: World) {
        let guests = world.guests(["Ada", "Bo", "Cy", "Dee"]).await;
        for guest in &guests[..3] {
            seeks(guest, &json!({ "group": true })).await.is(201);
        }
        let talk = is_in_state(&guests[0], "matched").await;
        let path = format!("/api/v1/conversations/{}", text(&talk["conversation_id"]));
        let secret = says(&guests[0], &path, "Between us three: the slip is open").await.is(201).json();
        let other = says(&guests[1], &path, "I won’t tell").await.is(201).json();
        seeks(&guests[3], &json!({ "group": true })).await.is(201);
        let dee = &guests[3];
        assert_eq!(is_in_state(dee, "matched").await["conversation_id"], talk["conversation_id"]);
        let mut listener = Listener::with_token(&world.url(), &dee.token).await;
        listener
            .says(&json!({
                "type": "subscribe", "stream": "conversation",
                "conversation": talk["conversation_id"], "since": 0, "change": 0,
            }))
            .await;
        assert_eq!(listener.receives().await["seq"], 2);
        assert_eq!(listener.receives().await["event"], "here");

        // Neither earlier messages nor later changes to them are visible.
        let messages = format!("{path}/messages");
        for query in ["", "?since=0", "?before=3", "?limit=1"] {
            let answer = dee.fetches(&format!("{messages}{query}")).await.is(200);
            assert_eq!(answer.list(), json!([]), "{query}");
        }
        let at = |message: &Value| format!("{messages}/{}", text(&message["id"]));
        dee.fetches(&at(&secret)).await.is(404);
        dee.does(Method::PUT, &format!("{}/reactions/👀", at(&secret))).await.is(404);
        assert_eq!(dee.fetches(&format!("{path}/search?q=slip")).await.is(200).list(), json!([]));
        let reply = json!({ "body": "What?", "reply_to": secret["id"] });
        dee.calls(Method::POST, &messages, &reply).await.is(422);
        let edit = json!({ "body": "The slip is open at nine" });
        guests[0].calls(Method::PATCH, &at(&secret), &edit).await.is(200);
        guests[0].does(Method::PUT, &format!("{}/reactions/👍", at(&other))).await.is(200);

        let hello = says(dee, &path, "Hello").await.is(201).json();
        assert_eq!(hello["seq"], 3);
        let received = loop {
            let frame = listener.receives().await;
            if frame["message"].is_object() {
                break frame;
            }
        };
        assert_eq!((&received["event"], &received["message"]["body"]), (&json!("message"), &json!("Hello")));
        let visible = dee.fetches(&messages).await.is(200);
        assert!(!visible.header("link").contains("prev"), "there is nothing older for Dee");
        assert_eq!(each(&visible.list(), "body"), ["Hello"]);
        assert_eq!(guests[0].fetches(&messages).await.list().as_array().map(Vec::len), Some(3));

        // A replay after a lost connection does not show them either.
        let id = &talk["conversation_id"];
        listener.says(&json!({ "type": "unsubscribe", "stream": "conversation", "conversation": id })).await;
        listener.receives_until_pong().await;
        let again = json!({
            "type": "subscribe", "stream": "conversation",
            "conversation": talk["conversation_id"], "since": 0, "change": 0,
        });
        listener.says(&again).await;
        let frames = listener.receives_until_pong().await;
        let messages: Vec<_> = frames.iter().filter(|frame| frame["message"].is_object()).collect();
        assert_eq!(messages.len(), 1, "{frames:?}");
        assert_eq!(messages[0]["message"]["body"], "Hello");
    }

    async fn a_participant_who_left_a_group_does_not_rejoin_it(world: World) {
        let guests = world.guests(["Ada", "Bo", "Cy", "Dee"]).await;
        for guest in &guests[..3] {
            seeks(guest, &json!({ "group": true })).await.is(201);
        }
        let talk = is_in_state(&guests[0], "matched").await;
        is_in_state(&guests[2], "matched").await;
        does(&guests[2], "next", &json!({})).await.is(200);
        world.pass(Duration::from_secs(25));
        for guest in &guests[..3] {
            current(guest).await;
        }
        assert_eq!(current(&guests[2]).await["state"], "waiting", "a participant does not return to the group it left");
        // What two have agreed to does not extend to a third who joins later.
        for guest in &guests[..2] {
            does(guest, "reveal", &json!({})).await.is(204);
        }
        assert_eq!(current(&guests[0]).await["talk"]["partners"][0]["account"]["name"], "Bo (guest)");
        seeks(&guests[3], &json!({ "group": true })).await.is(201);
        world.pass(Duration::from_secs(1));
        assert_eq!(current(&guests[3]).await["state"], "waiting");
        assert_eq!(current(&guests[0]).await["conversation_id"], talk["conversation_id"]);
    }

    async fn consent_is_complete_when_the_last_dissenter_leaves(world: World) {
        let guests = world.guests(["Ada", "Bo", "Cy"]).await;
        for guest in &guests {
            seeks(guest, &json!({ "group": true })).await.is(201);
        }
        is_in_state(&guests[0], "matched").await;
        for guest in &guests[..2] {
            does(guest, "reveal", &json!({})).await.is(204);
            does(guest, "pictures", &json!({})).await.is(204);
        }
        assert_eq!(current(&guests[0]).await["talk"]["revealed"], false);
        guests[2].does(Method::DELETE, CURRENT).await.is(204);
        let talk = current(&guests[0]).await["talk"].clone();
        assert_eq!((&talk["revealed"], &talk["pictures"]), (&json!(true), &json!(true)));
        assert_eq!(talk["partners"][0]["account"]["name"], "Bo (guest)");
        let refused = does(&guests[2], "report", &json!({ "reason": "spam" })).await.is(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "#/account_id", "in a group the account is required");
        let partner = text(&talk["partners"][0]["account"]["id"]);
        let report = json!({ "reason": "spam", "account_id": partner });
        does(&guests[2], "report", &report).await.is(204);
    }

    async fn blocking_causes_no_waiting_time(world: World) {
        let teo = world.guest_from("192.0.2.1", "Teo").await;
        for n in 0..5 {
            let other = world.guest_from("192.0.2.2", &format!("Guest {n}")).await;
            seeks(&other, &json!({})).await.is(201);
            seeks(&teo, &json!({})).await.is(201);
            is_in_state(&teo, "matched").await;
            does(&teo, "block", &json!({ "account_id": null })).await.is(204);
            other.does(Method::DELETE, CURRENT).await.is(204);
            // The account and the address of one against those of the other, in both directions.
            assert_eq!(world.counts("SELECT COUNT(*) FROM blocks").await, 8);
            // Deletes the block by address, which would keep the next guest apart and is not the subject here.
            world.app().db.write(|tx| tx.execute("DELETE FROM blocks", &[]).map(drop)).await.expect("deleted");
        }
        let waiting = seeks(&teo, &json!({})).await.is(201).json();
        assert_eq!(waiting["waiting"]["since"], "2026-11-20T12:00:00.000Z", "without a pause");
    }

    async fn a_match_survives_a_restart(mut world: World) {
        let (teo, ada, path) = matched(&world).await;
        says(&teo, &path, "before").await.is(201);
        world.restart().await;
        assert_eq!(current(&ada).await["state"], "matched");
        says(&ada, &path, "after").await.is(201);
        assert_eq!(each(&teo.fetches(&format!("{path}/messages")).await.list(), "body"), ["before", "after"]);
    }

    async fn a_participant_who_left_receives_nothing_more(world: World) {
        let (teo, ada, path) = matched(&world).await;
        let mut adas = Listener::with_token(&world.url(), &ada.token).await;
        let id = path.rsplit('/').next().expect("an id");
        adas.says(&json!({ "type": "subscribe", "stream": "conversation", "conversation": id })).await;
        receives(&mut adas, "subscribed").await;
        says(&teo, &path, "Hello").await.is(201);
        receives(&mut adas, "message").await;
        teo.does(Method::DELETE, CURRENT).await.is(204);
        receives(&mut adas, "left").await;
        adas.says(&json!({ "type": "subscribe", "stream": "conversation", "conversation": id })).await;
        assert_eq!(receives(&mut adas, "error").await["conversation"], id);
        assert!(adas.receives_until_pong().await.is_empty());
    }
}

#[tokio::test]
async fn matching_can_be_turned_off() {
    use crate::common::{Engine, Instance};
    let mut instance = Instance::new(Engine::Sqlite);
    instance.settings.matching = Some(chitter::config::Switch::Off);
    let world = instance.open().await;
    let teo = world.guest_with_browser("Teo").await;
    assert_eq!(seeks(&teo, &json!({})).await.is(403).problem(), "Strangers are not matched here.");
    teo.gets("/match").await.is(403);
    assert!(!teo.opens("/rooms").await.0.contains("href=\"/match\""));
}

#[tokio::test]
async fn refused_words_can_not_be_posted() {
    use crate::common::{Engine, Instance};
    let mut instance = Instance::new(Engine::Sqlite);
    instance.settings.refused_words = Some("scoundrel".into());
    let world = instance.open().await;
    let (teo, _ada, path) = matched(&world).await;
    let refused = says(&teo, &path, "You SCOUNDREL!").await.is(422);
    assert_eq!(refused.problem(), "There is a word in it that can’t be said here.");
    let message = says(&teo, &path, "You dear").await.is(201).json();
    let path = format!("{path}/messages/{}", text(&message["id"]));
    teo.calls(Method::PATCH, &path, &json!({ "body": "You scoundrel" })).await.is(422);
}
