//! Rules about the source code that a machine can check.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use syn::{
    File, Ident, LitStr, Macro, UseTree,
    spanned::Spanned,
    visit::{self, Visit},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the path, from the project's root, of every file below a folder with one of these endings.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    fn walk(path: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(path) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("node_modules") {
                    walk(&path, endings, found);
                }
            } else if path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), endings, &mut found);
    let relative = found.iter().filter_map(|path| path.strip_prefix(root()).ok());
    let mut relative: Vec<_> = relative.map(|path| path.to_string_lossy().into_owned()).collect();
    relative.sort();
    assert!(!relative.is_empty(), "there is nothing in {folder}");
    relative
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn source(path: &str) -> File {
    syn::parse_file(&text(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Asserts that nothing was found against a rule.
#[track_caller]
fn none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

/// The paths that a file names, from their first segment on, each with its line.
#[derive(Default)]
struct Paths(Vec<(Vec<String>, usize)>);

impl Paths {
    fn of(path: &str) -> Self {
        let mut paths = Paths::default();
        paths.visit_file(&source(path));
        paths
    }

    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |ident: &Ident| [before, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
            UseTree::Name(name) => self.0.push((with(&name.ident), name.span().start().line)),
            UseTree::Rename(name) => self.0.push((with(&name.ident), name.span().start().line)),
            UseTree::Glob(glob) => self.0.push((before.to_vec(), glob.span().start().line)),
        }
    }
}

impl<'a> Visit<'a> for Paths {
    fn visit_use_tree(&mut self, tree: &'a UseTree) {
        self.tree(&[], tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.0.push((names, path.span().start().line));
        visit::visit_path(self, path);
    }
}

/// Modules that every layer may use besides those below it.
const COMMON: &[&str] = &["Error", "Result", "clock", "error", "ids", "tls"];

/// The layers, lowest first, each with the modules of the crate that it may import. A layer may import
/// itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("realtime", &[]),
    ("db", &[]),
    ("store", &["db", "params", "sql"]),
    ("domain", &["db", "events", "store"]),
    ("events", &["db", "realtime", "store"]),
    ("services", &["config", "db", "domain", "events", "realtime", "store"]),
    ("wire", &["assets", "db", "domain", "events", "store"]),
    ("app", &["config", "db", "domain", "events", "services"]),
    ("jobs", &["app", "config", "db", "domain", "events", "services", "store", "wire"]),
    ("http", &["app", "assets", "config", "db", "domain", "events", "services", "store"]),
    ("socket", &["app", "config", "db", "domain", "events", "http", "realtime", "services", "store", "wire"]),
    (
        "api",
        &[
            "app", "config", "db", "domain", "events", "http", "openapi", "services", "socket", "store",
            "wire",
        ],
    ),
    ("openapi", &["api", "config", "http", "wire"]),
    (
        "html",
        &[
            "app", "assets", "config", "db", "domain", "events", "http", "jobs", "openapi", "services",
            "store", "wire",
        ],
    ),
    (
        "server",
        &["api", "app", "config", "domain", "html", "http", "jobs", "openapi", "services", "socket", "store"],
    ),
];

/// The paths by which a file calls or passes functions, each with its line. Names of types and variants, which begin
/// with a capital letter, are left out.
#[derive(Default)]
struct Functions(Vec<(Vec<String>, usize)>);

impl<'a> Visit<'a> for Functions {
    fn visit_expr_path(&mut self, expression: &'a syn::ExprPath) {
        let segments = &expression.path.segments;
        self.0.push((
            segments.iter().map(|segment| segment.ident.to_string()).collect(),
            expression.span().start().line,
        ));
        visit::visit_expr_path(self, expression);
    }
}

/// The names under which a file imports something of the crate, each with what it stands for.
fn imports(file: &File) -> BTreeMap<String, Vec<String>> {
    fn collect(before: &[String], tree: &UseTree, found: &mut BTreeMap<String, Vec<String>>) {
        let with = |ident: &Ident| [before, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => collect(&with(&path.ident), &path.tree, found),
            UseTree::Group(group) => group.items.iter().for_each(|tree| collect(before, tree, found)),
            UseTree::Name(name) if name.ident == "self" => {
                found.extend(before.last().map(|last| (last.clone(), before.to_vec())));
            }
            UseTree::Name(name) => {
                found.insert(name.ident.to_string(), with(&name.ident));
            }
            UseTree::Rename(name) if name.ident == "self" => {
                found.insert(name.rename.to_string(), before.to_vec());
            }
            UseTree::Rename(name) => {
                found.insert(name.rename.to_string(), with(&name.ident));
            }
            UseTree::Glob(_) => {
                found.insert(format!("{}::*", before.join("::")), before.to_vec());
            }
        }
    }
    struct Uses(BTreeMap<String, Vec<String>>);
    impl<'a> Visit<'a> for Uses {
        fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
            collect(&[], &item.tree, &mut self.0);
        }
    }
    let mut uses = Uses(BTreeMap::new());
    uses.visit_file(file);
    uses.0
}

#[test]
fn the_edge_calls_no_function_of_the_store() {
    let is_lower = |name: &String| name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_function = |path: &[String]| {
        path.len() > 3 && path[0] == "crate" && path[1] == "store" && path[2..].iter().all(is_lower)
    };
    let mut found = Vec::new();
    let mut looked_at = 0;
    for layer in ["html", "api", "http", "socket", "server", "jobs"] {
        for file in layer_files(layer) {
            let parsed = source(&file);
            let imports = imports(&parsed);
            for path in imports.values().filter(|path| path.starts_with(&["crate".into(), "store".into()])) {
                // A module may be imported, for its types; a function is called by its own name.
                if imports.contains_key(&format!("{}::*", path.join("::"))) {
                    found.push(format!("{file}: use {}::*", path.join("::")));
                }
            }
            let mut functions = Functions::default();
            functions.visit_file(&parsed);
            for (path, line) in functions.0 {
                looked_at += 1;
                let whole = match imports.get(&path[0]) {
                    Some(import) => [import.as_slice(), &path[1..]].concat(),
                    None => path,
                };
                if is_function(&whole) {
                    found.push(format!("{file}:{line}: {}", whole[1..].join("::")));
                }
            }
        }
    }
    assert!(looked_at > 1000, "expressions are looked at: {looked_at}");
    none("html, api, http, socket, server and jobs call the domain, which decides who sees what", &found);
}

/// The files of a layer: a folder, or one file.
fn layer_files(layer: &str) -> Vec<String> {
    let file = format!("src/{layer}.rs");
    if root().join(&file).exists() { vec![file] } else { files(&format!("src/{layer}"), &["rs"]) }
}

#[test]
fn layers_import_only_downwards() {
    let mut found = Vec::new();
    for (itself, below) in LAYERS {
        for file in layer_files(itself) {
            for (path, line) in Paths::of(&file).0 {
                let [first, second, ..] = path.as_slice() else { continue };
                if first != "crate" {
                    continue;
                }
                let generic = *itself == "realtime";
                let fine = second == *itself
                    || below.contains(&second.as_str())
                    || (!generic && COMMON.contains(&second.as_str()));
                if !fine {
                    found.push(format!("{file}:{line}: crate::{second}"));
                }
            }
        }
    }
    none("a layer calls only down", &found);
}

#[test]
fn layers_know_only_their_own_trade() {
    let mut found = Vec::new();
    for (layer, foreign) in [
        (
            "src/domain",
            &["axum", "http", "hyper", "tower", "tower_http", "tokio", "rusqlite", "postgres", "askama"][..],
        ),
        (
            "src/store",
            &["axum", "http", "hyper", "tower", "tower_http", "tokio", "rusqlite", "postgres", "askama"],
        ),
        ("src/db", &["axum", "http", "hyper", "tower", "tower_http", "askama", "serde", "serde_json"]),
        ("src/jobs", &["axum", "http", "hyper", "tower", "tower_http", "rusqlite", "postgres"]),
        ("src/services", &["axum", "http", "hyper", "tower", "tower_http", "rusqlite", "postgres"]),
        ("src/wire", &["axum", "http", "hyper", "tower", "tower_http", "tokio", "rusqlite", "postgres"]),
        ("src/http", &["rusqlite", "postgres", "lettre"]),
        ("src/html", &["rusqlite", "postgres", "lettre"]),
        ("src/api", &["rusqlite", "postgres", "lettre"]),
        ("src/socket", &["rusqlite", "postgres", "lettre"]),
        ("src/server", &["rusqlite", "postgres", "lettre"]),
    ] {
        for file in files(layer, &["rs"]) {
            for (path, line) in Paths::of(&file).0 {
                if foreign.contains(&path[0].as_str()) {
                    found.push(format!("{file}:{line}: {}", path.join("::")));
                }
            }
        }
    }
    none("each layer knows what is in its row of lib.rs, and no more", &found);
}

/// String literals in the code, and calls of `sql!`.
#[derive(Default)]
struct Sql {
    texts: Vec<(String, usize)>,
    statements: Vec<usize>,
}

impl<'a> Visit<'a> for Sql {
    fn visit_lit_str(&mut self, text: &'a LitStr) {
        self.texts.push((text.value(), text.span().start().line));
    }

    fn visit_macro(&mut self, tokens: &'a Macro) {
        if tokens.path.segments.last().is_some_and(|last| last.ident == "sql") {
            self.statements.push(tokens.span().start().line);
        }
        visit::visit_macro(self, tokens);
    }
}

#[test]
fn sql_stands_in_the_store_alone() {
    let words =
        ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "ORDER BY ", "WHERE "];
    let mut found = Vec::new();
    for file in files("src", &["rs"]) {
        let in_store = file.starts_with("src/store/");
        let mut sql = Sql::default();
        sql.visit_file(&source(&file));
        if !in_store {
            found.extend(sql.statements.iter().map(|line| format!("{file}:{line}: sql!")));
        }
        // The database engines need a few statements for migrations.
        if !in_store && !file.starts_with("src/db/") {
            let texts = sql.texts.iter().filter(|(text, _)| words.iter().any(|word| text.contains(word)));
            found.extend(texts.map(|(text, line)| format!("{file}:{line}: {text:?}")));
        }
    }
    none("SQL stands in store/, in `sql!`", &found);
}

