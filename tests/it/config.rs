//! Tests of the command line: settings, and the messages for wrong ones.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use crate::common::{Engine, Instance, PASSWORD, Person, Program, SmtpMode, SmtpServer, chitter};

/// Returns the program's standard output, standard error and exit code.
fn run(command: &mut Command) -> (String, String, Option<i32>) {
    let Output { stdout, stderr, status } = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(stdout), text(stderr), status.code())
}

/// Returns the one-line error message of a command that fails with this exit code.
#[track_caller]
fn refuses(command: &mut Command, code: i32) -> String {
    let (stdout, stderr, status) = run(command);
    assert_eq!(status, Some(code), "{stdout}{stderr}");
    assert_eq!(stdout, "");
    assert!(stderr.ends_with('\n') && stderr.lines().count() == 1, "the message is not one line: {stderr}");
    let line = stderr.trim_end().strip_prefix("chitter: ");
    line.unwrap_or_else(|| panic!("the line does not begin with the program's name: {stderr}")).to_owned()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

#[test]
fn help_lists_every_setting_with_examples() {
    let folder = folder();
    for flag in ["--help", "-h"] {
        let (help, stderr, code) = run(chitter(folder.path()).arg(flag));
        assert_eq!((stderr.as_str(), code), ("", Some(0)));
        for name in [
            "CHITTER_ADDR",
            "CHITTER_DATA",
            "CHITTER_BASE_URL",
            "CHITTER_DATABASE_URL",
            "CHITTER_DATABASE_URL_FILE",
            "CHITTER_SMTP_URL",
            "CHITTER_SMTP_URL_FILE",
            "CHITTER_MAIL_FROM",
            "CHITTER_LIMITS",
            "CHITTER_LOG",
            "CHITTER_LOG_FORMAT",
            "CHITTER_CONFIG",
            "serve",
            "seed",
            "health",
            "Examples:",
            "127.0.0.1:3000",
        ] {
            assert!(help.contains(name), "missing from the help: {name} in {help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "every line fits into 100 columns");
    }
    let (help, _, code) = run(chitter(folder.path()).args(["seed", "--help"]));
    assert!(help.contains("--password") && code == Some(0), "{help}");
    let (version, _, code) = run(chitter(folder.path()).arg("--version"));
    assert_eq!((version.as_str(), code), (concat!("chitter ", env!("CARGO_PKG_VERSION"), "\n"), Some(0)));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "the help creates no file");
}

#[test]
fn help_does_not_print_secrets_from_the_environment() {
    let folder = folder();
    let mut command = chitter(folder.path());
    command
        .env("CHITTER_DATABASE_URL", "postgres://me:hunter2@db/x")
        .env("CHITTER_SMTP_URL", "smtp://me:hunter2@mail");
    let (help, ..) = run(command.arg("--help"));
    assert!(!help.contains("hunter2"), "{help}");
}

#[test]
fn a_wrong_setting_prints_one_line_and_exits_with_2() {
    let folder = folder();
    let long = "x".repeat(41);
    for (name, value, expected) in [
        ("CHITTER_ADDR", "nonsense", "--addr"),
        ("CHITTER_ADDR", "127.0.0.1", "--addr"),
        ("CHITTER_ADDR", "127.0.0.1:99999", "--addr"),
        ("CHITTER_BASE_URL", "chitter.example", "CHITTER_BASE_URL"),
        ("CHITTER_BASE_URL", "https://x.example/chat", "CHITTER_BASE_URL"),
        ("CHITTER_DATABASE_URL", "mysql://me:hunter2@db/x", "CHITTER_DATABASE_URL"),
        ("CHITTER_DATABASE_URL", "postgres://me:hunter2@db:port/x", "CHITTER_DATABASE_URL"),
        ("CHITTER_DATABASE_URL_FILE", "/nowhere/secret", "CHITTER_DATABASE_URL_FILE"),
        ("CHITTER_SMTP_URL", "http://me:hunter2@mail", "CHITTER_SMTP_URL"),
        ("CHITTER_SMTP_URL", "smtp://me:hunter2@mail:port", "CHITTER_SMTP_URL"),
        ("CHITTER_SMTP_URL_FILE", "/nowhere/secret", "CHITTER_SMTP_URL_FILE"),
        ("CHITTER_MAIL_FROM", "nobody", "CHITTER_MAIL_FROM"),
        ("CHITTER_PROXIES", "10.0.0.0/8,here", "CHITTER_PROXIES"),
        ("CHITTER_LIMITS", "maybe", "--limits"),
        ("CHITTER_LOG", "chatty", "CHITTER_LOG"),
        ("CHITTER_LOG_FORMAT", "xml", "--log-format"),
        ("CHITTER_NAME", "", "CHITTER_NAME"),
        ("CHITTER_NAME", &long, "CHITTER_NAME"),
        ("CHITTER_CONFIG", "/nowhere/chitter.toml", "/nowhere/chitter.toml"),
    ] {
        let message = refuses(chitter(folder.path()).env(name, value), 2);
        assert!(message.contains(expected), "{name}={value}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    for arguments in
        [&["--colour", "gold"][..], &["dance"], &["--addr"], &["serve", "please"], &["seed", "--count", "3"]]
    {
        refuses(chitter(folder.path()).args(arguments), 2);
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "no file was created");
}

#[test]
fn a_wrong_settings_file_prints_one_line_with_the_position() {
    let folder = folder();
    for (text, expected) in [
        ("name = \"Row\"\ncolour = \"gold\"\n", "chitter.toml, line 2: "),
        ("name = \n", "chitter.toml, line 1: "),
        ("name = \"Row\"\n\naddr = 3000\n", "chitter.toml, line 3: "),
        ("limits = \"maybe\"\n", "chitter.toml, line 1: "),
    ] {
        fs::write(folder.path().join("chitter.toml"), text).expect("written");
        let message = refuses(&mut chitter(folder.path()), 2);
        assert!(message.starts_with(expected), "{message}");
    }
    fs::write(folder.path().join("chitter.toml"), [0xFF, 0xFE]).expect("written");
    refuses(&mut chitter(folder.path()), 2);
}

#[test]
fn a_secret_can_not_be_set_both_directly_and_by_file() {
    let folder = folder();
    let file = folder.path().join("secret");
    fs::write(&file, "postgres://me:hunter2@db/x\n").expect("written");
    for (name, value) in [("CHITTER_DATABASE_URL", "postgres://me@db/x"), ("CHITTER_SMTP_URL", "smtp://mail")]
    {
        let mut command = chitter(folder.path());
        let message = refuses(command.env(name, value).env(format!("{name}_FILE"), &file), 2);
        assert_eq!(message, format!("{name} and {name}_FILE are both set: leave one out"));
    }
}

#[test]
fn a_failed_start_prints_one_line_and_exits_with_1() {
    let instance = Instance::new(Engine::Sqlite);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let message = refuses(Program::command(&instance).env("CHITTER_ADDR", &address), 1);
    assert!(message.starts_with(&format!("can't listen on {address}: ")), "{message}");
    let file = instance.folder().join("file");
    fs::write(&file, "").expect("written");
    let message = refuses(Program::command(&instance).env("CHITTER_DATA", file.join("data")), 1);
    assert!(message.starts_with("can't use "), "{message}");
    drop(listener);
    let message = refuses(
        Program::command(&instance).env("CHITTER_DATABASE_URL", format!("postgres://me:hunter2@{address}/x")),
        1,
    );
    assert!(message.starts_with("can't open PostgreSQL: ") && !message.contains("hunter2"), "{message}");
}

#[test]
fn a_damaged_key_stops_the_start_and_is_not_replaced() {
    let instance = Instance::new(Engine::Sqlite);
    drop(Program::serve(&instance));
    fs::write(instance.data().join("key"), "short").expect("written");
    let message = refuses(&mut Program::command(&instance), 1);
    assert!(message.contains("key is damaged"), "{message}");
}

#[test]
fn a_file_that_is_not_a_database_is_refused_and_left_unchanged() {
    let instance = Instance::new(Engine::Sqlite);
    fs::create_dir(instance.data()).expect("a folder");
    let file = instance.data().join("chitter.db");
    let text = "Dear diary, today I was mistaken for a database. ".repeat(100);
    fs::write(&file, &text).expect("written");
    let message = refuses(&mut Program::command(&instance), 1);
    assert!(message.starts_with("can't open ") && message.contains("chitter.db"), "{message}");
    assert_eq!(fs::read_to_string(&file).expect("read"), text);
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_and_the_environment_over_the_file() {
    let instance = Instance::new(Engine::Sqlite);
    let data = instance.data();
    let file =
        "name = \"From the file\"\nmail_from = \"F <f@x.example>\"\nlimits = \"off\"\nlog = \"warn\"\n";
    fs::write(instance.folder().join("chitter.toml"), file).expect("written");
    for (environment, flag, expected) in [
        (None, None, "From the file"),
        (Some("From the environment"), None, "From the environment"),
        (Some("From the environment"), Some("From the flag"), "From the flag"),
    ] {
        let mut command = Program::command(&instance);
        command.args(flag.iter().flat_map(|name| ["--name", name]));
        if let Some(name) = environment {
            command.env("CHITTER_NAME", name);
        }
        let program = Program::start(&mut command);
        let page = Person::on_site(&program.url, "stranger").opens("/").await;
        assert!(page.0.contains(&format!("<title>{expected}</title>")), "{}", page.0);
    }
    assert!(data.join("chitter.db").exists());
}

#[test]
fn the_data_folder_is_private_to_its_user() {
    let instance = Instance::new(Engine::Sqlite);
    drop(Program::serve(&instance));
    let data = instance.data();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("key")), 0o600);
    let key = fs::read(data.join("key")).expect("a key");
    assert_eq!(key.len(), 32);
    let log = fs::read_dir(data.join("log")).expect("a folder for the log");
    for file in log {
        assert_eq!(mode(&file.expect("a file").path()), 0o600);
    }
    drop(Program::serve(&instance));
    assert_eq!(fs::read(data.join("key")).expect("a key"), key, "the key stays the same");
    assert_eq!(mode(&data.join("key")), 0o600);
}

/// Runs the program to its end on the data of this instance.
fn run_on(instance: &Instance, arguments: &[&str]) -> (String, String, Option<i32>) {
    run(Program::command(instance).args(arguments))
}

on_both! {
    async fn serve_prints_its_address_and_who_should_sign_up(instance: Instance) {
        let program = Program::serve(&instance);
        crate::common::until("the last line", || async {
            program.output().contains("Stop it with").then_some(())
        })
        .await;
        assert!(
            program.output().contains("Nobody lives here yet. Sign up first, and you are the administrator."),
            "{}",
            program.output()
        );
        let nell = Person::on_site(&program.url, "nell");
        nell.signs_up().await.is(303);
        drop(program);
        let program = Program::serve(&instance);
        crate::common::until("the last line", || async {
            program.output().contains("Stop it with").then_some(())
        })
        .await;
        assert!(!program.output().contains("Nobody lives here yet"));
    }

    async fn seed_fills_an_empty_instance_only(instance: Instance) {
        let (output, _, code) = run_on(&instance, &["seed"]);
        assert_eq!(code, Some(0), "{output}");
        let password = output.trim_end().rsplit(": ").next().expect("a password").to_owned();
        assert!(output.contains("log in as nell (the administrator)"), "{output}");

        let (_, refused, code) = run_on(&instance, &["seed"]);
        assert_eq!(
            (refused.as_str(), code),
            ("chitter: somebody lives here already, and seed is for an empty instance\n", Some(1))
        );

        let program = Program::serve(&instance);
        let (_, refused, code) = run_on(&instance, &["seed"]);
        assert!(refused.contains("another chitter is using") && code == Some(1), "{refused}");
        let nell = Person::on_site(&program.url, "nell");
        nell.logs_in("nell", &password).await.is(303);
        assert!(nell.opens("/settings").await.says("keeper of this place"));
        let page = nell.opens("/").await;
        assert_eq!(page.peeps().len(), 20);
        assert!(
            page.peeps().iter().any(|peep| peep.likes == "6")
                && page.peeps().iter().any(|peep| peep.answers.is_some())
        );
        nell.peeps("And mine").await;
        assert!(
            fs::read_dir(instance.data().join("outbox")).is_ok_and(|mut mails| mails.next().is_none()),
            "no mail is sent"
        );
    }

    async fn seed_accepts_a_password(instance: Instance) {
        let (output, refused, code) = run_on(&instance, &["seed", "--password", "short"]);
        assert_eq!((output.as_str(), code), ("", Some(1)), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
        let (_, refused, code) = run_on(&instance, &["seed", "--password", PASSWORD]);
        assert_eq!(code, Some(0), "a refused password leaves no data behind: {refused}");
        let program = Program::serve(&instance);
        Person::on_site(&program.url, "layla").logs_in("layla", PASSWORD).await.is(303);
    }

    async fn health_checks_the_readiness_of_a_server(instance: Instance) {
        let program = Program::serve(&instance);
        let address = program.url.strip_prefix("http://").expect("an address").to_owned();
        let health = || run(chitter(instance.folder()).arg("health").env("CHITTER_ADDR", &address));
        assert_eq!(health(), (String::new(), String::new(), Some(0)));
        let stranger = Person::on_site(&program.url, "stranger");
        assert_eq!(stranger.gets("/livez").await.is(200).text(), "alive\n");
        assert_eq!(stranger.gets("/readyz").await.is(200).text(), "ready\n");
        drop(program);
        let (_, message, code) = health();
        assert_eq!(code, Some(1));
        assert!(
            message.starts_with(&format!("chitter: no answer from {address}: ")) && message.lines().count() == 1,
            "{message}"
        );
    }

    async fn a_database_of_a_newer_version_is_refused_and_left_unchanged(instance: Instance) {
        drop(Program::serve(&instance));
        let newer = "INSERT INTO migrations (version, name, applied_at) VALUES (9999, 'from the future', 0)";
        instance.run_sql(newer);
        let message = refuses(&mut Program::command(&instance), 1);
        assert!(
            message.ends_with("the database was last used by a newer chitter: use that one, or restore a backup"),
            "{message}"
        );
        instance.run_sql("DELETE FROM migrations WHERE version = 9999");
        drop(Program::serve(&instance));
    }

    async fn the_log_records_requests_and_no_secrets(instance: Instance) {
        let mut smtp = SmtpServer::start(SmtpMode::Refuses);
        let instance = instance.with_mail_by(&smtp.url);
        // The most verbose log level, and the PostgreSQL client's debug level, which would log the parameters
        // of every statement.
        let level =
            if instance.engine == Engine::Postgres { "info,chitter=trace,tokio_postgres=debug" } else { "trace" };
        let mut program =
            Program::start(Program::command(&instance).env("CHITTER_LOG", level).env("CHITTER_LOG_FORMAT", "json"));
        if instance.engine == Engine::Sqlite {
            let mut listener = crate::common::Listener::open(&program.url, "").await;
            listener.says(&serde_json::json!({ "type": "confidential" })).await;
            listener.receives().await;
        }
        let (nell, ify) = (Person::on_site(&program.url, "nell"), Person::on_site(&program.url, "ify"));
        nell.signs_up().await.is(303);
        ify.signs_up().await.is(303);
        ify.at_another_device().logs_in("ify@harbour.example", "not her password").await.is(422);
        let id = nell.peeps("@ify a confidential word").await;
        smtp.wait_for_refusal().await;
        nell.edits(&id, "@ify a confidential word or two").await.is(303);
        let request_id = nell.gets("/nowhere?token=confidential").await.is(404).header("x-request-id").to_owned();
        nell.gets("/unsubscribe/confidential-token").await.is(404);
        program.terminate();
        assert_eq!(program.wait().code(), Some(0));

        let log = fs::read_dir(instance.data().join("log")).expect("a folder");
        let log: String =
            log.map(|file| fs::read_to_string(file.expect("a file").path()).expect("text")).collect();
        let output = program.output();
        let token = nell.cookies().split_once('=').map(|(_, token)| token.to_owned()).expect("a cookie");
        for text in [&log, &output] {
            for secret in
                ["confidential", "harbour.example", PASSWORD, "not her password", token.as_str(), "argon2id"]
            {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "{secret} is in the log");
            }
            for expected in ["Chitter is ready", "A job failed", "Stopped", &request_id, "/peeps/{id}"] {
                assert!(text.contains(expected), "missing from the log: {expected}\n{text}");
            }
        }
        for line in log.lines() {
            let line: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
            assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        }
    }
}
