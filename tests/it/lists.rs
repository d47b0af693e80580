//! Tests of lists of peeps: pagination, tags, people.

use crate::common::World;

on_both! {
    async fn older_peeps_are_linked_from_each_page(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let bodies: Vec<_> = (0..45).map(|n| format!("peep {n} #tides")).collect();
        for body in &bodies {
            nell.posts("/peeps", &[("body", body)]).await.is(303);
        }
        for (reader, start) in
            [(&world.stranger(), "/"), (&ify, "/"), (&ify, "/@nell"), (&world.stranger(), "/tags/tides")]
        {
            let (mut shown, mut pages) = (Vec::new(), 0);
            let mut next = Some(start.to_owned());
            while let Some(path) = next {
                let page = reader.opens(&path).await;
                shown.extend(page.words());
                pages += 1;
                next = page.link("Older peeps");
                assert_eq!(
                    page.link("Newest peeps"),
                    (pages > 1).then(|| start.to_owned()),
                    "each later page links to the first"
                );
            }
            shown.reverse();
            assert_eq!(shown, bodies, "every peep exactly once from {start}");
            assert_eq!(pages, 3);
        }
        world.stranger().gets("/?before=x").await.is(404);
        assert!(world.stranger().opens("/?before=1").await.peeps().is_empty());
        assert!(world.stranger().opens("/?before=-1").await.peeps().is_empty());
    }

    async fn a_last_page_of_exactly_twenty_links_to_no_older_peeps(world: World) {
        let [nell] = world.members(["nell"]).await;
        for n in 0..20 {
            nell.posts("/peeps", &[("body", &n.to_string())]).await.is(303);
        }
        let page = world.stranger().opens("/").await;
        assert_eq!(page.peeps().len(), 20);
        assert_eq!(page.link("Older peeps"), None);
    }

    async fn a_tag_has_one_page_in_any_spelling(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        nell.peeps("#Letterpress is warm").await;
        ify.peeps("#LETTERPRESS #letterpress twice").await;
        let other = ify.peeps("not about #letterpressing").await;
        let page = world.stranger().opens("/tags/letterpress").await;
        assert_eq!(page.words(), ["#LETTERPRESS #letterpress twice", "#Letterpress is warm"]);
        for (raw, stored) in
            [("LetterPress", "letterpress"), ("ｌetterpress", "letterpress"), ("%E1%BA%9E", "%C3%9F")]
        {
            let answer = world.stranger().gets(&format!("/tags/{raw}")).await.is(308);
            assert_eq!(answer.location(), format!("/tags/{stored}"));
        }
        for raw in ["%00", "a b", "1", "<script>", &"x".repeat(101), "%FF"] {
            let answer = world.stranger().gets(&format!("/tags/{raw}")).await;
            assert!(matches!(answer.status, 400 | 404), "{raw}: {answer:?}");
        }
        ify.edits(&other, "about #letterpress after all").await.is(303);
        assert_eq!(world.stranger().opens("/tags/letterpress").await.peeps().len(), 3);
        ify.edits(&other, "or not").await.is(303);
        assert_eq!(
            world.stranger().opens("/tags/letterpress").await.peeps().len(),
            2,
            "an edit removes the peep from the tag"
        );
    }

    async fn a_profile_has_one_canonical_address(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let id = nell.peeps("Hello").await;
        let stranger = world.stranger();
        assert_eq!(stranger.gets("/@NELL").await.is(308).location(), "/@nell");
        for other in ["ify", "NELL", "nobody"] {
            assert_eq!(
                stranger.gets(&format!("/@{other}/{id}")).await.is(308).location(),
                format!("/@nell/{id}")
            );
        }
        for nobody in [
            "/@nobody",
            "/@",
            "/@%00",
            "/@a%20b",
            "/@nobody.atom",
            "/@nell/1",
            "/@nell/x",
            "/@nell/-5",
            "/@nell/99999999999999999999",
        ] {
            assert_eq!(stranger.gets(nobody).await.is(404).page().heading(), "Nothing here", "{nobody}");
        }
    }
}
