//! Tests of webhooks: an app's endpoint is called about its events, and no private address is ever called.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::{
        ApiClient, Element, Endpoint, Engine, Guest, Instance, Person, SmtpMode, SmtpServer, World, text,
        until,
    },
    tokens::registers,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An app of Nell's with a webhook to an endpoint of hers.
struct Shop {
    world: World,
    nell: Person,
    /// The path of the app's settings.
    page: String,
    app: Guest,
    /// The API path of a thread between two of the app's managed accounts.
    thread: String,
}

impl Shop {
    async fn opens(instance: Instance) -> Self {
        let world = instance.open().await;
        let [nell] = world.members(["nell"]).await;
        let (page, key) = registers(&nell, &["read", "write", "act_as"]).await;
        let app = world.program(&key);
        let begin = json!({ "users": ["alma", "bob"] });
        let thread = app.calls(Method::POST, "/api/v1/threads", &begin).await.is(201).json();
        Shop { thread: format!("/api/v1/threads/{}", text(&thread["id"])), world, nell, page, app }
    }

    /// Creates a webhook for these events. Returns its secret.
    async fn subscribes(&self, url: &str, events: &[&str]) -> String {
        let mut form = vec![("url", url)];
        form.extend(events.iter().map(|event| (*event, "on")));
        let path = format!("{}/webhooks", self.page);
        self.nell.posts(&path, &form).await.is(303);
        let page = self.nell.opens(&path).await;
        let secret = page.all("code").iter().map(Element::text).find(|code| code.starts_with("whsec_"));
        secret.expect("the secret is shown")
    }

    /// Posts a message as a managed account.
    async fn says(&self, account: &str, body: &str) -> Value {
        let body = json!({ "as": account, "body": body });
        self.app.calls(Method::POST, &format!("{}/messages", self.thread), &body).await.is(201).json()
    }

    /// Returns the log's text about the latest attempt.
    async fn log(&self) -> String {
        let page = self.nell.opens(&format!("{}/webhooks", self.page)).await;
        page.all("li")
            .iter()
            .map(Element::text)
            .find(|entry| entry.contains("Send again"))
            .unwrap_or_default()
    }

    /// Waits until the log contains this text.
    async fn logs(&self, text: &str) {
        until(text, async || self.log().await.contains(text).then_some(())).await;
    }

    /// Posts a message that a webhook delivers to this URL. Returns the log's text about the attempt.
    async fn tries(&self, url: &str) -> String {
        self.subscribes(url, &["message.created"]).await;
        self.says("alma", "Hello").await;
        until("an attempt", async || Some(self.log().await).filter(|log| log.contains(" ms"))).await
    }
}

/// Allows webhooks to call this machine.
fn with_local_webhooks(instance: Instance) -> Instance {
    instance.with_webhook_hosts("127.0.0.1")
}

