//! Tests of the Atom feeds: well-formed, escaped, for everyone's peeps and for one person's.

use crate::common::{World, well_formed};

on_both! {
    async fn the_public_feed_contains_escaped_peeps(world: World) {
        let mut nell = world.stranger();
        (nell.username, nell.name) = ("nell".into(), "Nell & <Co>".into());
        nell.signs_up().await.is(303);
        let [ify] = world.members(["ify"]).await;
        let id = nell.peeps("1 < 2 & ]]> \"quoted\" <b>bold</b>\n#tide @ify").await;
        ify.peeps("Not Nell's").await;
        let stranger = world.stranger();
        let feed = stranger.gets("/feed.atom").await.is(200);
        assert_eq!(feed.header("content-type"), "application/atom+xml; charset=utf-8");
        let everyone = well_formed(&feed.text());
        let own = well_formed(&stranger.gets("/@nell.atom").await.is(200).text());
        assert_eq!(everyone.iter().filter(|e| e.name == "entry").count(), 2);
        assert_eq!(own.iter().filter(|e| e.name == "entry").count(), 1);
        let base = world.url();
        for feed in [&everyone, &own] {
            let texts: Vec<_> = feed.iter().map(|e| (e.name.as_str(), e.text.as_str())).collect();
            let url = format!("{base}/@nell/{id}");
            let content = format!(
                "1 &lt; 2 &amp; ]]&gt; &quot;quoted&quot; &lt;b&gt;bold&lt;/b&gt;<br>\n\
                 <a rel=\"tag\" href=\"{base}/tags/tide\">#tide</a> \
                 <a class=\"mention\" href=\"{base}/@ify\">@ify</a>"
            );
            for expected in [
                ("id", url.as_str()),
                ("name", "Nell & <Co>"),
                ("published", "2026-11-20T12:00:00.000Z"),
                ("content", content.as_str()),
            ] {
                assert!(texts.contains(&expected), "missing from the feed: {expected:?} in {texts:#?}");
            }
        }
    }

    async fn a_feed_without_peeps_is_well_formed(world: World) {
        world.members(["nell"]).await;
        for path in ["/feed.atom", "/@nell.atom"] {
            let feed = well_formed(&world.stranger().gets(path).await.is(200).text());
            for name in ["id", "title", "updated"] {
                assert!(feed.iter().any(|e| e.name == name), "{name} is required (RFC 4287)");
            }
        }
    }

    async fn a_feed_stays_well_formed_with_any_text(world: World) {
        let [mallory] = world.members(["mallory"]).await;
        for nasty in [
            "\u{FFFE}",
            "\u{FFFF}",
            "\u{FDD0}",
            "\u{1FFFF}",
            "\u{85}",
            "\u{7F}",
            "\u{2028}",
            "]]>",
            "<!--",
            "<?xml",
            "&#0;",
            "&nbsp;",
            "\u{E000}",
        ] {
            mallory.posts("/peeps", &[("body", &format!("a{nasty}b"))]).await;
        }
        for path in ["/feed.atom", "/@mallory.atom"] {
            well_formed(&world.stranger().gets(path).await.is(200).text());
        }
    }
}
