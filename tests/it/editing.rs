//! Tests of editing a peep, and of its earlier versions.

use std::time::Duration;

use crate::common::{Element, World};

on_both! {
    async fn an_edited_peep_is_marked_and_its_earlier_versions_stay_readable(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Library van on Wensday").await;
        assert!(!world.stranger().opens("/").await.peep(&id).edited);
        world.pass(Duration::from_secs(60));
        assert_eq!(nell.edits(&id, "Library van on Wednesday").await.is(303).location(), nell.path_of(&id));
        world.pass(Duration::from_secs(60));
        nell.edits(&id, "Library van on Thursday").await.is(303);

        let stranger = world.stranger();
        let peep = stranger.opens("/").await.peep(&id);
        assert_eq!(peep.words, "Library van on Thursday");
        assert!(peep.edited);
        let history = stranger.opens(&format!("{}/history", nell.path_of(&id))).await;
        let versions: Vec<_> =
            history.all("p").iter().filter(|p| p.get("class") == Some("body")).map(Element::text).collect();
        assert_eq!(
            versions,
            ["Library van on Thursday", "Library van on Wednesday", "Library van on Wensday"]
        );
        let times: Vec<_> =
            history.all("time").iter().filter_map(|t| t.get("datetime").map(str::to_owned)).collect();
        assert_eq!(
            times,
            ["2026-11-20T12:02:00.000Z", "2026-11-20T12:01:00.000Z", "2026-11-20T12:00:00.000Z"]
        );
    }

    async fn the_edit_form_contains_the_current_text(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("a < b\n& so on").await;
        let page = nell.opens(&format!("{}/edit", nell.path_of(&id))).await;
        assert_eq!(page.value("body"), "a < b\n& so on");
        let typed = "x".repeat(281);
        let page = nell.edits(&id, &typed).await.is(422).page();
        assert_eq!(page.value("body"), typed, "the form keeps the input");
        assert_eq!(
            page.field_error("body").as_deref(),
            Some("That is 281 characters, and there is room for 280. Take out 1.")
        );
        assert_eq!(
            nell.edits(&id, " ").await.is(422).page().field_error("body").as_deref(),
            Some("Write something first.")
        );
        assert_eq!(world.stranger().opens("/").await.peep(&id).words, "a < b\n& so on");
    }

    async fn an_edit_without_a_change_is_not_recorded(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Hello").await;
        nell.edits(&id, "Hello  \r\n").await.is(303);
        assert!(!world.stranger().opens("/").await.peep(&id).edited);
    }

    async fn only_the_author_can_edit_a_peep(world: World) {
        let [nell, ify, mallory] = world.members(["nell", "ify", "mallory"]).await;
        let id = ify.peeps("The press is warm").await;
        // Nell is the administrator, and still can't edit what others wrote.
        for other in [&nell, &mallory] {
            let page = other.edits(&id, "The press is cold").await.is(403).page();
            assert!(page.says("Only the one who wrote a peep can change it."));
            other.gets(&format!("{}/edit", ify.path_of(&id))).await.is(403);
            assert!(!other.opens("/").await.peep(&id).source.contains("/edit\""), "others are not offered to edit it");
        }
        let stranger = world.stranger();
        let login = stranger.gets(&format!("{}/edit", ify.path_of(&id))).await.is(303).location();
        assert!(login.starts_with("/login?next="), "{login}");
        assert_eq!(stranger.opens("/").await.peep(&id).words, "The press is warm");
        assert!(ify.opens("/").await.peep(&id).source.contains("/edit\""));
    }

    async fn deleted_and_unknown_peeps_can_not_be_edited(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Hello").await;
        nell.deletes(&id).await.is(303);
        for id in [id.as_str(), "1", "-1", "99999999999999999999", "x", "%00"] {
            nell.edits(id, "Hello again").await.is(404);
            nell.gets(&format!("/@nell/{id}/edit")).await.is(404);
            nell.gets(&format!("/@nell/{id}/history")).await.is(404);
        }
    }

    async fn a_peep_with_fifty_versions_can_not_be_edited_again(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("version 0").await;
        for n in 1..=50 {
            nell.edits(&id, &format!("version {n}")).await.is(303);
        }
        let page = nell.edits(&id, "version 51").await.is(422).page();
        assert_eq!(page.value("body"), "version 51");
        assert_eq!(world.stranger().opens("/").await.peep(&id).words, "version 50");
    }
}
