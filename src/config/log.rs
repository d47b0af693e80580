//! The settings of the log.

use tracing::level_filters::LevelFilter;

pub(super) fn filter(setting: Option<String>) -> Result<String, String> {
    let log = setting.unwrap_or_else(|| "info".into());
    if !is_filter(&log) {
        return Err(format!("CHITTER_LOG: {log:?} is not like info or info,chitter::db=debug"));
    }
    Ok(log)
}

/// Returns whether each part is a level, or a module with its level. The library's own parser takes an unknown word for
/// a module, and then logs nothing else.
fn is_filter(log: &str) -> bool {
    log.split(',').all(|part| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        level.parse::<LevelFilter>().is_ok()
    })
}
