//! What whoever keeps the place does on the command line, also while it is being served.

use std::sync::Arc;

use crate::{
    app,
    clock::Clock,
    config::Config,
    db::Setup,
    domain::{accounts, names::Name, tokens::Scopes},
    ids::Ids,
};

/// Makes a token for the member with this username; gives its secret. The error is one line for the terminal.
pub async fn make_token(
    config: Config,
    user: String,
    scopes: String,
    name: String,
) -> Result<String, String> {
    let told = |e: crate::Error| e.to_string();
    if config.database_url.is_none() && !config.data.join("chitter.db").exists() {
        return Err(format!("nobody lives in {} yet: start the server, and sign up", config.data.display()));
    }
    let (scopes, name) = (Scopes::parse(&scopes).map_err(told)?, Name::parse(&name).map_err(told)?);
    let setup = Setup { clock: Clock::System, ids: Arc::new(Ids::new()), on_commit: Arc::new(|_| {}) };
    let opening = tokio::task::spawn_blocking(move || app::open_db(&config, &config.data, setup));
    let db = opening.await.map_err(|e| e.to_string())??;
    let asked = user.clone();
    let made = db.write(move |tx| accounts::member(tx, &asked)?.make_token(tx, &name, scopes)).await;
    let closing = db.clone();
    let _ = tokio::task::spawn_blocking(move || closing.close()).await;
    match made {
        Ok((_, secret)) => Ok(secret.as_str().to_owned()),
        Err(crate::Error::NotFound) => Err(format!("there is no member called {user}")),
        Err(other) => Err(other.to_string()),
    }
}
