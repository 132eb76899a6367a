//! Temporary folders, all in one folder, so that an interrupt leaves none behind.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tempfile::TempDir;

static ALL: Mutex<Option<TempDir>> = Mutex::new(None);

fn all() -> MutexGuard<'static, Option<TempDir>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all folders when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(());

/// Makes the folder that contains the others. Only its owner may enter it (tempfile makes folders with mode 0700).
pub(crate) fn open() -> Result<Scratch> {
    let folder = tempfile::Builder::new().prefix("ctwarden-bench-").tempdir().context("cannot make a folder")?;
    *all() = Some(folder);
    Ok(Scratch(()))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove();
    }
}

/// A new folder, which is removed when it is dropped.
pub(crate) fn folder() -> Result<TempDir> {
    let place: Option<PathBuf> = all().as_ref().map(|folder| folder.path().to_owned());
    let place = place.unwrap_or_else(std::env::temp_dir);
    tempfile::Builder::new().prefix("line-").tempdir_in(place).context("cannot make a folder")
}

/// Removes the folder that contains the others.
pub(crate) fn remove() {
    if let Some(folder) = all().take() {
        // A failure leaves only files in /tmp.
        let _ = fs::remove_dir_all(folder.path());
    }
}
