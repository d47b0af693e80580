//! Tests of wrong, forged and malformed requests, and of the security headers of every answer.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};

use crate::common::{Answer, ApiClient, Person, World, head_of, raw};

on_both! {
    async fn a_conditional_api_request_is_answered_with_304(world: World) {
        let [nell] = world.members(["nell"]).await;
        let room = nell.makes_room("Repair café").await;
        nell.says(&room, "Hello").await;
        let path = room.api("/messages");
        let first = nell.fetches(&path).await.is(200);
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with("W/\"") && first.header("cache-control") == "private, no-cache", "{first:?}");
        let again = |etag: &str| nell.request(Method::GET, &path).header("if-none-match", etag.to_owned());
        for condition in [etag.as_str(), "*", &format!("\"other\", {etag}")] {
            let same = nell.sends(again(condition)).await.is(304);
            assert_eq!((same.header("etag"), same.bytes.len()), (etag.as_str(), 0), "{condition}");
        }
        nell.sends(again("W/\"other\"")).await.is(200);
        nell.says(&room, "Something new").await;
        let changed = nell.sends(again(&etag)).await.is(200);
        assert_ne!(changed.header("etag"), etag);
        // A refusal has no entity tag and is never 304, so it does not reveal whether the content changed.
        let stranger = world.stranger();
        let request = stranger.request(Method::GET, &path).header("if-none-match", etag);
        let refused = stranger.sends(request).await;
        assert_eq!((refused.status, refused.header("etag")), (401, ""));
    }

    async fn an_unknown_address_is_answered_with_a_page_or_a_problem(world: World) {
        let [nell] = world.members(["nell"]).await;
        for person in [&world.stranger(), &nell] {
            for path in [
                "/nowhere",
                "/peeps/1/nowhere",
                "/assets/x/nowhere.css",
                "/.env",
                "/wp-login.php",
                "//",
                "/@nell/1/2/3",
                "/assets/x/%2e%2e/%2e%2e/Cargo.toml",
            ] {
                let page = person.gets(path).await.is(404).page();
                assert_eq!(page.heading(), "Nothing here", "{path}");
                assert!(page.says("There is nothing here. It may have been deleted."));
            }
            for path in ["/api/v1/nowhere", "/api/", "/api/v2/statuses"] {
                assert_eq!(
                    person.gets(path).await.is(404).problem(),
                    "There is nothing here. It may have been deleted."
                );
            }
            let request = person.request(Method::GET, "/nowhere").header("chitter-fragment", "1");
            person.sends(request).await.is(404).problem();
        }
    }

    async fn an_unsupported_method_is_refused_with_the_allowed_ones(world: World) {
        let stranger = world.stranger();
        for (method, path, allowed) in [
            ("POST", "/", "GET,HEAD"),
            ("PUT", "/login", "GET,HEAD,POST"),
            ("DELETE", "/peeps", "POST"),
            ("GET", "/peeps", "POST"),
            ("GET", "/logout", "POST"),
            ("BREW", "/", "GET,HEAD"),
            ("OPTIONS", "/", "GET,HEAD"),
        ] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = stranger.sends(stranger.request(method.clone(), path)).await.is(405);
            assert_eq!(answer.header("allow"), allowed, "{method} {path}");
            assert!(answer.page().says("That can’t be done at this address."));
        }
        for (method, path, allowed) in [
            (Method::DELETE, "/api/v1/statuses", "POST"),
            (Method::PATCH, "/api/v1/statuses/1", "GET,HEAD,PUT,DELETE"),
            (Method::POST, "/api/v1/timelines/public", "GET,HEAD"),
        ] {
            let answer = stranger.sends(stranger.request(method, path)).await.is(405);
            assert_eq!(answer.header("allow"), allowed);
            assert_eq!(answer.problem(), "That can’t be done at this address.");
        }
    }

    async fn malformed_requests_get_400_and_others_are_served(world: World) {
        let long_header = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Much: {}\r\n\r\n", "x".repeat(200_000));
        let many_headers = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(500));
        for bytes in [
            &b"nonsense\r\n\r\n"[..],
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET \xFF HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            long_header.as_bytes(),
            many_headers.as_bytes(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let answer = raw(&world, bytes);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        let answer = head_of(&world, b"GET /livez HTTP/1.0\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
        let answer = head_of(&world, b"GET /livez HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        let truncated =
            raw(&world, b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nlogin=nell");
        assert!(!truncated.starts_with("HTTP/1.1 5"), "{truncated}");
        world.stranger().opens("/").await;
    }

    async fn writes_from_another_site_are_refused(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        let id = nell.peeps("Hello").await;
        let own = world.url();
        let send = |method: &Method, path: &str, header: &'static str, value: &str| {
            let form = [
                ("body", "spam"),
                ("likes", "true"),
                ("status", "spam"),
                ("login", "nell"),
                ("password", "x"),
            ];
            let request = nell.request(method.clone(), path).header(header, value).form(&form);
            let nell = nell.clone();
            async move { nell.sends(request).await }
        };
        let writes = [
            (Method::POST, "/peeps".to_owned()),
            (Method::POST, format!("/peeps/{id}")),
            (Method::POST, format!("/peeps/{id}/delete")),
            (Method::POST, format!("/peeps/{id}/like")),
            (Method::POST, "/settings".into()),
            (Method::POST, "/logout".into()),
            (Method::POST, "/login".into()),
            (Method::POST, "/signup".into()),
            (Method::POST, "/api/v1/statuses".into()),
            (Method::PUT, format!("/api/v1/statuses/{id}")),
            (Method::DELETE, format!("/api/v1/statuses/{id}")),
            (Method::POST, format!("/api/v1/statuses/{id}/favourite")),
        ];
        for (method, path) in &writes {
            for (header, value) in [
                ("origin", "https://evil.example"),
                ("origin", "null"),
                ("origin", "http://127.0.0.1.evil.example"),
                ("origin", "http://127.0.0.1:1"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
            ] {
                let answer = send(method, path, header, value).await.is(403);
                let reason = "That came from another site, so it was not done.";
                let text = if path.starts_with("/api/") { answer.problem() } else { answer.page().0 };
                assert!(text.contains(reason), "{path} {header}: {value}: {text}");
            }
        }
        assert!(nell.is_logged_in().await);
        let peep = nell.opens("/").await.peep(&id);
        assert_eq!((peep.words.as_str(), peep.likes.as_str()), ("Hello", ""), "nothing was done");
        for (header, value) in
            [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")]
        {
            send(&Method::POST, &format!("/peeps/{id}/like"), header, value).await.is(303);
        }
        for path in ["/", "/feed.atom", "/api/v1/timelines/public"] {
            send(&Method::GET, path, "origin", "https://evil.example").await.is(200);
        }
    }

    async fn pages_of_other_sites_may_call_the_api_with_a_token_and_never_with_a_cookie(world: World) {
        let [nell] = world.members(["nell"]).await;
        let created = nell.posts("/settings/tokens", &[("name", "App"), ("read", "on"), ("write", "on")]).await;
        let token = created.is(200).page().value("secret");
        let elsewhere = |request: RequestBuilder| {
            request.header("origin", "https://elsewhere.example").header("sec-fetch-site", "cross-site")
        };
        let stranger = world.stranger();
        let preflight = elsewhere(stranger.request(Method::OPTIONS, "/api/v1/rooms"))
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,idempotency-key");
        let allowed = stranger.sends(preflight).await.is(200);
        assert_eq!(allowed.header("access-control-allow-origin"), "*");
        assert!(allowed.whole_header("access-control-allow-headers").contains("idempotency-key"));
        let post = |person: &Person| elsewhere(person.request(Method::POST, "/api/v1/rooms")).form(&[("name", "Café")]);
        let created = stranger.sends(post(&stranger).bearer_auth(&token)).await.is(201);
        assert_eq!(created.header("access-control-allow-origin"), "*");
        assert_eq!(created.header("access-control-allow-credentials"), "");
        let exposed = created.whole_header("access-control-expose-headers");
        for name in ["link", "ratelimit", "ratelimit-policy", "idempotency-replayed", "x-request-id"] {
            assert!(exposed.contains(name), "{name}: {exposed}");
        }
        let refused = stranger.sends(post(&stranger)).await.is(401);
        assert_eq!(refused.header("access-control-allow-origin"), "*", "pages of other sites can read refusals");
        stranger.sends(elsewhere(stranger.request(Method::GET, "/api/v1/nowhere"))).await.is(404).problem();
        // Her cookie sent from another site's page is refused as before.
        nell.sends(post(&nell)).await.is(403);
        assert_eq!(nell.fetches("/api/v1/rooms").await.list().as_array().map(Vec::len), Some(1));
        assert_eq!(nell.gets("/").await.header("access-control-allow-origin"), "", "other sites cannot read pages");
    }

    async fn every_answer_has_security_headers(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Hello").await;
        let etag = nell.at_another_device().gets("/").await.header("etag").to_owned();
        let page = nell.gets("/").await.is(200);
        let style = page.page().all("link").into_iter().find(|link| link.get("rel") == Some("stylesheet"));
        let style = style.and_then(|link| link.get("href").map(str::to_owned)).expect("a stylesheet");
        let unchanged = nell.at_another_device();
        let mut answers = vec![
            page,
            unchanged.sends(unchanged.request(Method::GET, "/").header("if-none-match", etag)).await.is(304),
            nell.gets(&style).await.is(200),
            nell.gets("/@NELL").await.is(308),
            nell.gets("/nowhere").await.is(404),
            nell.gets("/api/v1/nowhere").await.is(404),
            nell.gets("/feed.atom").await.is(200),
            nell.gets("/api/v1/timelines/public").await.is(200),
            nell.gets("/livez").await.is(200),
            nell.gets("/readyz").await.is(200),
            nell.gets("/robots.txt").await.is(200),
            nell.gets("/favicon.ico").await.is(200),
            nell.gets("/.well-known/change-password").await.is(303),
            nell.posts("/peeps", &[]).await.is(422),
            nell.likes(&id).await.is(303),
            nell.sends(nell.request(Method::PUT, "/")).await.is(405),
            nell.sends(nell.request(Method::POST, "/peeps").header("origin", "https://evil.example"))
                .await
                .is(403),
            nell.posts("/peeps", &[("body", &"x".repeat(200_000))]).await.is(413),
            world.stranger().posts("/peeps", &[]).await.is(401),
            world.stranger().gets("/settings").await.is(303),
        ];
        let mut seen = BTreeSet::new();
        for answer in answers.drain(..) {
            assert_protected(&answer);
            assert!(seen.insert(answer.header("x-request-id").to_owned()), "each request has its own id");
        }
        let handshake = b"GET /api/v1/streaming HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                          Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                          Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        let upgraded = head_of(&world, handshake);
        assert!(
            upgraded.starts_with("HTTP/1.1 101 ") && upgraded.contains("x-content-type-options: nosniff"),
            "{upgraded}"
        );
    }

    async fn pages_have_no_inline_script_or_style(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Hello").await;
        let path = nell.path_of(&id);
        nell.edits(&id, "Hello, Row").await.is(303);
        for page in [
            "/",
            "/@nell",
            "/tags/x",
            "/settings",
            &path,
            &format!("{path}/history"),
            &format!("{path}/edit"),
            &format!("{path}/delete"),
        ] {
            assert_no_inline_code(&nell, page).await;
        }
        for page in ["/", "/login", "/signup", "/nowhere"] {
            assert_no_inline_code(&world.stranger(), page).await;
        }
    }
}

/// Asserts that an answer has every security header.
fn assert_protected(answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{answer:?}");
    }
    let policy = answer.header("content-security-policy");
    for part in [
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "missing from the policy: {part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-request-id").len(), 16);
    assert_eq!(answer.header("server"), "", "the header names no software");
}

/// Asserts that a page has no inline script or style.
async fn assert_no_inline_code(person: &Person, path: &str) {
    let page = person.gets(path).await.page();
    assert!(
        !page.0.contains("<style") && !page.0.contains(" style=") && !page.0.contains("javascript:"),
        "{path}"
    );
    for script in page.all("script") {
        assert!(
            script.get("src").is_some_and(|src| src.starts_with("/assets/")) && script.inner.is_empty(),
            "{path}"
        );
    }
    for tag in ["a", "button", "form", "body", "input", "textarea", "svg"] {
        assert!(!page.0.contains(&format!("<{tag} on")), "{path}");
    }
}
