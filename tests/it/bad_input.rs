//! Tests of invalid input: every request gets a clear answer, breaks nothing and loses nothing.

use reqwest::Method;
use serde_json::json;

use crate::common::{Answer, Person, World, answers_to, head_of, text};

/// The largest accepted body, in bytes.
const MAX_BODY: usize = 128 * 1024;

async fn posts_as(person: &Person, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = person.request(Method::POST, path).header("content-type", kind).body(body);
    person.sends(request).await
}

const FORM: &str = "application/x-www-form-urlencoded";

on_both! {
    async fn a_malformed_form_is_refused_with_a_message(world: World) {
        let [nell] = world.members(["nell"]).await;
        const MEDIA: &str = "Send JSON (application/json), or a form.";
        for (kind, body, reason) in [
            (FORM, &b"body=%FF%FE"[..], "That text is not UTF-8, so we can’t read it. Send it as UTF-8."),
            (FORM, b"body=%C3", "That text is not UTF-8, so we can’t read it. Send it as UTF-8."),
            (FORM, b"body=%ED%A0%80", "That text is not UTF-8, so we can’t read it. Send it as UTF-8."),
            (FORM, b"body=\xFF\xFE", "That text is not UTF-8, so we can’t read it. Send it as UTF-8."),
            (FORM, b"body=a&body=b", "That is not the form we expect: duplicate field `body`"),
            ("text/plain", b"body=hello", MEDIA),
            (
                "multipart/form-data; boundary=x",
                b"--x--",
                MEDIA,
            ),
            ("image/png", b"\x89PNG", MEDIA),
            ("", b"body=hello", MEDIA),
            (
                "application/json",
                b"",
                "That is not the JSON we expect: EOF while parsing a value at line 1 column 0",
            ),
        ] {
            let status = if reason == MEDIA { 415 } else { 400 };
            let page = posts_as(&nell, "/peeps", kind, body).await.is(status).page();
            assert!(page.says(reason), "{kind} {body:?}: {}", page.0);
            let request = nell
                .request(Method::POST, "/peeps")
                .header("chitter-fragment", "1")
                .header("content-type", kind)
                .body(body);
            assert_eq!(nell.sends(request).await.is(status).problem(), reason);
        }
        assert!(nell.opens("/").await.peeps().is_empty(), "nothing was posted");
    }

    async fn every_usual_form_content_type_is_accepted(world: World) {
        let [nell] = world.members(["nell"]).await;
        for kind in [
            FORM,
            "APPLICATION/X-WWW-FORM-URLENCODED; charset=UTF-8",
            "application/x-www-form-urlencoded;charset=utf-8",
        ] {
            posts_as(&nell, "/peeps", kind, "body=hello&unknown=1&=&&").await.is(303);
        }
        nell.sends(nell.request(Method::POST, "/peeps").body("body=%zz+100%")).await.is(303);
        assert_eq!(nell.opens("/").await.words()[0], "%zz 100%", "a stray percent sign stays");
        posts_as(&nell, "/peeps", "application/json", "{\"body\":\"as JSON\"}").await.is(303);
    }

    async fn malformed_json_is_refused_with_a_problem(world: World) {
        let [nell] = world.members(["nell"]).await;
        let deep = "[".repeat(100_000);
        for body in [
            &b"null"[..],
            b"[\"a\"]",
            b"17",
            b"\"status\"",
            b"{\"status\":7}",
            b"{\"status\":null}",
            b"{\"status\":[\"a\"]}",
            b"{\"status\":\"a\",\"status\":\"b\"}",
            b"{\"status\":\"a\",\"in_reply_to_id\":\"x\"}",
            b"{\"status\":\"a\",\"in_reply_to_id\":99999999999999999999}",
            b"{\"status\":\"a\",\"in_reply_to_id\":{}}",
        ] {
            let answer = posts_as(&nell, "/api/v1/statuses", "application/json", body.to_vec()).await.is(422);
            let reason = answer.problem();
            assert!(reason.starts_with("That is not the JSON we expect: ") && !reason.contains('\n'), "{reason}");
            let pointer = text(&answer.json()["errors"][0]["pointer"]);
            assert!(["#", "#/status", "#/in_reply_to_id"].contains(&&*pointer), "{pointer}");
        }
        for body in [
            &b"{"[..],
            b"",
            b"nonsense",
            b"{\"status\":\"\\ud800\"}",
            b"{\"status\":\"\xFF\"}",
            b"\xEF\xBB\xBF{\"status\":\"a\"}",
            b"{\"status\":\"a\"} trailing",
            b"{\"status\":\"a\",\"in_reply_to_id\":1e400}",
            b"{'status':'a'}",
            b"{\"status\":\"a\nb\"}",
            b"NaN",
            deep.as_bytes(),
        ] {
            let answer = posts_as(&nell, "/api/v1/statuses", "application/json", body.to_vec()).await.is(400);
            let reason = answer.problem();
            assert!(reason.starts_with("That is not the JSON we expect: ") && !reason.contains('\n'), "{reason}");
        }
        for kind in ["text/json", "application/xml", "application/x-ndjson"] {
            posts_as(&nell, "/api/v1/statuses", kind, "{\"status\":\"a\"}").await.is(415).problem();
        }
        assert_eq!(nell.gets("/api/v1/timelines/public").await.json(), json!([]));
        posts_as(&nell, "/api/v1/statuses", "application/json; charset=utf-8", "{\"status\":\"a\"}")
            .await
            .is(200);
    }

    async fn a_body_of_ten_megabytes_is_refused(world: World) {
        let [nell] = world.members(["nell"]).await;
        let long = "x".repeat(10_000_000);
        for (path, kind, body) in [
            ("/peeps", FORM, format!("body={long}")),
            ("/signup", FORM, format!("name={long}")),
            ("/login", FORM, format!("login={long}")),
            ("/api/v1/statuses", "application/json", format!("{{\"status\":\"{long}\"}}")),
        ] {
            let request = nell.request(Method::POST, path).header("content-type", kind).body(body);
            let answer = nell.sends(request).await.is(413);
            let reason = "That is more than fits here. Send less at once.";
            let text = if path.starts_with("/api/") { answer.problem() } else { answer.page().0 };
            assert!(text.contains(reason), "{text}");
        }
        // A chunked body has no declared length, so the limit applies while it is read.
        let mut chunked = format!(
            "POST /peeps HTTP/1.1\r\nHost: x\r\nCookie: {}\r\nContent-Type: {FORM}\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nbody=\r\n",
            nell.cookies()
        )
        .into_bytes();
        for _ in 0..20 {
            chunked.extend_from_slice(b"4000\r\n");
            chunked.extend_from_slice(&[b'x'; 0x4000]);
            chunked.extend_from_slice(b"\r\n");
        }
        // The chunks never end, and the answer must not wait for an end.
        let answer = head_of(&world, &chunked);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("\nconnection: close"), "{answer}");
        nell.peeps("And all is well").await;
    }

    async fn a_refusal_arrives_although_the_body_is_not_read(world: World) {
        let send = |length: usize, more: &str| {
            format!("POST /peeps HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n")
        };
        // A stranger is refused before the body is read, and the next request on the same connection works.
        let mut bytes = send(5_000_000, "").into_bytes();
        bytes.resize(bytes.len() + 5_000_000, b'x');
        bytes.extend_from_slice(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answers = answers_to(&world, &bytes);
        assert!(answers.starts_with("HTTP/1.1 401 "), "{answers}");
        assert!(answers.ends_with("alive\n"), "{answers}");
        // The server closes the connection after a refusal where the declared length is unreasonable, or where
        // the client waits for "100 Continue".
        for (length, more) in [(5_000_000_000, ""), (5_000_000, "Expect: 100-continue\r\n")] {
            let answer = head_of(&world, send(length, more).as_bytes());
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
            assert!(answer.contains("\nconnection: close"), "{answer}");
        }
    }

    async fn a_body_at_the_limit_is_accepted_and_one_byte_more_is_refused(world: World) {
        let [nell] = world.members(["nell"]).await;
        let fits = format!("body={}", "x".repeat(MAX_BODY - 5));
        let page = posts_as(&nell, "/peeps", FORM, fits.clone()).await.is(422).page();
        assert_eq!(page.value("body").len(), MAX_BODY - 5, "the form keeps a text that is too long for a peep");
        posts_as(&nell, "/peeps", FORM, format!("{fits}x")).await.is(413);
        let tower = "z\u{0337}\u{0338}\u{0336}".repeat(280);
        nell.posts("/peeps", &[("body", &tower)]).await.is(303);
    }

    async fn hostile_text_in_every_field_causes_no_error(world: World) {
        let [nell] = world.members(["nell"]).await;
        let id = nell.peeps("Hello").await;
        let long = "x".repeat(5000);
        let nasty = [
            "\0",
            "a\0b",
            "\u{1}\u{7f}\u{85}\u{9f}",
            "\u{FFFF}",
            "\u{202E}\u{2066}",
            "\u{FEFF}",
            "'; DROP TABLE peeps; --",
            "$1",
            "%s%n",
            "../../etc/passwd",
            "{{7*7}}",
            "${jndi:ldap://x}",
            "<!--",
            "\r\nSet-Cookie: a=b",
            "\u{FDFA}",
            "🏳️‍🌈",
            "NULL",
            "-1",
            "9223372036854775808",
            "1e309",
            "true",
            "\\",
            "%",
            "%00",
            "@",
            "#",
            "\u{1F1E6}",
            "\u{301}\u{301}",
            long.as_str(),
        ];
        let stranger = world.stranger();
        let fields = "email password name username login next body reply_to idempotency_key likes mention_mail \
                      status in_reply_to_id visibility";
        for text in nasty {
            let everywhere: Vec<_> = fields.split(' ').map(|field| (field, text)).collect();
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            for (person, path) in [
                (&stranger, "/signup".to_owned()),
                (&stranger, "/login".into()),
                (&stranger, format!("/unsubscribe/{encoded}")),
                (&nell, "/peeps".into()),
                (&nell, format!("/peeps/{id}")),
                (&nell, format!("/peeps/{id}/like")),
                (&nell, "/settings".into()),
                (&nell, "/api/v1/statuses".into()),
                (&nell, format!("/peeps/{encoded}")),
                (&nell, format!("/peeps/{encoded}/like")),
                (&nell, format!("/api/v1/statuses/{encoded}/favourite")),
            ] {
                let answer = person.posts(&path, &everywhere).await;
                assert!(answer.status < 500, "{path} {text:?}: {answer:?}");
            }
            for path in [
                format!("/?before={encoded}"),
                format!("/@{encoded}"),
                format!("/@nell/{encoded}"),
                format!("/@{encoded}/{id}"),
                format!("/tags/{encoded}"),
                format!("/tags/x?before={encoded}"),
                format!("/login?next={encoded}"),
                format!("/{encoded}"),
                format!("/assets/{encoded}/{encoded}"),
                format!("/unsubscribe/{encoded}"),
                format!("/api/v1/statuses/{encoded}"),
                format!("/api/v1/timelines/public?max_id={encoded}&limit={encoded}"),
                format!("/api/v1/streaming?since={encoded}"),
                format!("/settings?saved={encoded}"),
            ] {
                let answer = nell.gets(&path).await;
                assert!(answer.status < 500, "{path}: {answer:?}");
                assert_eq!(answer.whole_header("set-cookie"), "", "{path}");
            }
        }
        assert!(
            nell.is_logged_in().await
                && world.stranger().opens("/").await.peeps().iter().any(|peep| peep.id == id)
        );
    }
}
