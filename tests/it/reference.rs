//! Tests of the API reference: it documents every route, and its examples work.

use std::{collections::BTreeSet, process::Command, time::Duration};

use chitter::openapi::{self, Call};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Engine, Guest, Instance, Listener, Person, World, text, until};

/// Endpoints that OpenAPI does not cover: the socket is documented in AsyncAPI.
const ELSEWHERE: [&str; 1] = ["get /api/v1/streaming"];

/// Returns `method /path` of each documented call.
fn told() -> BTreeSet<String> {
    openapi::calls().iter().map(|call| format!("{} {}", call.method.to_lowercase(), call.path)).collect()
}

/// Returns `method /path` of each route in the router's source.
fn routes() -> BTreeSet<String> {
    let source = include_str!("../../src/server/routes.rs").replace(char::is_whitespace, "");
    let mut found = BTreeSet::new();
    let mut take = |path: &str, handlers: &str| {
        for method in ["get", "post", "put", "patch", "delete"] {
            let call = format!("{method}(api::");
            if handlers.contains(&call) || handlers.contains(&format!("{method}(socket::")) {
                found.insert(format!("{method} {path}"));
            }
        }
    };
    for route in source.split(".route(").skip(1) {
        let route = route.split(".merge(").next().unwrap_or(route);
        if let Some(path) = route.strip_prefix("&at(\"") {
            let (path, handlers) = path.split_once('"').expect("a path");
            for access in ["/rooms/{key}", "/conversations/{conversation}", "/threads/{thread}"] {
                take(&format!("/api/v1{access}{path}"), handlers);
            }
        } else {
            let (path, handlers) = route.trim_start_matches('"').split_once('"').expect("a path");
            if path.starts_with("/api/") {
                take(path, handlers);
            }
        }
    }
    found
}

#[test]
fn the_openapi_document_lists_exactly_the_routes() {
    let (told, routes) = (told(), routes());
    assert!(routes.len() > 50, "routes were found: {routes:?}");
    let missing: Vec<_> =
        routes.iter().filter(|&one| !told.contains(one) && !ELSEWHERE.contains(&one.as_str())).collect();
    assert!(missing.is_empty(), "the document does not tell of {missing:?}");
    let invented: Vec<_> = told.difference(&routes).collect();
    assert!(invented.is_empty(), "there is no {invented:?}");
}

#[test]
fn every_call_has_a_summary_and_answers() {
    let mut ids = BTreeSet::new();
    for call in openapi::calls() {
        assert!(ids.insert(&call.id), "{} is the name of two calls", call.id);
        assert!(call.summary.ends_with('.') && !call.response_description.is_empty(), "{call:?}");
    }
}

/// The accounts and the data that the examples run with.
struct Examples {
    world: World,
    nell: Person,
    ify: Person,
    ha: Person,
    program: Guest,
    folder: tempfile::TempDir,
}

impl Examples {
    async fn new() -> Self {
        let world = Instance::new(Engine::Sqlite).open().await;
        let [nell, ify, ha] = world.members(["nell", "ify", "ha"]).await;
        let form = [("name", "Examples"), ("read", "on"), ("write", "on")];
        let program =
            world.program(&nell.posts("/settings/tokens", &form).await.is(200).page().value("secret"));
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("photo.jpg"), b"no picture, but a file").expect("a file");
        Examples { world, nell, ify, ha, program, folder }
    }

    async fn makes(&self, path: &str, body: Value) -> Value {
        let made = self.program.calls(Method::POST, path, &body).await;
        assert!(matches!(made.status, 200 | 201), "{path}: {made:?}");
        made.json()
    }

    /// Creates fresh data for one call. Returns the values by variable name.
    async fn variables(&self, call: &Call) -> Vec<(&'static str, String)> {
        let thread = self.makes("/api/v1/threads", json!({ "users": ["ify"] })).await;
        let room = self.makes("/api/v1/rooms", json!({ "name": "Repair café" })).await;
        let (thread_id, key) = (text(&thread["id"]), text(&room["key"]));
        let peep = self.makes("/api/v1/statuses", json!({ "status": "Good morning" })).await;
        let hook = self.makes(&format!("/api/v1/rooms/{key}/hooks"), json!({ "name": "Builds" })).await;
        let access = if call.path.contains("/rooms/") {
            format!("rooms/{key}")
        } else {
            format!("threads/{thread_id}")
        };
        let message = self.makes(&format!("/api/v1/{access}/messages"), json!({ "body": "hello" })).await;
        self.ify.fetches(&format!("/api/v1/rooms/{key}")).await.is(200);
        vec![
            ("THREAD", thread_id.clone()),
            ("CONVERSATION", thread_id),
            ("ACCOUNT", text(&thread["users"][1]["id"])),
            ("KEY", key),
            ("PEEP", text(&peep["id"])),
            ("HOOK", text(&hook["id"])),
            ("MESSAGE", text(&message["id"])),
        ]
    }

    /// Matches Nell with another person, and ends whatever match either was in before.
    async fn talks(&self, other: &Person) {
        for other in [&self.ify, &self.ha].into_iter().filter(|one| !std::ptr::eq(*one, other)) {
            other.does(Method::DELETE, "/api/v1/matches/current").await;
        }
        let current = async |one: &Person| {
            one.fetches("/api/v1/matches/current").await.json()["state"].as_str().map(ToOwned::to_owned)
        };
        for one in [&self.nell, other] {
            if current(one).await.as_deref() != Some("matched") {
                one.calls(Method::POST, "/api/v1/matches", &json!({ "adult": true })).await.is(201);
            }
        }
        until("a talk", async || {
            self.world.pass(Duration::from_secs(2));
            let both = (current(&self.nell).await, current(other).await);
            (both == (Some("matched".into()), Some("matched".into()))).then_some(())
        })
        .await;
    }

    /// Returns the token for a call. Calls about a match get one first.
    async fn token(&self, call: &Call) -> String {
        if call.id == "sessions_end" {
            return self.world.guest("Teo").await.token;
        }
        if ["matches_reveal", "matches_next", "matches_block"].contains(&call.id.as_str()) {
            // A block also applies to threads, so the example blocks a person whom no other example uses.
            let other = if call.id == "matches_block" { &self.ha } else { &self.ify };
            self.talks(other).await;
        }
        self.program.token.clone()
    }
}

