//! Tests of rate limits.

use std::time::Duration;

use chitter::services::limits::Origin;
use futures_util::{StreamExt, stream::FuturesUnordered};
use reqwest::Method;
use serde_json::json;

use crate::common::{Answer, ApiClient, Instance, PASSWORD, Person, World};

/// Returns the duration in `Retry-After`.
fn retry_after(answer: &Answer) -> Duration {
    Duration::from_secs(answer.header("retry-after").parse().expect("a number of seconds"))
}

/// Sends a form that arrives through the proxy from this address.
async fn posts_from(person: &Person, address: &str, path: &str, form: &[(&str, &str)]) -> Answer {
    person.sends(person.request(Method::POST, path).header("x-forwarded-for", address).form(form)).await
}

on_both! {
    async fn every_api_answer_has_rate_limit_headers(instance: Instance) {
        let world = instance.with_limits().open().await;
        let [nell] = world.members(["nell"]).await;
        let created = nell.posts("/settings/tokens", &[("name", "App"), ("read", "on")]).await;
        let program = world.program(&created.is(200).page().value("secret"));
        let answer = program.fetches("/api/v1/rooms").await.is(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"request\";q=1000;w=10");
        assert_eq!(answer.header("ratelimit"), "\"request\";r=999;t=0");
        let answer = nell.fetches("/api/v1/rooms").await.is(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"request\";q=6000;w=30");
        while world.app().limits.request(Origin::at([127, 0, 0, 1])).is_ok() {}
        let refused = nell.fetches("/api/v1/rooms").await.is(429);
        assert!(refused.problem().contains("Try again in a second."));
        assert_eq!(refused.header("retry-after"), "1");
        assert_eq!(refused.header("ratelimit-policy"), "\"request\";q=6000;w=30");
        assert_eq!(refused.header("ratelimit"), "\"request\";r=0;t=1");
        program.fetches("/api/v1/rooms").await.is(200);
        nell.opens("/rooms").await;
    }

    async fn password_guesses_are_limited_and_the_form_keeps_the_login(instance: Instance) {
        let world = instance.with_limits().open().await;
        world.members(["nell", "ify"]).await;
        let mallory = world.stranger();
        for _ in 0..12 {
            mallory.logs_in("nell", "a guess").await.is(422);
        }
        let answer = mallory.logs_in("nell", PASSWORD).await.is(429);
        let wait = retry_after(&answer);
        assert_eq!(wait, Duration::from_secs(120));
        let page = answer.page();
        assert_eq!(page.value("login"), "nell");
        assert!(page.says("You’re quick. Try again in 2 minutes."), "{}", page.0);
        assert!(!mallory.is_logged_in().await);

        let from_elsewhere = [("login", "nell"), ("password", "a guess")];
        posts_from(&mallory, "203.0.113.7", "/login", &from_elsewhere).await.is(429);
        let ify = world.stranger();
        ify.logs_in("ify", PASSWORD).await.is(303);
        world.pass(wait);
        world.stranger().logs_in("nell", PASSWORD).await.is(303);
    }

    async fn spelling_a_username_differently_gives_no_more_guesses(instance: Instance) {
        let world = instance.with_limits().open().await;
        world.members(["nell"]).await;
        let mallory = world.stranger();
        let spellings =
            ["nell", "NELL", "@nell", "@@nell", " nell ", "\u{FF4E}ell", "n\u{FF25}ll", "@@@Nell", "nell\t"];
        for n in 0..12 {
            mallory.logs_in(spellings[n % spellings.len()], "a guess").await.is(422);
        }
        for spelling in spellings {
            mallory.logs_in(spelling, "a guess").await.is(429);
        }
    }

    async fn one_address_has_a_limit_of_guesses_over_all_names(instance: Instance) {
        let world = instance.with_limits().open().await;
        // A log-in by HTTP costs a password hash, so the guesses are counted directly.
        for n in 0..120 {
            let guess = world.app().limits.log_in(Origin::at([127, 0, 0, 1]), &format!("guess{n}"));
            guess.expect("a guess within the limit");
        }
        let mallory = world.stranger();
        let answer = mallory.logs_in("nobody", "a guess").await.is(429);
        posts_from(&mallory, "203.0.113.7", "/login", &[("login", "me"), ("password", "x")]).await.is(422);
        world.pass(retry_after(&answer));
        mallory.logs_in("nobody", "a guess").await.is(422);
    }

    async fn a_class_of_thirty_signs_up_behind_one_address(instance: Instance) {
        let world = instance.with_limits().open().await;
        let mut pupils = FuturesUnordered::new();
        for n in 0..30 {
            let (pupil, username) = (world.stranger(), format!("pupil{n}"));
            pupils.push(async move {
                // Each pupil also has one refused attempt.
                pupil.signs_up_with("", PASSWORD, "A Pupil", &username).await.is(422);
                pupil
                    .signs_up_with(&format!("{username}@school.example"), PASSWORD, "A Pupil", &username)
                    .await
                    .status
            });
        }
        while let Some(status) = pupils.next().await {
            assert_eq!(status, 303);
        }
    }

    async fn mass_sign_ups_are_limited_and_the_form_keeps_the_input(instance: Instance) {
        let world = instance.with_limits().open().await;
        let mallory = world.stranger();
        for _ in 0..120 {
            mallory.posts("/signup", &[]).await.is(422);
        }
        let answer = mallory.signs_up_with("m@x.org", PASSWORD, "Mallory", "mallory").await.is(429);
        let (wait, page) = (retry_after(&answer), answer.page());
        let values = ["email", "password", "name", "username"].map(|field| page.value(field));
        assert_eq!(values, ["m@x.org", PASSWORD, "Mallory", "mallory"]);
        assert!(page.says("You’re quick."));
        let form = [("email", "n@x.org"), ("password", PASSWORD), ("name", "Nell"), ("username", "nell")];
        posts_from(&world.stranger(), "203.0.113.7", "/signup", &form).await.is(303);
        world.pass(wait);
        mallory.signs_up_with("m@x.org", PASSWORD, "Mallory", "mallory").await.is(303);
    }

    async fn forwarded_addresses_are_accepted_from_the_proxy_only(instance: Instance) {
        let mut instance = instance.with_limits();
        instance.settings.proxies = Some("192.0.2.1".into());
        let world = instance.open().await;
        let mallory = world.stranger();
        for n in 0..120 {
            posts_from(&mallory, &format!("203.0.113.{n}"), "/signup", &[]).await.is(422);
        }
        posts_from(&mallory, "203.0.113.200", "/signup", &[]).await.is(429);
    }

    async fn a_limited_peep_keeps_its_text(instance: Instance) {
        let world = instance.with_limits().open().await;
        let [nell, ify] = world.members(["nell", "ify"]).await;
        for n in 0..40 {
            nell.posts("/peeps", &[("body", &n.to_string())]).await.is(303);
        }
        let latest = nell.latest().await;
        let answer = nell.posts("/peeps", &[("body", "one & more")]).await.is(429);
        let (wait, page) = (retry_after(&answer), answer.page());
        assert_eq!(page.value("body"), "one & more");
        assert!(page.field_error("body").is_some_and(|error| error.starts_with("You’re quick.")));
        assert_eq!(wait, Duration::from_secs(5));
        let page = nell.edits(&latest, "39 & more").await.is(429).page();
        assert_eq!(page.value("body"), "39 & more", "an edit counts too, and its form keeps the text");
        let page = nell.posts("/peeps", &[("body", "a reply"), ("reply_to", &latest)]).await.is(429).page();
        assert_eq!((page.value("body"), page.value("reply_to")), ("a reply".into(), latest.clone()));
        nell.likes(&latest).await.is(429);
        nell.deletes(&latest).await.is(429);
        ify.peeps("others go on").await;
        nell.opens("/").await;
        world.pass(wait);
        nell.peeps("one & more").await;
    }

    async fn api_posts_are_limited_and_report_what_is_left(instance: Instance) {
        let world = instance.with_limits().open().await;
        let [nell] = world.members(["nell"]).await;
        let hello = json!({ "status": "Hello" });
        let post = || nell.sends_json(Method::POST, "/api/v1/statuses", &hello);
        for left in (0..40).rev() {
            let answer = post().await.is(200);
            assert_eq!(answer.header("ratelimit-policy"), "\"post\";q=40;w=200");
            assert_eq!(answer.header("ratelimit"), format!("\"post\";r={left};t={}", 5 * (40 - left)));
        }
        let answer = post().await.is(429);
        assert_eq!(answer.problem(), "You’re quick. Try again in 5 seconds.");
        assert_eq!(retry_after(&answer), Duration::from_secs(5));
        world.pass(Duration::from_secs(4));
        assert_eq!(retry_after(&post().await.is(429)), Duration::from_secs(1));
        world.pass(Duration::from_secs(1));
        assert_eq!(post().await.is(200).header("ratelimit"), "\"post\";r=0;t=200");
    }

    async fn messages_are_limited_to_one_a_second_after_a_burst(instance: Instance) {
        let world = instance.with_limits().open().await;
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let (teo, oskar) = (world.guest("Teo").await, world.guest("Oskar").await);
        for left in (0..30).rev() {
            let answer = teo.tries_to_say(&room, "Hello").await.is(201);
            assert_eq!(answer.header("ratelimit-policy"), "\"message\";q=30;w=30");
            assert!(answer.header("ratelimit").starts_with(&format!("\"message\";r={left};")));
        }
        let answer = teo.tries_to_say(&room, "one more").await.is(429);
        assert_eq!(answer.problem(), "You’re quick. Try again in a second.");
        assert_eq!(retry_after(&answer), Duration::from_secs(1));
        let first = nell.messages(&room).await[0]["id"].as_str().expect("an id").to_owned();
        let path = room.api(&format!("/messages/{first}"));
        teo.calls(Method::PATCH, &path, &json!({ "body": "changed" })).await.is(429);
        teo.does(Method::PUT, &format!("{path}/reactions/%E2%98%95")).await.is(429);
        teo.does(Method::DELETE, &path).await.is(429);
        teo.uploads(&room, "a.txt", b"Hello").await.is(429);
        teo.fetches(&room.api("/messages")).await.is(200);
        oskar.says(&room, "others go on").await;
        world.pass(retry_after(&answer));
        teo.says(&room, "one more").await;
        teo.tries_to_say(&room, "two more").await.is(429);
        assert_eq!(nell.messages(&room).await.as_array().map(Vec::len), Some(32));
    }

    async fn a_limited_message_by_the_form_keeps_its_text(instance: Instance) {
        let world = instance.with_limits().open().await;
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        for _ in 0..30 {
            nell.posts(&room.page("/messages"), &[("body", "Hello")]).await.is(303);
        }
        let answer = nell.posts(&room.page("/messages"), &[("body", "one & more")]).await.is(429);
        assert_eq!(retry_after(&answer), Duration::from_secs(1));
        let page = answer.page();
        assert_eq!(page.value("body"), "one & more");
        assert!(page.field_error("body").is_some_and(|error| error.starts_with("You’re quick.")));
    }

    async fn guests_can_create_ten_rooms_and_members_more(instance: Instance) {
        let world = instance.with_limits().open().await;
        let nell = world.member("nell").await;
        let teo = world.guest("Teo").await;
        let named = |n: usize| json!({ "name": format!("Room {n}") });
        for n in 0..10 {
            teo.calls(Method::POST, "/api/v1/rooms", &named(n)).await.is(201);
        }
        let answer = teo.calls(Method::POST, "/api/v1/rooms", &named(11)).await.is(429);
        assert!(!answer.problem().is_empty());
        assert_eq!(retry_after(&answer), Duration::from_secs(360));
        world.guest("Oskar").await.calls(Method::POST, "/api/v1/rooms", &named(1)).await.is(201);
        for n in 0..60 {
            nell.calls(Method::POST, "/api/v1/rooms", &named(n)).await.is(201);
        }
        let page = nell.posts("/rooms", &[("name", "One more")]).await.is(429).page();
        assert_eq!(page.value("name"), "One more");
        assert!(page.says("You’re quick."));
        world.pass(retry_after(&answer));
        teo.calls(Method::POST, "/api/v1/rooms", &named(12)).await.is(201);
        nell.calls(Method::POST, "/api/v1/rooms", &named(61)).await.is(201);
    }

    async fn guests_from_one_address_are_limited(instance: Instance) {
        let world = instance.with_limits().open().await;
        for _ in 0..299 {
            world.app().limits.guest(Origin::at([127, 0, 0, 1])).expect("a guest within the limit");
        }
        let name = json!({ "name": "Teo" });
        let program = world.stranger();
        program.calls(Method::POST, "/api/v1/sessions", &json!({ "name": "" })).await.is(422);
        let teo = world.guest("Teo").await;
        let answer = program.calls(Method::POST, "/api/v1/sessions", &name).await.is(429);
        assert_eq!(retry_after(&answer), Duration::from_secs(10));
        let page = program.posts("/session/new", &[("name", "Oskar")]).await.is(429).page();
        assert_eq!(page.value("name"), "Oskar", "the form keeps the name");
        assert!(page.says("You’re quick. Try again in 10 seconds."), "{}", page.0);
        posts_from(&program, "203.0.113.7", "/api/v1/sessions", &[("name", "Teo")]).await.is(201);
        teo.makes_room("Whoever is in goes on").await;
        world.pass(retry_after(&answer));
        program.calls(Method::POST, "/api/v1/sessions", &name).await.is(201);
    }

    async fn hook_calls_are_limited(instance: Instance) {
        let world = instance.with_limits().open().await;
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let hook =
            nell.calls(Method::POST, &room.api("/hooks"), &json!({ "name": "CI" })).await.is(201).json();
        let url = hook["url"].as_str().expect("an address").to_owned();
        for _ in 0..60 {
            world.calls_hook(&url, &json!({ "text": "Build failed" })).await.is(200);
        }
        let answer = world.calls_hook(&url, &json!({ "text": "Build failed" })).await.is(429);
        assert_eq!(retry_after(&answer), Duration::from_secs(1));
        nell.says(&room, "People go on.").await;
        world.pass(retry_after(&answer));
        world.calls_hook(&url, &json!({ "text": "Build failed" })).await.is(200);
    }

    async fn limits_can_be_turned_off(world: World) {
        let [nell] = world.members(["nell"]).await;
        for n in 0..50 {
            let answer = nell
                .sends_json(Method::POST, "/api/v1/statuses", &json!({ "status": n.to_string() }))
                .await
                .is(200);
            assert_eq!(answer.header("ratelimit"), "");
        }
    }

    async fn log_ins_queue_for_hashing_and_do_not_delay_other_requests(world: World) {
        world.members(["nell"]).await;
        let mut logins = FuturesUnordered::new();
        for _ in 0..60 {
            let nell = world.stranger();
            logins.push(tokio::spawn(async move { nell.logs_in("nell", PASSWORD).await.status }));
        }
        // The first log-in has finished, so the others are waiting for the hashing pool.
        assert_eq!(logins.next().await.and_then(Result::ok), Some(303));
        let (stranger, mut done) = (world.stranger(), 1);
        let reads = async {
            for path in ["/", "/@nell", "/login", "/api/v1/timelines/public?limit=1", "/livez"] {
                stranger.gets(path).await.is(200);
            }
        };
        tokio::pin!(reads);
        loop {
            tokio::select! {
                biased;
                () = &mut reads => break,
                login = logins.next() => {
                    assert_eq!(login.and_then(Result::ok), Some(303));
                    done += 1;
                    assert!(done < 60, "five pages took longer than sixty log-ins");
                }
            }
        }
        while let Some(login) = logins.next().await {
            assert_eq!(login.ok(), Some(303), "every log-in succeeds");
        }
    }
}
