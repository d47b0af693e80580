//! Tests of posting and reading peeps on the site.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::common::{Instance, World};

const FAMILY: &str = "👨‍👩‍👧‍👦";

on_both! {
    async fn a_peep_is_in_the_stream_for_everyone(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let id = nell.peeps("Three jars of quince jelly on my step.").await;
        for reader in [&world.stranger(), &nell, &ify] {
            let page = reader.opens("/").await;
            let peep = page.peep(&id);
            assert_eq!(peep.words, "Three jars of quince jelly on my step.");
            for part in ["Nell Ashby", "@nell", "datetime=\"2026-11-20T12:00:00.000Z\""] {
                assert!(peep.source.contains(part), "missing from the peep: {part} in {}", peep.source);
            }
        }
    }

    async fn the_newest_peep_is_at_the_top(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        nell.peeps("one").await;
        ify.peeps("two").await;
        nell.peeps("three").await;
        assert_eq!(world.stranger().opens("/").await.words(), ["three", "two", "one"]);
        assert_eq!(world.stranger().opens("/@nell").await.words(), ["three", "one"]);
    }

    async fn a_peep_shows_its_age(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Mind the lower slip.").await;
        for (seconds, age) in
            [(0, ">now</time>"), (180, ">3m</time>"), (7_200, ">2h</time>"), (864_000, ">20 Nov</time>")]
        {
            world.pass(Duration::from_secs(seconds));
            for reader in [&world.stranger(), &nell] {
                assert!(reader.opens("/").await.peep(&id).source.contains(age), "{age}");
            }
        }
    }

    async fn an_empty_list_shows_a_note(world: World) {
        assert!(world.stranger().opens("/").await.says("Quiet so far"));
        let [nell] = world.members(["nell"]).await;
        assert!(nell.opens("/").await.says("Say the first word"));
        assert!(nell.opens("/@nell").await.says("You have not said anything yet"));
        assert!(world.stranger().opens("/@nell").await.says("has not said anything yet"));
        assert!(world.stranger().opens("/tags/tides").await.says("Nothing under #tides yet"));
    }

    async fn an_instance_without_members_is_announced(world: World) {
        assert!(world.stranger().opens("/").await.says("Nobody lives here yet."));
        world.member("nell").await;
        assert!(!world.stranger().opens("/").await.says("Nobody lives here yet."));
    }

    async fn a_peep_holds_280_characters_as_a_person_counts_them(world: World) {
        let [nell] = world.members(["nell"]).await;
        for fits in [
            "x".repeat(280),
            FAMILY.repeat(280),
            "e\u{301}".repeat(280),
            "خبز ".repeat(70),
            format!("{}\n", "x".repeat(280)),
        ] {
            nell.posts("/peeps", &[("body", &fits)]).await.is(303);
        }
        for (character, count) in [("x", 281), (FAMILY, 281), ("e\u{301}", 300)] {
            let too_long = character.repeat(count);
            let page = nell.posts("/peeps", &[("body", &too_long)]).await.is(422).page();
            let excess = count - 280;
            let reason = format!("That is {count} characters, and there is room for 280. Take out {excess}.");
            assert_eq!(page.field_error("body"), Some(reason));
            assert_eq!(page.value("body"), too_long, "the form keeps the text");
        }
        assert_eq!(nell.opens("/@nell").await.peeps().len(), 5, "refused peeps are not posted");
    }

    async fn a_refused_peep_stays_in_the_form(world: World) {
        let [nell] = world.members(["nell"]).await;
        for (input, reason) in [
            ("", "Write something first."),
            (" \n\t ", "Write something first."),
            ("\u{200B}\u{2060}", "Write something first."),
            ("ding\u{7}", "There is a hidden control character (U+0007) in it. Take it out."),
            ("nul\0", "There is a hidden control character (U+0000) in it. Take it out."),
        ] {
            let page = nell.posts("/peeps", &[("body", input)]).await.is(422).page();
            assert_eq!(page.field_error("body").as_deref(), Some(reason), "{input:?}");
            assert_eq!(page.value("body"), input);
        }
        assert!(nell.opens("/").await.peeps().is_empty());
    }

    async fn a_refused_peep_keeps_its_leading_empty_line(world: World) {
        let [nell] = world.members(["nell"]).await;
        let typed = format!("\n\n{}", "x".repeat(281));
        let page = nell.posts("/peeps", &[("body", &typed)]).await.is(422).page();
        assert_eq!(page.value("body"), typed);
    }

    async fn strangers_can_not_post(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Hello, Row.").await;
        let mallory = world.stranger();
        for path in [
            "/peeps".to_owned(),
            format!("/peeps/{id}"),
            format!("/peeps/{id}/delete"),
            format!("/peeps/{id}/like"),
        ] {
            let page = mallory.posts(&path, &[("body", "spam"), ("likes", "true")]).await.is(401).page();
            assert_eq!(page.heading(), "Log in first", "{path}");
        }
        assert!(mallory.opens("/").await.all("textarea").is_empty(), "no composer is shown");
        assert_eq!(mallory.opens("/").await.words(), ["Hello, Row."]);
    }

    async fn line_breaks_are_kept_and_empty_lines_collapsed(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("the crane,\r\nthe church,\n\n\n\n\nmy glove  \n").await;
        let peep = world.stranger().opens("/").await.peep(&id);
        assert_eq!(peep.words, "the crane,\nthe church,\n\nmy glove");
    }

    async fn only_links_mentions_and_tags_become_links(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let body =
            "<script>alert('1')</script> @Ify & @nobody: https://tides.example/a?b=1&c=\"2\" #Tide #خبز <b>";
        let id = nell.peeps(body).await;
        let path = nell.path_of(&id);
        let html = world.stranger().opens("/").await.peep(&id).html;
        let expected = [
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;",
            "<a class=\"mention\" href=\"/@ify\">@Ify</a>",
            "&amp; @nobody:",
            "<a href=\"https://tides.example/a?b=1&amp;c=\" rel=\"nofollow noopener noreferrer ugc\">\
             tides.example/a?b=1&amp;c=</a>&quot;2&quot;",
            "<a rel=\"tag\" href=\"/tags/tide\">#Tide</a>",
            "<a rel=\"tag\" href=\"/tags/%D8%AE%D8%A8%D8%B2\">#خبز</a>",
            "&lt;b&gt;",
        ];
        assert_eq!(html, expected.join(" "));
        for reader in [&world.stranger(), &nell, &ify] {
            for page in ["/", "/@nell", "/tags/tide", &path] {
                assert_eq!(reader.opens(page).await.peep(&id).html, html, "{page}");
            }
        }
    }

    async fn typed_markup_is_escaped(world: World) {
        let mut mallory = world.stranger();
        mallory.username = "mallory".into();
        mallory.name = "<img src=x onerror=alert(1)>\"'".into();
        mallory.signs_up().await.is(303);
        let attack = "</textarea></p><img src=x onerror=alert(1)><svg onload=alert(1)>";
        let id = mallory.peeps(attack).await;
        mallory.replies(&id, attack).await;
        mallory.edits(&id, &format!("{attack} again")).await.is(303);
        let (path, own) = (mallory.path_of(&id), "/@mallory".to_owned());
        let history = format!("{path}/history");
        let refused = mallory.posts("/peeps", &[("body", &attack.repeat(9))]).await.is(422).page();
        let mut pages = vec![refused];
        for page in
            ["/", &own, &path, &history, &format!("{path}/edit"), &format!("{path}/delete"), "/settings"]
        {
            pages.push(mallory.opens(page).await);
        }
        for page in pages {
            assert!(!page.0.contains("<img") && !page.0.contains("onload=alert(1)>"), "{}", page.0);
        }
    }

    async fn a_form_that_is_sent_twice_posts_once(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let key = nell.opens("/").await.value("idempotency_key");
        assert_ne!(key, nell.opens("/").await.value("idempotency_key"), "each form has a key of its own");
        let form = [("body", "Hello, Row."), ("idempotency_key", key.as_str())];
        let sent = join_all((0..5).map(|_| nell.posts("/peeps", &form))).await;
        assert!(sent.iter().all(|answer| answer.status == 303), "{sent:?}");
        nell.posts("/peeps", &form).await.is(303);
        assert_eq!(world.stranger().opens("/").await.words(), ["Hello, Row."]);
        ify.posts("/peeps", &form).await.is(303);
        assert_eq!(world.stranger().opens("/").await.peeps().len(), 2, "keys belong to one account");
    }

    async fn a_form_sent_again_with_another_text_is_refused_and_keeps_it(world: World) {
        let [nell] = world.members(["nell"]).await;
        let key = nell.opens("/").await.value("idempotency_key");
        nell.posts("/peeps", &[("body", "Hello."), ("idempotency_key", &key)]).await.is(303);
        // The browser's back button shows the same form with the same key again.
        let form = [("body", "And good night."), ("idempotency_key", key.as_str())];
        let page = nell.posts("/peeps", &form).await.is(409).page();
        assert_eq!(page.value("body"), "And good night.");
        assert!(page.field_error("body").is_some());
        let another = page.value("idempotency_key");
        assert_ne!(another, key, "the form in the answer has a new key");
        nell.posts("/peeps", &[("body", "And good night."), ("idempotency_key", &another)]).await.is(303);
        assert_eq!(world.stranger().opens("/").await.words(), ["And good night.", "Hello."]);
    }

    async fn a_refused_form_can_be_corrected_and_sent_again(world: World) {
        let [nell] = world.members(["nell"]).await;
        let key = nell.opens("/").await.value("idempotency_key");
        let refused = nell.posts("/peeps", &[("body", ""), ("idempotency_key", &key)]).await.is(422).page();
        assert_eq!(refused.value("idempotency_key"), key, "the form keeps its key");
        let refused =
            nell.posts("/peeps", &[("body", "Hello."), ("idempotency_key", "é")]).await.is(422).page();
        assert_ne!(refused.value("idempotency_key"), "é", "an invalid key is replaced");
        nell.posts("/peeps", &[("body", "Hello."), ("idempotency_key", &key)]).await.is(303);
        assert_eq!(world.stranger().opens("/").await.words(), ["Hello."]);
    }

    async fn a_script_gets_a_fragment_or_a_problem_and_no_page(world: World) {
        let [nell] = world.members(["nell"]).await;
        let send = |body: &str| {
            nell.request(Method::POST, "/peeps").header("chitter-fragment", "1").form(&[("body", body)])
        };
        let posted = nell.sends(send("Hello & welcome")).await.is(201);
        assert!(posted.text().starts_with("<article"), "{posted:?}");
        assert_eq!(posted.page().peeps()[0].words, "Hello & welcome");
        let refused = nell.sends(send("")).await.is(422);
        assert_eq!(refused.problem(), "Write something first.");
        let stranger = world.stranger();
        let request =
            stranger.request(Method::POST, "/peeps").header("chitter-fragment", "1").form(&[("body", "x")]);
        assert_eq!(stranger.sends(request).await.is(401).problem(), "Log in first.");
    }

    async fn a_peep_with_a_refused_word_is_not_posted(mut instance: Instance) {
        instance.settings.refused_words = Some("scoundrel".into());
        let world = instance.open().await;
        let nell = world.member("nell").await;
        let reason = "There is a word in it that can’t be said here.";
        let refused = nell.posts("/peeps", &[("body", "You SCOUNDREL!")]).await.is(422).page();
        assert!(refused.says(reason) && refused.value("body") == "You SCOUNDREL!");
        let status = json!({ "status": "You scoundrel" });
        let refused = nell.sends_json(Method::POST, "/api/v1/statuses", &status).await.is(422);
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/status");
        assert_eq!(refused.problem(), reason);
        let id = nell.peeps("You dear").await;
        assert!(nell.edits(&id, "You scoundrel").await.is(422).page().says(reason));
        nell.sends_json(Method::PUT, &format!("/api/v1/statuses/{id}"), &status).await.is(422);
        assert_eq!(world.stranger().opens("/").await.words(), ["You dear"]);
    }
}