on_both! {
    async fn every_event_is_delivered_and_signed(instance: Instance) {
        let shop = Shop::opens(with_local_webhooks(instance)).await;
        let mut endpoint = Endpoint::open().await;
        let all = ["message.created", "message.changed", "thread.changed", "receipt.changed"];
        let secret = shop.subscribes(&endpoint.url, &all).await;
        let message = shop.says("alma", "Is it in stock?").await;
        let mut calls = Vec::new();
        for _ in 0..2 {
            calls.push(endpoint.next_call().await.signed_with(&secret));
        }
        calls.sort_by_key(|call| text(&call["type"]));
        assert_eq!((&calls[0]["type"], &calls[0]["data"]), (&json!("message.created"), &message));
        let receipt = &calls[1]["data"];
        assert_eq!((&receipt["account"]["username"], &receipt["read_seq"]), (&json!("alma"), &json!(1)));

        let path = format!("{}/messages/{}", shop.thread, text(&message["id"]));
        let edit = json!({ "body": "Is it in stock today?" });
        shop.app.calls(Method::PATCH, &format!("{path}?as=alma"), &edit).await.is(200);
        let changed = endpoint.next_call().await.signed_with(&secret);
        assert_eq!((&changed["type"], &changed["data"]["body"]), (&json!("message.changed"), &edit["body"]));
        shop.app.calls(Method::PATCH, &shop.thread, &json!({ "name": "Order 17" })).await.is(200);
        let changed = endpoint.next_call().await.signed_with(&secret);
        assert_eq!((&changed["type"], &changed["data"]["name"]), (&json!("thread.changed"), &json!("Order 17")));
        shop.logs("it answered 204").await;
        assert!(shop.log().await.contains("delivered"));

        // Conversations that the app has no part in cause no call.
        let [ify] = shop.world.members(["ify"]).await;
        let other =
            shop.nell.calls(Method::POST, "/api/v1/threads", &json!({ "users": ["ify"] })).await.is(201).json();
        let path = format!("/api/v1/threads/{}/messages", text(&other["id"]));
        ify.calls(Method::POST, &path, &json!({ "body": "Between us" })).await.is(201);
        shop.world.outbox_empties().await;
        assert!(endpoint.has_no_call());
    }

    async fn a_failed_delivery_is_retried_for_a_day_and_can_be_resent(instance: Instance) {
        let shop = Shop::opens(with_local_webhooks(instance)).await;
        let mut endpoint = Endpoint::open().await;
        endpoint.set_answer(500, None);
        let secret = shop.subscribes(&endpoint.url, &["message.created"]).await;
        shop.says("alma", "Hello").await;
        let first = endpoint.next_call().await;
        let id = first.header("webhook-id").to_owned();
        shop.logs("it answered 500").await;
        assert!(shop.log().await.contains("waiting"));
        shop.world.job_fails(1).await;
        assert!(endpoint.has_no_call(), "no call within the pause");
        shop.world.pass(Duration::from_secs(6));
        let second = endpoint.next_call().await;
        assert_eq!(
            (second.header("webhook-id"), second.signed_with(&secret)),
            (id.as_str(), first.signed_with(&secret))
        );
        assert_ne!(second.header("webhook-timestamp"), first.header("webhook-timestamp"));

        endpoint.set_answer(200, None);
        shop.world.job_fails(2).await;
        shop.world.pass(Duration::from_secs(60));
        endpoint.next_call().await;
        shop.logs("delivered").await;
        shop.world.outbox_empties().await;
        shop.world.pass(DAY);
        assert!(endpoint.has_no_call(), "a delivered call is not repeated");

        // The resend button enqueues a delivery once, however often it is pressed. The delivery is given up
        // after a day.
        endpoint.set_answer(410, None);
        let page = shop.nell.opens(&format!("{}/webhooks", shop.page)).await;
        let actions = page.all("form").into_iter().filter_map(|form| form.get("action").map(ToOwned::to_owned));
        let replay: Vec<_> = actions.filter(|action| action.ends_with("/replay")).collect();
        shop.world.member("mallory").await.posts(&replay[0], &[]).await.is(404);
        for _ in 0..3 {
            shop.nell.posts(&replay[0], &[]).await.is(303);
        }
        assert_eq!(endpoint.next_call().await.header("webhook-id"), id);
        shop.logs("it answered 410").await;
        until("the pause", async || shop.world.jobs().await.iter().all(|job| job.waits).then_some(())).await;
        assert_eq!(shop.world.jobs().await.len(), 1);
        shop.world.pass(DAY);
        shop.world.outbox_empties().await;
        assert!(endpoint.has_no_call());
        assert!(shop.log().await.contains("given up"));
    }

    async fn a_change_during_a_delivery_is_delivered_again(instance: Instance) {
        let shop = Shop::opens(with_local_webhooks(instance)).await;
        let mut endpoint = Endpoint::open().await;
        let secret = shop.subscribes(&endpoint.url, &["message.changed"]).await;
        let message = shop.says("alma", "Is it in stock?").await;
        let path = format!("{}/messages/{}?as=alma", shop.thread, text(&message["id"]));
        let edit = async |body: &str| {
            shop.app.calls(Method::PATCH, &path, &json!({ "body": body })).await.is(200);
        };
        let guard = endpoint.hold_answers().await;
        edit("Is it in stock today?").await;
        assert_eq!(endpoint.next_call().await.signed_with(&secret)["data"]["body"], "Is it in stock today?");
        edit("Is it in stock tomorrow?").await;
        drop(guard);
        assert_eq!(endpoint.next_call().await.signed_with(&secret)["data"]["body"], "Is it in stock tomorrow?");
    }

    async fn a_webhook_is_disabled_after_a_week_of_failures_with_a_mail(instance: Instance) {
        let mut smtp = SmtpServer::start(SmtpMode::Accepts);
        let shop = Shop::opens(with_local_webhooks(instance).with_mail_by(&smtp.url)).await;
        let mut endpoint = Endpoint::open().await;
        endpoint.set_answer(503, None);
        shop.subscribes(&endpoint.url, &["message.created"]).await;
        for day in 0..8 {
            shop.world.pass(Duration::from_secs(3601)); // by then the next attempt is due
            shop.says("alma", &format!("Day {day}")).await;
            endpoint.next_call().await;
            shop.logs("it answered 503").await;
            until("the pause", async || shop.world.jobs().await.iter().all(|job| job.waits).then_some(())).await;
            shop.world.pass(DAY);
            shop.world.outbox_empties().await;
            while !endpoint.has_no_call() {}
        }
        let mail = smtp.next_mail().await;
        assert_eq!(mail.header("subject"), "A webhook of Tide bot is off");
        let path = format!("{}/webhooks", shop.page);
        assert!(mail.text().contains(&path));
        assert!(shop.nell.opens(&path).await.says("It failed for a week, so it is off."));
        shop.says("alma", "Anyone?").await;
        shop.world.outbox_empties().await;
        assert!(endpoint.has_no_call());

        endpoint.set_answer(200, None);
        let page = shop.nell.opens(&path).await;
        let actions = page.all("form").into_iter().filter_map(|form| form.get("action").map(ToOwned::to_owned));
        let enable: Vec<_> = actions.filter(|action| action.ends_with("/enable")).collect();
        shop.nell.posts(&enable[0], &[]).await.is(303);
        shop.says("alma", "Back again").await;
        endpoint.next_call().await;
        shop.logs("delivered").await;
    }
}

