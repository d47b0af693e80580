//! The settings of the database.

use std::path::PathBuf;

use super::secret;

/// Returns the URL of PostgreSQL, or `None` for SQLite.
pub(super) fn url(value: Option<String>, file: Option<PathBuf>) -> Result<Option<String>, String> {
    let Some(url) = secret::read("CHITTER_DATABASE_URL", value, file)? else { return Ok(None) };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(
            "CHITTER_DATABASE_URL: it has to begin with postgres:// (without it, SQLite is used)".into()
        );
    }
    // The driver's own error repeats parts of the URL, and a password may be among them.
    url.parse::<postgres::Config>()
        .map_err(|_| "CHITTER_DATABASE_URL: not like postgres://user:password@host/database")?;
    Ok(Some(url))
}
