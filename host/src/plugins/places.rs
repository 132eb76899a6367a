//! Checks whether a start could use the places on this system that `[daemon]` names.
//!
//! A check must find what a start would find wrong, and must not create anything. Nothing is therefore opened for
//! writing here, and a place that a running daemon uses is no mistake.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::config::{Daemon, Destination};
use crate::sinks::JOURNAL;
use crate::trusted_path::{AccessError, Directory, check_socket};

/// Longest path of a socket: `sun_path` of unix(7) without the zero at its end.
const SOCKET_PATH_MAX: usize = 107;

/// Returns a line for each place with a problem.
pub(crate) fn problems(daemon: &Daemon) -> Vec<String> {
    let control = control(&daemon.control).map(|what| format!("daemon.control: {what}"));
    let state = directory(&daemon.state).map(|what| format!("daemon.state: {what}"));
    let compiled = daemon.state.join("compiled");
    let compiled = exists(&compiled).and_then(|_| directory(&compiled)).map(|what| format!("daemon.state: {what}"));
    let records = destination(&daemon.records).map(|what| format!("daemon.records: {what}"));
    let alerts = daemon.alerts.as_ref().and_then(destination).map(|what| format!("daemon.alerts: {what}"));
    [control, state, compiled, records, alerts].into_iter().flatten().collect()
}

fn control(path: &Path) -> Option<String> {
    let length = path.as_os_str().as_bytes().len();
    if length > SOCKET_PATH_MAX {
        return Some(format!(
            "\"{}\" has {length} bytes, and the path of a socket has at most {SOCKET_PATH_MAX}; name a shorter path",
            path.display()
        ));
    }
    match exists(path) {
        Some(metadata) if !metadata.file_type().is_socket() => {
            Some(format!("{} exists and is not a socket; move it away or name another path", path.display()))
        }
        Some(_) | None => path.parent().and_then(directory),
    }
}

/// Checks that a directory exists or can be created.
fn directory(path: &Path) -> Option<String> {
    let mut there = path;
    loop {
        match exists(there) {
            // A link is followed when the way to it is checked.
            Some(metadata) if !metadata.is_dir() && !metadata.is_symlink() => {
                return Some(format!("{} is not a directory; move it away or name another path", there.display()));
            }
            Some(_) => return check_directory(there).err().map(|error| error.to_string()),
            None => there = there.parent()?,
        }
    }
}

fn destination(destination: &Destination) -> Option<String> {
    match destination {
        Destination::Stdout => None,
        Destination::Journal => check_socket(Path::new(JOURNAL)).err().map(|error| error.to_string()),
        Destination::File(path) => match exists(path) {
            Some(metadata) if metadata.is_dir() => {
                Some(format!("{} is a directory; name a file in it", path.display()))
            }
            Some(_) | None => {
                path.parent().and_then(|parent| check_directory(parent).err()).map(|error| error.to_string())
            }
        },
    }
}

/// Checks that a directory exists and that no other user could change our files in it.
fn check_directory(path: &Path) -> Result<(), AccessError> {
    Directory::open(path).map(drop)
}

fn exists(path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(path).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    /// Returns the problems of a `[daemon]` section in which `change` has changed one key.
    fn told(change: impl FnOnce(&Path, &mut Daemon)) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let (file, open) = (folder.path().join("file"), folder.path().join("open"));
        fs::write(&file, "").unwrap();
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        let text = format!(
            "[daemon]\ncontrol = \"{0}/run/control.sock\"\nstate = \"{0}/lib/state\"\nrecords = \"{0}/records\"\n",
            folder.path().display()
        );
        let configuration = crate::config::load_bytes(&folder.path().join("c.toml"), text.as_bytes()).unwrap();
        let mut daemon = configuration.daemon;
        change(folder.path(), &mut daemon);
        let problems = problems(&daemon);
        let made: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(made.len(), 2, "nothing is made: {made:?}");
        problems
    }

    #[test]
    fn what_a_start_could_use_is_good() {
        assert_eq!(told(|_, _| {}), [""; 0]);
        assert_eq!(told(|_, daemon| daemon.records = Destination::Stdout), [""; 0]);
        assert_eq!(told(|folder, daemon| daemon.records = Destination::File(folder.join("file"))), [""; 0]);
    }

    #[test]
    fn what_a_start_could_not_use_is_told_with_its_key() {
        type Change = fn(&Path, &mut Daemon);
        let cases: [(Change, &str, &str); 8] = [
            (|folder, daemon| daemon.control = folder.join("x".repeat(200)), "daemon.control: ", "at most 107"),
            (|folder, daemon| daemon.control = folder.join("file"), "daemon.control: ", "not a socket"),
            (|folder, daemon| daemon.control = folder.join("file/control.sock"), "daemon.control: ", "not a directory"),
            (|folder, daemon| daemon.state = folder.join("file"), "daemon.state: ", "not a directory"),
            (|folder, daemon| daemon.state = folder.join("open/state"), "daemon.state: ", "chmod"),
            (
                |folder, daemon| daemon.records = Destination::File(folder.join("none/r")),
                "daemon.records: ",
                "there is no",
            ),
            (
                |folder, daemon| daemon.records = Destination::File(folder.join("open")),
                "daemon.records: ",
                "a directory",
            ),
            (
                |folder, daemon| daemon.alerts = Some(Destination::File(folder.join("open/a"))),
                "daemon.alerts: ",
                "chmod",
            ),
        ];
        for (change, begin, words) in cases {
            let told = told(change);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(begin) && told[0].contains(words), "{told:?}");
        }
    }
}
