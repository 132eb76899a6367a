//! Files as programs write them: which versions are used, when, and what is reported.

use std::fs;
use std::io::Write;

use super::*;

const ALL: Shortest = Shortest { ipv4: 0, ipv6: 0 };

/// A watched file, with a simulated clock.
struct Scene {
    dir: tempfile::TempDir,
    files: SetFiles,
    now: Instant,
}

impl Scene {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut scene = Self { dir, files: SetFiles::new(), now: Instant::now() };
        scene.replace(text);
        scene.files.add(name(), &scene.path(), Shortest::default()).unwrap();
        scene
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("banned.txt")
    }

    fn replace(&self, text: impl AsRef<[u8]>) {
        let new = self.dir.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, self.path()).unwrap();
    }

    fn append(&self, text: &str) {
        File::options().append(true).open(self.path()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Checks the file after some time.
    fn look_after(&mut self, time: Duration) -> Option<Result<Vec<String>, String>> {
        self.now += time;
        let mut changes = self.files.changed(self.now);
        assert!(changes.len() <= 1);
        changes.pop().map(|(changed, found)| {
            assert_eq!(changed, name());
            found.map(|fresh| texts(&fresh)).map_err(|error| error.to_string())
        })
    }

    /// Checks the file once it rests.
    fn look(&mut self) -> Option<Result<Vec<String>, String>> {
        assert_eq!(self.look_after(Duration::ZERO), None, "it may not rest yet");
        self.look_after(SETTLED)
    }
}

fn name() -> SetName {
    SetName("banned".into())
}

fn texts(fresh: &Fresh) -> Vec<String> {
    fresh.networks.iter().map(|(network, _)| network.to_string()).collect()
}

fn taken(networks: &[&str]) -> Option<Result<Vec<String>, String>> {
    Some(Ok(networks.iter().map(ToString::to_string).collect()))
}

#[test]
fn a_change_is_seen_once_and_a_broken_version_is_told_once() {
    let mut scene = Scene::new("192.0.2.1\n");
    assert_eq!(scene.look(), None);

    scene.replace("192.0.2.1\n192.0.2.2\n");
    assert_eq!(scene.look(), taken(&["192.0.2.1", "192.0.2.2"]));
    assert_eq!(scene.look(), None);

    scene.replace("# the same\n192.0.2.2\n192.0.2.1\n");
    assert_eq!(scene.look(), None, "same networks, no change");

    scene.replace("192.0.2.1\nwrong\n");
    let said = scene.look().unwrap().unwrap_err();
    assert!(said.starts_with(&format!("{}:2: \"wrong\" is not an address", scene.path().display())), "{said}");
    assert_eq!(scene.look(), None, "told once");

    fs::remove_file(scene.path()).unwrap();
    let said = scene.look().unwrap().unwrap_err();
    assert_eq!(said, format!("there is no {}; create it or correct the path", scene.path().display()));
    assert_eq!(scene.look(), None);

    scene.replace("192.0.2.1\n192.0.2.2\n");
    assert_eq!(scene.look(), taken(&["192.0.2.1", "192.0.2.2"]), "what was refused is good again");
    assert_eq!(scene.look(), None);
    fs::write(scene.path(), "192.0.2.3\n").unwrap();
    assert_eq!(scene.look(), taken(&["192.0.2.3"]), "rewritten in place");
    scene.replace(b"\xff\n");
    assert!(scene.look().unwrap().unwrap_err().contains("banned.txt:1: the file is not UTF-8; save it"));
    scene.replace("0.0.0.0/0\n");
    assert!(scene.look().unwrap().unwrap_err().contains("\"0.0.0.0/0\" is wider than /8"));
    scene.replace("192.0.2.3,x\n");
    assert!(scene.look().unwrap().unwrap_err().contains("(format \"csv\")"));
}

#[test]
fn a_version_is_read_once_it_rests() {
    let mut scene = Scene::new("192.0.2.1\n");
    fs::write(scene.path(), "").unwrap();
    assert_eq!(scene.look_after(Duration::ZERO), None);
    scene.append("192.0.2.2\n");
    assert_eq!(scene.look_after(SETTLED * 10), None, "it has changed since the last look");
    assert_eq!(scene.look_after(SETTLED / 2), None);
    scene.append("192.0.2.3\n");
    assert_eq!(scene.look_after(SETTLED / 2), None);
    assert_eq!(scene.look_after(SETTLED), taken(&["192.0.2.2", "192.0.2.3"]));
}

#[test]
fn half_a_line_is_not_taken_for_a_whole_one() {
    let mut scene = Scene::new("192.0.2.1\n");
    scene.replace("192.0.2.1\n198.51.100.0/2");
    assert_eq!(scene.look(), None);
    assert_eq!(scene.look_after(Duration::from_secs(2)), None, "two seconds later the rest may still come");
    scene.append("9");
    assert_eq!(scene.look_after(Duration::from_millis(500)), None);
    assert_eq!(scene.look_after(Duration::from_millis(2900)), None, "the time begins anew");
    scene.append("\n");
    assert_eq!(scene.look(), taken(&["192.0.2.1", "198.51.100.0/29"]));

    scene.replace("192.0.2.7");
    assert_eq!(scene.look(), None);
    assert_eq!(scene.look_after(LAST_LINE), taken(&["192.0.2.7"]), "some programs end no last line");
    scene.replace("198.51.100.0/2");
    assert_eq!(scene.look(), None);
    assert!(
        scene.look_after(LAST_LINE).unwrap().unwrap_err().contains("is wider than /8"),
        "and what rests may be refused"
    );
    assert_eq!(scene.look(), None);
    fs::write(scene.path(), "").unwrap();
    assert_eq!(scene.look(), None, "emptied to be written anew");
    assert_eq!(scene.look_after(LAST_LINE), taken(&[]), "or empty for good");
}

#[test]
fn the_first_version_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("banned.txt");
    fs::write(&path, "192.0.2.0/2").unwrap();
    let writer = {
        let path = path.clone();
        // The writer continues while the reader waits. Whenever it finishes, half a line is never used.
        thread::spawn(move || File::options().append(true).open(path).unwrap().write_all(b"9\n").unwrap())
    };
    let fresh = SetFiles::new().add(name(), &path, ALL).unwrap();
    writer.join().unwrap();
    assert_eq!(texts(&fresh), ["192.0.2.0/29"]);
}

