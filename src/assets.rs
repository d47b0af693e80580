//! Stylesheets, scripts and pictures, embedded in the binary.

use std::sync::LazyLock;

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

/// The files of `assets/`.
#[derive(RustEmbed)]
#[folder = "assets"]
pub struct Assets;

/// A hash of all assets, which stands in their URLs: browsers may keep them for ever, and modules find each other by
/// relative paths.
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

/// Returns an asset as text.
pub fn text(path: &str) -> Option<String> {
    String::from_utf8(Assets::get(path)?.data.into_owned()).ok()
}