#[tokio::test]
async fn no_call_reaches_a_private_address() {
    let mut endpoint = Endpoint::open().await;
    let port = endpoint.url.rsplit(':').next().expect("a port").trim_end_matches("/hook").to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "2130706433", "[::ffff:127.0.0.1]"] {
        let shop = Shop::opens(Instance::new(Engine::Sqlite)).await;
        let url = format!("http://{host}:{port}/hook");
        if host == "localhost" {
            // A host name is resolved when the call is made.
            let log = shop.tries(&url).await;
            assert!(log.contains("that is a private address"), "{host}: {log}");
        } else {
            let form = [("url", url.as_str()), ("message.created", "on")];
            let refused = shop.nell.posts(&format!("{}/webhooks", shop.page), &form).await.is(422).page();
            assert!(
                refused.field_error("url").is_some_and(|error| error.contains("private address")),
                "{host}"
            );
        }
    }
    assert!(endpoint.has_no_call(), "a private address was called");
}

#[tokio::test]
async fn no_redirect_reaches_a_private_address() {
    let mut inner = Endpoint::open().await;
    let port = inner.url.rsplit(':').next().expect("a port").trim_end_matches("/hook").to_owned();
    let mut endpoint = Endpoint::open().await;
    for host in ["localhost", "[::1]", "169.254.169.254", "127.0.0.2"] {
        let shop = Shop::opens(with_local_webhooks(Instance::new(Engine::Sqlite))).await;
        endpoint.set_answer(307, Some(&format!("http://{host}:{port}/hook")));
        let log = shop.tries(&endpoint.url).await;
        assert!(log.contains("that is a private address"), "{host}: {log}");
        endpoint.next_call().await;
    }
    assert!(inner.has_no_call(), "a private address was called");
    // A redirect to an allowed address is followed with the whole body.
    let shop = Shop::opens(with_local_webhooks(Instance::new(Engine::Sqlite))).await;
    endpoint.set_answer(308, Some(&inner.url));
    let secret = shop.subscribes(&endpoint.url, &["message.created"]).await;
    shop.says("alma", "Hello").await;
    assert_eq!(inner.next_call().await.signed_with(&secret)["data"]["body"], "Hello");
    // A redirect that turns the POST into a GET is an answer like any other.
    let shop = Shop::opens(with_local_webhooks(Instance::new(Engine::Sqlite))).await;
    endpoint.set_answer(302, Some(&inner.url));
    assert!(shop.tries(&endpoint.url).await.contains("it answered 302"));
    assert!(inner.has_no_call());
}

#[tokio::test]
async fn an_invalid_webhook_is_refused_and_stays_in_the_form() {
    let shop = Shop::opens(with_local_webhooks(Instance::new(Engine::Sqlite))).await;
    let path = format!("{}/webhooks", shop.page);
    let refused =
        shop.nell.posts(&path, &[("url", "app.example"), ("message.created", "on")]).await.is(422).page();
    assert_eq!(refused.value("url"), "app.example");
    assert!(refused.field_error("url").is_some());
    shop.nell.posts(&path, &[("url", "https://app.example/")]).await.is(422);
    shop.world.member("mallory").await.gets(&path).await.is(404);
}
