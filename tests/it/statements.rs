//! Tests that prepare every statement of the store on the engine that runs it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use chitter::db::Engine;
use syn::{
    Arm, Attribute, Expr, ExprLit, File, Ident, ItemConst, Lit, Macro, Pat, Token, Type, Visibility, braced,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::common::World;

/// A statement in the source.
#[derive(Clone)]
struct Statement {
    /// The file and the line.
    location: String,
    sql: String,
    /// The engine that runs the statement, or `None` for both.
    engine: Option<Engine>,
}

/// Shared texts, such as column lists, by module and name.
type Shared = BTreeMap<(String, String), String>;

/// Returns the source files of the store.
fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of the source").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, paths);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                paths.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store"), &mut paths);
    paths.sort();
    paths
}

/// Returns the name of a noun's module: its file or its folder in the store.
fn module(path: &Path) -> String {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let name = path.strip_prefix(store).ok().and_then(|path| path.iter().next()).unwrap_or_default();
    name.to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn parts(tokens: &Macro) -> Vec<Expr> {
    let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
    parse.parse2(tokens.tokens.clone()).expect("sql! holds expressions").into_iter().collect()
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// Returns the concatenated parts, if every constant in them is known.
fn joined(parts: &[Expr], module: &str, shared: &Shared) -> Option<String> {
    let part = |expr: &Expr| match expr {
        Expr::Path(path) => {
            let mut names: Vec<_> = path.path.segments.iter().map(|s| s.ident.to_string()).collect();
            let name = names.pop()?;
            let module = names.pop().unwrap_or_else(|| module.to_owned());
            shared.get(&(module, name)).cloned()
        }
        other => literal(other),
    };
    parts.iter().map(part).collect()
}

fn is_sql(tokens: &Macro) -> bool {
    tokens.path.segments.last().is_some_and(|last| last.ident == "sql")
}

/// A struct in `columns!`, with the text of its columns as parts.
struct Columns {
    name: String,
    parts: Vec<Expr>,
}

impl Parse for Columns {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        input.parse::<Token![struct]>()?;
        let name = input.parse::<Ident>()?.to_string();
        input.parse::<Token![as]>()?;
        let alias: Ident = input.parse()?;
        let body;
        braced!(body in input);
        let mut parts: Vec<Expr> = Vec::new();
        while !body.is_empty() {
            body.call(Attribute::parse_outer)?;
            body.parse::<Visibility>()?;
            let field: Ident = body.parse()?;
            body.parse::<Token![:]>()?;
            body.parse::<Type>()?;
            if !parts.is_empty() {
                parts.push(syn::parse_quote!(", "));
            }
            if body.parse::<Option<Token![=]>>()?.is_some() {
                parts.push(body.parse()?);
            } else {
                let column = format!("{alias}.{field}");
                parts.push(syn::parse_quote!(#column));
            }
            body.parse::<Option<Token![,]>>()?;
        }
        Ok(Columns { name, parts })
    }
}

/// A visitor that collects text constants, and the columns of structs.
struct Constants<'a> {
    module: String,
    shared: &'a mut Shared,
}

impl<'a> Visit<'a> for Constants<'_> {
    fn visit_item_const(&mut self, item: &'a ItemConst) {
        let text = match &*item.expr {
            Expr::Macro(tokens) if is_sql(&tokens.mac) => {
                joined(&parts(&tokens.mac), &self.module, self.shared)
            }
            other => literal(other),
        };
        if let Some(text) = text {
            self.shared.insert((self.module.clone(), item.ident.to_string()), text);
        }
    }

    fn visit_macro(&mut self, tokens: &'a Macro) {
        if tokens.path.is_ident("columns") {
            let columns: Columns = tokens.parse_body().expect("columns! holds a struct");
            if let Some(text) = joined(&columns.parts, &self.module, self.shared) {
                let earlier = self.shared.insert((columns.name.clone(), "COLUMNS".to_owned()), text.clone());
                assert!(
                    earlier.is_none_or(|earlier| earlier == text),
                    "two structs with columns are called {}",
                    columns.name
                );
            }
        }
    }
}

/// A visitor that collects statements.
struct Statements<'a> {
    module: String,
    shared: &'a Shared,
    engine: Option<Engine>,
    statements: Vec<Statement>,
}

