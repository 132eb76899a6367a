//! Whether somebody else could change a file that the daemon trusts.
//!
//! The daemon carries out what its configuration and its plugins say, as root. A file that another user can write to, or
//! replace because its directory is theirs, hands them the network. Each directory and symbolic link on the way counts.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Group, Uid, User};
use thiserror::Error;

/// As the kernel counts before it gives up with ELOOP.
const LINKS_MAX: usize = 40;
const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Why a file cannot be trusted or read.
#[derive(Debug, Error)]
pub(crate) enum AccessError {
    /// It is not there.
    #[error("there is no {0}; create it or correct the path")]
    Missing(PathBuf),
    /// It is a directory or a device.
    #[error("{0} is not a regular file; name the file itself")]
    NotAFile(PathBuf),
    /// It belongs to somebody.
    #[error("{path} belongs to user {owner}, who could change it; run `chown root {path}` as root")]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others than its owner can write to it.
    #[error("{path} can be changed by {who}; run `chmod {mend} {path}`")]
    Writable {
        /// The file or directory.
        path: PathBuf,
        /// Who.
        who: &'static str,
        /// Argument of chmod that ends it.
        mend: &'static str,
    },
    /// The way leads in circles.
    #[error("{0} has too many symbolic links; name the file itself")]
    Links(PathBuf),
    /// Larger than anything that is meant.
    #[error("{path} is larger than {limit} bytes; is it the right file?")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes it may have.
        limit: u64,
    },
    /// The system would not.
    #[error("cannot read {path}: {error}; check that the daemon's user may read it")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// The file's bytes, read through the very handle that was checked, so that nothing can be put in its place meanwhile.
///
/// # Errors
/// [`AccessError`] where it cannot be read or others could change it.
pub(crate) fn read_trusted(path: &Path, limit: u64) -> Result<Vec<u8>, AccessError> {
    read_from(open_trusted(path)?, path, limit)
}

/// The open file, if nobody else could change it.
pub(crate) fn open_trusted(path: &Path) -> Result<File, AccessError> {
    let trust = Trust::of_this_process()?;
    let target = trust.walk(path)?;
    // A pipe must not hold the daemon, and no link can come in at the last moment.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags.bits()).open(&target);
    let file = file.map_err(|error| of_io(&target, error))?;
    let metadata = file.metadata().map_err(|error| of_io(&target, error))?;
    if !metadata.is_file() {
        return Err(AccessError::NotAFile(target));
    }
    trust.check(&target, &metadata)?;
    Ok(file)
}

/// All of an open file, unless it is larger than the limit.
pub(crate) fn read_from(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, AccessError> {
    // Room at once for what is there: growing step by step copies a large component several times.
    let length = file.metadata().map_or(0, |metadata| metadata.len()).min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(length.saturating_add(1)).unwrap_or_default());
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| of_io(path, error))?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > limit) {
        return Err(AccessError::TooLarge { path: path.to_path_buf(), limit });
    }
    Ok(bytes)
}

/// Whether nobody else could change what is in a directory or replace it.
///
/// # Errors
/// [`AccessError`] where it is not there or others could.
pub(crate) fn check_directory(path: &Path) -> Result<(), AccessError> {
    Trust::of_this_process()?.walk(path).map(drop)
}

fn of_io(path: &Path, error: io::Error) -> AccessError {
    if error.kind() == io::ErrorKind::NotFound {
        AccessError::Missing(path.to_path_buf())
    } else {
        AccessError::Io { path: path.to_path_buf(), error }
    }
}

/// Whose files are as good as our own.
struct Trust {
    user: u32,
    /// Owner of `/`: root, or in a user namespace without the host's root the overflow user, behind whom root cannot be
    /// told from others (user_namespaces(7)). The daemon then has no power outside of that namespace.
    system: u32,
}

impl Trust {
    fn of_this_process() -> Result<Self, AccessError> {
        let root = Path::new("/");
        let system = root.metadata().map_err(|error| of_io(root, error))?.uid();
        Ok(Self { user: Uid::effective().as_raw(), system })
    }

    /// Follows the path link by link, checks every directory and link on it, and gives the file at its end, unchecked.
    fn walk(&self, path: &Path) -> Result<PathBuf, AccessError> {
        let absolute = std::path::absolute(path).map_err(|error| of_io(path, error))?;
        let mut ahead: VecDeque<OsString> = VecDeque::new();
        push_front(&mut ahead, &absolute);
        let mut reached = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                reached.pop();
                continue;
            }
            self.enter(&reached)?;
            let next = reached.join(&name);
            let metadata = next.symlink_metadata().map_err(|error| of_io(&next, error))?;
            if metadata.is_symlink() {
                links += 1;
                if links > LINKS_MAX {
                    return Err(AccessError::Links(path.to_path_buf()));
                }
                self.check_owner(&next, &metadata)?;
                let target = next.read_link().map_err(|error| of_io(&next, error))?;
                if target.is_absolute() {
                    reached = PathBuf::from("/");
                }
                push_front(&mut ahead, &target);
            } else {
                if metadata.is_dir() && ahead.is_empty() {
                    self.enter(&next)?;
                }
                reached = next;
            }
        }
        Ok(reached)
    }

    /// A directory in which others may create names is no danger where the sticky bit keeps them from ours (/tmp): what
    /// lies in it is checked for its owner like all else.
    fn enter(&self, directory: &Path) -> Result<(), AccessError> {
        let metadata = directory.symlink_metadata().map_err(|error| of_io(directory, error))?;
        if metadata.mode() & STICKY == 0 {
            self.check(directory, &metadata)
        } else {
            self.check_owner(directory, &metadata)
        }
    }

    fn check_owner(&self, path: &Path, metadata: &Metadata) -> Result<(), AccessError> {
        let owner = metadata.uid();
        if owner == 0 || owner == self.user || owner == self.system {
            Ok(())
        } else {
            Err(AccessError::Owner { path: path.to_path_buf(), owner })
        }
    }

    fn check(&self, path: &Path, metadata: &Metadata) -> Result<(), AccessError> {
        self.check_owner(path, metadata)?;
        let mode = metadata.mode();
        let by_group = mode & GROUP_WRITE != 0 && !self.is_own_group(metadata.gid());
        let by_others = mode & OTHER_WRITE != 0;
        let (who, mend) = match (by_group, by_others) {
            (false, false) => return Ok(()),
            (true, false) => ("its group", "g-w"),
            (false, true) => ("every user", "o-w"),
            (true, true) => ("its group and every user", "go-w"),
        };
        Err(AccessError::Writable { path: path.to_path_buf(), who, mend })
    }

    /// Whether nobody but root and this user is in the group: root's own group, or the private group that many
    /// distributions give each user (with it, files are group-writable by default).
    fn is_own_group(&self, gid: u32) -> bool {
        if gid == 0 {
            return true;
        }
        let Ok(Some(user)) = User::from_uid(Uid::from_raw(self.user)) else { return false };
        let Ok(Some(group)) = Group::from_gid(Gid::from_raw(gid)) else { return false };
        user.gid.as_raw() == gid && group.name == user.name && group.mem.iter().all(|member| *member == user.name)
    }
}

