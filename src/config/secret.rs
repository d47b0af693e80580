//! Settings that are secrets: the URL of the database and that of the mail server.

use std::{fs, path::PathBuf};

/// Returns a secret from its setting, or from the file that the setting `NAME_FILE` names.
pub(super) fn read(
    name: &str,
    value: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<String>, String> {
    let value = match (value, file) {
        (Some(_), Some(_)) => return Err(format!("{name} and {name}_FILE are both set: leave one out")),
        (value, None) => value,
        (None, Some(file)) => Some(
            fs::read_to_string(&file)
                .map_err(|e| format!("{name}_FILE: can't read {}: {e}", file.display()))?,
        ),
    };
    // Compose files set a variable to the empty string when it has no value.
    Ok(value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()))
}
