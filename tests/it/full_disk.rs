//! Tests of a full disk: it is reported, and nothing is lost. SQLite only, because a test can fill that disk.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    time::Duration,
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::common::{Answer, Engine, Instance, Person, SmallDisk, until};

const REASON: &str = "The disk is full, so nothing was saved. What was there before is safe; \
                   tell whoever keeps this place.";

/// Fills the disk to the last byte. Deleting the returned file makes room again.
fn fill(disk: &SmallDisk) -> PathBuf {
    let path = disk.path().join("ballast");
    let mut file = File::create(&path).expect("a file");
    while file.write_all(&[0; 4096]).is_ok() {}
    while file.write_all(&[0]).is_ok() {}
    path
}

/// Posts until a post is refused. Returns the texts of the acknowledged posts, and the refusal.
async fn posts_until_refused(nell: &Person) -> (Vec<String>, Answer) {
    let mut acknowledged = Vec::new();
    loop {
        let body = format!("{} {}", acknowledged.len(), "x".repeat(270));
        let answer = nell.posts("/peeps", &[("body", &body)]).await;
        if answer.status != 303 {
            return (acknowledged, answer);
        }
        acknowledged.push(body);
        assert!(acknowledged.len() < 20_000, "no write was refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_reported_and_nothing_is_lost() {
    let Some(disk) = SmallDisk::mount("12m") else { return };
    let mut instance = Instance::new(Engine::Sqlite);
    instance.settings.data = Some(disk.path().join("data"));
    let mut world = instance.open().await;
    let [nell, ify] = world.members(["nell", "ify"]).await;
    let first = nell.peeps("Before").await;
    let ballast = fill(&disk);

    let (mut acknowledged, refused) = posts_until_refused(&nell).await;
    let page = refused.is(507).page();
    assert_eq!(page.field_error("body").as_deref(), Some(REASON));
    assert!(page.value("body").contains("xxx"), "the form keeps the text");
    let long = "y".repeat(280);
    let answer = nell.sends_json(Method::POST, "/api/v1/statuses", &json!({ "status": long })).await;
    assert_eq!(answer.is(507).problem(), REASON);
    // Concurrent writes share a commit; one that does not fit must not fail the others.
    let answers = join_all((0..20).map(|n| {
        let (ify, body) = (&ify, format!("together {n} {}", "z".repeat(250)));
        async move { (ify.posts("/peeps", &[("body", &body)]).await.status, body) }
    }));
    for (status, body) in answers.await {
        match status {
            303 => acknowledged.push(body),
            507 => {}
            _ => panic!("unexpected status {status}"),
        }
    }
    // Reads still work, also where a session's last use would have to be stored.
    world.pass(Duration::from_secs(3 * 24 * 3600));
    for reader in [&world.stranger(), &nell] {
        assert_eq!(reader.opens(&nell.path_of(&first)).await.peep(&first).words, "Before");
        reader.opens("/").await;
    }
    nell.gets("/readyz").await.is(200);

    fs::remove_file(ballast).expect("space on the disk");
    nell.peeps("After").await;
    acknowledged.extend(["Before".to_owned(), "After".to_owned()]);
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let mut actual = all_texts(&nell).await;
        actual.sort();
        acknowledged.sort();
        assert_eq!(actual, acknowledged, "each acknowledged peep, and no other (restarted: {restart})");
    }
    world.stop().await;
    let file = rusqlite::Connection::open(world.instance.data().join("chitter.db")).expect("the file");
    let integrity: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(integrity, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_meets_a_full_disk_is_sent_once_there_is_room() {
    let Some(disk) = SmallDisk::mount("12m") else { return };
    let mut instance = Instance::new(Engine::Sqlite);
    instance.settings.data = Some(disk.path().join("data"));
    let mut world = instance.open().await;
    let [nell, _ify] = world.members(["nell", "ify"]).await;
    // A file in place of the mail folder makes the delivery fail, so the job waits in the outbox.
    let outbox = world.instance.data().join("outbox");
    fs::remove_dir(&outbox).expect("an empty folder");
    File::create(&outbox).expect("a file in its place");
    nell.peeps("@ify hello").await;
    let again_at = world.job_fails(1).await;
    fs::remove_file(&outbox).and_then(|()| fs::create_dir(&outbox)).expect("a folder again");
    // A full disk then prevents both the delivery and storing its outcome.
    let ballast = fill(&disk);
    world.clock().set(again_at);
    nell.opens("/").await;
    fs::remove_file(&ballast).expect("space on the disk");
    world.restart().await;
    until("the mail to be in the outbox", || async {
        let jobs = world.jobs().await;
        // Only waiting jobs count: a claim must not expire while its worker is busy.
        if let Some(due) = jobs.iter().filter(|job| job.waits).map(|job| job.run_at).min() {
            world.clock().set(due.max(world.clock().now()));
        }
        jobs.is_empty().then_some(())
    })
    .await;
    let mails = fs::read_dir(outbox).expect("a folder").flatten();
    let mails = mails.map(|mail| mail.file_name().to_string_lossy().into_owned());
    let mails = mails.filter(|name| name.ends_with(".eml") && !name.starts_with('.'));
    assert_eq!(mails.count(), 1);
}

/// Returns the texts of all peeps in the stream.
async fn all_texts(person: &Person) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), Some("/".to_owned()));
    while let Some(path) = next {
        let page = person.opens(&path).await;
        all.extend(page.words());
        next = page.link("Older peeps");
    }
    all
}
