//! A disk that is soon full.

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// A small file system in memory. Dropping it unmounts it.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts a file system of this size, such as `12m`. Prints a note and returns `None` without the
    /// permission to mount, which takes root.
    pub fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("chitter-disk-").tempdir().expect("a folder");
        let options = format!("size={size},mode=700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(mounted) if mounted.status.success() => Some(SmallDisk(folder)),
            Ok(mounted) => {
                eprintln!(
                    "skipped: no small disk can be mounted: {}",
                    String::from_utf8_lossy(&mounted.stderr)
                );
                None
            }
            Err(error) => {
                eprintln!("skipped: no small disk can be mounted: {error}");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount succeeds even where a failed test has left files open.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}
