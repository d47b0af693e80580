//! Tests of signing up, logging in and logging out.

use std::time::Duration;

use chitter::store;
use reqwest::Method;
use serde_json::json;

use crate::common::{Instance, PASSWORD, Person, World, until};

const DAY: Duration = Duration::from_secs(24 * 3600);

on_both! {
    async fn signing_up_logs_in_and_leads_to_the_stream(world: World) {
        let nell = world.stranger();
        assert!(!nell.is_logged_in().await, "a stranger is not logged in");
        let answer = nell.signs_up_with("nell@harbour.example", PASSWORD, "Nell Ashby", "nell").await.is(303);
        assert_eq!(answer.location(), "/");
        assert!(nell.is_logged_in().await);
        assert!(nell.opens("/").await.all("textarea").len() == 1, "the composer is shown");
        assert_eq!(nell.opens("/@nell").await.heading(), "Nell Ashby");
    }

    async fn the_first_member_is_the_administrator(world: World) {
        assert!(world.stranger().opens("/signup").await.says("You are the first"));
        let nell = world.member("nell").await;
        let ify = world.member("ify").await;
        assert!(nell.opens("/settings").await.says("keeper of this place"));
        assert!(!ify.opens("/settings").await.says("keeper of this place"));
        assert!(!world.stranger().opens("/signup").await.says("You are the first"));
    }

    async fn of_concurrent_first_sign_ups_one_becomes_the_administrator(world: World) {
        let together = ["nell", "ify", "joerg", "ha"].map(|name| world.member(name));
        futures_util::future::join_all(together).await;
        let admins = world.app().db.read(|read| {
            read.all("SELECT username FROM accounts WHERE admin", &[], |row| row.get::<String>(0))
        });
        assert_eq!(admins.await.expect("the usernames").len(), 1);
    }

    async fn the_session_cookie_is_http_only_and_same_site(world: World) {
        let answer = world.stranger().signs_up_with("nell@harbour.example", PASSWORD, "Nell", "nell").await;
        let cookie = answer.header("set-cookie").to_owned();
        let (secret, attributes) = cookie.split_once("; ").expect("attributes");
        let secret = secret.strip_prefix("chitter_session=").expect("the session's cookie");
        assert!(secret.len() >= 43, "256 bits of randomness: {secret}");
        let attributes: Vec<_> = attributes.split("; ").collect();
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"] {
            assert!(attributes.contains(&attribute), "missing from the cookie: {attribute} in {cookie}");
        }
        assert!(!cookie.contains("Domain="), "the cookie is for this host alone: {cookie}");
        assert!(!cookie.contains("Secure"), "browsers reject a secure cookie over plain http: {cookie}");
    }

    async fn behind_tls_the_cookie_is_bound_to_the_host(mut instance: Instance) {
        instance.settings.base_url = Some("https://row.example".into());
        let world = instance.open().await;
        let answer = world.stranger().signs_up_with("nell@harbour.example", PASSWORD, "Nell", "nell").await;
        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with("__Host-chitter_session=") && cookie.contains("; Secure"), "{cookie}");
    }

    async fn emails_and_usernames_are_unique_in_any_case(world: World) {
        world.stranger().signs_up_with("Sam@X.org", PASSWORD, "Sam Morgan", "sjmog").await.is(303);
        for (email, username, field) in [
            ("sam@x.org", "another", "email"),
            ("SAM@X.ORG", "another", "email"),
            ("other@x.org", "SJMOG", "username"),
            ("other@x.org", "@Sjmog", "username"),
        ] {
            let mallory = world.stranger();
            let page = mallory.signs_up_with(email, PASSWORD, "Mallory", username).await.is(422).page();
            assert!(page.field_error(field).is_some(), "{email} {username}");
            assert!(!mallory.is_logged_in().await);
        }
        let page = world.stranger().signs_up_with("sam@x.org", PASSWORD, "M", "sjmog").await.is(422).page();
        assert!(
            page.field_error("email").is_some() && page.field_error("username").is_some(),
            "both errors are reported at once"
        );
    }

    async fn of_concurrent_sign_ups_with_one_username_one_succeeds(world: World) {
        let (a, b) = (world.stranger(), world.stranger());
        let (first, second) = tokio::join!(
            a.signs_up_with("a@x.org", PASSWORD, "Sam A", "sam"),
            b.signs_up_with("b@x.org", PASSWORD, "Sam B", "sam"),
        );
        let refused = match (first.status, second.status) {
            (303, 409 | 422) => second,
            (409 | 422, 303) => first,
            _ => panic!("not exactly one sign-up succeeded: {first:?} {second:?}"),
        };
        assert_eq!(refused.page().value("username"), "sam", "the form keeps the input");
    }

    async fn an_email_is_stored_as_it_was_typed(world: World) {
        let sam = world.stranger();
        sam.signs_up_with(" Sam.Morgan@X.org ", PASSWORD, "Sam", "sam").await.is(303);
        let email = world.app().db.read(|read| {
            let sam = store::accounts::by_username(read, "sam")?;
            store::accounts::email(read, sam.id)
        });
        assert_eq!(email.await.expect("the email").as_deref(), Some("Sam.Morgan@X.org"));
        assert!(sam.opens("/settings").await.says("To Sam.Morgan@X.org"));
    }

    async fn a_taken_username_is_refused_with_a_free_suggestion(world: World) {
        world.member("nell").await;
        let username_error = |name: &'static str| {
            let other = world.stranger();
            async move {
                let page = other.signs_up_with("o@x.org", PASSWORD, name, "nell").await.is(422).page();
                page.field_error("username").expect("an error")
            }
        };
        assert_eq!(username_error("Nell Quince").await, "@nell is taken. @nellq is free.");
        assert_eq!(username_error("Nell").await, "@nell is taken. @nell2 is free.");
        world.stranger().signs_up_with("n2@x.org", PASSWORD, "Nell", "nell2").await.is(303);
        assert_eq!(username_error("Nell").await, "@nell is taken. @nell3 is free.");
    }

    async fn a_refused_sign_up_keeps_the_input_and_shows_the_error_beside_the_field(world: World) {
        let long = "x".repeat(51);
        let good = [
            ("email", "nell@harbour.example"),
            ("password", PASSWORD),
            ("name", "Nell \"&\" Ashby"),
            ("username", "nell"),
        ];
        for (field, input, reason) in [
            ("email", "nell", "That does not look like an email address."),
            ("email", "", "That does not look like an email address."),
            ("email", "nell@harbour.example\nBcc: all@x.org", "That does not look like an email address."),
            ("password", "short", "Ten characters or more. A silly sentence is best."),
            (
                "password",
                "Password123",
                "That is one of the first that someone would try. A silly sentence is best.",
            ),
            ("name", "", "Tell us what to call you."),
            ("name", &long, "That is 51 characters, and there is room for 50. Take out 1."),
            ("name", "\u{202E}lleN", "There is a character in it that can’t be seen. Type it anew."),
            ("username", "", "Choose a username."),
            ("username", "nell ashby", "Only letters a to z, digits and _ go into a username."),
            ("username", "nëll", "Only letters a to z, digits and _ go into a username."),
            ("username", "n234567890123456789012345678901", "A username has 30 characters at the most."),
            ("username", "Admin", "That username is kept for the house. Choose another."),
        ] {
            let form = good.map(|(name, value)| (name, if name == field { input } else { value }));
            let nell = world.stranger();
            let answer = nell.posts("/signup", &form).await.is(422);
            assert_eq!(answer.header("set-cookie"), "", "no session is started");
            let page = answer.page();
            assert_eq!(page.field_error(field).as_deref(), Some(reason), "{field} {input:?}");
            for (name, value) in form {
                // A browser removes line breaks from a one-line field itself.
                assert_eq!(page.value(name), value, "the form keeps {name}");
                assert!(name == field || page.field_error(name).is_none(), "{name} is valid, {field} is not");
            }
            assert!(!nell.is_logged_in().await);
        }
        assert_eq!(world.app().db.read(store::accounts::count_members).await.ok(), Some(0));
    }

    async fn a_refused_sign_up_reports_all_errors_at_once(world: World) {
        let page = world.stranger().posts("/signup", &[]).await.is(422).page();
        for field in ["name", "username", "email", "password"] {
            assert!(page.field_error(field).is_some(), "{field}");
        }
    }

    async fn reserved_usernames_are_refused(world: World) {
        for name in ["admin", "ROOT", "@support", "settings", "Everyone", "login", "moderator"] {
            let page =
                world.stranger().signs_up_with("m@x.org", PASSWORD, "Mallory", name).await.is(422).page();
            assert_eq!(
                page.field_error("username").as_deref(),
                Some("That username is kept for the house. Choose another.")
            );
        }
    }

    async fn logging_in_accepts_username_or_email_in_any_case(world: World) {
        world.stranger().signs_up_with("Nell@Harbour.example", PASSWORD, "Nell", "Nell").await.is(303);
        for login in ["nell", "NELL", "@Nell", "nell@harbour.example", "NELL@HARBOUR.EXAMPLE", " nell "] {
            let nell = world.stranger();
            assert_eq!(nell.logs_in(login, PASSWORD).await.is(303).location(), "/", "{login:?}");
            assert!(nell.is_logged_in().await, "{login:?}");
        }
    }

    async fn a_wrong_password_and_an_unknown_name_are_refused_alike(world: World) {
        world.member("nell").await;
        let mut errors = Vec::new();
        for (login, password) in [
            ("nell", "a heron on the slop"),
            ("nell", ""),
            ("nell", "A HERON ON THE SLIP"),
            ("nobody", PASSWORD),
            ("", ""),
            ("nell\0", PASSWORD),
            ("nell' OR '1'='1", PASSWORD),
        ] {
            let mallory = world.stranger();
            let answer = mallory.logs_in(login, password).await.is(422);
            assert_eq!(answer.header("set-cookie"), "");
            let page = answer.page();
            assert_eq!(page.value("login"), login, "the form keeps the login");
            assert_eq!(page.value("password"), "", "the form does not keep the password");
            errors.push(page.field_error("password"));
            assert!(!mallory.is_logged_in().await);
        }
        errors.dedup();
        assert_eq!(errors, [Some("That login and password don’t go together. Try again.".into())]);
    }

    async fn logging_out_ends_the_session_on_the_server(world: World) {
        let nell = world.member("nell").await;
        let stolen = nell.cookies();
        let with_stolen = |nell: &Person| {
            let thief = nell.at_another_device();
            let request = thief.request(Method::GET, "/settings").header("cookie", stolen.clone());
            async move { thief.sends(request).await.status }
        };
        assert_eq!(with_stolen(&nell).await, 200, "the stolen cookie works before the log-out");
        let answer = nell.posts("/logout", &[]).await.is(303);
        assert_eq!(answer.location(), "/");
        assert!(answer.header("set-cookie").contains("Max-Age=0"), "the browser deletes the cookie");
        assert_eq!(nell.cookies(), "");
        assert_eq!(with_stolen(&nell).await, 303, "the server has ended the session");
        assert!(!nell.is_logged_in().await);
    }

    async fn logging_out_at_one_device_leaves_the_other_logged_in(world: World) {
        let nell = world.member("nell").await;
        let phone = nell.at_another_device();
        phone.logs_in("nell", PASSWORD).await.is(303);
        phone.posts("/logout", &[]).await.is(303);
        assert!(nell.is_logged_in().await);
    }

    async fn logging_out_twice_or_as_a_stranger_does_no_harm(world: World) {
        let stranger = world.stranger();
        stranger.posts("/logout", &[]).await.is(303);
        stranger.posts("/logout", &[]).await.is(303);
    }

    async fn sessions_survive_a_restart(mut world: World) {
        let nell = world.member("nell").await;
        world.restart().await;
        assert!(nell.is_logged_in().await);
        assert!(!world.stranger().is_logged_in().await);
    }

    async fn a_session_expires_after_180_days_without_use(world: World) {
        let nell = world.member("nell").await;
        world.pass(100 * DAY);
        assert!(nell.is_logged_in().await, "each use renews the session");
        world.pass(179 * DAY);
        assert!(nell.is_logged_in().await, "renewed once more");
        world.pass(181 * DAY);
        assert!(!nell.is_logged_in().await);
        until("the session to be deleted", || async {
            let sessions = world
                .app()
                .db
                .read(|read| read.one("SELECT COUNT(*) FROM sessions", &[], |row| row.get::<i64>(0)));
            (sessions.await.ok() == Some(0)).then_some(())
        })
        .await;
    }

    async fn an_invented_cookie_is_ignored(world: World) {
        world.member("nell").await;
        let mallory = world.stranger();
        for cookie in
            ["chitter_session=", "chitter_session=x", "chitter_session=%00", "chitter_session=\"", "; ;=;"]
        {
            let request = mallory.request(Method::GET, "/settings").header("cookie", cookie);
            let answer = mallory.sends(request).await.is(303);
            assert!(answer.location().starts_with("/login"), "{cookie}");
            let request = mallory.request(Method::GET, "/").header("cookie", cookie);
            mallory.sends(request).await.is(200);
        }
    }

    async fn logging_in_returns_to_the_requested_page(world: World) {
        let nell = world.member("nell").await;
        let phone = nell.at_another_device();
        let to_login = phone.gets("/settings").await.is(303).location();
        assert_eq!(to_login, "/login?next=%2Fsettings");
        let next = phone.opens(&to_login).await.value("next");
        let form = [("login", "nell"), ("password", PASSWORD), ("next", next.as_str())];
        assert_eq!(phone.posts("/login", &form).await.is(303).location(), "/settings");
        assert_eq!(phone.gets(&to_login).await.is(303).location(), "/settings", "a logged-in member is redirected");
    }

    async fn the_next_parameter_never_leads_to_another_site(world: World) {
        world.member("nell").await;
        for next in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\tevil",
            "javascript:alert(1)",
        ] {
            let login = [("login", "nell"), ("password", PASSWORD), ("next", next)];
            assert_eq!(world.stranger().posts("/login", &login).await.is(303).location(), "/", "{next:?}");
        }
        let username = "ify";
        let form = [
            ("email", "i@x.org"),
            ("password", PASSWORD),
            ("name", "Ify"),
            ("username", username),
            ("next", "//evil.example"),
        ];
        let ify = world.stranger();
        assert_eq!(ify.posts("/signup", &form).await.is(303).location(), "/");
        assert_eq!(ify.gets("/login?next=//evil.example").await.is(303).location(), "/");
    }

    async fn a_refused_log_in_keeps_the_requested_page(world: World) {
        let form = [("login", "nell"), ("password", "wrong"), ("next", "/settings")];
        assert_eq!(world.stranger().posts("/login", &form).await.is(422).page().value("next"), "/settings");
        let form = [("next", "/settings")];
        assert_eq!(world.stranger().posts("/signup", &form).await.is(422).page().value("next"), "/settings");
    }

    async fn the_database_holds_neither_passwords_nor_tokens(world: World) {
        let nell = world.member("nell").await;
        let (_, token) =
            nell.cookies().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a cookie");
        let rows = world.app().db.read(|read| {
            let mut rows = read.all("SELECT password_hash FROM accounts", &[], |row| row.get::<String>(0))?;
            rows.extend(read.all("SELECT token_hash FROM sessions", &[], |row| row.get::<String>(0))?);
            Ok(rows)
        });
        let rows = rows.await.expect("the rows");
        assert_eq!(rows.len(), 2);
        assert!(rows[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", rows[0]);
        assert!(!rows.iter().any(|row| row.contains(PASSWORD) || row.contains(&token)));
    }

    async fn programs_can_sign_up_and_log_in_with_json(world: World) {
        let nell = world.stranger();
        let form = json!({ "email": "n@x.org", "password": PASSWORD, "name": "Nell", "username": "nell" });
        nell.sends_json(Method::POST, "/signup", &form).await.is(303);
        let phone = nell.at_another_device();
        phone
            .sends_json(Method::POST, "/login", &json!({ "login": "nell", "password": PASSWORD }))
            .await
            .is(303);
        assert!(phone.is_logged_in().await);
    }
}
