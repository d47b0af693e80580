//! Tests of the API reference: it documents every route, and its examples work.

use std::{collections::BTreeSet, process::Command, time::Duration};

use chitter::openapi::{self, Call};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ApiClient, Engine, Guest, Instance, Listener, Person, World, text, until};

/// Endpoints that OpenAPI does not cover: the socket is documented in AsyncAPI.
const ELSEWHERE: [&str; 1] = ["get /api/v1/streaming"];

/// Returns `method /path` of each documented call.
fn documented() -> BTreeSet<String> {
    openapi::calls().iter().map(|call| format!("{} {}", call.method.to_lowercase(), call.path)).collect()
}

/// Returns `method /path` of each route in the router's source.
fn routes() -> BTreeSet<String> {
    let source = include_str!("../../src/server/routes.rs").replace(char::is_whitespace, "");
    let mut routes = BTreeSet::new();
    let mut add = |path: &str, handlers: &str| {
        for method in ["get", "post", "put", "patch", "delete"] {
            let call = format!("{method}(api::");
            if handlers.contains(&call) || handlers.contains(&format!("{method}(socket::")) {
                routes.insert(format!("{method} {path}"));
            }
        }
    };
    for route in source.split(".route(").skip(1) {
        let route = route.split(".merge(").next().unwrap_or(route);
        if let Some(path) = route.strip_prefix("&at(\"") {
            let (path, handlers) = path.split_once('"').expect("a path");
            for access in ["/rooms/{key}", "/conversations/{conversation}", "/threads/{thread}"] {
                add(&format!("/api/v1{access}{path}"), handlers);
            }
        } else {
            let (path, handlers) = route.trim_start_matches('"').split_once('"').expect("a path");
            if path.starts_with("/api/") {
                add(path, handlers);
            }
        }
    }
    routes
}

#[test]
fn the_openapi_document_lists_exactly_the_routes() {
    let (documented, routes) = (documented(), routes());
    assert!(routes.len() > 50, "only {} routes were found: {routes:?}", routes.len());
    let missing: Vec<_> = routes
        .iter()
        .filter(|&call| !documented.contains(call) && !ELSEWHERE.contains(&call.as_str()))
        .collect();
    assert!(missing.is_empty(), "missing from the document: {missing:?}");
    let unknown: Vec<_> = documented.difference(&routes).collect();
    assert!(unknown.is_empty(), "in the document, but not a route: {unknown:?}");
}

#[test]
fn every_call_has_a_summary_and_answers() {
    let mut ids = BTreeSet::new();
    for call in openapi::calls() {
        assert!(ids.insert(&call.id), "two calls have the id {}", call.id);
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

    /// Creates a resource. Returns its JSON.
    async fn create(&self, path: &str, body: Value) -> Value {
        let created = self.program.calls(Method::POST, path, &body).await;
        assert!(matches!(created.status, 200 | 201), "{path}: {created:?}");
        created.json()
    }

    /// Creates fresh data for one call. Returns the values by variable name.
    async fn variables(&self, call: &Call) -> Vec<(&'static str, String)> {
        let thread = self.create("/api/v1/threads", json!({ "users": ["ify"] })).await;
        let room = self.create("/api/v1/rooms", json!({ "name": "Repair café" })).await;
        let (thread_id, key) = (text(&thread["id"]), text(&room["key"]));
        let peep = self.create("/api/v1/statuses", json!({ "status": "Good morning" })).await;
        let hook = self.create(&format!("/api/v1/rooms/{key}/hooks"), json!({ "name": "Builds" })).await;
        let parent = if call.path.contains("/rooms/") {
            format!("rooms/{key}")
        } else {
            format!("threads/{thread_id}")
        };
        let message = self.create(&format!("/api/v1/{parent}/messages"), json!({ "body": "hello" })).await;
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

    /// Matches Nell with another person, after a match with somebody else has ended.
    async fn match_with(&self, partner: &Person) {
        for other in [&self.ify, &self.ha].into_iter().filter(|other| !std::ptr::eq(*other, partner)) {
            other.does(Method::DELETE, "/api/v1/matches/current").await;
        }
        let state = async |person: &Person| {
            person.fetches("/api/v1/matches/current").await.json()["state"].as_str().map(ToOwned::to_owned)
        };
        for person in [&self.nell, partner] {
            if state(person).await.as_deref() != Some("matched") {
                person.calls(Method::POST, "/api/v1/matches", &json!({ "adult": true })).await.is(201);
            }
        }
        until("a match", async || {
            self.world.pass(Duration::from_secs(2));
            let both = (state(&self.nell).await, state(partner).await);
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
            let partner = if call.id == "matches_block" { &self.ha } else { &self.ify };
            self.match_with(partner).await;
        }
        self.program.token.clone()
    }
}

#[tokio::test]
async fn every_example_returns_the_documented_status() {
    let examples = Examples::new().await;
    let mut failures = Vec::new();
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
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
        let output = output.expect("bash and curl are installed");
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        if status != call.status.to_string() {
            let answer =
                std::fs::read_to_string(examples.folder.path().join("answer.json")).unwrap_or_default();
            failures.push(format!("{status} in place of {}: {curl}\n{answer}", call.status));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
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
        let assert_documented = |frame: &Value| {
            let messages = document["channels"]["streaming"]["messages"].as_object().expect("messages");
            let sent = messages.iter().filter(|(key, _)| key.starts_with("tell_"));
            let payloads = sent.map(|(_, message)| &message["payload"]);
            let mut matching = payloads.filter(|payload| {
                let names = |list: &Value| -> BTreeSet<String> {
                    list.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(Into::into)).collect()
                };
                let properties = payload["properties"].as_object().expect("members");
                let members: BTreeSet<String> = frame.as_object().expect("an object").keys().cloned().collect();
                names(&properties["event"]["enum"]).contains(frame["event"].as_str().expect("an event"))
                    && names(&payload["required"]).is_subset(&members)
                    && members.iter().all(|member| properties.contains_key(member))
            });
            assert!(matching.next().is_some(), "not in the document: {frame}");
        };
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let thread = nell.calls(Method::POST, "/api/v1/threads", &json!({ "users": ["ify"] })).await.is(201).json();
        let mut listener = Listener::with_cookie(&world.url(), "", &ify.cookies()).await;
        for request in [
            json!({ "type": "subscribe", "stream": "public" }),
            json!({ "type": "subscribe", "stream": "room", "room": room.key }),
            json!({ "type": "subscribe", "stream": "room", "room": "nonsense" }),
            json!({ "type": "subscribe", "stream": "conversation", "conversation": thread["id"] }),
            json!({ "type": "subscribe", "stream": "match" }),
            json!({ "type": "nonsense" }),
        ] {
            listener.says(&request).await;
        }
        let mut received: Vec<Value> = listener.receives_until_pong().await;
        let peep = nell.peeps("Good morning").await;
        nell.likes(&peep).await;
        nell.edits(&peep, "Good evening").await;
        nell.deletes(&peep).await;
        let message = nell.says(&room, "Hello").await;
        let path = room.api(&format!("/messages/{}", text(&message["id"])));
        nell.calls(Method::PATCH, &path, &json!({ "body": "Hullo" })).await.is(200);
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
        received.iter().for_each(assert_documented);
        let events: BTreeSet<_> = received.iter().map(|frame| text(&frame["event"])).collect();
        for event in [
            "subscribed", "update", "status.update", "delete", "message", "change", "room", "thread", "receipt", "here",
            "typing", "left", "error",
        ] {
            assert!(events.contains(event), "no {event} was received: {events:?}");
        }
    }
}
