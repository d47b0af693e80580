//! Tests of concurrent actions in a room.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Guest, Room, World, text};

/// Creates this many guests with different names.
async fn guests(world: &World, count: u8) -> Vec<Guest> {
    let mut guests = Vec::new();
    for n in 0..count {
        guests.push(
            world.guest(&format!("{}{} guest", char::from(b'a' + n / 26), char::from(b'a' + n % 26))).await,
        );
    }
    guests
}

/// Returns the ids of the participants who are marked as the owner.
fn owners(people: &Value) -> Vec<String> {
    let people = people.as_array().expect("a list of people").iter();
    people.filter(|person| person["owner"] == true).map(|person| text(&person["account"]["id"])).collect()
}

on_both! {
    async fn guests_with_one_name_who_join_at_once_are_numbered(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let mut teos = Vec::new();
        for _ in 0..8 {
            teos.push(world.guest("Teo").await);
        }
        for answer in join_all(teos.iter().map(|teo| teo.opens_link(&room))).await {
            answer.is(200);
        }
        let mut names = nell.names(&room).await;
        names.sort();
        let expected = ["Nell Ashby", "Teo", "Teo 2", "Teo 3", "Teo 4", "Teo 5", "Teo 6", "Teo 7", "Teo 8"];
        assert_eq!(names, expected);
        assert_eq!(nell.opens_link(&room).await.json()["participants"], 9);
    }

    async fn concurrent_reactions_stay_within_twenty_emoji(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let message = text(&nell.says(&room, "Hello").await["id"]);
        let guests = guests(&world, 30).await;
        for guest in &guests {
            guest.opens_link(&room).await.is(200);
        }
        let reacting = guests.iter().enumerate().map(|(n, guest)| {
            let path = room.api(&format!("/messages/{message}/reactions/%F0%9F%98%{:02X}", 0x80 + n));
            async move { guest.does(Method::PUT, &path).await.status }
        });
        let statuses = join_all(reacting).await;
        let accepted = statuses.iter().filter(|status| **status == 200).count();
        let reactions = nell.messages(&room).await[0]["reactions"].clone();
        assert_eq!(reactions.as_array().map(Vec::len), Some(20), "{statuses:?}");
        assert_eq!(accepted, 20, "every stored reaction was acknowledged: {statuses:?}");
    }

    async fn a_room_with_participants_always_has_an_owner_among_them(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let teo = world.guest("Teo").await;
        for n in 0..12 {
            let room = nell.makes_room(&format!("Room {n}")).await;
            for member in [&ify, &joerg] {
                member.opens_link(&room).await.is(200);
            }
            teo.opens_link(&room).await.is(200);
            let (first, second, third) =
                tokio::join!(nell.leaves(&room), ify.leaves(&room), joerg.leaves(&room));
            for answer in [first, second, third] {
                answer.is(204);
            }
            assert_eq!(owners(&teo.people(&room).await), [teo.id.as_str()], "round {n}");
        }
    }

    async fn a_room_that_everyone_left_at_once_belongs_to_the_next_to_join(world: World) {
        let [nell, ify, ha] = world.members(["nell", "ify", "ha"]).await;
        for n in 0..12 {
            let room = nell.makes_room(&format!("Room {n}")).await;
            ify.opens_link(&room).await.is(200);
            let (first, second) = tokio::join!(nell.leaves(&room), ify.leaves(&room));
            first.is(204);
            second.is(204);
            let joined = ha.opens_link(&room).await.is(200).json();
            assert_eq!(joined["participants"], 1);
            ha.alters(&room, &json!({ "name": "Mine now" })).await.is(200);
        }
    }

    async fn concurrent_removals_leave_nobody_inside_and_a_correct_count(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let guests = guests(&world, 6).await;
        for guest in &guests {
            guest.opens_link(&room).await.is(200);
        }
        let removing = guests.iter().map(|guest| async {
            tokio::join!(
                nell.removes(&room, &guest.id),
                nell.removes(&room, &guest.id),
                guest.leaves(&room),
                guest.tries_to_say(&room, "Hello"),
                guest.opens_link(&room),
            )
        });
        for (first, second, leaves, says, opens) in join_all(removing).await {
            for (answer, expected) in [
                (first, [204, 404, 404]),
                (second, [204, 404, 404]),
                (leaves, [204, 403, 404]),
                (says, [201, 403, 403]),
                (opens, [200, 403, 403]),
            ] {
                assert!(expected.contains(&answer.status), "{answer:?}");
            }
        }
        let people = nell.people(&room).await;
        let inside = people.as_array().expect("people").iter().filter(|person| person["removed"] == false).count();
        assert_eq!(nell.opens_link(&room).await.json()["participants"], json!(inside));
    }

    async fn a_message_during_the_deletion_of_a_room_is_posted_or_refused(world: World) {
        let nell = world.member("nell").await;
        for n in 0..4 {
            let room = nell.makes_room(&format!("Room {n}")).await;
            let guests = guests(&world, 8).await;
            for guest in &guests {
                guest.opens_link(&room).await.is(200);
            }
            let posting = guests.iter().map(|guest| posts_until_refused(guest, &room));
            let deleting = async {
                nell.says(&room, "The end.").await;
                nell.does(Method::DELETE, &room.api("")).await.is(204);
            };
            tokio::join!(join_all(posting), deleting);
            world.outbox_empties().await;
        }
        for sql in ["SELECT COUNT(*) FROM messages", "SELECT COUNT(*) FROM participants"] {
            assert_eq!(world.counts(sql).await, 0, "{sql}");
        }
    }
}

async fn posts_until_refused(person: &Guest, room: &Room) {
    loop {
        match person.tries_to_say(room, "Hello").await.status {
            201 => {}
            404 => return,
            status => panic!("unexpected status {status}"),
        }
    }
}
