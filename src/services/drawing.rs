//! SVG rendered as PNG, for programs that show no SVG.

use std::sync::{Arc, LazyLock};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

use crate::{Error, Result};

/// The fonts: the one in the binary first, so that a drawing looks the same on a machine without fonts; then the
/// installed ones, for scripts that the first does not cover.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.load_system_fonts();
    fonts.set_sans_serif_family("Ubuntu");
    Arc::new(fonts)
});

/// Renders an SVG at a width in pixels. The height follows from its proportions.
pub fn png(svg: &str, width: u32) -> Result<Vec<u8>> {
    let options = Options { fontdb: Arc::clone(&FONTS), font_family: "Ubuntu".into(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(Error::internal)?;
    let scale = width as f32 / tree.size().width();
    let height = (tree.size().height() * scale).round() as u32;
    let mut pixels = Pixmap::new(width, height)
        .ok_or_else(|| Error::internal("a drawing without pixels, or too large"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(Error::internal)
}
