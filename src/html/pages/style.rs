//! The stylesheet of a page: the tokens, the layout, and the colours of its look.

use crate::{Error, Result, assets, domain::pages::look::Look};

/// Returns the path of the stylesheet of a look.
pub(super) fn stylesheet(look: &Look) -> String {
    format!("/looks/{}/{}.css", *assets::VERSION, look.name())
}

/// Returns the stylesheet of a page.
pub(super) fn css(look: &Look) -> Result<String> {
    let file = |name: &str| assets::text(name).ok_or_else(|| Error::internal("a stylesheet is missing"));
    let mut css = String::new();
    for name in ["css/tokens.css", "css/base.css", "css/page.css"] {
        css += &strip(&file(name)?);
    }
    Ok(format!("{css}{}\n", look.css()))
}

/// Removes comments, indentation, and spaces after colons and before braces from a stylesheet. The stylesheets have no
/// strings in which these would count.
fn strip(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    let lines: Vec<_> = out.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n").replace(": ", ":").replace(" {", "{")
}
