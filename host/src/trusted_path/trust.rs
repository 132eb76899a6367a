//! Whose files are as good as the daemon's own, and which of them others could change.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::error::{AccessError, of_io};

const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// Attribute in which file systems keep an access control list (acl(5)).
const LIST: &str = "system.posix_acl_access";

/// Whose files are trusted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    user: u32,
    /// Owner of `/`: root, or in a user namespace without the host's root the overflow user, behind whom root cannot be
    /// told from others (user_namespaces(7)). The daemon then has no power outside of that namespace.
    system: u32,
}

impl Trust {
    pub(super) fn new(root: &Stat) -> Self {
        Self { user: Uid::effective().as_raw(), system: root.st_uid }
    }

    /// A directory in which others may create names is no danger where the sticky bit keeps them from ours (/tmp): what
    /// lies in it is checked for its owner like all else.
    pub(super) fn check_directory(self, path: &Path, handle: impl AsFd, stat: &Stat) -> Result<(), AccessError> {
        self.check_owner(path, stat)?;
        if stat.st_mode & STICKY == 0 { self.check_mode(path, handle.as_fd(), stat) } else { Ok(()) }
    }

    /// A file in a directory. Where others may make names, a second name of a file of root's may be theirs (link(2)).
    pub(super) fn check_file(
        self,
        path: &Path,
        handle: impl AsFd,
        stat: &Stat,
        directory: &Stat,
    ) -> Result<(), AccessError> {
        self.check_owner(path, stat)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            // What is written to a pipe, device or socket changes nothing that others would read there later.
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
            // With a list these bits are its mask, which bounds every user and group that it names.
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

    /// Whether nobody but root and this user is in the group: root's own group, or the private group that many
    /// distributions give each user (with it, files are group-writable by default).
    fn is_own_group(self, gid: u32) -> bool {
        if gid == 0 {
            return true;
        }
        let Ok(Some(user)) = User::from_uid(Uid::from_raw(self.user)) else { return false };
        let Ok(Some(group)) = Group::from_gid(Gid::from_raw(gid)) else { return false };
        user.gid.as_raw() == gid && group.name == user.name && group.mem.iter().all(|member| *member == user.name)
    }
}

/// Whether the file has a list beside its mode. A handle with O_PATH cannot be asked, the name that /proc gives to it can.
fn has_list(path: &Path, handle: BorrowedFd<'_>) -> Result<bool, AccessError> {
    let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
    match rustix::fs::getxattr_query(name.as_str(), LIST) {
        Ok(length) => Ok(length > 0),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(of_io("read the access control list of", path, error)),
    }
}
