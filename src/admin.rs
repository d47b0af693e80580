//! Commands of the operator, which also work beside a running server.

use std::{fs, path::Path, sync::Arc};

use crate::{
    Error, app,
    clock::Clock,
    config::Config,
    db::Setup,
    domain::{accounts, names::Name, tokens::Scopes},
    events::Db,
    html::pages::export::export,
    ids::Ids,
    services::files::Files,
};

/// Opens the database, also beside a running server.
async fn open(config: &Config) -> Result<Db, String> {
    if config.database_url.is_none() && !config.data.join("chitter.db").exists() {
        return Err(format!("nobody lives in {} yet: start the server, and sign up", config.data.display()));
    }
    let setup = Setup { clock: Clock::System, ids: Arc::new(Ids::new()), on_commit: Arc::new(|_| {}) };
    let config = config.clone();
    let opening = tokio::task::spawn_blocking(move || app::open_db(&config, &config.data, setup));
    opening.await.map_err(|e| e.to_string())?
}

async fn close(db: Db) {
    let _ = tokio::task::spawn_blocking(move || db.close()).await;
}

/// Describes an error about a member, for the terminal.
fn about(user: &str, error: &Error) -> String {
    match error {
        Error::NotFound => format!("there is no member called {user}"),
        other => other.to_string(),
    }
}

/// Creates a token for a member, and returns its secret. The error is one line for the terminal.
pub async fn make_token(
    config: Config,
    user: String,
    scopes: String,
    name: String,
) -> Result<String, String> {
    let text = |e: Error| e.to_string();
    let (scopes, name) = (Scopes::parse(&scopes).map_err(text)?, Name::parse(&name).map_err(text)?);
    let db = open(&config).await?;
    let username = user.clone();
    let created = db.write(move |tx| accounts::member(tx, &username)?.make_token(tx, &name, scopes)).await;
    close(db).await;
    created.map(|(_, secret)| secret.as_str().to_owned()).map_err(|error| about(&user, &error))
}

/// Writes the page of a member into a folder, as a website of its own, and returns the number of files. The error is
/// one line for the terminal.
pub async fn export_page(config: Config, user: String, folder: &Path) -> Result<usize, String> {
    let db = open(&config).await?;
    let files = Files::at(&config.data.join("files"));
    let username = user.clone();
    let export = async {
        let member = db.read(move |read| accounts::member(read, &username)).await?;
        export(&config, &db, &files, &member).await
    };
    let exported = export.await.map_err(|error| about(&user, &error));
    close(db).await;
    let exported = exported?;
    for (path, bytes) in &exported {
        let path = folder.join(path);
        let text = |e: std::io::Error| format!("can't write {}: {e}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(text)?;
        fs::write(&path, bytes).map_err(text)?;
    }
    Ok(exported.len())
}