#[tokio::test]
async fn every_example_returns_the_documented_status() {
    let examples = Examples::new().await;
    let mut wrong = Vec::new();
    for call in openapi::calls() {
        let token = examples.token(call).await;
        let curl =
            call.curl(&examples.world.url()).replacen("curl", "curl -sS -o answer.json -w %{http_code}", 1);
        let mut command = Command::new("bash");
        command
            .args(["-c", &curl])
            .current_dir(examples.folder.path())
            .env("TOKEN", token)
            .envs(examples.variables(call).await);
        // A blocking wait here would stop the server, which runs on the same thread.
        let done = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends");
        let done = done.expect("bash and curl are there");
        let status = String::from_utf8_lossy(&done.stdout).into_owned();
        if status != call.status.to_string() {
            let answer =
                std::fs::read_to_string(examples.folder.path().join("answer.json")).unwrap_or_default();
            wrong.push(format!("{status} in place of {}: {curl}\n{answer}", call.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

on_both! {
    async fn the_api_reference_is_public(world: World) {
        let stranger = world.stranger();
        let document = stranger.gets("/openapi.json").await.is(200).json();
        assert_eq!(document["openapi"], "3.1.0");
        let page = stranger.opens("/docs/api").await;
        assert!(page.says("Creates a thread."));
        let collection = stranger.gets("/docs/chitter.postman_collection.json").await.is(200).json();
        assert_eq!(collection["info"]["name"], "Chitter");
    }

    async fn the_asyncapi_document_lists_the_socket_s_messages(world: World) {
        let document = world.stranger().gets("/asyncapi.json").await.is(200).json();
        assert_eq!(document["asyncapi"], "3.0.0");
        let told = |frame: &Value| {
            let messages = document["channels"]["streaming"]["messages"].as_object().expect("messages");
            let payloads = messages.iter().filter(|(key, _)| key.starts_with("tell_")).map(|(_, one)| &one["payload"]);
            let mut fits = payloads.filter(|payload| {
                let names = |list: &Value| -> BTreeSet<String> {
                    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(Into::into)).collect()
                };
                let known = payload["properties"].as_object().expect("members");
                let members: BTreeSet<String> = frame.as_object().expect("an object").keys().cloned().collect();
                names(&known["event"]["enum"]).contains(frame["event"].as_str().expect("an event"))
                    && names(&payload["required"]).is_subset(&members)
                    && members.iter().all(|member| known.contains_key(member))
            });
            assert!(fits.next().is_some(), "not in the document: {frame}");
        };
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let thread = nell.calls(Method::POST, "/api/v1/threads", &json!({ "users": ["ify"] })).await.is(201).json();
        let mut listener = Listener::with_cookie(&world.url(), "", &ify.cookies()).await;
        for wanted in [
            json!({ "type": "subscribe", "stream": "public" }),
            json!({ "type": "subscribe", "stream": "room", "room": room.key }),
            json!({ "type": "subscribe", "stream": "room", "room": "nonsense" }),
            json!({ "type": "subscribe", "stream": "conversation", "conversation": thread["id"] }),
            json!({ "type": "subscribe", "stream": "match" }),
            json!({ "type": "nonsense" }),
        ] {
            listener.says(&wanted).await;
        }
        let mut received: Vec<Value> = listener.receives_until_pong().await;
        let peep = nell.peeps("Good morning").await;
        nell.likes(&peep).await;
        nell.edits(&peep, "Good evening").await;
        nell.deletes(&peep).await;
        let said = nell.says(&room, "Hello").await;
        let one = room.api(&format!("/messages/{}", text(&said["id"])));
        nell.calls(Method::PATCH, &one, &json!({ "body": "Hullo" })).await.is(200);
        nell.calls(Method::PATCH, &room.api(""), &json!({ "name": "Café" })).await.is(200);
        nell.does(Method::POST, &room.api("/typing")).await.is(204);
        let path = format!("/api/v1/threads/{}", text(&thread["id"]));
        nell.calls(Method::POST, &format!("{path}/messages"), &json!({ "body": "Hello" })).await.is(201);
        nell.calls(Method::PATCH, &path, &json!({ "name": "Cake day" })).await.is(200);
        ify.calls(Method::POST, "/api/v1/matches", &json!({ "adult": true })).await.is(201);
        nell.does(Method::DELETE, &room.api("")).await.is(204);
        nell.does(Method::DELETE, &path).await.is(204);
        while received.iter().filter(|frame| frame["event"] == "left").count() < 2 {
            received.push(listener.receives().await);
        }
        received.iter().for_each(told);
        let events: BTreeSet<_> = received.iter().map(|frame| text(&frame["event"])).collect();
        for event in ["subscribed", "update", "status.update", "delete", "message", "change", "room", "thread", "receipt", "here",
                      "typing", "left", "error"] {
            assert!(events.contains(event), "{event} was heard: {events:?}");
        }
    }
}
