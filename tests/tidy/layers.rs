//! Rules about the layers: their imports, and the places of SQL, of nouns and of the kinds of conversations.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    File, Ident, LitStr, Macro, UseTree,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{assert_none, files, root, source};

/// The paths in a file, from their first segment on, each with its line.
#[derive(Default)]
struct Paths(Vec<(Vec<String>, usize)>);

impl Paths {
    fn in_file(path: &str) -> Self {
        let mut paths = Paths::default();
        paths.visit_file(&source(path));
        paths
    }

    fn tree(&mut self, prefix: &[String], tree: &UseTree) {
        let with = |ident: &Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(prefix, tree)),
            UseTree::Name(name) => self.0.push((with(&name.ident), name.span().start().line)),
            UseTree::Rename(name) => self.0.push((with(&name.ident), name.span().start().line)),
            UseTree::Glob(glob) => self.0.push((prefix.to_vec(), glob.span().start().line)),
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

/// The layers, lowest first, each with the modules of the crate that it may import. A layer may import itself.
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

/// Returns the names that a file imports, each with its full path.
fn imports(file: &File) -> BTreeMap<String, Vec<String>> {
    fn collect(prefix: &[String], tree: &UseTree, imports: &mut BTreeMap<String, Vec<String>>) {
        let with = |ident: &Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => collect(&with(&path.ident), &path.tree, imports),
            UseTree::Group(group) => group.items.iter().for_each(|tree| collect(prefix, tree, imports)),
            UseTree::Name(name) if name.ident == "self" => {
                imports.extend(prefix.last().map(|last| (last.clone(), prefix.to_vec())));
            }
            UseTree::Name(name) => {
                imports.insert(name.ident.to_string(), with(&name.ident));
            }
            UseTree::Rename(name) if name.ident == "self" => {
                imports.insert(name.rename.to_string(), prefix.to_vec());
            }
            UseTree::Rename(name) => {
                imports.insert(name.rename.to_string(), with(&name.ident));
            }
            UseTree::Glob(_) => {
                imports.insert(format!("{}::*", prefix.join("::")), prefix.to_vec());
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
fn only_the_domain_calls_functions_of_the_store() {
    let is_lower = |name: &String| name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_function = |path: &[String]| {
        path.len() > 3 && path[0] == "crate" && path[1] == "store" && path[2..].iter().all(is_lower)
    };
    let mut violations = Vec::new();
    let mut checked = 0;
    for layer in
        ["html", "api", "http", "socket", "server", "jobs", "wire", "services", "app", "admin", "seed"]
    {
        for file in layer_files(layer) {
            let parsed = source(&file);
            let imports = imports(&parsed);
            for path in imports.values().filter(|path| path.starts_with(&["crate".into(), "store".into()])) {
                // A module may be imported, for its types; a function is called by its own name.
                if imports.contains_key(&format!("{}::*", path.join("::"))) {
                    violations.push(format!("{file}: use {}::*", path.join("::")));
                }
            }
            let mut functions = Functions::default();
            functions.visit_file(&parsed);
            for (path, line) in functions.0 {
                checked += 1;
                let full_path = match imports.get(&path[0]) {
                    Some(import) => [import.as_slice(), &path[1..]].concat(),
                    None => path,
                };
                if is_function(&full_path) {
                    violations.push(format!("{file}:{line}: {}", full_path[1..].join("::")));
                }
            }
        }
    }
    assert!(checked > 1000, "only {checked} expressions were checked");
    assert_none("only the domain may call the store, because the domain decides who sees what", &violations);
}

/// Returns the files of a layer, which is a folder or one file.
fn layer_files(layer: &str) -> Vec<String> {
    let file = format!("src/{layer}.rs");
    if root().join(&file).exists() { vec![file] } else { files(&format!("src/{layer}"), &["rs"]) }
}

#[test]
fn layers_import_only_downwards() {
    let mut violations = Vec::new();
    for (layer, allowed) in LAYERS {
        for file in layer_files(layer) {
            for (path, line) in Paths::in_file(&file).0 {
                let [first, second, ..] = path.as_slice() else { continue };
                if first != "crate" {
                    continue;
                }
                let generic = *layer == "realtime";
                let is_allowed = second == *layer
                    || allowed.contains(&second.as_str())
                    || (!generic && COMMON.contains(&second.as_str()));
                if !is_allowed {
                    violations.push(format!("{file}:{line}: crate::{second}"));
                }
            }
        }
    }
    assert_none("a layer imports only the layers below it", &violations);
}

#[test]
fn layers_use_only_the_libraries_of_their_concern() {
    let mut violations = Vec::new();
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
            for (path, line) in Paths::in_file(&file).0 {
                if foreign.contains(&path[0].as_str()) {
                    violations.push(format!("{file}:{line}: {}", path.join("::")));
                }
            }
        }
    }
    assert_none("a library of another layer is used", &violations);
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
    let keywords =
        ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "ORDER BY ", "WHERE "];
    let mut violations = Vec::new();
    for file in files("src", &["rs"]) {
        let in_store = file.starts_with("src/store/");
        let mut sql = Sql::default();
        sql.visit_file(&source(&file));
        if !in_store {
            violations.extend(sql.statements.iter().map(|line| format!("{file}:{line}: sql!")));
        }
        // The database engines need a few statements for migrations.
        if !in_store && !file.starts_with("src/db/") {
            let texts =
                sql.texts.iter().filter(|(text, _)| keywords.iter().any(|keyword| text.contains(keyword)));
            violations.extend(texts.map(|(text, line)| format!("{file}:{line}: {text:?}")));
        }
    }
    assert_none("SQL outside store/, or not in `sql!`", &violations);
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
    let mut violations = Vec::new();
    for file in files("src", &["rs"]).into_iter().filter(|file| !own.contains(&file.as_str())) {
        for (path, line) in Paths::in_file(&file).0 {
            let [.., kind, _] = path.as_slice() else { continue };
            if kind == "ConversationKind" {
                violations.push(format!("{file}:{line}: {}", path.join("::")));
            }
        }
    }
    assert_none("code asks for a kind, not for a rule of domain/conversations/kind.rs", &violations);
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
    assert!(domain.contains("peeps"), "no file for peeps in src/domain: {domain:?}");
    let store = nouns("src/store", &["dialect"]);
    assert_eq!(domain, store, "the domain and the store have files for the same nouns");
    for edge in ["src/html", "src/api"] {
        let nouns = nouns(edge, &[]);
        assert!(nouns.contains("peeps"), "no file for peeps in {edge}: {nouns:?}");
    }
}
