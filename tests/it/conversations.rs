//! Tests of replies, and of the conversation around a peep.

use crate::common::World;

on_both! {
    async fn a_reply_is_shown_within_its_conversation(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let question = nell.peeps("Who mends hub gears?").await;
        let answer = ify.replies(&question, "@nell I think @joerg does").await;
        let thanks = joerg.replies(&answer, "I do, and I take dumplings").await;
        let aside = nell.replies(&question, "asking for a friend").await;

        let page = world.stranger().opens(&ify.path_of(&answer)).await;
        assert_eq!(
            page.words(),
            ["Who mends hub gears?", "@nell I think @joerg does", "I do, and I take dumplings"]
        );
        let page = world.stranger().opens(&nell.path_of(&question)).await;
        let ids: Vec<_> = page.peeps().into_iter().map(|peep| peep.id).collect();
        assert_eq!(ids, [question.clone(), answer, thanks.clone(), aside], "oldest first below the peep");
        let page = world.stranger().opens(&joerg.path_of(&thanks)).await;
        assert_eq!(page.peeps().len(), 3, "another branch is not shown");

        let stream = world.stranger().opens("/").await;
        let answers = stream.peep(&thanks).answers.expect("a quote of the parent");
        assert!(answers.contains("Ifeoma Okafor: @nell I think @joerg does"), "{answers}");
        assert!(stream.peep(&question).answers.is_none());
    }

    async fn a_long_conversation_is_shown_in_order(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let mut last = nell.peeps("0").await;
        let mut ids = vec![last.clone()];
        for n in 1..=12 {
            let author = if n % 2 == 0 { &nell } else { &ify };
            last = author.replies(&last, &n.to_string()).await;
            ids.push(last.clone());
        }
        let page = world.stranger().opens(&nell.path_of(&last)).await;
        let shown: Vec<_> = page.peeps().into_iter().map(|peep| peep.id).collect();
        assert_eq!(shown, ids);
        let page = world.stranger().opens(&nell.path_of(&ids[6])).await;
        let shown: Vec<_> = page.peeps().into_iter().map(|peep| peep.id).collect();
        assert_eq!(shown, ids, "the same conversation from its middle");
    }

    async fn a_refused_reply_keeps_its_text(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let question = nell.peeps("Who mends hub gears?").await;
        let typed = "x".repeat(281);
        let page = ify.posts("/peeps", &[("body", &typed), ("reply_to", &question)]).await.is(422).page();
        assert_eq!(page.words(), ["Who mends hub gears?"], "the page still shows the conversation");
        assert_eq!(page.value("reply_to"), question);
        assert_eq!(page.value("body"), typed);
        assert!(page.field_error("body").is_some());
    }

    async fn many_deleted_replies_do_not_hide_the_others(world: World) {
        let [nell, mallory] = world.members(["nell", "mallory"]).await;
        let question = nell.peeps("Who mends hub gears?").await;
        for n in 0..201 {
            let noise = mallory.replies(&question, &n.to_string()).await;
            mallory.deletes(&noise).await.is(303);
        }
        let answer = nell.replies(&question, "Jörg does, I hear").await;
        let page = world.stranger().opens(&nell.path_of(&question)).await;
        let shown: Vec<_> = page.peeps().into_iter().map(|peep| peep.id).collect();
        assert_eq!(shown, [question, answer]);
    }

    async fn a_reply_to_a_deleted_peep_is_refused_and_keeps_its_text(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let lonely = nell.peeps("Going, going").await;
        let answered = nell.peeps("gone").await;
        joerg.replies(&answered, "What is?").await;
        nell.deletes(&lonely).await.is(303);
        nell.deletes(&answered).await.is(303);
        for reply_to in [lonely.as_str(), answered.as_str(), "99", "-1", "99999999999999999999", "seven"] {
            let answer = ify.posts("/peeps", &[("body", "Where to?"), ("reply_to", reply_to)]).await;
            let page = answer.is(422).page();
            assert_eq!(page.value("body"), "Where to?", "reply to {reply_to}");
            assert!(page.field_error("body").is_some(), "reply to {reply_to}");
        }
        assert!(ify.opens("/@ify").await.peeps().is_empty(), "nothing was posted");
    }
}
