//! Which paths are refused and which are not, for every kind of path that the daemon opens.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::fs::OFlags;

use super::*;
use crate::witness::skip;

const PRIVATE: Mode = Mode::RWXU;
const RECORDS: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

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
    read(path, 100).unwrap_err().to_string()
}

#[test]
fn an_own_file_below_a_sticky_directory_is_read() {
    let (_dir, file) = scene();
    assert_eq!(read(&file, 100).unwrap(), b"bytes");
    set_mode(&file, 0o600);
    assert_eq!(read(&file, 5).unwrap(), b"bytes");
    assert_eq!(
        refusal_with_limit(&file, 4),
        format!("{} is larger than 4 bytes; is it the right file?", file.display())
    );
}

fn refusal_with_limit(path: &Path, limit: u64) -> String {
    read(path, limit).unwrap_err().to_string()
}

#[test]
fn a_file_others_can_write_to_is_refused_with_the_chmod_that_mends_it() {
    let (_dir, file) = scene();
    set_mode(&file, 0o646);
    assert_eq!(refusal(&file), format!("{0} can be changed by every user; run `chmod o-w {0}`", file.display()));
    set_mode(&file, 0o644);
    assert!(read(&file, 100).is_ok(), "the advice mends it");
}

#[test]
fn a_directory_others_can_write_to_is_refused() {
    let (dir, file) = scene();
    set_mode(dir.path(), 0o777);
    let path = dir.path().canonicalize().unwrap();
    let said = refusal(&file);
    assert!(said.starts_with(&format!("{} can be changed by", path.display())), "{said}");
    assert!(said.contains("o-w") || said.contains("go-w"), "{said}");
    assert!(Directory::open(dir.path()).is_err());
    set_mode(dir.path(), 0o1777);
    assert!(read(&file, 100).is_ok(), "the sticky bit keeps others from our names");
    set_mode(dir.path(), 0o755);
    assert!(Directory::open(dir.path()).is_ok());
}

#[test]
fn a_link_is_followed_and_where_it_leads_is_checked() {
    let (dir, file) = scene();
    let link = dir.path().join("link");
    symlink("plugin.wasm", &link).unwrap();
    assert_eq!(read(&link, 100).unwrap(), b"bytes");
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::write(open.join("x"), b"x").unwrap();
    set_mode(&open, 0o777);
    let second = dir.path().join("second");
    symlink(open.join("x"), &second).unwrap();
    assert!(refusal(&second).contains("open can be changed by"), "{}", refusal(&second));
    symlink("round", dir.path().join("round")).unwrap();
    assert!(refusal(&dir.path().join("round")).contains("too many symbolic links"));
    assert!(read(&dir.path().join("open/../plugin.wasm"), 100).is_ok(), "nothing in the open directory counts");
    assert_eq!(read(&dir.path().join("./plugin.wasm"), 100).unwrap(), fs::read(&file).unwrap());
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
    let (dir, file) = scene();
    if !can_give_away(&file) {
        return;
    }
    assert_eq!(
        refusal(&file),
        format!(
            "{0} belongs to user 12345, so that user could change it; run `chown root {0}` as root",
            file.display()
        )
    );
    chown(&file, None, Some(12345)).unwrap();
    chown(&file, Some(0), None).unwrap();
    set_mode(&file, 0o664);
    assert!(refusal(&file).contains("can be changed by its group; run `chmod g-w"), "{}", refusal(&file));
    drop(dir);
}

/// A user other than root and the daemon's.
const STRANGER: u32 = 12345;

/// Gives the file to another user; skips the test if this process may not.
fn can_give_away(file: &Path) -> bool {
    let given = chown(file, Some(STRANGER), None);
    if let Err(error) = &given {
        skip(&format!("this process cannot give a file away: {error}; run the tests as root"));
    }
    given.is_ok()
}

