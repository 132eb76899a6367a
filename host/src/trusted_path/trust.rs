//! Which owners are trusted as much as the daemon's own user, and which files others could change.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::error::{AccessError, of_io};

const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// Attribute in which file systems store an access control list (acl(5)).
const LIST: &str = "system.posix_acl_access";

/// Users whose files are trusted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    user: u32,
    /// Owner of `/`: root. In a user namespace without the host's root it is the overflow user, which also stands for
    /// all other unmapped users (user_namespaces(7)). The daemon then has no power outside of that namespace.
    system: u32,
}

impl Trust {
    pub(super) fn new(root: &Stat) -> Self {
        Self { user: Uid::effective().as_raw(), system: root.st_uid }
    }

    /// Checks a directory. A directory in which others may create names is safe if the sticky bit protects the daemon's
    /// names (/tmp): the owner of each file in it is checked too.
    pub(super) fn check_directory(self, path: &Path, handle: impl AsFd, stat: &Stat) -> Result<(), AccessError> {
        self.check_owner(path, stat)?;
        if stat.st_mode & STICKY == 0 { self.check_mode(path, handle.as_fd(), stat) } else { Ok(()) }
    }

    /// Checks a file in a directory. If others may create names there, they may have made a second name of a file of
    /// root (link(2)).
    pub(super) fn check_file(
        self,
        path: &Path,
        handle: impl AsFd,
        stat: &Stat,
        directory: &Stat,
    ) -> Result<(), AccessError> {
        self.check_owner(path, stat)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            // A pipe, device or socket stores nothing that others could read there later.
            return Ok(());
        }
        if stat.st_nlink > 1 && directory.st_mode & (GROUP_WRITE | OTHER_WRITE) != 0 {
            return Err(AccessError::Linked(path.to_path_buf()));
        }
        self.check_mode(path, handle.as_fd(), stat)
    }

    pub(super) fn check_owner(self, path: &Path, stat: &Stat) -> Result<(), AccessError> {
        let owner = stat.st_uid;
        if owner == 0 || owner == self.user || owner == self.system {
            Ok(())
        } else {
            Err(AccessError::Owner { path: path.to_path_buf(), owner })
        }
    }

    fn check_mode(self, path: &Path, handle: BorrowedFd<'_>, stat: &Stat) -> Result<(), AccessError> {
        let mode = stat.st_mode;
        let own_group = self.is_own_group(stat.st_gid);
        let by_group = mode & GROUP_WRITE != 0 && !own_group;
        let by_others = mode & OTHER_WRITE != 0;
        let (who, mend) = match (by_group, by_others) {
            // With an access control list, these bits are its mask, which limits every user and group in the list.
            (false, false) if mode & GROUP_WRITE != 0 && has_list(path, handle)? => {
                return Err(AccessError::List(path.to_path_buf()));
            }
            (false, false) => return Ok(()),
            (true, false) => ("its group", "g-w"),
            (false, true) => ("every user", "o-w"),
            (true, true) => ("its group and every user", "go-w"),
        };
        Err(AccessError::Writable { path: path.to_path_buf(), who, mend })
    }

    /// Whether only root and this user are in the group: root's own group, or the private group that many distributions
    /// give each user (with it, files are group-writable by default).
    fn is_own_group(self, gid: u32) -> bool {
        if gid == 0 {
            return true;
        }
        let Ok(Some(user)) = User::from_uid(Uid::from_raw(self.user)) else { return false };
        let Ok(Some(group)) = Group::from_gid(Gid::from_raw(gid)) else { return false };
        user.gid.as_raw() == gid && group.name == user.name && group.mem.iter().all(|member| *member == user.name)
    }
}

/// Whether the file has an access control list in addition to its mode. A handle with O_PATH has no attributes to read,
/// but its name in /proc has.
fn has_list(path: &Path, handle: BorrowedFd<'_>) -> Result<bool, AccessError> {
    let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
    match rustix::fs::getxattr_query(name.as_str(), LIST) {
        Ok(length) => Ok(length > 0),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(of_io("read the access control list of", path, error)),
    }
}
