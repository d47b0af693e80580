//! Tests of threads: private conversations of named members.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, ApiClient, Listener, Person, World, each, text};

const THREADS: &str = "/api/v1/threads";

/// Creates a thread with these users.
async fn begins(person: &Person, users: &[&str]) -> Answer {
    person.calls(Method::POST, THREADS, &json!({ "users": users })).await
}

/// Returns the path of a thread in the API.
fn at(thread: &Value) -> String {
    format!("{THREADS}/{}", text(&thread["id"]))
}

async fn says(person: &Person, thread: &Value, body: &str) -> Answer {
    person.calls(Method::POST, &format!("{}/messages", at(thread)), &json!({ "body": body })).await
}

fn usernames(thread: &Value) -> Vec<String> {
    each(&thread["users"], "username")
}

/// Returns the texts of the messages that are visible to this person.
async fn sees(person: &Person, thread: &Value) -> Vec<String> {
    each(&person.fetches(&format!("{}/messages", at(thread))).await.is(200).list(), "body")
}

/// Returns the errors of a refusal: the pointer and the detail of each.
fn errors(answer: &Answer) -> Vec<(String, String)> {
    answer.problem();
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| (text(&error["pointer"]), text(&error["detail"]))).collect()
}

/// Matches two people with each other.
async fn are_matched(one: &Person, other: &Person) {
    for person in [one, other] {
        person.calls(Method::POST, "/api/v1/matches", &json!({ "adult": true })).await.is(201);
    }
    crate::common::until("a match", async || {
        let current = one.fetches("/api/v1/matches/current").await.json();
        (current["state"] == "matched").then_some(())
    })
    .await;
}

