//! Tests of tokens and apps.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::common::{ApiClient, Engine, Guest, Instance, Listener, Person, Program, World, text};

/// Creates a token by the form. Returns the secret.
async fn makes_token(person: &Person, scopes: &[&str]) -> String {
    let mut form = vec![("name", "Backup script")];
    form.extend(scopes.iter().map(|scope| (*scope, "on")));
    let page = person.posts("/settings/tokens", &form).await.is(200).page();
    let secret = page.value("secret");
    assert!(secret.starts_with("cht_"), "{secret}");
    secret
}

/// Creates a token. Returns a program that acts with it.
async fn makes_program(world: &World, person: &Person, scopes: &[&str]) -> Guest {
    world.program(&makes_token(person, scopes).await)
}

#[tokio::test]
async fn an_operator_creates_a_token_on_the_command_line() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let instance = Instance::new(engine);
        let create = |instance: &Instance, user: &str, scopes: &str| {
            let args = ["token", "create", "--user", user, "--scopes", scopes];
            let output = Program::command(instance).args(args).output().expect("the program runs");
            (
                String::from_utf8_lossy(&output.stdout).trim().to_owned(),
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                output.status.code(),
            )
        };
        let program = Program::serve(&instance);
        Person::on_site(&program.url, "nell").signs_up().await.is(303);
        let (token, _, code) = create(&instance, "nell", "read,write");
        assert_eq!(code, Some(0));
        let listener = Listener::try_with_token(&program.url, &token).await;
        assert!(listener.is_some(), "{token}");
        for (user, scopes, message) in [
            ("nobody", "read", "chitter: there is no member called nobody"),
            ("nell", "everything", "chitter: There is no scope \"everything\": take read, write or act_as."),
            ("nell", "act_as", "chitter: Only an app can speak for others."),
        ] {
            assert_eq!(create(&instance, user, scopes), (String::new(), message.to_owned(), Some(1)));
        }
    }
}

