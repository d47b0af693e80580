//! Files that people sent: in a folder of the data folder, each under its id. What is being received
//! is there under another name, and goes if it is never finished.

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

/// The ending of what is not finished.
const PART: &str = "part";

/// The folder.
pub struct Files(PathBuf);

impl Files {
    /// Makes the folder where there is none, and throws away what the last run did not finish.
    pub fn open(folder: &Path) -> io::Result<Self> {
        sync::create_dir_all(folder)?;
        for entry in sync::read_dir(folder)?.flatten() {
            if entry.path().extension().is_some_and(|ending| ending == PART) {
                sync::remove_file(entry.path())?;
            }
        }
        Ok(Files(folder.to_owned()))
    }

    /// The folder as it is, to read from beside a running server.
    pub fn at(folder: &Path) -> Self {
        Files(folder.to_owned())
    }

    /// A file to write into. Dropped before it is kept, it goes.
    pub async fn receive(&self) -> Result<Incoming> {
        let path = self.0.join(format!("{}.{PART}", hex(&random::<8>()?)));
        let file = File::create_new(&path).await.map_err(failure)?;
        Ok(Incoming { path, file: Some(file), bytes: 0 })
    }

    /// Keeps what was received. When this returns it is on disk.
    pub async fn keep(&self, incoming: Incoming, id: AttachmentId) -> Result<()> {
        fs::rename(&incoming.path, self.path(id)).await.map_err(failure)
    }

    /// Where a file is.
    pub fn path(&self, id: AttachmentId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Deletes a file. One that is gone already is no error.
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
    /// Appends.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).await.map_err(failure)?;
            self.bytes += bytes.len();
        }
        Ok(())
    }

    /// Everything is written: puts it on disk.
    pub async fn finish(&mut self) -> Result<()> {
        match self.file.take() {
            Some(mut file) => {
                file.flush().await.map_err(failure)?;
                file.sync_all().await.map_err(failure)
            }
            None => Ok(()),
        }
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much has been written.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Kept ones are not there under this name any more.
        let _ = sync::remove_file(&self.path);
    }
}

fn failure(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::internal(error),
    }
}
