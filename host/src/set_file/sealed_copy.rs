//! A copy of a file in memory that nobody can change any more, to be mapped.
//!
//! The daemon never maps the file itself. A program that shortens a mapped file ends the daemon with SIGBUS, and `cp` over
//! an old database shortens the file.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use memmap2::Mmap;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

use crate::sys;
use crate::trusted_path::AccessError;

/// Maps a copy of an open file of at most `limit` bytes.
pub(super) fn map(file: File, path: &Path, limit: u64) -> Result<Mmap, AccessError> {
    let failed = |error: io::Error| AccessError::Io { verb: "copy", path: path.to_path_buf(), error };
    let mut copy = File::from(memory().map_err(failed)?);
    // The kernel copies from file to file, without a buffer of the daemon.
    let copied = io::copy(&mut file.take(limit.saturating_add(1)), &mut copy).map_err(failed)?;
    if copied > limit {
        return Err(AccessError::TooLarge { path: path.to_path_buf(), limit });
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&copy, seals).map_err(|error| failed(error.into()))?;
    sys::map_sealed(&copy).map_err(failed)
}

fn memory() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create("ctwarden-database", flags | MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3 does not know the flag; later ones may insist on it.
        Err(Errno::INVAL) => Ok(memfd_create("ctwarden-database", flags)?),
        created => Ok(created?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_outlives_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("database");
        let content = b"content".repeat(10_000);
        std::fs::write(&path, &content).unwrap();
        let mapping = map(File::open(&path).unwrap(), &path, 70_000).unwrap();
        File::create(&path).unwrap();
        assert_eq!(&*mapping, content, "the file is empty now");
        assert!(map(File::open(&path).unwrap(), &path, 70_000).unwrap().is_empty());
        std::fs::write(&path, &content).unwrap();
        let refused = map(File::open(&path).unwrap(), &path, 69_999).unwrap_err();
        assert!(matches!(refused, AccessError::TooLarge { limit: 69_999, .. }));
    }

    #[test]
    fn what_is_not_sealed_is_not_mapped() {
        let file = File::from(memory().unwrap());
        assert!(sys::map_sealed(&file).is_err());
        assert!(sys::map_sealed(&tempfile::tempfile().unwrap()).is_err());
    }
}
