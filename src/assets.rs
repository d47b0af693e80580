//! Stylesheets, scripts and pictures, inside the binary.

use std::sync::LazyLock;

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

#[derive(RustEmbed)]
#[folder = "assets"]
pub struct Assets;

/// Changes whenever one of them does, and stands in their URLs: so browsers may keep them for
/// ever, and modules find each other by relative paths.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Assets::iter().collect();
    names.sort();
    let mut hash = Sha256::new();
    for name in names {
        if let Some(file) = Assets::get(&name) {
            hash.update(name.as_bytes());
            hash.update(file.metadata.sha256_hash());
        }
    }
    crate::ids::hex(&hash.finalize()[..6])
});

/// One of them, as text.
pub fn text(path: &str) -> Option<String> {
    String::from_utf8(Assets::get(path)?.data.into_owned()).ok()
}
