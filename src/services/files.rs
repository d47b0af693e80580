//! Uploaded files: in a folder of the data folder, each under its id. A file that is being received has another name,
//! and is deleted if it is never finished.

use std::{
    fs as sync,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use tokio::{
    fs::{self, File},
    io::AsyncWriteExt,
};

use crate::{
    Error, Result,
    ids::{AttachmentId, hex, random},
};

/// The extension of files that are being received.
const UNFINISHED: &str = "part";

/// The folder of uploaded files.
pub struct Files(PathBuf);

impl Files {
    /// Opens the folder, creates it where there is none, and deletes files that the last run did not finish.
    pub fn open(folder: &Path) -> io::Result<Self> {
        sync::create_dir_all(folder)?;
        for entry in sync::read_dir(folder)?.flatten() {
            if entry.path().extension().is_some_and(|ending| ending == UNFINISHED) {
                sync::remove_file(entry.path())?;
            }
        }
        Ok(Files(folder.to_owned()))
    }

    /// Returns the folder without changing anything in it, so that files can be read beside a running server.
    pub fn at(folder: &Path) -> Self {
        Files(folder.to_owned())
    }

    /// Creates a file to receive an upload. The file is deleted when it is dropped before [`Files::keep`].
    pub async fn receive(&self) -> Result<Incoming> {
        let path = self.0.join(format!("{}.{UNFINISHED}", hex(&random::<8>()?)));
        let file = File::create_new(&path).await.map_err(failure)?;
        Ok(Incoming { path, file: Some(file), bytes: 0 })
    }

    /// Renames a received file to its id, so that it is not deleted. When this returns, the file is on disk.
    pub async fn keep(&self, incoming: Incoming, id: AttachmentId) -> Result<()> {
        fs::rename(&incoming.path, self.path(id)).await.map_err(failure)
    }

    /// Returns the path of a file.
    pub fn path(&self, id: AttachmentId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Deletes a file. A file that does not exist is no error.
    pub async fn delete(&self, id: AttachmentId) -> Result<()> {
        match fs::remove_file(self.path(id)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failure(error)),
            _ => Ok(()),
        }
    }
}

/// A file that is being received.
pub struct Incoming {
    path: PathBuf,
    file: Option<File>,
    bytes: usize,
}

impl Incoming {
    /// Appends bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).await.map_err(failure)?;
            self.bytes += bytes.len();
        }
        Ok(())
    }

    /// Flushes the file to disk. Nothing can be written after it.
    pub async fn finish(&mut self) -> Result<()> {
        match self.file.take() {
            Some(mut file) => {
                file.flush().await.map_err(failure)?;
                file.sync_all().await.map_err(failure)
            }
            None => Ok(()),
        }
    }

    /// Returns the temporary path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of bytes written.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After `Files::keep` the file has another name, so this removes nothing.
        let _ = sync::remove_file(&self.path);
    }
}

fn failure(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::internal(error),
    }
}