#[test]
fn an_old_file_without_a_last_line_end_is_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("banned.txt");
    fs::write(&path, "192.0.2.1").unwrap();
    let stamp = Stamp::of_path(&path);
    let now = SystemTime::now();
    assert_eq!(stamp.age(now - Duration::from_secs(100)), Duration::ZERO, "a clock that runs behind");
    assert!(stamp.age(now + Duration::from_secs(100)) >= Duration::from_secs(100));
    let mut watched = Watched {
        path,
        shortest: ALL,
        rest: Rest::default(),
        stamp: None,
        refused: None,
        networks: None,
        before: None,
    };
    assert!(watched.try_reading(stamp, LAST_LINE - Duration::from_millis(1)).is_none());
    assert_eq!(texts(&watched.try_reading(stamp, LAST_LINE).unwrap().unwrap()), ["192.0.2.1"]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_looked_at_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("banned.txt");
    fs::write(&path, "192.0.2.1\n").unwrap();
    let seen = Stamp::of_path(&path);
    fs::write(&path, "192.0.2.1\n192.0.2.2\n").unwrap();
    assert!(read_whole(&path, seen, LAST_LINE, ALL).unwrap().is_none());
}

#[test]
fn a_refused_file_is_looked_after_and_a_mended_way_to_it_is_noticed() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("deep");
    fs::create_dir(&deep).unwrap();
    let path = deep.join("banned.txt");
    fs::write(&path, "192.0.2.1\n").unwrap();
    let mode = |mode| fs::set_permissions(&deep, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    let mut files = SetFiles::new();
    assert!(files.add(name(), &path, ALL).unwrap_err().to_string().contains("deep can be changed by "));
    let now = Instant::now();
    assert!(files.changed(now).is_empty());
    assert!(files.changed(now + SETTLED).is_empty(), "told already");
    mode(0o755);
    assert!(files.changed(now + SETTLED * 2).is_empty());
    let mut changed = files.changed(now + SETTLED * 3);
    assert_eq!(texts(&changed.pop().unwrap().1.unwrap()), ["192.0.2.1"]);
}

#[test]
fn a_secret_file_is_not_shown() {
    use std::os::unix::fs::PermissionsExt;
    let mut scene = Scene::new("192.0.2.1\n");
    let secret = scene.dir.path().join("secret");
    fs::write(&secret, "hunter2\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(scene.path()).unwrap();
    std::os::unix::fs::symlink(&secret, scene.path()).unwrap();
    let said = scene.look().unwrap().unwrap_err();
    assert!(said.contains("banned.txt:1: its first word is not an address") && !said.contains("hunter2"), "{said}");
}
