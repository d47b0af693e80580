//! The settings of the instance: its name, its rules and its limits.

use crate::domain::{self, names::Username};

/// The default length of a message in a thread: as many characters as a peep has.
const THREAD_LIMIT: usize = 280;

/// The rules of an instance that has set none.
const RULES: &str = "Be kind: there is a person at the other end.\n\
                     Keep to yourself where you live, and what you would not tell a stranger.\n\
                     Leave whenever you like. Block and report whoever does not behave.";

pub(super) fn name(setting: Option<String>) -> Result<String, String> {
    let name = setting.unwrap_or_else(|| "Chitter".into());
    if name.trim().is_empty() || name.chars().count() > 40 || name.chars().any(char::is_control) {
        return Err("CHITTER_NAME: 1 to 40 characters on one line".into());
    }
    Ok(name.trim().into())
}

pub(super) fn age_text(setting: Option<String>) -> Result<String, String> {
    let text = setting.unwrap_or_else(|| "I am 18 or older".into());
    if text.trim().is_empty() || text.chars().count() > 200 {
        return Err("CHITTER_AGE_TEXT: 1 to 200 characters".into());
    }
    Ok(text)
}

/// Returns the rules, one for each line that is not empty.
pub(super) fn rules(setting: Option<&str>) -> Result<Vec<String>, String> {
    let rules = setting.unwrap_or(RULES);
    if rules.chars().count() > 2000 {
        return Err("CHITTER_RULES: 2,000 characters at most".into());
    }
    Ok(rules.lines().map(str::trim).filter(|rule| !rule.is_empty()).map(str::to_owned).collect())
}

pub(super) fn thread_limit(setting: Option<usize>) -> Result<usize, String> {
    let limit = setting.unwrap_or(THREAD_LIMIT);
    if !(1..=domain::conversations::MAX_BODY).contains(&limit) {
        return Err("CHITTER_THREAD_LIMIT: 1 to 4000 characters".into());
    }
    Ok(limit)
}

/// Returns the username of the member whose page is the front page.
pub(super) fn home(setting: Option<&str>) -> Result<Option<String>, String> {
    let username = setting.map(Username::parse).transpose();
    let username = username.map_err(|error| format!("CHITTER_HOME: {}", error.sentence()))?;
    Ok(username.map(|username| username.as_str().to_owned()))
}