on_both! {
    async fn only_the_named_members_see_a_thread(world: World) {
        let [nell, ify, joerg, mallory] = world.members(["nell", "ify", "joerg", "mallory"]).await;
        let thread = begins(&nell, &["ify", "@JOERG"]).await.is(201);
        assert_eq!(thread.header("location"), at(&thread.json()));
        let thread = thread.json();
        assert_eq!(usernames(&thread), ["nell", "ify", "joerg"]);
        assert_eq!((&thread["name"], &thread["unread"], &thread["muted"]), (&json!(null), &json!(0), &json!(false)));
        says(&nell, &thread, "The surprise is on Saturday").await.is(201);
        says(&ify, &thread, "I bring the cake").await.is(201);
        assert_eq!(sees(&joerg, &thread).await, ["The surprise is on Saturday", "I bring the cake"]);
        let joergs = joerg.fetches(THREADS).await.is(200).json();
        assert_eq!((&joergs["data"][0]["id"], &joergs["data"][0]["unread"]), (&thread["id"], &json!(2)));

        assert_eq!(mallory.fetches(THREADS).await.json(), json!({ "data": [], "next": null }));
        for path in ["", "/messages", "/receipts", "/search?q=surprise"] {
            mallory.fetches(&format!("{}{path}", at(&thread))).await.is(404).problem();
            world.stranger().gets(&format!("{}{path}", at(&thread))).await.is(401).problem();
        }
        says(&mallory, &thread, "Hello?").await.is(404);
        mallory.gets(&format!("/threads/{}", text(&thread["id"]))).await.is(404);
        mallory.does(Method::DELETE, &at(&thread)).await.is(404);
        mallory.calls(Method::POST, &format!("{}/users", at(&thread)), &json!({ "users": ["mallory"] })).await.is(404);
        // A room's id is not a thread's id, and the other way round.
        let room = nell.makes_room("Repair café").await;
        let id = text(&nell.opens_link(&room).await.json()["id"]);
        nell.fetches(&format!("{THREADS}/{id}")).await.is(404);
        nell.fetches(&format!("{THREADS}/{id}/messages")).await.is(404);
    }

    async fn wrong_usernames_are_reported_one_by_one(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let twice = begins(&nell, &["ify", "Ify"]).await.is(422);
        assert_eq!(errors(&twice), [("#/users/1".into(), "Ify is named twice.".into())]);
        let unknown = begins(&nell, &["ify", "alma", "bob"]).await.is(422);
        assert_eq!(
            errors(&unknown),
            [
                ("#/users/1".into(), "Nobody here is called alma.".into()),
                ("#/users/2".into(), "Nobody here is called bob.".into()),
            ]
        );
        for nobody in [json!([]), json!(["nell"])] {
            let answer = nell.calls(Method::POST, THREADS, &json!({ "users": nobody })).await.is(422);
            assert_eq!(errors(&answer), [("#/users".into(), "Name at least one other.".into())]);
        }
        let twice = begins(&nell, &["ify", "@ ify"]).await.is(422);
        assert_eq!(errors(&twice)[0].0, "#/users/1");
        let crowd: Vec<String> = (0..101).map(|n| format!("user{n}")).collect();
        nell.calls(Method::POST, THREADS, &json!({ "users": crowd })).await.is(422).problem();
        for body in [
            json!({ "users": "ify" }),
            json!({ "users": [7] }),
            json!({ "users": ["ify"], "nonsense": 1 }),
            json!({ "users": ["ify"], "metadata": "x" }),
            json!({ "users": ["ify"], "name": "x".repeat(81) }),
            json!({ "users": ["ify"], "metadata": { "x": "x".repeat(5000) } }),
        ] {
            nell.calls(Method::POST, THREADS, &body).await.is(422).problem();
        }
        assert_eq!(nell.fetches(THREADS).await.json()["data"], json!([]), "no thread was created");
        // A guest has no username and so can't create threads.
        let teo = world.guest("Teo").await;
        teo.calls(Method::POST, THREADS, &json!({ "users": ["ify"] })).await.is(403).problem();
    }

    async fn a_message_in_a_thread_has_at_most_280_characters(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        let message = says(&nell, &thread, &"ä".repeat(280)).await.is(201).json();
        let long = says(&nell, &thread, &"ä".repeat(281)).await.is(422);
        let reason = "That is 281 characters, and there is room for 280. Take out 1.";
        assert_eq!(errors(&long), [("#/body".into(), reason.into())]);
        let path = format!("{}/messages/{}", at(&thread), text(&message["id"]));
        nell.calls(Method::PATCH, &path, &json!({ "body": "ä".repeat(281) })).await.is(422);
        nell.calls(Method::PATCH, &path, &json!({ "body": "shorter" })).await.is(200);
    }

    async fn a_thread_can_be_renamed_muted_and_given_metadata(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let order = json!({ "users": ["ify"], "name": " Cake  day ", "metadata": { "order": 17 } });
        let thread = nell.calls(Method::POST, THREADS, &order).await.is(201).json();
        assert_eq!((&thread["name"], &thread["metadata"]), (&json!("Cake day"), &json!({ "order": 17 })));
        let changes = json!({ "name": "Pie day", "muted": true });
        let patched = ify.calls(Method::PATCH, &at(&thread), &changes).await.is(200).json();
        assert_eq!((&patched["name"], &patched["muted"]), (&json!("Pie day"), &json!(true)));
        let nells = nell.fetches(&at(&thread)).await.json();
        assert_eq!((&nells["name"], &nells["muted"]), (&json!("Pie day"), &json!(false)));
        assert_eq!(nells["metadata"]["order"], 17);
        says(&nell, &thread, "Hello").await.is(201);
        assert!(!ify.opens("/").await.says("with something new"), "a muted thread is not announced");
        ify.calls(Method::PATCH, &at(&thread), &json!({ "muted": false })).await.is(200);
        assert!(ify.opens("/").await.says("with something new"));
        nell.calls(Method::PATCH, &at(&thread), &json!({ "name": "", "metadata": {} })).await.is(200);
        let bare = nell.fetches(&at(&thread)).await.json();
        assert_eq!((&bare["name"], &bare["metadata"]), (&json!(null), &json!({})));
        nell.calls(Method::PATCH, &at(&thread), &json!({})).await.is(422);
    }

    async fn added_people_see_the_whole_history_or_only_later_messages(world: World) {
        let [nell, ify, joerg, ha] = world.members(["nell", "ify", "joerg", "ha"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        says(&nell, &thread, "Before").await.is(201);
        let users = format!("{}/users", at(&thread));
        ify.calls(Method::POST, &users, &json!({ "users": ["joerg"] })).await.is(200);
        nell.calls(Method::POST, &users, &json!({ "users": ["ha"], "history": "all" })).await.is(200);
        says(&nell, &thread, "After").await.is(201);
        assert_eq!(sees(&joerg, &thread).await, ["After"]);
        assert_eq!(sees(&ha, &thread).await, ["Before", "After"]);
        let again = nell.calls(Method::POST, &users, &json!({ "users": ["ha"] })).await.is(422);
        assert_eq!(errors(&again), [("#/users/0".into(), "ha is in it already.".into())]);
        nell.calls(Method::POST, &users, &json!({ "users": ["ha"], "history": "some" })).await.is(422);
        // `history: all` gives no more than what the person who adds can see.
        let [layla] = world.members(["layla"]).await;
        joerg.calls(Method::POST, &users, &json!({ "users": ["layla"], "history": "all" })).await.is(200);
        assert_eq!(sees(&layla, &thread).await, ["After"]);
    }

    async fn a_quote_does_not_reveal_earlier_messages(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        let secret = says(&nell, &thread, "The safe is 1234").await.is(201).json();
        nell.calls(Method::POST, &format!("{}/users", at(&thread)), &json!({ "users": ["joerg"] })).await.is(200);
        let id = text(&thread["id"]);
        let listen = async |person: &crate::common::Person| {
            let mut listener = Listener::with_cookie(&world.url(), "", &person.cookies()).await;
            listener.says(&json!({ "type": "subscribe", "stream": "conversation", "conversation": id })).await;
            loop {
                if listener.receives().await["event"] == "here" {
                    return listener;
                }
            }
        };
        let (mut joergs, mut ifys) = (listen(&joerg).await, listen(&ify).await);
        let messages = format!("{}/messages", at(&thread));
        let reply = json!({ "body": "Changed it", "reply_to": secret["id"] });
        let reply = nell.calls(Method::POST, &messages, &reply).await.is(201).json();
        let received = async |listener: &mut Listener| loop {
            let frame = listener.receives().await;
            if frame["event"] == "message" {
                return frame["message"].clone();
            }
        };
        assert_eq!(received(&mut ifys).await["reply_to"]["excerpt"], "The safe is 1234");
        let without_quote = received(&mut joergs).await;
        assert_eq!((&without_quote["body"], &without_quote["reply_to"]), (&json!("Changed it"), &json!(null)));
        says(&nell, &thread, "Next").await.is(201);
        assert_eq!(received(&mut joergs).await["body"], "Next", "the reply is received once");
        for path in [
            messages.clone(),
            format!("{messages}/{}", text(&reply["id"])),
            "/api/v1/search?q=changed".into(),
            format!("{}/search?q=changed", at(&thread)),
        ] {
            assert!(!joerg.fetches(&path).await.is(200).text().contains("1234"), "{path}");
            assert!(ify.fetches(&path).await.is(200).text().contains("1234"), "{path}");
        }
        assert!(!joerg.gets(&format!("/threads/{id}")).await.is(200).text().contains("1234"));
    }

    async fn people_who_leave_or_are_removed_receive_nothing_more(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let thread = begins(&nell, &["ify", "joerg"]).await.is(201).json();
        let path_of = |id: &Value| format!("{}/users/{}", at(&thread), text(id));
        let mut listener = Listener::with_cookie(&world.url(), "", &joerg.cookies()).await;
        listener
            .says(&json!({ "type": "subscribe", "stream": "conversation", "conversation": thread["id"] }))
            .await;
        assert_eq!(listener.receives().await["event"], "subscribed");
        let (ifys, joergs) = (&thread["users"][1]["id"], &thread["users"][2]["id"]);
        ify.does(Method::DELETE, &path_of(joergs)).await.is(403);
        nell.does(Method::DELETE, &path_of(joergs)).await.is(204);
        while listener.receives().await["event"] != "left" {}
        says(&joerg, &thread, "Why?").await.is(404);
        ify.does(Method::DELETE, &path_of(&json!("me"))).await.is(204);
        nell.does(Method::DELETE, &path_of(ifys)).await.is(404);
        assert_eq!(usernames(&nell.fetches(&at(&thread)).await.json()), ["nell"]);
        // The thread is deleted with its last participant.
        nell.does(Method::DELETE, &path_of(&json!("me"))).await.is(204);
        assert_eq!(world.counts("SELECT COUNT(*) FROM conversations WHERE deleted_at IS NULL").await, 0);
    }

    async fn a_removed_person_who_posts_is_redirected_to_the_threads(world: World) {
        let [nell, ify, joerg, mallory] = world.members(["nell", "ify", "joerg", "mallory"]).await;
        let thread = begins(&nell, &["ify", "joerg"]).await.is(201).json();
        let form = format!("/conversations/{}/messages", text(&thread["id"]));
        let joergs = format!("{}/users/{}", at(&thread), text(&thread["users"][2]["id"]));
        nell.does(Method::DELETE, &joergs).await.is(204);
        let redirect = joerg.posts(&form, &[("body", "Why?")]).await.is(303);
        assert_eq!(redirect.location(), "/threads", "not to /match");
        nell.does(Method::DELETE, &at(&thread)).await.is(204);
        assert_eq!(ify.posts(&form, &[("body", "Hello?")]).await.is(303).location(), "/threads");
        // A thread of which she was never a participant is not found.
        mallory.posts(&form, &[("body", "Hello?")]).await.is(404);
    }

    async fn only_the_owner_deletes_a_thread(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        ify.does(Method::DELETE, &at(&thread)).await.is(403).problem();
        nell.does(Method::DELETE, &at(&thread)).await.is(204);
        ify.fetches(&at(&thread)).await.is(404);
        assert_eq!(ify.fetches(THREADS).await.json()["data"], json!([]));
    }

    async fn receipts_show_how_far_everyone_has_read(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        let mut listener = Listener::with_cookie(&world.url(), "", &nell.cookies()).await;
        listener
            .says(&json!({ "type": "subscribe", "stream": "conversation", "conversation": thread["id"] }))
            .await;
        assert_eq!(listener.receives().await["event"], "subscribed");
        for words in ["one", "two", "three"] {
            says(&nell, &thread, words).await.is(201);
        }
        let read = format!("{}/read", at(&thread));
        ify.calls(Method::PUT, &read, &json!({ "seq": 2 })).await;
        let received = loop {
            let frame = listener.receives().await;
            if frame["event"] == "receipt" && frame["account"]["id"] == thread["users"][1]["id"] {
                break frame;
            }
        };
        assert_eq!(received["read_seq"], 2);
        let all = nell.fetches(&format!("{}/receipts", at(&thread))).await.is(200).json();
        let receipt_of = |name: &str| {
            let receipts = all["data"].as_array().expect("a list");
            let receipt = receipts.iter().find(|receipt| receipt["account"]["username"] == name).expect("a receipt");
            (receipt["delivered_seq"].clone(), receipt["read_seq"].clone())
        };
        assert_eq!((receipt_of("nell"), receipt_of("ify")), ((json!(3), json!(3)), (json!(2), json!(2))));
    }

    async fn null_clears_the_name_and_the_metadata(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let begin = json!({ "users": ["ify"], "name": "Cake day", "metadata": { "order": 17 } });
        let thread = nell.calls(Method::POST, THREADS, &begin).await.is(201).json();
        let patch = json!({ "name": null, "metadata": null });
        let bare = nell.calls(Method::PATCH, &at(&thread), &patch).await.is(200).json();
        assert_eq!((&bare["name"], &bare["metadata"]), (&json!(null), &json!({})));
        let begin = json!({ "users": ["ify"], "name": null, "metadata": null });
        nell.calls(Method::POST, THREADS, &begin).await.is(201);
    }

    async fn a_hundred_people_see_each_other_s_receipts(world: World) {
        let [nell] = world.members(["nell"]).await;
        let (_, key) = crate::tokens::registers(&nell, &["read", "write", "act_as"]).await;
        let app = world.program(&key);
        let users: Vec<String> = (0..100).map(|n| format!("p{n:02}")).collect();
        let thread = app.calls(Method::POST, THREADS, &json!({ "users": users })).await.is(201).json();
        let path = at(&thread);
        for n in 0..3 {
            let body = json!({ "as": users[0], "body": format!("word {n}") });
            app.calls(Method::POST, &format!("{path}/messages"), &body).await.is(201);
        }
        for (n, user) in users.iter().enumerate().skip(1) {
            match n % 3 {
                1 => app.calls(Method::PUT, &format!("{path}/read?as={user}"), &json!({ "seq": 2 })).await.is(204),
                2 => app.fetches(&format!("{path}/messages?as={user}&since=0&limit=1")).await.is(200),
                _ => continue,
            };
        }
        let receipts = app.fetches(&format!("{path}/receipts")).await.is(200).list();
        let receipts = receipts.as_array().expect("receipts");
        assert_eq!(receipts.len(), 100);
        for (n, receipt) in receipts.iter().enumerate() {
            let actual =
                (&receipt["account"]["username"], receipt["delivered_seq"].as_i64(), receipt["read_seq"].as_i64());
            let (delivered, read) = match n {
                0 => (3, 3),
                _ => [(0, 0), (2, 2), (1, 0)][n % 3],
            };
            assert_eq!(actual, (&json!(users[n]), Some(delivered), Some(read)));
        }
        let more = app.calls(Method::POST, &format!("{path}/users"), &json!({ "users": ["one-more"] })).await;
        assert!(more.is(422).problem().contains("100 people at the most"));
    }

    async fn a_message_is_delivered_before_it_is_read(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        for words in ["one", "two"] {
            says(&nell, &thread, words).await.is(201);
        }
        let ifys = async || {
            let all = nell.fetches(&format!("{}/receipts", at(&thread))).await.is(200).json();
            (all["data"][1]["delivered_seq"].clone(), all["data"][1]["read_seq"].clone())
        };
        assert_eq!(ifys().await, (json!(0), json!(0)));
        assert_eq!(sees(&ify, &thread).await, ["one", "two"]);
        assert_eq!(ifys().await, (json!(2), json!(0)), "fetched messages are delivered, but not read");
        says(&nell, &thread, "three").await.is(201);
        let mut listener = Listener::with_cookie(&world.url(), "", &ify.cookies()).await;
        listener
            .says(&json!({
                "type": "subscribe", "stream": "conversation", "conversation": thread["id"], "since": 2,
            }))
            .await;
        crate::common::until("the delivery", async || {
            (ifys().await == (json!(3), json!(0))).then_some(())
        })
        .await;
    }

    async fn a_batch_is_posted_completely_or_not_at_all(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        let batch = format!("{}/messages/batch", at(&thread));
        let batch_of = |bodies: &[&str]| {
            let messages: Vec<_> = bodies.iter().map(|body| json!({ "body": body })).collect();
            json!({ "messages": messages })
        };
        let posted = nell.calls(Method::POST, &batch, &batch_of(&["one", "two", "three"])).await.is(201).json();
        assert_eq!(each(&posted["data"], "body"), ["one", "two", "three"]);
        assert_eq!(posted["data"][2]["seq"], 3);
        let refused = nell.calls(Method::POST, &batch, &batch_of(&["four", " ", "six"])).await.is(422);
        assert_eq!(errors(&refused), [("#/messages/1/body".into(), "Write something first.".into())]);
        let long = "x".repeat(281);
        let refused = nell.calls(Method::POST, &batch, &batch_of(&["four", &long])).await.is(422);
        assert_eq!(errors(&refused)[0].0, "#/messages/1/body");
        assert_eq!(sees(&ify, &thread).await.len(), 3, "no message of a refused batch is posted");
        for invalid in [json!({ "messages": [] }), batch_of(&["x"; 101]), json!({ "messages": [{ "words": "x" }] })] {
            nell.calls(Method::POST, &batch, &invalid).await.is(422).problem();
        }
    }

    async fn a_program_announces_that_somebody_types(world: World) {
        let [nell, ify, mallory] = world.members(["nell", "ify", "mallory"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        let mut listener = Listener::with_cookie(&world.url(), "", &nell.cookies()).await;
        listener
            .says(&json!({ "type": "subscribe", "stream": "conversation", "conversation": thread["id"] }))
            .await;
        assert_eq!(listener.receives().await["event"], "subscribed");
        let typing = format!("{}/typing", at(&thread));
        mallory.does(Method::POST, &typing).await.is(404);
        ify.does(Method::POST, &typing).await.is(204);
        let received = loop {
            let frame = listener.receives().await;
            if frame["event"] == "typing" {
                break frame;
            }
        };
        assert_eq!(received["account"]["name"], "Ifeoma Okafor");
    }

    async fn search_covers_every_conversation_of_a_member(world: World) {
        let [nell, ify, mallory] = world.members(["nell", "ify", "mallory"]).await;
        let thread = begins(&nell, &["ify"]).await.is(201).json();
        let room = nell.makes_room("Repair café").await;
        says(&nell, &thread, "The cake is in the oven").await.is(201);
        nell.says(&room, "Cake at nine").await;
        says(&ify, &thread, "Which cake?").await.is(201);
        let find = async |person: &Person, query: &str| {
            person.fetches(&format!("/api/v1/search?{query}")).await.is(200).json()
        };
        let first = find(&nell, "q=cake&limit=2").await;
        assert_eq!(each(&first["data"], "body"), ["Which cake?", "Cake at nine"]);
        let next = text(&first["next"]);
        let second = nell.fetches(next.trim_start_matches(&world.url())).await.is(200).json();
        assert_eq!(each(&second["data"], "body"), ["The cake is in the oven"]);
        assert_eq!(second["next"], json!(null));
        assert_eq!(find(&ify, "q=cake").await["data"].as_array().map(Vec::len), Some(2), "Ify is not in the room");
        assert_eq!(find(&mallory, "q=cake").await["data"], json!([]));
        let refused = nell.fetches("/api/v1/search?q=a").await.is(422);
        assert_eq!(refused.json()["errors"][0]["parameter"], "q");
        world.stranger().gets("/api/v1/search?q=cake").await.is(401);
        // Messages from before a person was added are not found.
        nell.calls(Method::POST, &format!("{}/users", at(&thread)), &json!({ "users": ["mallory"] })).await.is(200);
        assert_eq!(find(&mallory, "q=cake").await["data"], json!([]));
    }

    async fn a_block_in_a_talk_without_names_tells_nobody_who_the_stranger_was(world: World) {
        // Nell and Mallory are matched, and Nell blocks. Ify and Jörg have never met. Nobody can tell the pairs apart.
        let [nell, mallory, ify, joerg] = world.members(["nell", "mallory", "ify", "joerg"]).await;
        let old = begins(&mallory, &["nell"]).await.is(201).json();
        are_matched(&nell, &mallory).await;
        nell.calls(Method::POST, "/api/v1/matches/current/reveal", &json!({})).await.is(204);
        nell.calls(Method::POST, "/api/v1/matches/current/block", &json!({})).await.is(204);
        for (one, other) in [(&nell, &mallory), (&mallory, &nell), (&ify, &joerg), (&joerg, &ify)] {
            let other = other.username.as_str();
            let thread = begins(one, &[other]).await.is(201).json();
            says(one, &thread, "Hello").await.is(201);
            one.does(Method::POST, &format!("{}/typing", at(&thread))).await.is(204);
            let others = begins(one, &["ha"]).await;
            assert_eq!(others.status, 422, "nobody is called ha");
            let search = format!("/api/v1/accounts/search?q={other}");
            assert_eq!(one.fetches(&search).await.is(200).json()["data"][0]["username"], other);
        }
        says(&mallory, &old, "Hey").await.is(201);
    }

    async fn a_block_after_leaving_a_group_early_tells_nothing_either(world: World) {
        // Nell offers her name and leaves before the others offer theirs, so she and Ify never learn who the other is.
        let [nell, ify, joerg, mallory] = world.members(["nell", "ify", "joerg", "mallory"]).await;
        let current = "/api/v1/matches/current";
        for person in [&nell, &ify, &joerg, &mallory] {
            let search = json!({ "adult": true, "group": true });
            person.calls(Method::POST, "/api/v1/matches", &search).await.is(201);
        }
        for person in [&nell, &ify, &joerg, &mallory] {
            crate::common::until("a group of four", async || {
                let talk = person.fetches(current).await.json();
                (talk["talk"]["partners"].as_array().map(Vec::len) == Some(3)).then_some(())
            })
            .await;
        }
        nell.calls(Method::POST, &format!("{current}/reveal"), &json!({})).await.is(204);
        let partners = nell.fetches(current).await.json()["talk"]["partners"].clone();
        nell.does(Method::DELETE, current).await.is(204);
        for person in [&ify, &joerg, &mallory] {
            person.calls(Method::POST, &format!("{current}/reveal"), &json!({})).await.is(204);
        }
        for partner in partners.as_array().expect("partners") {
            let block = json!({ "account_id": partner["account"]["id"] });
            nell.calls(Method::POST, &format!("{current}/block"), &block).await.is(204);
        }
        for other in ["ify", "joerg", "mallory"] {
            begins(&nell, &[other]).await.is(201);
        }
    }

    async fn a_blocked_member_can_not_reach_the_other_in_a_thread(world: World) {
        let [nell, mallory, _ify] = world.members(["nell", "mallory", "ify"]).await;
        let before = begins(&mallory, &["nell"]).await.is(201).json();
        let message = says(&mallory, &before, "Hello").await.is(201).json();
        are_matched(&nell, &mallory).await;
        for person in [&nell, &mallory] {
            person.calls(Method::POST, "/api/v1/matches/current/reveal", &json!({})).await.is(204);
        }
        nell.calls(Method::POST, "/api/v1/matches/current/block", &json!({})).await.is(204);
        let refused = begins(&mallory, &["nell"]).await.is(422);
        assert_eq!(errors(&refused)[0].0, "#/users/0");
        let other = begins(&mallory, &["ify"]).await.is(201).json();
        let users = format!("{}/users", at(&other));
        mallory.calls(Method::POST, &users, &json!({ "users": ["nell"] })).await.is(422);
        says(&mallory, &before, "Hey").await.is(403).problem();
        // Other ways to reach her are refused as well: another spelling of her name, a third person, an old
        // message, a new thread name, and a program.
        begins(&mallory, &["@ nell", "ify"]).await.is(422);
        let users = format!("{}/users", at(&before));
        mallory.calls(Method::POST, &users, &json!({ "users": ["ify"] })).await.is(403);
        let old = format!("{}/messages/{}", at(&before), text(&message["id"]));
        mallory.calls(Method::PATCH, &old, &json!({ "body": "Hey" })).await.is(403);
        mallory.does(Method::PUT, &format!("{old}/reactions/👀")).await.is(403);
        mallory.calls(Method::PATCH, &at(&before), &json!({ "name": "Hey" })).await.is(403);
        mallory.does(Method::POST, &format!("{}/typing", at(&before))).await.is(403);
        let (_, key) = crate::tokens::registers(&mallory, &["read", "write"]).await;
        let bot = world.program(&key);
        bot.calls(Method::POST, THREADS, &json!({ "users": ["nell"] })).await.is(422);
    }

    async fn the_list_of_threads_is_paginated(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let mut expected = Vec::new();
        for _ in 0..5 {
            world.pass(std::time::Duration::from_secs(1));
            expected.insert(0, text(&begins(&nell, &["ify"]).await.is(201).json()["id"]));
        }
        let (mut actual, mut next) = (Vec::new(), format!("{THREADS}?limit=2"));
        loop {
            let answer = nell.fetches(next.trim_start_matches(&world.url())).await.is(200);
            let page = answer.json();
            actual.extend(each(&page["data"], "id"));
            let Some(more) = page["next"].as_str() else { break };
            assert_eq!(answer.header("link"), format!("<{more}>; rel=\"next\""));
            next = more.to_owned();
        }
        assert_eq!(actual, expected);
        nell.fetches(&format!("{THREADS}?cursor=nonsense")).await.is(422).problem();
    }

    async fn members_are_found_by_a_prefix_of_their_names(world: World) {
        let [nell, _joerg, _ha] = world.members(["nell", "joerg", "ha"]).await;
        let search = async |query: &str| {
            let results = nell.fetches(&format!("/api/v1/accounts/search?q={query}")).await.is(200).json();
            each(&results["data"], "username")
        };
        assert_eq!(search("jo").await, ["joerg"]);
        assert_eq!(search("gro").await, ["joerg"], "a later word of the name matches");
        assert_eq!(search("n").await, ["ha"], "Nguyễn matches; the caller is not listed");
        assert!(search("").await.is_empty() && search("%25").await.is_empty());
        world.stranger().gets("/api/v1/accounts/search?q=jo").await.is(401);
    }

    async fn every_thread_action_works_by_plain_forms(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        assert!(nell.opens("/threads").await.says("No threads yet"));
        let refused = nell.posts("/threads", &[("users", "alma, ify")]).await.is(422).page();
        assert!(refused.says("Nobody here is called alma."));
        assert_eq!(refused.value("users"), "alma, ify");
        let path = nell.posts("/threads", &[("users", "@ify")]).await.is(303).location();
        let again = nell.posts("/threads", &[("users", "ify")]).await.is(303).location();
        assert_eq!(again, path, "two members have one thread");
        let thread = nell.opens(&path).await;
        assert_eq!(thread.heading(), "Ifeoma Okafor");
        let messages = format!("/conversations/{}/messages", path.trim_start_matches("/threads/"));
        nell.posts(&messages, &[("body", "Good morning")]).await.is(303);
        assert!(ify.opens("/threads").await.says("Nell Ashby"));
        assert!(ify.opens(&path).await.says("Good morning"));
        let post = async |person: &Person, action: &str, form: &[(&str, &str)]| {
            person.posts(&format!("{path}/{action}"), form).await
        };
        post(&ify, "about", &[("name", "Mornings")]).await.is(303);
        assert_eq!(nell.opens(&path).await.heading(), "Mornings");
        post(&ify, "about", &[("name", &"x".repeat(81))]).await.is(422);
        post(&nell, "users", &[("users", "joerg"), ("history", "on")]).await.is(303);
        assert!(joerg.opens(&path).await.says("Good morning"));
        assert!(post(&nell, "users", &[("users", "joerg")]).await.is(422).page().says("joerg is in it already."));
        assert!(joerg.opens(&format!("{path}/search?q=morning")).await.says("Good morning"));
        post(&joerg, "mute", &[("muted", "on")]).await.is(303);
        assert!(joerg.opens("/threads").await.says("quiet"));
        post(&joerg, "leave", &[]).await.is(303);
        joerg.gets(&path).await.is(404);
        post(&ify, "delete", &[]).await.is(403);
        post(&nell, "delete", &[]).await.is(303);
        ify.gets(&path).await.is(404);
        // A guest has to log in.
        let guest = world.guest_with_browser("Teo").await;
        assert!(guest.gets("/threads").await.is(303).location().starts_with("/login"));
    }
}
