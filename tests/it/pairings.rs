//! Tests of the weekly pairs.

use std::{collections::BTreeSet, fs, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Person, World, each, text, until};

const WEEKLY: &str = "/api/v1/matches/weekly";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Waits for the pair after this conversation. Returns the person's weekly state.
async fn paired(person: &Person, last: &Value) -> Value {
    until("the pair", || async {
        let weekly = person.fetches(WEEKLY).await.is(200).json();
        let new = weekly["conversation_id"] != json!(null) && weekly["conversation_id"] != *last;
        new.then_some(weekly)
    })
    .await
}

on_both! {
    async fn members_who_met_longest_ago_are_paired_each_monday(world: World) {
        let members = world.members(["nell", "ify", "joerg"]).await;
        world.member("ha").await; // does not take part
        for member in &members {
            member.does(Method::PUT, WEEKLY).await.is(204);
        }
        let [nell, ify, joerg] = &members;
        joerg.does(Method::DELETE, WEEKLY).await.is(204);
        let weekly = nell.fetches(WEEKLY).await.is(200).json();
        assert_eq!((&weekly["takes_part"], &weekly["members"]), (&json!(true), &json!(2)));
        assert_eq!(weekly["next_at"], "2026-11-23T00:00:00.000Z");
        assert_eq!(weekly["conversation_id"], json!(null));
        world.pass(3 * DAY);
        let first = paired(nell, &json!(null)).await;
        assert_eq!(each(&first["partners"], "username"), ["ify"]);
        let path = format!("/api/v1/conversations/{}", text(&first["conversation_id"]));
        let hello = json!({ "body": "Coffee on Thursday?" });
        nell.calls(Method::POST, &format!("{path}/messages"), &hello).await.is(201);
        let page = ify.opens(&format!("/threads/{}", text(&first["conversation_id"]))).await;
        assert!(page.says("Coffee on Thursday?") && page.says("Nell Ashby"));
        joerg.fetches(&format!("{path}/messages")).await.is(404);
        joerg.gets(&format!("/threads/{}", text(&first["conversation_id"]))).await.is(404);
        let outbox = world.instance.data().join("outbox");
        let mails = until("both mails", || async {
            let files: Vec<_> = fs::read_dir(&outbox).expect("the outbox").flatten().collect();
            let is_mail = |name: &str| name.ends_with(".eml") && !name.starts_with('.');
            let read = |file: &fs::DirEntry| {
                is_mail(&file.file_name().to_string_lossy()).then(|| fs::read_to_string(file.path()).expect("a mail"))
            };
            let mails: Vec<String> = files.iter().filter_map(read).collect();
            (mails.len() == 2).then_some(mails)
        })
        .await;
        let subjects: BTreeSet<_> =
            mails.iter().filter_map(|mail| mail.lines().find(|line| line.starts_with("Subject: "))).collect();
        let expected = ["Subject: This week: you and Ifeoma Okafor", "Subject: This week: you and Nell Ashby"];
        assert_eq!(subjects, BTreeSet::from(expected));

        joerg.does(Method::PUT, WEEKLY).await.is(204);
        ify.does(Method::DELETE, WEEKLY).await.is(204);
        world.pass(7 * DAY);
        let second = paired(nell, &first["conversation_id"]).await;
        assert_eq!(each(&second["partners"], "username"), ["joerg"], "the partner is another member");
        ify.does(Method::PUT, WEEKLY).await.is(204);
        world.pass(7 * DAY);
        let third = paired(nell, &second["conversation_id"]).await;
        let partners = each(&third["partners"], "username").len();
        assert_eq!(partners, 2, "three members make one group");
    }

    async fn only_members_can_take_part_in_weekly_pairs(world: World) {
        let teo = world.guest("Teo").await;
        teo.does(Method::PUT, WEEKLY).await.is(403);
        world.stranger().gets(WEEKLY).await.is(401);
        // A guest already has a name, so asking for a name again would redirect in a circle.
        let guest = world.guest_with_browser("Teo").await;
        let location = guest.gets("/match/weekly").await.is(303).location();
        assert!(location.starts_with("/login?next="), "{location}");
        guest.opens(&location).await;
        let nell = world.member("nell").await;
        assert!(nell.opens("/match/weekly").await.says("Nobody takes part yet."));
        let location = nell.posts("/match/weekly", &[]).await.is(303).location();
        assert!(nell.opens(&location).await.says("Only you take part so far."));
        nell.posts("/match/weekly/leave", &[]).await.is(303);
        assert_eq!(nell.fetches(WEEKLY).await.json()["takes_part"], false);
    }

    async fn a_thread_that_both_have_left_is_purged(world: World) {
        let members = world.members(["nell", "ify"]).await;
        for member in &members {
            member.posts("/match/weekly", &[]).await.is(303);
        }
        world.pass(3 * DAY);
        until("the pair", async || (world.counts("SELECT COUNT(*) FROM pairings").await == 1).then_some(())).await;
        let thread = members[0].fetches("/api/v1/threads").await.json()["data"][0].clone();
        let path = format!("/api/v1/threads/{}", text(&thread["id"]));
        members[0].calls(Method::POST, &format!("{path}/messages"), &json!({ "body": "Hello" })).await.is(201);
        for member in &members {
            member.does(Method::DELETE, &format!("{path}/users/me")).await.is(204);
        }
        let room = members[0].makes_room("Repair café").await;
        members[0].does(Method::DELETE, &room.api("")).await.is(204);
        until("the purge", async || {
            (world.counts("SELECT COUNT(*) FROM conversations").await == 0).then_some(())
        })
        .await;
        assert_eq!(world.counts("SELECT COUNT(*) FROM messages").await, 0);
        assert!(!members[0].opens("/match/weekly").await.says("Say hello"));
        assert_eq!(world.counts("SELECT COUNT(*) FROM pairings").await, 1, "the record of the pair stays");
    }

    async fn the_plain_form_of_a_thread_leads_back_to_the_thread(world: World) {
        let members = world.members(["nell", "ify"]).await;
        for member in &members {
            member.posts("/match/weekly", &[]).await.is(303);
        }
        world.pass(3 * DAY);
        let id = text(&paired(&members[0], &json!(null)).await["conversation_id"]);
        let action = format!("/conversations/{id}/messages");
        let location = members[0].posts(&action, &[("body", "Hello")]).await.is(303).location();
        assert_eq!(location, format!("/threads/{id}#m1"));
        let refused = members[0].posts(&action, &[("body", "")]).await.is(422).page();
        assert!(refused.says("Write something first.") && refused.says("Ifeoma Okafor"));
    }
}
