//! The data folder: database, files, log, outbox and key of one server.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Seek, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::{hex, random};

/// The data folder, locked by this process.
pub struct DataDir {
    pub path: PathBuf,
    /// The name of this node, which marks its claims in the outbox, so that they can be released after a restart.
    pub node: String,
    key: [u8; 32],
    _lock: File,
}

impl DataDir {
    /// Opens and locks the folder, and creates what is missing in it. Refuses a folder that another process has locked.
    pub fn open(path: &Path) -> Result<Self, String> {
        let at = |path: &Path| {
            let path = path.display().to_string();
            move |e: std::io::Error| format!("can't use {path}: {e}")
        };
        // The folder holds private messages and addresses: no other user of the machine may read it.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
        let mode = fs::metadata(path).map_err(at(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(at(path))?;
        }
        let lock_file = path.join("lock");
        let mut lock = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_file)
            .map_err(at(&lock_file))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "another chitter is using {}: stop it first, or set CHITTER_DATA",
                    path.display()
                ));
            }
            Err(TryLockError::Error(e)) => return Err(at(&lock_file)(e)),
        }
        let mut node = String::new();
        lock.read_to_string(&mut node).map_err(at(&lock_file))?;
        if node.trim().is_empty() {
            node = hex(&random::<8>().map_err(|e| e.to_string())?);
            lock.rewind().and_then(|()| writeln!(lock, "{node}")).map_err(at(&lock_file))?;
        }
        let key = key(&path.join("key"))?;
        Ok(DataDir { path: path.to_owned(), node: node.trim().into(), key, _lock: lock })
    }

    /// Signs a report about a member, so that a changed copy is detected.
    pub fn seal(&self, report: &str) -> String {
        self.sign("the seal of a report", report)
    }

    /// Signs a text that is given out and must be verified later, with 128 bits of HMAC-SHA-256 in hex. `purpose` is
    /// signed along, so that a signature for one purpose is not valid for another.
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key will do");
        for part in [purpose, text] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex(&mac.finalize().into_bytes()[..16])
    }
}

/// Returns the server's own key. The key is created on the first start and never replaced, and its file is readable
/// only by the server's user.
fn key(file: &Path) -> Result<[u8; 32], String> {
    let at = |e: std::io::Error| format!("can't use {}: {e}", file.display());
    match fs::read(file) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            format!(
                "{} is damaged: restore it from a backup, or delete it to void the links in sent mails",
                file.display()
            )
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key = random::<32>().map_err(|e| e.to_string())?;
            let mut open = fs::OpenOptions::new();
            let mut file = open.write(true).create_new(true).mode(0o600).open(file).map_err(at)?;
            file.write_all(&key).and_then(|()| file.sync_all()).map_err(at)?;
            Ok(key)
        }
        Err(e) => Err(at(e)),
    }
}
