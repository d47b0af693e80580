//! Filters of the templates.

use std::fmt::{self, Write};

use askama::{FastWritable, Values, filters::HtmlSafe};

use crate::assets;

/// Icons that point along the text. A stylesheet mirrors them where the text runs from right to left.
const DIRECTIONAL: &[&str] = &["back", "leave", "reply"];

/// Renders an icon of `img/icons.svg`, hidden from screen readers: `{{ "back"|icon }}`.
#[askama::filter_fn]
pub fn icon(name: &'static str, _: &dyn Values) -> askama::Result<Icon> {
    Ok(Icon(name))
}

/// An icon's markup, written without a copy in between.
pub struct Icon(&'static str);

impl Icon {
    fn write(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_str("<svg class=\"icon\"")?;
        if DIRECTIONAL.contains(&self.0) {
            out.write_str(" data-directional")?;
        }
        out.write_str(" aria-hidden=\"true\"><use href=\"/assets/")?;
        out.write_str(&assets::VERSION)?;
        out.write_str("/img/icons.svg#i-")?;
        out.write_str(self.0)?;
        out.write_str("\"/></svg>")
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl FastWritable for Icon {
    fn write_into(&self, dest: &mut dyn Write, _: &dyn Values) -> askama::Result<()> {
        Ok(self.write(dest)?)
    }
}

impl HtmlSafe for Icon {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_icons_that_point_along_the_text_are_mirrored() {
        let version = &*assets::VERSION;
        for (name, mirrored) in [("search", ""), ("back", " data-directional")] {
            assert_eq!(
                Icon(name).to_string(),
                format!(
                    "<svg class=\"icon\"{mirrored} aria-hidden=\"true\">\
                     <use href=\"/assets/{version}/img/icons.svg#i-{name}\"/></svg>"
                )
            );
        }
    }
}
