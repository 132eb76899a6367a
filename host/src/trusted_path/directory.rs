//! A directory that is held open, and operations on the names in it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::Gid;

use super::error::{AccessError, of_io};
use super::trust::Trust;

/// How often a name is looked up again that appeared or disappeared between the check and its use.
const ATTEMPTS: usize = 8;
/// Flags for directories: names are looked up in a directory, and it is never listed.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Flags for every file: never become its controlling terminal, never follow a link that was inserted at the last
/// moment, never wait for another process.
const ALWAYS: OFlags = OFlags::CLOEXEC.union(OFlags::NOCTTY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

#[derive(Debug)]
pub(crate) struct Directory {
    handle: OwnedFd,
    stat: Stat,
    path: PathBuf,
    trust: Trust,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl From<Directory> for OwnedFd {
    fn from(directory: Directory) -> Self {
        directory.handle
    }
}

impl Directory {
    /// Opens the root without a check: every directory is checked before a name is looked up in it.
    pub(super) fn root() -> Result<Self, AccessError> {
        let path = PathBuf::from("/");
        let handle = rustix::fs::open(&path, DIRECTORY, Mode::empty()).map_err(|error| of_io("open", &path, error))?;
        let stat = rustix::fs::fstat(&handle).map_err(|error| of_io("open", &path, error))?;
        Ok(Self { handle, stat, path, trust: Trust::new(&stat) })
    }

    pub(super) const fn new(handle: OwnedFd, stat: Stat, path: PathBuf, trust: Trust) -> Self {
        Self { handle, stat, path, trust }
    }

    /// The path of the directory, without links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn trust(&self) -> Trust {
        self.trust
    }

    pub(super) fn check(&self) -> Result<(), AccessError> {
        self.trust.check_directory(&self.path, &self.handle, &self.stat)
    }

    /// The type of the file with this name, if the file belongs to root or the daemon's user; `None` if there is no
    /// such file.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Option<FileType>, AccessError> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                self.trust.check_owner(&self.path.join(name), &stat)?;
                Ok(Some(FileType::from_raw_mode(stat.st_mode)))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(of_io("find", &self.path.join(name), error)),
        }
    }

    /// Opens a regular file for reading.
    pub(crate) fn open_file(&self, name: &OsStr) -> Result<File, AccessError> {
        self.require_file(name)?;
        self.checked(name, self.openat(name, OFlags::RDONLY, Mode::empty()), |kind| kind == FileType::RegularFile)
    }

    /// Opens a regular file for reading and writing, and creates it with `mode` if it is missing.
    pub(crate) fn open_or_make_file(&self, name: &OsStr, mode: Mode) -> Result<File, AccessError> {
        self.opened_or_made(name, OFlags::RDWR, mode, |kind| kind == FileType::RegularFile)
    }

    /// Opens a file to append to, and creates it with `mode` if it is missing. Also opens a pipe or a device, without
    /// waiting for it.
    pub(crate) fn append(&self, name: &OsStr, mode: Mode) -> Result<File, AccessError> {
        let writable = |kind| matches!(kind, FileType::RegularFile | FileType::Fifo | FileType::CharacterDevice);
        let file = self.opened_or_made(name, OFlags::WRONLY | OFlags::APPEND, mode, writable)?;
        // From now on a writer waits for its reader, as usual.
        match rustix::fs::fcntl_setfl(&file, OFlags::APPEND) {
            Ok(()) => Ok(file),
            Err(error) => Err(of_io("open", &self.path.join(name), error)),
        }
    }

    /// Opens a directory, and creates it with `mode` if it is missing.
    pub(crate) fn make(&self, name: &OsStr, mode: Mode) -> Result<Self, AccessError> {
        match rustix::fs::mkdirat(&self.handle, name, mode) {
            Ok(()) | Err(Errno::EXIST) => self.directory(name),
            Err(error) => Err(of_io("make the directory", &self.path.join(name), error)),
        }
    }

    /// Removes a name of root or the daemon's user. A missing name is no error.
    pub(crate) fn remove(&self, name: &OsStr) -> Result<(), AccessError> {
        if self.look(name)?.is_none() {
            return Ok(());
        }
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(of_io("remove", &self.path.join(name), error)),
        }
    }

    /// Changes the group of the file with this name.
    pub(crate) fn give_to_group(&self, name: &OsStr, group: u32) -> std::io::Result<()> {
        let group = Some(Gid::from_raw(group));
        Ok(rustix::fs::chownat(&self.handle, name, None, group, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Sets the mode of the file with this name, which must be the daemon's own: a link would be followed.
    pub(crate) fn set_mode(&self, name: &OsStr, mode: Mode) -> std::io::Result<()> {
        Ok(rustix::fs::chmodat(&self.handle, name, mode, AtFlags::empty())?)
    }

    /// Opens and checks a directory.
    pub(super) fn directory(&self, name: &OsStr) -> Result<Self, AccessError> {
        let path = self.path.join(name);
        let handle = match rustix::fs::openat(&self.handle, name, DIRECTORY, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(AccessError::NotADirectory(path)),
            Err(error) => return Err(of_io("open", &path, error)),
        };
        let stat = rustix::fs::fstat(&handle).map_err(|error| of_io("open", &path, error))?;
        let directory = Self::new(handle, stat, path, self.trust);
        directory.check()?;
        Ok(directory)
    }

    fn openat(&self, name: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.handle, name, flags | ALWAYS, mode)
    }

    /// Opens the file if it exists, otherwise creates it. The two are separate system calls, because a file that others
    /// have created must be checked.
    fn opened_or_made(
        &self,
        name: &OsStr,
        flags: OFlags,
        mode: Mode,
        is_meant: impl Fn(FileType) -> bool,
    ) -> Result<File, AccessError> {
        let mut last = Errno::NOENT;
        for _ in 0..ATTEMPTS {
            // Check before opening: opening a device may have effects.
            let opened = match self.look(name)? {
                Some(kind) if !is_meant(kind) => return Err(AccessError::NotAFile(self.path.join(name))),
                Some(_) => self.openat(name, flags, Mode::empty()),
                None => self.openat(name, flags | OFlags::CREATE | OFlags::EXCL, mode),
            };
            match opened {
                Err(error @ (Errno::NOENT | Errno::EXIST)) => last = error,
                opened => return self.checked(name, opened, is_meant),
            }
        }
        Err(of_io("open", &self.path.join(name), last))
    }

    fn require_file(&self, name: &OsStr) -> Result<(), AccessError> {
        match self.look(name)? {
            Some(FileType::RegularFile) => Ok(()),
            Some(_) => Err(AccessError::NotAFile(self.path.join(name))),
            None => Err(AccessError::Missing(self.path.join(name))),
        }
    }

    /// Returns the file if the open handle is of the expected type and only trusted users could change the file.
    fn checked(
        &self,
        name: &OsStr,
        opened: Result<OwnedFd, Errno>,
        is_meant: impl Fn(FileType) -> bool,
    ) -> Result<File, AccessError> {
        let path = self.path.join(name);
        let handle = match opened {
            Ok(handle) => handle,
            // fifo(7): opened for writing, without waiting, while no process reads.
            Err(Errno::NXIO) => return Err(AccessError::NoReader(path)),
            Err(error) => return Err(of_io("open", &path, error)),
        };
        let stat = rustix::fs::fstat(&handle).map_err(|error| of_io("open", &path, error))?;
        if !is_meant(FileType::from_raw_mode(stat.st_mode)) {
            return Err(AccessError::NotAFile(path));
        }
        self.trust.check_file(&path, &handle, &stat, &self.stat)?;
        Ok(File::from(handle))
    }
}