/// Kinds of conversations differ by the rules of their policies; code elsewhere asks for a rule.
#[test]
fn the_kind_of_a_conversation_is_named_by_its_policy_and_its_own_noun_alone() {
    let own = [
        "src/domain/access.rs",
        "src/domain/conversations/kind.rs",
        "src/domain/matches/run.rs",
        "src/domain/rooms.rs",
        "src/domain/threads.rs",
        "src/http/session/extractors.rs",
        "src/store/conversations/mod.rs",
    ];
    let mut found = Vec::new();
    for file in files("src", &["rs"]).into_iter().filter(|file| !own.contains(&file.as_str())) {
        for (path, line) in Paths::of(&file).0 {
            let [.., kind, _] = path.as_slice() else { continue };
            if kind == "ConversationKind" {
                found.push(format!("{file}:{line}: {}", path.join("::")));
            }
        }
    }
    none("ask for a rule in domain/conversations/kind.rs, and not for a kind", &found);
}

/// Returns the names of the nouns that have a file in this folder.
fn nouns(folder: &str, others: &[&str]) -> BTreeSet<String> {
    let names = files(folder, &["rs"]).into_iter().filter_map(|file| {
        let path = file.strip_prefix(folder)?.trim_start_matches('/').strip_suffix(".rs")?;
        // A large noun has a folder.
        let name = path.split('/').next()?.to_owned();
        (name != "mod" && !others.contains(&name.as_str())).then_some(name)
    });
    names.collect()
}