#[test]
fn a_directory_that_is_missing_is_made_with_those_above_it() {
    let (dir, file) = scene();
    let made = Directory::open_or_make(&dir.path().join("a/b/c"), PRIVATE).unwrap();
    assert_eq!(made.path(), dir.path().canonicalize().unwrap().join("a/b/c"));
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("a/b/c"), 0o700);
    assert_eq!(mode("a/b") & 0o022, 0);
    assert!(Directory::open_or_make(&dir.path().join("a/b/c"), PRIVATE).is_ok(), "it is there");
    let said = Directory::open_or_make(&file.join("state"), PRIVATE).unwrap_err().to_string();
    assert_eq!(said, format!("{} is not a directory; move it away or name another path", file.display()));
    let said = Directory::open_or_make(&file, PRIVATE).unwrap_err().to_string();
    assert!(said.contains("plugin.wasm is not a directory"), "{said}");
}

#[test]
fn nothing_is_made_or_opened_below_what_others_can_change() {
    let (dir, _file) = scene();
    let open = dir.path().join("open");
    fs::create_dir_all(open.join("own")).unwrap();
    set_mode(&open, 0o777);
    set_mode(&open.join("own"), 0o700);
    let told = |path: &str| {
        let path = open.join(path);
        let made = Directory::open_or_make(&path, PRIVATE).map(drop).unwrap_err().to_string();
        assert!(made.contains("/open can be changed by every user; run `chmod o-w "), "{made}");
        let appended = append(&path.join("records"), RECORDS).map(drop).unwrap_err().to_string();
        assert!(appended.contains("/open can be changed by "), "{appended}");
    };
    told("own");
    told("state");
    told("own/deep/state");
    assert!(!open.join("state").exists() && !open.join("own/deep").exists());
    assert!(append(&open.join("records"), RECORDS).is_err() && !open.join("records").exists());
}

#[test]
fn a_link_that_a_stranger_has_planted_is_not_followed() {
    let (dir, precious) = scene();
    let shared = dir.path().join("shared");
    fs::create_dir(&shared).unwrap();
    set_mode(&shared, 0o1777);
    let planted = shared.join("records");
    symlink(&precious, &planted).unwrap();
    if let Err(error) = std::os::unix::fs::lchown(&planted, Some(STRANGER), None) {
        return skip(&format!("this process cannot give a link away: {error}; run the tests as root"));
    }
    for said in [
        append(&planted, RECORDS).unwrap_err().to_string(),
        read(&planted, 100).unwrap_err().to_string(),
        Directory::open_or_make(&planted, PRIVATE).unwrap_err().to_string(),
    ] {
        assert!(said.contains(&format!("records belongs to user {STRANGER}, so that user could change it")), "{said}");
    }
    let directory = Directory::open(&shared).unwrap();
    assert!(directory.open_or_make_file(OsStr::new("records"), RECORDS).is_err());
    assert!(directory.remove(OsStr::new("records")).is_err() && planted.is_symlink());
    assert_eq!(fs::read(&precious).unwrap(), b"bytes");
}

#[test]
fn no_link_is_followed_within_an_open_directory() {
    let (dir, precious) = scene();
    symlink(&precious, dir.path().join("link")).unwrap();
    let directory = Directory::open(dir.path()).unwrap();
    for said in [
        directory.open_or_make_file(OsStr::new("link"), RECORDS).unwrap_err().to_string(),
        directory.append(OsStr::new("link"), RECORDS).unwrap_err().to_string(),
        directory.make(OsStr::new("link"), PRIVATE).unwrap_err().to_string(),
    ] {
        assert!(said.contains("/link is not a "), "{said}");
    }
}

#[test]
fn a_second_name_of_a_file_is_refused_where_everybody_can_make_names() {
    let (dir, precious) = scene();
    let shared = dir.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::hard_link(&precious, shared.join("records")).unwrap();
    assert!(append(&shared.join("records"), RECORDS).is_ok(), "nobody else can make names here");
    set_mode(&shared, 0o1777);
    for said in [
        append(&shared.join("records"), RECORDS).unwrap_err().to_string(),
        read(&shared.join("records"), 100).unwrap_err().to_string(),
    ] {
        assert!(said.contains("shared/records has more than one hard link, and any user can create links"), "{said}");
    }
}