impl<'a> Visit<'a> for Statements<'_> {
    fn visit_arm(&mut self, arm: &'a Arm) {
        let outer = self.engine;
        if let Pat::Path(path) = &arm.pat {
            self.engine = match path.path.segments.last().map(|last| last.ident.to_string()).as_deref() {
                Some("Sqlite") => Some(Engine::Sqlite),
                Some("Postgres") => Some(Engine::Postgres),
                _ => outer,
            };
        }
        visit::visit_arm(self, arm);
        self.engine = outer;
    }

    fn visit_item_const(&mut self, _: &'a ItemConst) {
        // A shared text is not a statement by itself.
    }

    fn visit_macro(&mut self, tokens: &'a Macro) {
        if is_sql(tokens) {
            let location = format!("{}.rs:{}", self.module, tokens.span().start().line);
            let sql = joined(&parts(tokens), &self.module, self.shared);
            let sql =
                sql.unwrap_or_else(|| panic!("{location}: a part of the statement is not a known constant"));
            self.statements.push(Statement { location, sql, engine: self.engine });
        }
    }
}

/// Returns all statements of the store.
fn statements() -> Vec<Statement> {
    let files: Vec<(String, File)> = sources()
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a source file");
            (module(path), syn::parse_file(&text).expect("Rust"))
        })
        .collect();
    let mut shared = Shared::new();
    // Repeated until nothing is added, because a shared text may contain one that stands further down.
    loop {
        let before = shared.len();
        for (module, file) in &files {
            Constants { module: module.clone(), shared: &mut shared }.visit_file(file);
        }
        if shared.len() == before {
            break;
        }
    }
    let mut statements = Vec::new();
    for (module, file) in &files {
        let mut visitor =
            Statements { module: module.clone(), shared: &shared, engine: None, statements: Vec::new() };
        visitor.visit_file(file);
        statements.extend(visitor.statements);
    }
    statements
}

/// Returns the numbers of `$1`, `$2` … in the order of first use.
fn first_uses(sql: &str) -> Vec<usize> {
    let mut seen = Vec::new();
    for (at, _) in sql.match_indices('$') {
        let digits: String = sql[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        let number = digits.parse().unwrap_or(0);
        if !seen.contains(&number) {
            seen.push(number);
        }
    }
    seen
}

#[test]
fn all_statements_are_found() {
    let written: usize = sources()
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a source file");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let constants = text.matches("str = sql!(").count() + text.matches("str =\n    sql!(").count();
            code.map(|line| line.matches("sql!(").count()).sum::<usize>() - constants
        })
        .sum();
    let statements = statements();
    assert_eq!(statements.len(), written);
    assert!(statements.len() > 40, "only {} statements were found", statements.len());
    for engine in [Engine::Sqlite, Engine::Postgres] {
        assert!(
            statements.iter().any(|statement| statement.engine == Some(engine)),
            "no statement for {engine:?} alone was found"
        );
    }
}

#[test]
fn parameters_are_numbered_in_the_order_of_their_use() {
    // SQLite numbers `$2` by its first position in the text and ignores the digits.
    for Statement { location, sql, .. } in statements() {
        let uses = first_uses(&sql);
        assert_eq!(uses, (1..=uses.len()).collect::<Vec<_>>(), "{location}: {sql}");
    }
}

#[test]
fn casts_use_standard_sql() {
    for Statement { location, sql, .. } in statements() {
        assert!(!sql.contains("::"), "{location}: CAST(… AS …) works on both engines: {sql}");
    }
}

on_both! {
    async fn every_statement_can_be_prepared(world: World) {
        let engine = world.instance.engine;
        let statements = statements().into_iter().filter(|s| s.engine.is_none_or(|own| own == engine));
        for Statement { location, sql, .. } in statements {
            let text = sql.clone();
            let prepared = world.app().db.read(move |read| read.prepare(&text)).await;
            assert!(prepared.is_ok(), "{location} on {engine:?}: {prepared:?}\n{sql}");
        }
        let nonsense = world.app().db.read(|read| read.prepare("SELECT nothing FROM nowhere")).await;
        assert!(nonsense.is_err(), "an invalid statement can be prepared, so this test shows nothing");
    }
}
