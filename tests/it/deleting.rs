//! Tests of deleting a peep.

use crate::common::World;

on_both! {
    async fn a_deleted_peep_is_gone_with_its_text(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let id = nell.peeps("secret jelly #quince").await;
        nell.edits(&id, "secret jam #quince").await.is(303);
        ify.likes(&id).await.is(303);
        let (path, form) = (nell.path_of(&id), format!("{}/delete", nell.path_of(&id)));
        assert_eq!(nell.opens(&form).await.heading(), "Delete this peep?");
        assert_eq!(nell.deletes(&id).await.is(303).location(), "/");
        let reader = world.stranger();
        for page in ["/", "/@nell", "/tags/quince", "/feed.atom", "/@nell.atom", "/api/v1/timelines/public"] {
            let text = reader.gets(page).await.is(200).text();
            assert!(!text.contains("secret"), "{page}");
        }
        for page in [
            &path,
            &format!("{path}/history"),
            &form,
            &format!("/api/v1/statuses/{id}"),
            &format!("/api/v1/statuses/{id}/history"),
        ] {
            let answer = nell.gets(page).await.is(404);
            assert!(!answer.text().contains("secret"), "{page}");
        }
        nell.deletes(&id).await.is(404);
        let rows = world.app().db.read(|read| {
            let sql = "SELECT (SELECT COUNT(*) FROM peep_versions) + (SELECT COUNT(*) FROM tags)
                            + (SELECT COUNT(*) FROM likes)";
            read.one(sql, &[], |row| row.get::<i64>(0))
        });
        assert_eq!(rows.await.ok(), Some(0), "no version, tag or like is left");
    }

    async fn replies_to_a_deleted_peep_stay(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let question = nell.peeps("Who mends hub gears?").await;
        let answer = ify.replies(&question, "secret: Jörg does").await;
        let thanks = joerg.replies(&answer, "I do").await;
        ify.deletes(&answer).await.is(303);

        let page = world.stranger().opens(&nell.path_of(&question)).await;
        assert_eq!(page.words(), ["Who mends hub gears?", "This peep was deleted.", "I do"]);
        let page = world.stranger().gets(&ify.path_of(&answer)).await.is(410).page();
        assert_eq!(page.words(), ["Who mends hub gears?", "This peep was deleted.", "I do"]);
        assert!(
            ify.gets(&ify.path_of(&answer)).await.is(410).page().all("textarea").is_empty(),
            "there is no reply form"
        );
        let stream = world.stranger().opens("/").await;
        assert_eq!(stream.words(), ["I do", "Who mends hub gears?"]);
        assert_eq!(stream.peep(&thanks).answers.as_deref(), Some("Answers Ifeoma Okafor, deleted since"));
    }

    async fn a_deleted_peep_without_replies_leaves_no_gap(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let question = nell.peeps("Who mends hub gears?").await;
        let answer = ify.replies(&question, "Not me").await;
        ify.deletes(&answer).await.is(303);
        assert_eq!(world.stranger().opens(&nell.path_of(&question)).await.words(), ["Who mends hub gears?"]);
        world.stranger().gets(&ify.path_of(&answer)).await.is(404);
    }

    async fn only_the_author_or_the_administrator_deletes_a_peep(world: World) {
        let [nell, ify, mallory] = world.members(["nell", "ify", "mallory"]).await;
        let hers = ify.peeps("The press is warm").await;
        let spam = mallory.peeps("Buy my jelly").await;
        let page = mallory.deletes(&hers).await.is(403).page();
        assert!(page.says("Only the one who wrote a peep can delete it."));
        mallory.gets(&format!("{}/delete", ify.path_of(&hers))).await.is(403);
        assert!(!mallory.opens("/").await.peep(&hers).source.contains("/delete\""));
        assert!(nell.opens("/").await.peep(&spam).source.contains("/delete\""), "no Delete for the administrator");
        nell.opens(&format!("{}/delete", mallory.path_of(&spam))).await;
        nell.deletes(&spam).await.is(303);
        assert_eq!(world.stranger().opens("/").await.words(), ["The press is warm"]);
        ify.deletes(&hers).await.is(303);
        assert!(world.stranger().opens("/").await.peeps().is_empty());
    }
}
