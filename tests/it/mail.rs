//! Tests of emails about mentions: enqueued with the peep, delivered once, and stopped with one click.

use std::{fs, time::Duration};

use chitter::clock::Time;
use reqwest::Method;

use crate::common::{Instance, Mail, Person, SmtpMode, SmtpServer, World, until};

const HOUR: Duration = Duration::from_secs(3600);

/// Starts an instance with a mail server.
async fn with_mail(instance: Instance, mode: SmtpMode) -> (World, SmtpServer) {
    let smtp = SmtpServer::start(mode);
    (instance.with_mail_by(&smtp.url).open().await, smtp)
}

/// Waits until the outbox is empty. Returns every mail that was delivered by then.
async fn all(world: &World, smtp: &mut SmtpServer) -> Vec<Mail> {
    world.outbox_empties().await;
    smtp.remaining()
}

async fn sets_mention_mail(person: &Person, on: bool) {
    let form: &[_] = if on { &[("mention_mail", "on")] } else { &[] };
    assert_eq!(person.posts("/settings", form).await.is(303).location(), "/settings?saved=1");
}

async fn has_mention_mail_on(person: &Person) -> bool {
    person.opens("/settings").await.field("mention_mail").get("checked").is_some()
}

// Recipients and occasions.
on_both! {
    async fn a_mention_sends_one_mail_with_the_text_and_a_link(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let id = nell.peeps("@ify the <tide> tables\n& the kettle. @Ify!").await;
        let mail = smtp.next_mail().await;
        assert_eq!(mail.to, ["ify@harbour.example"]);
        assert_eq!(mail.header("to"), "\"Ifeoma Okafor\" <ify@harbour.example>");
        assert_eq!(mail.header("from"), "Chitter <chitter@localhost>");
        assert_eq!(mail.header("subject"), "Nell Ashby mentioned you on Chitter");
        assert_eq!(mail.header("date"), "Fri, 20 Nov 2026 12:00:00 +0000");
        assert!(mail.header("content-type").starts_with("multipart/alternative"));
        let link = format!("{}/@nell/{id}", world.url());
        for expected in [
            "Nell Ashby (@nell) mentioned you on Chitter:",
            "@ify the <tide> tables\n& the kettle. @Ify!",
            &link,
        ] {
            assert!(mail.text().contains(expected), "missing from the mail: {expected} in {}", mail.text());
        }
        let html = mail.part("text/html");
        assert!(html.contains("the &#60;tide&#62; tables") && !html.contains("<tide>"), "{html}");
        assert!(html.contains(&link));
        assert!(all(&world, &mut smtp).await.is_empty(), "one mail for two mentions in a peep");
        assert!(!ify.opens("/").await.0.contains("@harbour.example"), "the site shows no address");
    }

    async fn a_mail_can_be_stopped_with_one_click(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        nell.peeps("@ify hello").await;
        let mail = smtp.next_mail().await;
        let url = format!("{}{}", world.url(), mail.unsubscribe_path());
        assert_eq!(mail.header("list-unsubscribe"), format!("<{url}>"));
        assert_eq!(mail.header("list-unsubscribe-post"), "List-Unsubscribe=One-Click", "RFC 8058");
        assert_eq!(mail.header("auto-submitted"), "auto-generated", "no out-of-office replies");
        assert!(mail.text().contains(&url) && mail.part("text/html").contains(&url));
    }

    async fn names_and_text_in_any_script_arrive_unchanged(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let [joerg, layla] = world.members(["joerg", "layla"]).await;
        let body = ".\n..\nخبزتُ اليوم خبزًا بالزعتر 🍞 @joerg\nFrom here on: =C3=A9 é";
        layla.peeps(body).await;
        let mail = smtp.next_mail().await;
        assert_eq!(mail.header("subject"), "ليلى حداد mentioned you on Chitter");
        assert!(mail.header("to").contains("Jörg Großmann"), "{}", mail.header("to"));
        assert!(mail.text().contains(body), "{}", mail.text());
        let long = format!("{} @layla", "ü".repeat(270));
        joerg.peeps(&long).await;
        assert!(smtp.next_mail().await.text().contains(&long), "a long line arrives complete");
    }

    async fn a_name_can_not_inject_mail_headers(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let mut mallory = world.stranger();
        (mallory.username, mallory.name) = ("mallory".into(), "M\", <all@x.org>, \"é".into());
        mallory.email = "\"a b\"@x.org".into();
        mallory.signs_up().await.is(422);
        mallory.email = "m+tag@x.org".into();
        mallory.signs_up().await.is(303);
        let [nell] = world.members(["nell"]).await;
        nell.peeps("@mallory hello").await;
        let mail = smtp.next_mail().await;
        assert_eq!(mail.to, ["m+tag@x.org"]);
        mallory.peeps("@nell hello").await;
        let mail = smtp.next_mail().await;
        assert_eq!(mail.to, ["nell@harbour.example"]);
        assert_eq!(mail.header("subject"), "M\", <all@x.org>, \"é mentioned you on Chitter");
        assert!(all(&world, &mut smtp).await.is_empty());
    }

    async fn only_mentioned_members_get_a_mail(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let [nell, ..] = world.members(["nell", "ify", "joerg", "ha"]).await;
        nell.peeps("@ify, @JOERG and @nobody, but not ha@harbour.example nor @ha@elsewhere.example. – @nell")
            .await;
        let mut to: Vec<_> = all(&world, &mut smtp).await.into_iter().flat_map(|mail| mail.to).collect();
        to.sort();
        assert_eq!(to, ["ify@harbour.example", "joerg@harbour.example"]);
    }

    async fn mentioning_oneself_sends_no_mail(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Signed: @nell").await;
        nell.edits(&id, "Signed again: @nell").await.is(303);
        assert!(all(&world, &mut smtp).await.is_empty());
    }

    async fn an_edit_sends_a_mail_only_for_added_mentions(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let [nell, ..] = world.members(["nell", "ify", "joerg"]).await;
        let id = nell.peeps("Dear @ify").await;
        assert_eq!(smtp.next_mail().await.to, ["ify@harbour.example"]);
        nell.edits(&id, "Dearest @ify").await.is(303);
        nell.edits(&id, "Dear @ify and @joerg").await.is(303);
        let mail = smtp.next_mail().await;
        assert_eq!(mail.to, ["joerg@harbour.example"]);
        assert!(mail.text().contains("Dear @ify and @joerg"));
        nell.edits(&id, "Dear all").await.is(303);
        nell.edits(&id, "Dear @ify, dear @joerg").await.is(303);
        assert!(all(&world, &mut smtp).await.is_empty(), "one mail for each peep and person");
        nell.peeps("And another, @ify").await;
        assert_eq!(smtp.next_mail().await.to, ["ify@harbour.example"], "another peep sends another mail");
    }

    async fn a_form_sent_twice_sends_one_mail(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        for _ in 0..3 {
            nell.posts("/peeps", &[("body", "@ify hello"), ("idempotency_key", "k")]).await.is(303);
        }
        assert_eq!(all(&world, &mut smtp).await.len(), 1);
    }

    async fn a_refused_peep_sends_no_mail(instance: Instance) {
        let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        nell.posts("/peeps", &[("body", &format!("@ify {}", "x".repeat(280)))]).await.is(422);
        nell.posts("/peeps", &[("body", "@ify"), ("reply_to", "1")]).await.is(422);
        assert!(all(&world, &mut smtp).await.is_empty());
    }
}

