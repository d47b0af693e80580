//! Drawings: SVG made into PNG, for those who show pictures and nothing else.

use std::sync::{Arc, LazyLock};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

use crate::{Error, Result};

/// Our own face first, so that a drawing looks the same on a machine without any; then what is installed, for what
/// ours does not have.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.load_system_fonts();
    fonts.set_sans_serif_family("Ubuntu");
    Arc::new(fonts)
});

/// Draws an SVG so many pixels wide; its own proportions say how high.
pub fn png(svg: &str, width: u32) -> Result<Vec<u8>> {
    let options = Options { fontdb: Arc::clone(&FONTS), font_family: "Ubuntu".into(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(Error::internal)?;
    let scale = width as f32 / tree.size().width();
    let height = (tree.size().height() * scale).round() as u32;
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| Error::internal("no room for a drawing"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(Error::internal)
}