/// Puts the names of a path before what is still ahead.
fn push_front(ahead: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => ahead.push_front(name.to_owned()),
            Component::ParentDir => ahead.push_front("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn scene() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plugin.wasm");
        fs::write(&file, b"bytes").unwrap();
        set_mode(&file, 0o644);
        (dir, file)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        read_trusted(path, 100).unwrap_err().to_string()
    }

    #[test]
    fn an_own_file_below_a_sticky_directory_is_read() {
        let (_dir, file) = scene();
        assert_eq!(read_trusted(&file, 100).unwrap(), b"bytes");
        set_mode(&file, 0o600);
        assert_eq!(read_trusted(&file, 5).unwrap(), b"bytes");
        assert_eq!(
            refusal_with_limit(&file, 4),
            format!("{} is larger than 4 bytes; is it the right file?", file.display())
        );
    }

    fn refusal_with_limit(path: &Path, limit: u64) -> String {
        read_trusted(path, limit).unwrap_err().to_string()
    }

    #[test]
    fn a_file_others_can_write_to_is_refused_with_the_chmod_that_mends_it() {
        let (_dir, file) = scene();
        set_mode(&file, 0o646);
        assert_eq!(refusal(&file), format!("{0} can be changed by every user; run `chmod o-w {0}`", file.display()));
        set_mode(&file, 0o644);
        assert!(read_trusted(&file, 100).is_ok(), "the advice mends it");
    }

    #[test]
    fn a_directory_others_can_write_to_is_refused() {
        let (dir, file) = scene();
        set_mode(dir.path(), 0o777);
        let path = dir.path().canonicalize().unwrap();
        let said = refusal(&file);
        assert!(said.starts_with(&format!("{} can be changed by", path.display())), "{said}");
        assert!(said.contains("o-w") || said.contains("go-w"), "{said}");
        assert!(check_directory(dir.path()).is_err());
        set_mode(dir.path(), 0o1777);
        assert!(read_trusted(&file, 100).is_ok(), "the sticky bit keeps others from our names");
        set_mode(dir.path(), 0o755);
        assert!(check_directory(dir.path()).is_ok());
    }

    #[test]
    fn a_link_is_followed_and_where_it_leads_is_checked() {
        let (dir, file) = scene();
        let link = dir.path().join("link");
        symlink("plugin.wasm", &link).unwrap();
        assert_eq!(read_trusted(&link, 100).unwrap(), b"bytes");
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::write(open.join("x"), b"x").unwrap();
        set_mode(&open, 0o777);
        let second = dir.path().join("second");
        symlink(open.join("x"), &second).unwrap();
        assert!(refusal(&second).contains("open can be changed by"), "{}", refusal(&second));
        symlink("round", dir.path().join("round")).unwrap();
        assert!(refusal(&dir.path().join("round")).contains("too many symbolic links"));
        assert!(
            read_trusted(&dir.path().join("open/../plugin.wasm"), 100).is_ok(),
            "nothing in the open directory counts"
        );
        assert_eq!(read_trusted(&dir.path().join("./plugin.wasm"), 100).unwrap(), fs::read(&file).unwrap());
    }

    #[test]
    fn what_is_missing_or_no_file_is_named() {
        let (dir, _file) = scene();
        let missing = dir.path().join("none.wasm");
        assert_eq!(refusal(&missing), format!("there is no {}; create it or correct the path", missing.display()));
        assert!(refusal(dir.path()).contains("is not a regular file; name the file itself"));
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(refusal(&pipe).contains("is not a regular file"), "and nobody waits for a writer");
    }

    #[test]
    fn a_file_of_somebody_else_is_refused() {
        if !Uid::effective().is_root() {
            eprintln!("skipped: only root can give a file away");
            return;
        }
        let (dir, file) = scene();
        if let Err(error) = chown(&file, Some(12345), None) {
            eprintln!("skipped: this root cannot give a file away: {error}");
            return;
        }
        assert_eq!(
            refusal(&file),
            format!("{0} belongs to user 12345, who could change it; run `chown root {0}` as root", file.display())
        );
        chown(&file, None, Some(12345)).unwrap();
        chown(&file, Some(0), None).unwrap();
        set_mode(&file, 0o664);
        assert!(refusal(&file).contains("can be changed by its group; run `chmod g-w"), "{}", refusal(&file));
        drop(dir);
    }
}