#[test]
fn what_is_appended_to_is_made_and_kept() {
    let (dir, _file) = scene();
    let path = dir.path().join("records");
    append(&path, RECORDS).unwrap().write_all(b"a").unwrap();
    append(&path, RECORDS).unwrap().write_all(b"b").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"ab");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0, "not for others");
    symlink("records", dir.path().join("link")).unwrap();
    append(&dir.path().join("link"), RECORDS).unwrap().write_all(b"c").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abc", "a link of ours is followed");
    symlink("new", dir.path().join("dangling")).unwrap();
    append(&dir.path().join("dangling"), RECORDS).unwrap();
    assert!(dir.path().join("new").exists());
    set_mode(&path, 0o666);
    assert!(append(&path, RECORDS).unwrap_err().to_string().contains("records can be changed by "));
    assert!(append(dir.path(), RECORDS).unwrap_err().to_string().contains("is not a regular file"));
    assert!(append(Path::new("/dev/null"), RECORDS).is_ok(), "what everybody writes to a device changes nothing");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let (dir, _file) = scene();
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let said = append(&pipe, RECORDS).unwrap_err().to_string();
    assert!(said.contains("/pipe; start the reader first") && said.contains("no process reads the pipe"), "{said}");
    let reader = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(&pipe);
    let _reader = reader.unwrap();
    assert!(append(&pipe, RECORDS).is_ok());
}

#[test]
fn a_file_of_a_stranger_is_refused_for_every_use() {
    let (dir, file) = scene();
    if !can_give_away(&file) {
        return;
    }
    let directory = Directory::open(dir.path()).unwrap();
    let name = OsStr::new("plugin.wasm");
    for said in [
        read(&file, 100).unwrap_err().to_string(),
        append(&file, RECORDS).unwrap_err().to_string(),
        directory.open_or_make_file(name, RECORDS).unwrap_err().to_string(),
        directory.remove(name).unwrap_err().to_string(),
        read(&dir.path().join("plugin.wasm"), 100).unwrap_err().to_string(),
    ] {
        assert!(said.contains("plugin.wasm belongs to user 12345, so that user could change it"), "{said}");
    }
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    chown(&state, Some(STRANGER), None).unwrap();
    assert!(Directory::open_or_make(&state, PRIVATE).unwrap_err().to_string().contains("state belongs to user"));
    assert!(Directory::open_or_make(&state.join("deep"), PRIVATE).is_err() && !state.join("deep").exists());
}

#[test]
fn a_list_that_lets_others_write_counts_as_a_mode_would() {
    let (_dir, file) = scene();
    // acl(5) in the kernel's form: version 2, then tag, permissions and id of owner, user 12345, group, mask and
    // others.
    let entries = [(1, 6, u32::MAX), (2, 6, STRANGER), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 4, u32::MAX)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(u16::to_le_bytes(tag));
        list.extend(u16::to_le_bytes(permissions));
        list.extend(u32::to_le_bytes(id));
    }
    let set = rustix::fs::setxattr(&file, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        return skip(&format!("the temporary directory's file system has no access control lists: {error}"));
    }
    chown(&file, None, Some(0)).unwrap();
    let said = refusal(&file);
    assert!(said.contains("plugin.wasm has an access control list that lets others change it"), "{said}");
}

#[test]
fn a_socket_is_looked_at_before_it_is_sent_to() {
    let (dir, file) = scene();
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    set_mode(&socket, 0o666);
    assert!(check_socket(&socket).is_ok(), "everybody may send to it");
    assert!(check_socket(&file).unwrap_err().to_string().contains("is not a socket"));
    assert!(check_socket(&dir.path().join("none")).unwrap_err().to_string().starts_with("there is no "));
    set_mode(dir.path(), 0o777);
    assert!(check_socket(&socket).unwrap_err().to_string().contains("can be changed by "));
}
