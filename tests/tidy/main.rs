//! Rules about the source code that a machine can check.

mod layers;

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use syn::{
    Attribute, File, Ident, Item, Visibility,
    visit::{self, Visit},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the path, from the project's root, of every file below a folder with one of these endings.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    fn walk(path: &Path, endings: &[&str], paths: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(path) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("node_modules") {
                    walk(&path, endings, paths);
                }
            } else if path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)) {
                paths.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join(folder), endings, &mut paths);
    let relative = paths.iter().filter_map(|path| path.strip_prefix(root()).ok());
    let mut relative: Vec<_> = relative.map(|path| path.to_string_lossy().into_owned()).collect();
    relative.sort();
    assert!(!relative.is_empty(), "no file in {folder} ends with {endings:?}");
    relative
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn source(path: &str) -> File {
    syn::parse_file(&text(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Asserts that a rule has no violations.
#[track_caller]
fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}\n{}", violations.join("\n"));
}

#[test]
fn files_have_at_most_600_lines_of_120_columns() {
    let mut violations = Vec::new();
    let folders = ["src", "tests", "benches"].into_iter().flat_map(|folder| files(folder, &["rs"]));
    for file in folders {
        let text = text(&file);
        let count = text.lines().count();
        if count > 600 {
            violations.push(format!("{file}: {count} lines"));
        }
        for (n, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > 120 {
                violations.push(format!("{file}:{}: {columns} columns", n + 1));
            }
            if line.ends_with(' ') || line.contains('\t') {
                violations.push(format!("{file}:{}: a tab, or space at the end", n + 1));
            }
        }
    }
    assert_none("at most 600 lines of 120 columns", &violations);
}

/// A visitor that collects the public items without a doc comment, each with its line.
///
/// Methods are left out, because many are accessors whose names explain them.
#[derive(Default)]
struct Undocumented(Vec<(String, usize)>);

impl Undocumented {
    fn item(&mut self, visibility: &Visibility, attributes: &[Attribute], name: &Ident) {
        let documented = attributes.iter().any(|attribute| attribute.path().is_ident("doc"));
        if matches!(visibility, Visibility::Public(_)) && !documented {
            self.0.push((name.to_string(), name.span().start().line));
        }
    }
}

impl<'a> Visit<'a> for Undocumented {
    fn visit_item(&mut self, item: &'a Item) {
        match item {
            Item::Fn(item) => self.item(&item.vis, &item.attrs, &item.sig.ident),
            Item::Struct(item) => self.item(&item.vis, &item.attrs, &item.ident),
            Item::Enum(item) => self.item(&item.vis, &item.attrs, &item.ident),
            Item::Trait(item) => self.item(&item.vis, &item.attrs, &item.ident),
            Item::Const(item) => self.item(&item.vis, &item.attrs, &item.ident),
            Item::Static(item) => self.item(&item.vis, &item.attrs, &item.ident),
            Item::Type(item) => self.item(&item.vis, &item.attrs, &item.ident),
            _ => visit::visit_item(self, item),
        }
    }
}

/// In the store, a function that is named like its statement (`insert`, `by_id`, `set_owner`) needs no comment.
#[test]
fn public_items_have_doc_comments() {
    let mut violations = Vec::new();
    let mut checked = 0;
    for file in files("src", &["rs"]) {
        let mut source = source(&file);
        checked += source.items.len();
        if file.starts_with("src/store/") {
            source.items.retain(|item| !matches!(item, Item::Fn(_)));
        }
        let mut undocumented = Undocumented::default();
        undocumented.visit_file(&source);
        violations.extend(undocumented.0.into_iter().map(|(name, line)| format!("{file}:{line}: {name}")));
    }
    assert!(checked > 1000, "only {checked} items were checked");
    assert_none("a public item has no doc comment", &violations);
}

#[test]
fn no_code_is_unfinished_and_every_lint_exception_has_a_reason() {
    // Concatenated, so that this file does not contain the forbidden texts.
    let forbidden =
        [["to", "do!("], ["unimple", "mented!("], ["db", "g!("], ["#[al", "low"], ["#![al", "low"]];
    let forbidden = forbidden.map(|parts| parts.concat());
    let mut violations = Vec::new();
    for file in files("src", &["rs"]).into_iter().chain(files("tests", &["rs"])) {
        for (n, line) in text(&file).lines().enumerate() {
            if forbidden.iter().any(|word| line.contains(word)) {
                violations.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    assert_none(
        "unfinished code, or a lint exception without a reason (`#[expect(…, reason = …)]`)",
        &violations,
    );
}

#[test]
fn no_test_waits_for_time_to_pass() {
    let forbidden =
        [["sle", "ep("], ["sle", "ep_until("], ["waitForTime", "out("]].map(|parts| parts.concat());
    let mut violations = Vec::new();
    for file in files("tests", &["rs", "js"]) {
        for (n, line) in text(&file).lines().enumerate() {
            if forbidden.iter().any(|word| line.contains(word)) {
                violations.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    assert_none("a test waits for time to pass: move the clock, or wait for an event", &violations);
}

#[test]
fn every_migration_is_listed_in_order() {
    let migrations = files("migrations", &["sql"]);
    let list = text("src/db/migrations.rs");
    let mut last = 0;
    for (n, file) in migrations.iter().enumerate() {
        let name = file.trim_start_matches("migrations/").trim_end_matches(".sql");
        assert!(name.starts_with(&format!("{:04}_", n + 1)), "{file}: migrations are numbered 0001, 0002 …");
        let at = list.find(&format!("include_str!(\"../../{file}\")"));
        let at = at.unwrap_or_else(|| panic!("{file} is not in the list of src/db/migrations.rs"));
        assert!(list.contains(&format!("(\"{name}\",")), "{file} is listed under its own name");
        assert!(at > last, "{file} is listed out of order");
        last = at;
    }
}

/// Databases record the migrations they have run by number, so a migration must never change once a server
/// may have run it. A change is a new file and a new line here.
#[test]
fn a_migration_is_never_edited() {
    let landed = [
        ("migrations/0001_accounts_and_peeps.sql", "920be85c589f621b"),
        ("migrations/0002_rooms.sql", "92a5e2f188b90959"),
        ("migrations/0003_matches.sql", "ad76ee5c22c7a7ae"),
        ("migrations/0004_pairings.sql", "94c99bb866f6536f"),
        ("migrations/0005_threads.sql", "f42ccb833680bfd9"),
        ("migrations/0006_apps.sql", "ff668c9e97f85c35"),
        ("migrations/0007_idempotency.sql", "df6660aaf78744a1"),
        ("migrations/0008_sync.sql", "1a4f9a07a974747c"),
        ("migrations/0009_webhooks.sql", "a165c89ad6046bb5"),
        ("migrations/0010_pages.sql", "844f28b271d7d511"),
        ("migrations/0011_job_queues.sql", "b917b34566497fe4"),
        ("migrations/0012_conversation_rules.sql", "221af9fd6c53ddf3"),
        ("migrations/0013_blocks.sql", "e21e917b4e371095"),
        ("migrations/0014_names.sql", "a84e76451f03f348"),
        ("migrations/0015_block_scopes.sql", "02afad097b2233e7"),
    ];
    let migrations = files("migrations", &["sql"]);
    assert_eq!(migrations, landed.map(|(file, _)| file), "every migration has a line here");
    for (file, expected) in landed {
        let actual = Sha256::digest(text(file).as_bytes());
        let actual: String = actual[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(actual, expected, "{file} was edited: restore it, and add a new migration");
    }
}

#[test]
fn templates_have_no_script_or_style_of_their_own() {
    let mut violations = Vec::new();
    for file in files("templates", &["html", "xml"]) {
        if file.starts_with("templates/mail/") {
            continue; // mail programs ignore stylesheets
        }
        for (n, line) in text(&file).lines().enumerate() {
            let mut report = |problem: &str| violations.push(format!("{file}:{}: {problem}", n + 1));
            if line.contains("<style") || line.contains(" style=") {
                report("a style");
            }
            if line.contains("javascript:") || has_event_handler(line) {
                report("a script in an attribute");
            }
            for (at, _) in line.match_indices("<script") {
                let (tag, inside) = line[at..].split_once('>').unwrap_or_default();
                // Structured data is not executed, so it is allowed.
                let is_data = tag.contains(" type=\"application/ld+json\"");
                if !is_data && (!tag.contains(" src=\"/assets/") || !inside.starts_with("</script>")) {
                    report("a script that is not in /assets/");
                }
            }
            for attribute in ["src=\"http", "src=\"//", "rel=\"stylesheet\" href=\"http", "@import"] {
                if line.contains(attribute) {
                    report("something from another host");
                }
            }
        }
    }
    assert_none("the content security policy forbids this in a template", &violations);
}

/// Returns whether a line has an event handler attribute such as `onclick=`.
fn has_event_handler(line: &str) -> bool {
    line.match_indices(" on").any(|(at, _)| {
        let rest = &line[at + 3..];
        let name = rest.chars().take_while(char::is_ascii_lowercase).count();
        name > 2 && rest[name..].starts_with('=')
    })
}

#[test]
fn stylesheets_and_scripts_fetch_nothing_from_another_host() {
    let mut violations = Vec::new();
    for file in files("assets", &["css", "js"]) {
        for (n, line) in text(&file).lines().enumerate() {
            let fetches =
                ["url(http", "url(\"http", "url('http", "url(//", "@import", "from \"http", "from 'http"];
            if fetches.iter().any(|word| line.contains(word))
                || line.contains(["ev", "al("].concat().as_str())
            {
                violations.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    assert_none("a file fetches from another host, or evaluates text", &violations);
}

#[test]
fn the_documents_name_only_files_that_exist() {
    let sources: Vec<_> = ["src", "assets", "tests", "benches", "migrations"]
        .iter()
        .flat_map(|folder| files(folder, &["rs", "js", "css", "sql"]))
        .collect();
    let mut violations = Vec::new();
    for document in files("", &["md"]) {
        if document.contains("node_modules") || document.starts_with("target/") {
            continue;
        }
        for name in text(&document).split('`').skip(1).step_by(2) {
            let is_file = [".rs", ".js", ".css", ".sql"].iter().any(|ending| name.ends_with(ending));
            let is_program =
                name.strip_prefix("bin/").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase()));
            let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
            if !plain || !(is_file || is_program) {
                continue;
            }
            let exists = root().join(name).exists()
                || sources.iter().any(|source| source == name || source.ends_with(&format!("/{name}")));
            if !exists {
                violations.push(format!("{document}: {name}"));
            }
        }
    }
    assert_none("a document names a file that does not exist", &violations);
}