#[test]
fn a_noun_has_the_same_file_name_in_every_layer() {
    let domain = nouns("src/domain", &["access", "names", "text", "viewer"]);
    assert!(domain.contains("peeps"), "the domain has nouns: {domain:?}");
    let store = nouns("src/store", &["dialect"]);
    assert_eq!(domain, store, "what the domain speaks of, the store keeps, under the same name");
    for edge in ["src/html", "src/api"] {
        let here = nouns(edge, &[]);
        assert!(here.contains("peeps"), "{edge} speaks of peeps under that name: {here:?}");
    }
}

#[test]
fn files_and_lines_fit_into_a_head_and_a_window() {
    let mut found = Vec::new();
    for file in files("src", &["rs"]) {
        let text = text(&file);
        let count = text.lines().count();
        if count > 600 {
            found.push(format!("{file}: {count} lines"));
        }
        for (n, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > 120 {
                found.push(format!("{file}:{}: {columns} columns", n + 1));
            }
            if line.ends_with(' ') || line.contains('\t') {
                found.push(format!("{file}:{}: a tab, or space at the end", n + 1));
            }
        }
    }
    none("at most 600 lines of 120 columns", &found);
}

#[test]
fn nothing_is_left_to_do_and_no_lint_is_switched_off_in_silence() {
    // Concatenated, so that this file does not contain the words itself.
    let forbidden =
        [["to", "do!("], ["unimple", "mented!("], ["db", "g!("], ["#[al", "low"], ["#![al", "low"]];
    let forbidden = forbidden.map(|parts| parts.concat());
    let mut found = Vec::new();
    for file in files("src", &["rs"]).into_iter().chain(files("tests", &["rs"])) {
        for (n, line) in text(&file).lines().enumerate() {
            if forbidden.iter().any(|word| line.contains(word)) {
                found.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    none("finished, and every exception has its reason (`#[expect(…, reason = …)]`)", &found);
}

#[test]
fn no_test_waits_for_time_to_pass() {
    let forbidden =
        [["sle", "ep("], ["sle", "ep_until("], ["waitForTime", "out("]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for file in files("tests", &["rs", "js"]) {
        for (n, line) in text(&file).lines().enumerate() {
            if forbidden.iter().any(|word| line.contains(word)) {
                found.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    none("move the clock, or wait for what you wait for", &found);
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
        assert!(at > last, "{file} is listed in its place");
        last = at;
    }
}

/// Databases record the migrations they have run by number, so a migration must never change once a server
/// may have run it. A change is a new file and a new line here.
#[test]
fn a_migration_is_never_edited() {
    let known = [
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
    ];
    let migrations = files("migrations", &["sql"]);
    assert_eq!(migrations, known.map(|(file, _)| file), "each has a line here");
    for (file, hash) in known {
        let now = Sha256::digest(text(file).as_bytes());
        let now: String = now[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(now, hash, "{file} was edited: put back what it was, and make a new one");
    }
}

#[test]
fn templates_have_no_script_or_style_of_their_own() {
    let mut found = Vec::new();
    for file in files("templates", &["html", "xml"]) {
        if file.starts_with("templates/mail/") {
            continue; // mail programs know no stylesheets
        }
        for (n, line) in text(&file).lines().enumerate() {
            let mut against = |rule: &str| found.push(format!("{file}:{}: {rule}", n + 1));
            if line.contains("<style") || line.contains(" style=") {
                against("a style");
            }
            if line.contains("javascript:") || handler(line) {
                against("a script in an attribute");
            }
            for (at, _) in line.match_indices("<script") {
                let (tag, inside) = line[at..].split_once('>').unwrap_or_default();
                // Structured data is not executed, so it is allowed.
                let is_data = tag.contains(" type=\"application/ld+json\"");
                if !is_data && (!tag.contains(" src=\"/assets/") || !inside.starts_with("</script>")) {
                    against("a script that is not a file of ours");
                }
            }
            for attribute in ["src=\"http", "src=\"//", "rel=\"stylesheet\" href=\"http", "@import"] {
                if line.contains(attribute) {
                    against("something from another host");
                }
            }
        }
    }
    none("the content security policy would stop it, and rightly so", &found);
}

/// Returns whether a line has an event handler attribute such as `onclick=`.
fn handler(line: &str) -> bool {
    line.match_indices(" on").any(|(at, _)| {
        let rest = &line[at + 3..];
        let name = rest.chars().take_while(char::is_ascii_lowercase).count();
        name > 2 && rest[name..].starts_with('=')
    })
}

#[test]
fn stylesheets_and_scripts_fetch_nothing_from_another_host() {
    let mut found = Vec::new();
    for file in files("assets", &["css", "js"]) {
        for (n, line) in text(&file).lines().enumerate() {
            let fetches =
                ["url(http", "url(\"http", "url('http", "url(//", "@import", "from \"http", "from 'http"];
            if fetches.iter().any(|word| line.contains(word))
                || line.contains(["ev", "al("].concat().as_str())
            {
                found.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    none("everything that a page needs is in the binary", &found);
}

#[test]
fn the_documents_name_only_files_that_exist() {
    let sources: Vec<_> = ["src", "assets", "tests", "benches", "migrations"]
        .iter()
        .flat_map(|folder| files(folder, &["rs", "js", "css", "sql"]))
        .collect();
    let mut found = Vec::new();
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
            let there = root().join(name).exists()
                || sources.iter().any(|source| source == name || source.ends_with(&format!("/{name}")));
            if !there {
                found.push(format!("{document}: {name}"));
            }
        }
    }
    none("a map that names what is not there is worse than none", &found);
}
