//! Tests of matching. In the first test people act at random, and a model checks who is matched with whom; each of the
//! others shows one rule.

mod model;
mod simulation;

use std::time::Duration;

use chitter::{
    Error,
    domain::{
        access::Access,
        conversations::clear_deleted,
        matches,
        messages::{Body, Draft},
        text::RefusedWords,
    },
    store::{conversations::masks, matches::State},
};

use self::{
    model::Blocks,
    simulation::{PEOPLE, Phase, Simulation},
};
use crate::common::Rng;

const TAGS: [&str; 5] = ["bread", "moths", "tides", "trains", "old bicycles"];

on_both! {
    async fn random_actions_never_match_wrongly_or_leave_a_possible_match(mut sim: Simulation) {
        let (mut rng, mut blocks) = (Rng(0x5EED), Blocks::default());
        for _ in 0..1_500 {
            let person = rng.below(PEOPLE as u64) as usize;
            let phase = sim.people[person].phase.clone();
            match (phase, rng.below(10)) {
                (Phase::Idle, 0..=6) => {
                    let tags: Vec<_> = TAGS.into_iter().filter(|_| rng.below(4) == 0).collect();
                    let language = ["", "", "en", "de"][rng.below(4) as usize];
                    let group = rng.below(5) == 0;
                    sim.seeks(person, &tags, language, group).await;
                }
                (Phase::Waiting { .. }, 0) => {
                    sim.does(person, |tx, account, _| matches::leave(tx, account.id)).await.expect("the search ends");
                    sim.people[person].phase = Phase::Idle;
                }
                (Phase::Waiting { .. } | Phase::Talking(_), 1) if sim.people[person].here => {
                    sim.does(person, |tx, account, _| matches::set_away(tx, account.id)).await.expect("stored");
                    sim.people[person].here = false;
                    sim.people[person].closed_at = sim.now();
                }
                (Phase::Waiting { .. } | Phase::Talking(_), 2..=3) if !sim.people[person].here => {
                    sim.does(person, |tx, account, _| matches::set_present(tx, account.id)).await.expect("stored");
                    sim.people[person].here = true;
                }
                (Phase::Talking(_), 2) => {
                    sim.does(person, |tx, account, _| matches::leave(tx, account.id)).await.expect("the search ends");
                    sim.people[person].phase = Phase::Idle;
                }
                (Phase::Talking(id), 4..=5) => {
                    let before = sim.current(person).await.expect("a ticket").ticket;
                    sim.does(person, |tx, account, address| {
                        matches::next(tx, account, address)?;
                        matches::set_present(tx, account.id)
                    }).await.expect("the next search");
                    let after = sim.current(person).await.expect("a ticket").ticket;
                    assert_ne!(after.conversation, Some(id));
                    let tags = matches::tags(&before.interests);
                    sim.people[person].here = true;
                    sim.people[person].phase = Phase::Waiting {
                        since: after.since,
                        pool: before.pool,
                        tags: TAGS.into_iter().filter(|tag| tags.contains(tag)).collect(),
                        language: ["", "en", "de"].into_iter().find(|code| *code == before.language).expect("a code"),
                    };
                }
                (Phase::Talking(_), 6) => {
                    let current = sim.current(person).await.expect("a ticket");
                    let mask = current.partners[rng.below(current.partners.len() as u64) as usize].mask.id;
                    let talk = current.ticket.conversation.expect("a talk");
                    let masks = sim.test_db.db.read(move |read| masks(read, talk)).await.expect("masks");
                    let blocked = masks.iter().find(|row| row.mask == mask).expect("a mask").account;
                    sim.does(person, move |tx, account, _| matches::block(tx, account.id, Some(mask)))
                        .await
                        .expect("a block");
                    let blocked = sim.index_of(blocked);
                    blocks.add(&sim.people, person, blocked);
                    sim.people[person].phase = Phase::Idle;
                }
                _ => {
                    sim.test_db.instance.clock.advance(Duration::from_millis(rng.below(7_000)));
                    sim.send_signs_of_life().await;
                }
            }
            sim.run_matching().await;
            sim.check(&blocks).await;
        }
        let [pairs, groups] = sim.talks.map(|talks| talks.len());
        let summary = format!("{pairs} pairs, {groups} groups, {} blocks", blocks.count());
        assert!(pairs > 100 && groups > 10 && blocks.count() > 10, "{summary}");
    }

    async fn a_search_widens_from_all_interests_to_any_to_anyone(mut sim: Simulation) {
        let people = sim.separate_addresses();
        let [nell, ify, teo, ada] = [people[0], people[1], people[2], people[3]];
        sim.seeks(nell, &["bread", "moths"], "", false).await;
        sim.seeks(ify, &["bread", "tides"], "", false).await;
        sim.seeks(teo, &["trains"], "", false).await;
        sim.run_matching().await;
        assert_eq!(sim.waiting(&[nell, ify, teo]).await, [nell, ify, teo], "nobody shares all interests");
        sim.pass(10).await;
        assert_eq!(sim.waiting(&[nell, ify, teo]).await, [teo], "one common interest is enough");
        sim.seeks(ada, &["moths"], "", false).await;
        sim.pass(10).await;
        assert_eq!(sim.waiting(&[teo, ada]).await, [teo, ada], "one of them does not accept anyone yet");
        sim.pass(10).await;
        assert!(sim.waiting(&[teo, ada]).await.is_empty(), "both accept anyone");
    }

    async fn without_interests_anyone_with_a_common_language_matches_at_once(mut sim: Simulation) {
        let people = sim.separate_addresses();
        let [nell, ify, teo] = [people[0], people[1], people[2]];
        sim.seeks(nell, &[], "de", false).await;
        sim.seeks(ify, &[], "en", false).await;
        sim.run_matching().await;
        assert_eq!(sim.waiting(&[nell, ify]).await, [nell, ify]);
        sim.seeks(teo, &[], "", false).await;
        sim.run_matching().await;
        assert_eq!(sim.waiting(&[nell, ify, teo]).await, [ify], "who waited longer is matched first");
    }

    async fn the_same_address_and_recent_partners_are_matched_last(mut sim: Simulation) {
        for person in [0, 1, 2] {
            sim.people[person].address = "the school".into();
        }
        sim.people[3].address = "elsewhere".into();
        sim.seeks(3, &["trains"], "", false).await;
        sim.seeks(0, &[], "", false).await;
        sim.seeks(1, &[], "", false).await;
        sim.run_matching().await;
        assert_eq!(sim.waiting(&[0, 1, 3]).await, [0, 1, 3], "somebody with another address waits");
        sim.pass(20).await;
        assert_eq!(sim.waiting(&[0, 1, 3]).await, [1], "and is matched first");
        sim.seeks(2, &[], "", false).await;
        sim.run_matching().await;
        assert!(sim.waiting(&[1, 2]).await.is_empty(), "nobody else waits now");
        sim.does(1, matches::next).await.expect("next");
        sim.does(2, matches::next).await.expect("next");
        sim.run_matching().await;
        assert!(sim.waiting(&[1, 2]).await.is_empty(), "they have met, and nobody else waits");
    }

    async fn a_lost_connection_keeps_the_place_for_thirty_seconds(mut sim: Simulation) {
        let people = sim.separate_addresses();
        let [nell, ify] = [people[0], people[1]];
        sim.seeks(nell, &[], "", false).await;
        sim.does(nell, |tx, account, _| matches::set_away(tx, account.id)).await.expect("stored");
        sim.pass(29).await;
        assert_eq!(sim.waiting(&[nell]).await, [nell]);
        sim.does(nell, |tx, account, _| matches::set_present(tx, account.id)).await.expect("stored");
        sim.pass(40).await;
        assert_eq!(sim.waiting(&[nell]).await, [nell], "the window was opened again");
        sim.seeks(ify, &[], "", false).await;
        sim.run_matching().await;
        let talk = sim.current(nell).await.expect("a talk").ticket.conversation;
        sim.does(ify, |tx, account, _| matches::set_away(tx, account.id)).await.expect("stored");
        assert!(sim.current(nell).await.expect("a talk").partners[0].away);
        sim.pass(29).await;
        let ticket = sim.current(nell).await.expect("a talk").ticket;
        assert_eq!((ticket.state, ticket.conversation), (State::Matched, talk));
        sim.pass(1).await;
        assert_eq!(sim.current(nell).await.expect("a ticket").ticket.state, State::Ended);
    }

    async fn an_ended_match_is_deleted_completely(mut sim: Simulation) {
        let people = sim.separate_addresses();
        for person in [people[0], people[1]] {
            sim.seeks(person, &[], "", false).await;
        }
        sim.run_matching().await;
        let nell = sim.people[people[0]].account.clone();
        let id = sim.current(people[0]).await.and_then(|current| current.ticket.conversation).expect("a talk");
        let access = move || Access::Conversation { account: nell.clone(), id, kind: None };
        let joining = access.clone();
        sim.test_db
            .db
            .write(move |tx| {
                let body = Body::parse("Crust or middle?", &RefusedWords::default())?;
                joining().join(tx)?.say(tx, &Draft::text(body), 280).map(drop)
            })
            .await
            .expect("a message");
        sim.does(people[0], |tx, account, _| matches::leave(tx, account.id)).await.expect("the search ends");
        let read = sim.test_db.db.read(move |read| access().find(read));
        assert!(matches!(read.await, Err(Error::NotFound)), "it is deleted for both at once");
        assert_eq!(sim.test_db.count("SELECT COUNT(*) FROM messages").await, 1, "kept for an hour, for reports");
        sim.test_db.db.write(move |tx| matches::delete_talk(tx, id)).await.expect("the talk is deleted");
        while sim.test_db.db.write(clear_deleted).await.expect("the rows are deleted") {}
        for rows in [
            "SELECT COUNT(*) FROM messages",
            "SELECT COUNT(*) FROM conversations",
            "SELECT COUNT(*) FROM participants",
            "SELECT COUNT(*) FROM accounts WHERE mask_of IS NOT NULL",
        ] {
            assert_eq!(sim.test_db.count(rows).await, 0, "{rows}");
        }
        assert_eq!(sim.test_db.count("SELECT COUNT(*) FROM jobs").await, 2, "its end and its deletion");
    }
}