on_both! {
    async fn a_token_acts_for_its_member_within_its_scopes(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let reads = makes_program(&world, &nell, &["read"]).await;
        let writes = makes_program(&world, &nell, &["read", "write"]).await;
        let thread = writes.calls(Method::POST, "/api/v1/threads", &json!({ "users": ["ify"] })).await.is(201).json();
        assert_eq!(thread["users"][0]["username"], "nell");
        let path = format!("/api/v1/threads/{}/messages", text(&thread["id"]));
        writes.calls(Method::POST, &path, &json!({ "body": "By script" })).await.is(201);
        writes.calls(Method::POST, "/api/v1/statuses", &json!({ "status": "Low tide at six" })).await.is(200);
        assert!(reads.fetches(&path).await.is(200).text().contains("By script"));
        assert!(ify.fetches(&path).await.is(200).text().contains("By script"));
        let refused = reads.calls(Method::POST, &path, &json!({ "body": "No" })).await.is(403);
        assert_eq!(refused.problem(), "The token lacks the scope write.");
        let only_writes = makes_program(&world, &nell, &["write"]).await;
        assert_eq!(only_writes.fetches(&path).await.is(403).problem(), "The token lacks the scope read.");
        let mut listener = Listener::with_token(&world.url(), &reads.token).await;
        listener.says(&json!({ "type": "subscribe", "stream": "conversation", "conversation": thread["id"] })).await;
        assert_eq!(listener.receives().await["event"], "subscribed");
        assert!(Listener::try_with_token(&world.url(), &only_writes.token).await.is_none());
    }

    async fn a_token_opens_no_page_and_creates_no_token(world: World) {
        let [nell] = world.members(["nell"]).await;
        let script = makes_program(&world, &nell, &["read", "write"]).await;
        for path in ["/settings", "/settings/tokens", "/threads", "/rooms"] {
            script.fetches(path).await.is(403);
        }
        script.calls(Method::POST, "/settings/tokens", &json!({ "name": "another", "read": "on" })).await.is(403);
        script.fetches("/api/v1/threads?as=ify").await.is(403);
    }

    async fn a_revoked_or_unknown_token_is_refused(world: World) {
        let [nell, mallory] = world.members(["nell", "mallory"]).await;
        let secret = makes_token(&nell, &["read"]).await;
        let program = world.program(&secret);
        program.fetches("/api/v1/rooms").await.is(200);
        let page = nell.opens("/settings/tokens").await;
        assert!(page.says(&secret[secret.len() - 4..]) && !page.0.contains(&secret), "its last four characters only");
        assert!(page.says("used now"));
        let forms = page.all("form");
        let revoke = forms.iter().filter_map(|form| form.get("action")).find(|action| action.ends_with("/end"));
        let revoke = revoke.expect("a form that revokes the token").to_owned();
        mallory.posts(&revoke, &[]).await.is(404);
        nell.posts(&revoke, &[]).await.is(303);
        program.fetches("/api/v1/rooms").await.is(401).problem();
        for nonsense in ["cht_", "cht_nonsense", "chk_nonsense"] {
            world.program(nonsense).fetches("/api/v1/rooms").await.is(401).problem();
        }
        assert_eq!(world.counts("SELECT COUNT(*) FROM tokens").await, 0);
    }

    async fn invalid_token_requests_are_refused(world: World) {
        let [nell] = world.members(["nell"]).await;
        for form in [&[("name", "x")][..], &[("read", "on")], &[("name", "x"), ("act_as", "on")]] {
            nell.posts("/settings/tokens", form).await.is(422).page();
        }
        let teo = world.guest_with_browser("Teo").await;
        assert!(teo.gets("/settings/tokens").await.is(303).location().starts_with("/login"));
        assert_eq!(world.counts("SELECT COUNT(*) FROM tokens").await, 0);
    }

    async fn an_app_acts_for_its_own_managed_accounts(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let (_, key) = registers(&nell, &["read", "write", "act_as"]).await;
        let app = world.program(&key);
        let order = json!({ "users": ["alma", "bob", "nell"], "metadata": { "order": 17 } });
        let thread = app.calls(Method::POST, "/api/v1/threads", &order).await.is(201).json();
        let path = format!("/api/v1/threads/{}", text(&thread["id"]));
        let people = crate::common::each(&thread["users"], "username");
        assert_eq!(people, ["alma", "bob", "nell"], "the app is not listed");
        assert_eq!(thread["users"][2]["kind"], "managed", "nell is the app's account, not the site's");

        let say = async |body| app.calls(Method::POST, &format!("{path}/messages"), &body).await;
        let message = say(json!({ "as": "bob", "body": "Hello" })).await.is(201).json();
        assert_eq!((&message["account"]["username"], &message["account"]["name"]), (&json!("bob"), &json!("bob")));
        say(json!({ "body": "As whom?" })).await.is(422).problem();
        say(json!({ "as": "carl", "body": "Nobody named me" })).await.is(422).problem();
        assert!(app.fetches(&format!("{path}/messages")).await.is(200).text().contains("Hello"), "the app can read");
        let almas = app.fetches("/api/v1/threads?as=alma").await.is(200).json();
        assert_eq!((&almas["data"][0]["id"], &almas["data"][0]["unread"]), (&thread["id"], &json!(1)));
        app.calls(Method::PUT, &format!("{path}/read?as=alma"), &json!({ "seq": 1 })).await;
        assert_eq!(app.fetches("/api/v1/threads?as=alma").await.json()["data"][0]["unread"], 0);

        // A managed account is visible neither on the site nor to another app.
        assert_eq!(nell.fetches("/api/v1/threads").await.json()["data"], json!([]));
        nell.fetches(&path).await.is(404);
        nell.gets("/@alma").await.is(404);
        assert_eq!(nell.fetches("/api/v1/accounts/search?q=al").await.json()["data"], json!([]));
        let (_, other) = registers(&nell, &["read", "write", "act_as"]).await;
        let other = world.program(&other);
        other.fetches(&path).await.is(404);
        other.fetches("/api/v1/threads?as=alma").await.is(422);
        let users = json!({ "users": ["alma", "zoe"] });
        let others = other.calls(Method::POST, "/api/v1/threads", &users).await.is(201).json();
        assert_ne!(others["users"][0]["id"], thread["users"][0]["id"], "each app has an account alma of its own");

        let add = json!({ "users": ["dora"], "history": "all" });
        app.calls(Method::POST, &format!("{path}/users"), &add).await.is(200);
        assert!(app.fetches(&format!("{path}/messages?as=dora")).await.is(200).text().contains("Hello"));
        let alma = text(&thread["users"][0]["id"]);
        app.does(Method::DELETE, &format!("{path}/users/{alma}")).await.is(204);
        app.fetches(&format!("{path}?as=alma")).await.is(404);
        say(json!({ "as": "alma", "body": "Still here?" })).await.is(404);
        app.does(Method::DELETE, &path).await.is(204);
        app.fetches(&path).await.is(404);
    }

    async fn managed_accounts_are_confined_to_their_app(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let (_, key) = registers(&nell, &["read", "write", "act_as"]).await;
        let app = world.program(&key);
        let begin = json!({ "users": ["ify", "bob", "carl"] });
        let thread = app.calls(Method::POST, "/api/v1/threads", &begin).await.is(201).json();
        let path = format!("/api/v1/threads/{}", text(&thread["id"]));
        // A managed account can join no room and no match.
        let room = nell.makes_room("Repair café").await;
        app.fetches(&format!("{}?as=ify", room.api(""))).await.is(403).problem();
        app.calls(Method::POST, "/api/v1/rooms?as=ify", &json!({ "name": "Mine" })).await.is(403);
        app.calls(Method::POST, &room.api("/messages"), &json!({ "as": "ify", "body": "Hello" })).await.is(403);
        let seek = json!({ "adult": true, "shows_name": true });
        app.calls(Method::POST, "/api/v1/matches?as=ify", &seek).await.is(403);
        // Mentions in an app's threads do not refer to members of the site.
        let say = async |name: &str, body: &str| {
            let body = json!({ "as": name, "body": body });
            app.calls(Method::POST, &format!("{path}/messages"), &body).await.is(201).json()
        };
        assert!(!text(&say("bob", "@nell and @ify").await["html"]).contains("href"));

        // A participant who was added later sees no more by following `next`.
        let add = json!({ "users": ["dora"] });
        app.calls(Method::POST, &format!("{path}/users"), &add).await.is(200);
        for words in ["one", "two", "three"] {
            say("carl", words).await;
        }
        let mut next = format!("{path}/messages?as=dora&limit=2");
        let mut read = Vec::new();
        for _ in 0..3 {
            let answer = app.fetches(&next).await.is(200);
            read.extend(crate::common::each(&answer.list(), "body"));
            let links = answer.header("link").to_owned();
            let Some(older) = links.split(", ").find(|link| link.ends_with("rel=\"prev\"")) else { break };
            let url = older.trim_start_matches('<').split('>').next().expect("an address").to_owned();
            next = url.trim_start_matches(&world.url()).to_owned();
        }
        read.sort();
        assert_eq!(read, ["one", "three", "two"]);
        let list = app.fetches("/api/v1/threads?as=bob&limit=1").await.is(200).json();
        assert!(text(&list["next"]).contains("as=bob"));

        // The app can't leave its own thread, and has no messages or reactions of its own.
        app.does(Method::DELETE, &format!("{path}/users/me")).await.is(403).problem();
        let message = format!("{path}/messages/{}", text(&say("bob", "four").await["id"]));
        app.does(Method::PUT, &format!("{message}/reactions/👍")).await.is(422);
        app.does(Method::PUT, &format!("{message}/reactions/👍?as=carl")).await.is(200);
        app.does(Method::POST, &format!("{path}/typing")).await.is(403);
    }

    async fn a_read_only_token_can_not_join_a_room(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let reads = makes_program(&world, &ify, &["read"]).await;
        reads.fetches(&room.api("")).await.is(403).problem();
        reads.fetches(&room.api("/messages")).await.is(403).problem();
        let mut listener = Listener::with_token(&world.url(), &reads.token).await;
        listener.says(&json!({ "type": "subscribe", "stream": "room", "room": room.key })).await;
        assert_eq!(listener.receives().await["error"], "The token lacks the scope write: with it one comes in.");
        assert_eq!(nell.names(&room).await.len(), 1);
        // A read-only token can read a room that its member is in, and can't send typing signals.
        ify.opens_link(&room).await.is(200);
        reads.fetches(&room.api("/messages")).await.is(200);
        let mut nells = Listener::with_cookie(&world.url(), "", &nell.cookies()).await;
        nells.says(&json!({ "type": "subscribe", "stream": "room", "room": room.key })).await;
        assert_eq!(nells.receives().await["event"], "subscribed");
        listener.says(&json!({ "type": "subscribe", "stream": "room", "room": room.key })).await;
        listener.says(&json!({ "type": "typing", "room": room.key })).await;
        listener.receives_until_pong().await;
        nell.says(&room, "Anyone?").await;
        loop {
            let frame = nells.receives().await;
            assert_ne!(frame["event"], "typing");
            if frame["event"] == "message" {
                break;
            }
        }
    }

    async fn a_bot_is_refused_what_is_for_members(world: World) {
        let [nell] = world.members(["nell"]).await;
        let (_, key) = registers(&nell, &["read", "write"]).await;
        let (bot, teo) = (world.program(&key), world.guest("Teo").await);
        for client in [&bot, &teo] {
            let refused = client.calls(Method::POST, "/api/v1/statuses", &json!({ "status": "Hello" })).await.is(403);
            assert_eq!(refused.problem(), "That is for members.");
            client.fetches("/api/v1/accounts/search?q=ne").await.is(403);
        }
        world.program("chk_nonsense").fetches("/api/v1/threads").await.is(401);
    }

    async fn an_app_can_not_be_named_like_a_member(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        for name in ["Ify", "1FY", "Admin", "@tide"] {
            assert!(nell.posts("/settings/apps", &[("name", name)]).await.is(422).page().field_error("name").is_some());
        }
        nell.posts("/settings/apps", &[("name", "Nell")]).await.is(303);
    }

    async fn only_a_key_with_act_as_creates_managed_accounts(world: World) {
        let [nell] = world.members(["nell"]).await;
        let (page, key) = registers(&nell, &["read", "write", "act_as"]).await;
        let begin = json!({ "users": ["alma", "bob"] });
        let thread = world.program(&key).calls(Method::POST, "/api/v1/threads", &begin).await.is(201).json();
        let form = [("name", "Less"), ("read", "on"), ("write", "on")];
        let without_act_as = nell.posts(&format!("{page}/keys"), &form).await.is(200).page().value("secret");
        let users = format!("/api/v1/threads/{}/users", text(&thread["id"]));
        let add = json!({ "users": ["carl"] });
        world.program(&without_act_as).calls(Method::POST, &users, &add).await.is(403).problem();
        assert_eq!(world.counts("SELECT COUNT(*) FROM accounts WHERE app_id IS NOT NULL").await, 2);
    }

    async fn concurrent_uses_of_one_new_name_create_one_account(world: World) {
        let [nell] = world.members(["nell"]).await;
        let (_, key) = registers(&nell, &["read", "write", "act_as"]).await;
        let app = world.program(&key);
        let begin = || async {
            app.calls(Method::POST, "/api/v1/threads", &json!({ "users": ["alma", "bob"] })).await.is(201).json()
        };
        let begin_in_other_order = async || {
            let users = json!({ "users": ["zoe", "carl", "bob", "alma"] });
            app.calls(Method::POST, "/api/v1/threads", &users).await.is(201)
        };
        let (threads, ..) = tokio::join!(
            async { tokio::join!(begin(), begin(), begin(), begin()) },
            begin_in_other_order(),
            begin_in_other_order()
        );
        for thread in [&threads.1, &threads.2, &threads.3] {
            assert_eq!(thread["users"], threads.0["users"]);
        }
    }

    async fn without_act_as_an_app_is_a_bot_among_members(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (_, key) = registers(&nell, &["read", "write"]).await;
        let bot = world.program(&key);
        bot.calls(Method::POST, "/api/v1/threads", &json!({ "users": ["alma"] })).await.is(422);
        let thread = bot.calls(Method::POST, "/api/v1/threads", &json!({ "users": ["ify"] })).await.is(201).json();
        let path = format!("/api/v1/threads/{}/messages", text(&thread["id"]));
        let message = bot.calls(Method::POST, &path, &json!({ "body": "Low tide at six" })).await.is(201).json();
        assert_eq!((&message["account"]["kind"], &message["account"]["name"]), (&json!("bot"), &json!("Tide bot")));
        assert!(ify.fetches(&path).await.is(200).text().contains("Low tide at six"));
        bot.calls(Method::POST, &path, &json!({ "as": "ify", "body": "Forged" })).await.is(403).problem();
    }

    async fn a_new_key_replaces_the_others_within_a_day(world: World) {
        let [nell, mallory] = world.members(["nell", "mallory"]).await;
        let (page, old) = registers(&nell, &["read"]).await;
        let rotate = format!("{page}/keys/rotate");
        mallory.gets(&page).await.is(404);
        mallory.posts(&rotate, &[("name", "x"), ("read", "on")]).await.is(404);
        let new = nell.posts(&rotate, &[("name", "Newer"), ("read", "on")]).await.is(200).page().value("secret");
        for key in [&old, &new] {
            world.program(key).fetches("/api/v1/threads").await.is(200);
        }
        world.pass(Duration::from_secs(24 * 3600 + 1));
        world.program(&old).fetches("/api/v1/threads").await.is(401);
        world.program(&new).fetches("/api/v1/threads").await.is(200);
        nell.posts(&format!("{page}/delete"), &[]).await.is(303);
        world.program(&new).fetches("/api/v1/threads").await.is(401);
        nell.gets(&page).await.is(404);
    }
}

/// Registers an app and creates a key by the forms. Returns the app's page and the key.
pub async fn registers(person: &Person, scopes: &[&str]) -> (String, String) {
    let page = person.posts("/settings/apps", &[("name", "Tide bot")]).await.is(303).location();
    let mut form = vec![("name", "Production")];
    form.extend(scopes.iter().map(|scope| (*scope, "on")));
    let created = person.posts(&format!("{page}/keys"), &form).await.is(200).page();
    let key = created.value("secret");
    assert!(key.starts_with("chk_"), "{key}");
    (page, key)
}