/// Tests of unsubscribing.
mod off {
    use super::{
        Duration, Instance, Method, SmtpMode, all, has_mention_mail_on, sets_mention_mail, with_mail,
    };

    on_both! {
        async fn a_member_who_turned_mail_off_gets_none(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
            let [nell, ify] = world.members(["nell", "ify"]).await;
            assert!(has_mention_mail_on(&ify).await, "mention mail is on at first");
            sets_mention_mail(&ify, false).await;
            assert!(!has_mention_mail_on(&ify).await);
            assert!(ify.opens("/settings?saved=1").await.says("Saved."));
            let id = nell.peeps("@ify hello").await;
            assert!(all(&world, &mut smtp).await.is_empty());
            sets_mention_mail(&ify, true).await;
            nell.edits(&id, "@ify hello?").await.is(303);
            assert!(all(&world, &mut smtp).await.is_empty(), "mentions from before are not mailed");
            nell.peeps("@ify hello!").await;
            assert_eq!(smtp.next_mail().await.to, ["ify@harbour.example"]);
        }

        async fn one_click_unsubscribe_needs_no_cookie_or_origin(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
            let [nell, ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            let path = smtp.next_mail().await.unsubscribe_path();
            let program = world.stranger();
            let page = program.opens(&path).await;
            assert_eq!(page.heading(), "No more emails about mentions?");
            assert!(
                has_mention_mail_on(&ify).await,
                "a GET changes nothing, because mail programs fetch links by themselves"
            );
            let done = program.posts(&path, &[("List-Unsubscribe", "One-Click")]).await.is(200).page();
            assert_eq!(done.heading(), "No more of these");
            assert!(!has_mention_mail_on(&ify).await);
            program.posts(&path, &[]).await.is(200);
            let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n\
                             One-Click\r\n--x--\r\n";
            let request = program
                .request(Method::POST, &path)
                .header("content-type", "multipart/form-data; boundary=x");
            program.sends(request.body(multipart)).await.is(200);
            nell.peeps("@ify again").await;
            assert!(all(&world, &mut smtp).await.is_empty());
            sets_mention_mail(&ify, true).await;
            program.posts(&path, &[]).await.is(200);
            assert!(!has_mention_mail_on(&ify).await, "the link in an old mail still works");
        }

        async fn the_unsubscribe_button_works_in_a_browser(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
            let [nell, ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            let path = smtp.next_mail().await.unsubscribe_path();
            let form =
                ify.opens(&path).await.all("form").into_iter().find(|form| form.get("action") == Some(&path));
            assert_eq!(form.and_then(|form| form.get("method").map(str::to_owned)).as_deref(), Some("post"));
            ify.posts(&path, &[]).await.is(200);
            assert!(!has_mention_mail_on(&ify).await);
            assert!(has_mention_mail_on(&nell).await, "Nell's setting is unchanged");
        }

        async fn a_forged_unsubscribe_link_is_refused(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
            let [nell, ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            let path = smtp.next_mail().await.unsubscribe_path();
            let token = path.strip_prefix("/unsubscribe/").expect("a token");
            let (id, signature) = token.split_once('-').expect("an id and a signature");
            let nells = world.app().db.read(|read| chitter::store::accounts::by_username(read, "nell"));
            let nells = nells.await.expect("nell's account").id;
            let flipped = if signature.starts_with('0') { "1" } else { "0" };
            for forged in [
                format!("{nells}-{signature}"),
                format!("{id}-{flipped}{}", &signature[1..]),
                format!("{id}-{}", &signature[1..]),
                format!("{id}-{}", signature.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
                format!("{id}-"),
                format!("0{id}-{signature}"),
                format!("-{signature}"),
                format!("{id}{signature}"),
                "-".into(),
                "x".into(),
                "%00-%00".into(),
            ] {
                let path = format!("/unsubscribe/{forged}");
                world.stranger().gets(&path).await.is(404);
                world.stranger().posts(&path, &[]).await.is(404);
            }
            assert!(has_mention_mail_on(&ify).await && has_mention_mail_on(&nell).await);
        }

        async fn an_unsubscribe_link_works_after_a_restart(instance: Instance) {
            let (mut world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
            let [nell, ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            let path = smtp.next_mail().await.unsubscribe_path();
            world.restart().await;
            world.pass(Duration::from_secs(300 * 24 * 3600));
            world.stranger().posts(&path, &[]).await.is(200);
            ify.logs_in("ify", "a heron on the slip").await.is(303);
            assert!(!has_mention_mail_on(&ify).await);
        }
    }
}

/// Tests of a failing mail server, and of changes before delivery.
mod later {
    use super::{Duration, HOUR, Instance, SmtpMode, Time, all, sets_mention_mail, until, with_mail};

    on_both! {
        async fn a_refused_mail_is_retried_with_growing_pauses(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Refuses).await;
            let [nell, _ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            let mut now = world.clock().now();
            for (attempts, pause) in [(1, 10), (2, 20), (3, 40), (4, 80)] {
                let again_at = world.job_fails(attempts).await;
                assert_eq!(again_at.since(now), Duration::from_secs(pause), "after attempt {attempts}");
                smtp.wait_for_refusal().await;
                if attempts == 4 {
                    smtp.set_mode(SmtpMode::Accepts);
                }
                world.clock().set(again_at);
                now = again_at;
            }
            let mail = smtp.next_mail().await;
            assert_eq!(mail.to, ["ify@harbour.example"]);
            assert!(all(&world, &mut smtp).await.is_empty(), "no further mail");
        }

        async fn every_attempt_sends_the_same_mail(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Accepts).await;
            let [nell, _ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify one").await;
            let first = smtp.next_mail().await.header("message-id").to_owned();
            nell.peeps("@ify two").await;
            let second = smtp.next_mail().await.header("message-id").to_owned();
            assert!(
                first.starts_with('<') && first.contains(".mention@") && first != second,
                "{first} {second}"
            );
        }

        async fn mails_over_the_recipient_limit_are_delayed(instance: Instance) {
            let (world, mut smtp) = with_mail(instance.with_limits(), SmtpMode::Accepts).await;
            let [nell, _ify] = world.members(["nell", "ify"]).await;
            let ify = world.app().db.read(|read| chitter::domain::accounts::member(read, "ify"));
            let ify = ify.await.expect("a member");
            while world.app().limits.mail(ify.id()).is_ok() {}
            nell.peeps("@ify hello").await;
            world.job_fails(1).await;
            assert!(smtp.remaining().is_empty(), "no mail within the pause");
            world.clock().advance(Duration::from_secs(121));
            assert!(smtp.next_mail().await.text().contains("hello"), "the mail is sent after the pause");
        }

        async fn a_mail_is_given_up_after_a_day(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Refuses).await;
            let [nell, _ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            let began = world.clock().now();
            let mut attempts = 1;
            while let Some(again_at) = fails_or_is_gone(&world, attempts).await {
                assert!(again_at.since(world.clock().now()) <= HOUR, "at least once an hour");
                world.clock().set(again_at);
                attempts += 1;
            }
            let tried_for = world.clock().now().since(began);
            assert!(tried_for >= 24 * HOUR && tried_for <= 25 * HOUR, "{tried_for:?}");
            assert!(attempts > 24, "{attempts}");
            smtp.set_mode(SmtpMode::Accepts);
            nell.peeps("@ify are you well?").await;
            let mails = all(&world, &mut smtp).await;
            assert_eq!(mails.len(), 1, "the mail that was given up is not sent");
            assert!(mails[0].text().contains("are you well?"));
        }

        async fn a_peep_deleted_before_delivery_sends_no_mail(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Refuses).await;
            let [nell, _ify] = world.members(["nell", "ify"]).await;
            let id = nell.peeps("@ify secret").await;
            let again_at = world.job_fails(1).await;
            nell.deletes(&id).await.is(303);
            smtp.set_mode(SmtpMode::Accepts);
            world.clock().set(again_at);
            assert!(all(&world, &mut smtp).await.is_empty());
        }

        async fn a_mention_removed_before_delivery_sends_no_mail(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Refuses).await;
            let [nell, _ify, _joerg] = world.members(["nell", "ify", "joerg"]).await;
            let id = nell.peeps("@ify hello").await;
            let again_at = world.job_fails(1).await;
            nell.edits(&id, "hello").await.is(303);
            smtp.set_mode(SmtpMode::Accepts);
            world.clock().set(again_at);
            assert!(all(&world, &mut smtp).await.is_empty());
        }

        async fn a_mail_contains_the_text_at_delivery(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Refuses).await;
            let [nell, _ify] = world.members(["nell", "ify"]).await;
            let id = nell.peeps("@ify on Wensday").await;
            let again_at = world.job_fails(1).await;
            nell.edits(&id, "@ify on Wednesday").await.is(303);
            smtp.set_mode(SmtpMode::Accepts);
            world.clock().set(again_at);
            let mails = all(&world, &mut smtp).await;
            assert_eq!(mails.len(), 1);
            assert!(mails[0].text().contains("on Wednesday"));
        }

        async fn turning_mail_off_before_delivery_stops_the_mail(instance: Instance) {
            let (world, mut smtp) = with_mail(instance, SmtpMode::Refuses).await;
            let [nell, ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            let again_at = world.job_fails(1).await;
            sets_mention_mail(&ify, false).await;
            smtp.set_mode(SmtpMode::Accepts);
            world.clock().set(again_at);
            assert!(all(&world, &mut smtp).await.is_empty());
        }

        async fn enqueued_mails_survive_a_restart(instance: Instance) {
            let (mut world, mut smtp) = with_mail(instance, SmtpMode::Refuses).await;
            let [nell, _ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            let again_at = world.job_fails(1).await;
            world.restart().await;
            smtp.set_mode(SmtpMode::Accepts);
            world.clock().set(again_at);
            assert_eq!(all(&world, &mut smtp).await.len(), 1);
        }

        async fn a_hanging_mail_server_delays_nothing_else(instance: Instance) {
            let (mut world, mut smtp) = with_mail(instance, SmtpMode::Hangs).await;
            let [nell, ify] = world.members(["nell", "ify"]).await;
            for n in 0..20 {
                nell.peeps(&format!("@ify {n}")).await;
            }
            smtp.wait_for_connection().await;
            ify.peeps("People go on").await;
            assert_eq!(world.stranger().opens("/").await.words()[0], "People go on");
            assert_eq!(world.jobs().await.len(), 20, "every job is stored");
            smtp.set_mode(SmtpMode::Accepts);
            let mut mails = 0;
            while mails < 20 {
                let due = until("a job to wait, or none to be left", || async {
                    let jobs = world.jobs().await;
                    let waiting = jobs.iter().filter(|job| job.waits).map(|job| job.run_at).min();
                    (jobs.is_empty() || waiting.is_some()).then_some(waiting)
                });
                if let Some(due) = due.await {
                    world.clock().set(due.max(world.clock().now()));
                }
                mails += smtp.remaining().len();
            }
            world.outbox_empties().await;
            assert_eq!(mails + smtp.remaining().len(), 20, "each mail once");
            world.stop().await;
        }
    }

    /// Returns the time of the only job's next attempt, or `None` once the job is gone.
    async fn fails_or_is_gone(world: &super::World, attempts: i64) -> Option<Time> {
        until("the job to fail or to be given up", || async {
            match world.jobs().await.as_slice() {
                [] => Some(None),
                [job] if job.waits && job.attempts == attempts => Some(Some(job.run_at)),
                _ => None,
            }
        })
        .await
    }
}

/// Tests without a mail server.
mod folder {
    use super::{Mail, World, fs};

    on_both! {
        async fn without_a_mail_server_the_mail_is_in_the_outbox_folder(world: World) {
            let [nell, _ify] = world.members(["nell", "ify"]).await;
            nell.peeps("@ify hello").await;
            world.outbox_empties().await;
            let folder = fs::read_dir(world.instance.data().join("outbox")).expect("the folder");
            let files: Vec<_> = folder.map(|entry| entry.expect("a file").path()).collect();
            let [file] = files.as_slice() else { panic!("one mail was expected: {files:?}") };
            assert!(file.extension().is_some_and(|ending| ending == "eml"), "{file:?}");
            let mail = Mail::read(vec![], &fs::read(file).expect("a file"));
            assert_eq!(mail.header("to"), "\"Ifeoma Okafor\" <ify@harbour.example>");
            assert!(mail.text().contains("@ify hello"));
        }
    }
}
