//! Walks a path from the root to its end, one name at a time, through directories that are held open.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::directory::Directory;
use super::error::{AccessError, of_io};

/// The kernel's own limit before it returns ELOOP.
const LINKS_MAX: usize = 40;

/// The end of a path.
pub(super) enum Found {
    /// The path names a directory; its owner and mode were checked.
    Directory(Directory),
    /// A name in a checked directory. The file with that name, if any, is no directory and no link, and is not checked
    /// yet.
    Name(Directory, OsString),
}

/// The state of a walk along a path.
pub(super) struct Walk<'a> {
    path: &'a Path,
    ahead: VecDeque<OsString>,
    /// The directories passed so far, the root first; never empty.
    root: Directory,
    through: Vec<Directory>,
    links: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn along(path: &'a Path) -> Result<Self, AccessError> {
        let absolute = std::path::absolute(path).map_err(|error| of_io("find", path, error))?;
        let mut ahead = VecDeque::new();
        push_front(&mut ahead, &absolute);
        Ok(Self { path, ahead, root: Directory::root()?, through: Vec::new(), links: 0 })
    }

    /// Walks to the end of the path.
    pub(super) fn find(mut self) -> Result<Found, AccessError> {
        while let Some(name) = self.ahead.pop_front() {
            if let Step::Name = self.step(&name)? {
                return if self.ahead.is_empty() {
                    Ok(Found::Name(self.into_here(), name))
                } else {
                    let path = self.here().path().join(&name);
                    Err(match self.here().look(&name)? {
                        Some(_) => AccessError::NotADirectory(path),
                        None => AccessError::Missing(path),
                    })
                };
            }
        }
        let here = self.into_here();
        here.check()?;
        Ok(Found::Directory(here))
    }

    /// Walks to the end and creates missing directories: the last with `mode`, those above with mode 0755.
    pub(super) fn make(mut self, mode: Mode) -> Result<Directory, AccessError> {
        while let Some(name) = self.ahead.pop_front() {
            if let Step::Name = self.step(&name)? {
                let last = self.ahead.iter().all(|name| name == "..");
                let mode = if last { mode } else { Mode::from_raw_mode(0o755) };
                let made = self.here().make(&name, mode)?;
                self.through.push(made);
            }
        }
        let here = self.into_here();
        here.check()?;
        Ok(here)
    }

    fn here(&self) -> &Directory {
        self.through.last().unwrap_or(&self.root)
    }

    fn into_here(mut self) -> Directory {
        self.through.pop().unwrap_or(self.root)
    }

    /// Enters a directory or follows a link.
    fn step(&mut self, name: &OsStr) -> Result<Step, AccessError> {
        if name == ".." {
            self.through.pop();
            return Ok(Step::On);
        }
        let here = self.here();
        here.check()?;
        let (next, trust) = (here.path().join(name), here.trust());
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match rustix::fs::openat(here, name, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(Step::Name),
            Err(error) => return Err(of_io("find", &next, error)),
        };
        let stat = rustix::fs::fstat(&handle).map_err(|error| of_io("find", &next, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let directory = Directory::new(handle, stat, next, trust);
                self.through.push(directory);
                Ok(Step::On)
            }
            FileType::Symlink => {
                self.links += 1;
                if self.links > LINKS_MAX {
                    return Err(AccessError::Links(self.path.to_path_buf()));
                }
                trust.check_owner(&next, &stat)?;
                // Reads the target from the handle, so that the checked link is the one that is followed.
                let target = rustix::fs::readlinkat(&handle, "", Vec::new());
                let target = target.map_err(|error| of_io("follow", &next, error))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    self.through.clear();
                }
                push_front(&mut self.ahead, &target);
                Ok(Step::On)
            }
            FileType::RegularFile
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Ok(Step::Name),
        }
    }
}

/// The constructors that walk along a path. They are here so that `directory` does not import this module.
impl Directory {
    /// Opens a directory in which only trusted users could change the daemon's files.
    ///
    /// # Errors
    /// [`AccessError`] if the path is missing or no directory, or others could change the files in it.
    pub(crate) fn open(path: &Path) -> Result<Self, AccessError> {
        match Walk::along(path)?.find()? {
            Found::Directory(directory) => Ok(directory),
            Found::Name(directory, name) => directory.directory(&name),
        }
    }

    /// Opens the directory as [`Self::open`] does, and creates it if it is missing: with `mode`, and missing
    /// directories above it with mode 0755.
    ///
    /// # Errors
    /// As [`Self::open`], and if the directory cannot be created.
    pub(crate) fn open_or_make(path: &Path, mode: Mode) -> Result<Self, AccessError> {
        Walk::along(path)?.make(mode)
    }
}

/// The result of one name.
enum Step {
    /// The name was a directory or a link; more names may follow.
    On,
    /// The file with that name is no directory and no link, or does not exist.
    Name,
}

/// Puts the names of a path in front of the remaining names.
fn push_front(ahead: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => ahead.push_front(name.to_owned()),
            Component::ParentDir => ahead.push_front("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}
