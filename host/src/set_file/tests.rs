//! Files as programs write them: which versions are used, when, and what is reported.

use std::fs;
use std::io::Write;

use ctwarden_mmdb_writer::{Writer, map, text};

use super::*;
use crate::address_sets::{AddressSets, Refusal, Renewed};

/// Rules that accept any prefix.
fn all() -> Rules {
    let shortest = Shortest { ipv4: 0, ipv6: 0 };
    Rules { reading: ctwarden_feeds::Reading::new(shortest), ..Rules::default() }
}

/// A watched file, with a simulated clock.
struct Scene {
    dir: tempfile::TempDir,
    files: SetFiles,
    now: Instant,
}

impl Scene {
    fn new(text: &str) -> Self {
        Self::with(text, Rules::default())
    }

    fn with(text: &str, rules: Rules) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut scene = Self { dir, files: SetFiles::new(), now: Instant::now() };
        scene.replace(text);
        scene.files.add(name(), &scene.path(), rules).unwrap();
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

    /// The version in use.
    fn version(&self) -> Arc<Version> {
        Arc::clone(self.files.files[&name()].version.as_ref().unwrap())
    }

    /// Checks the file after some time. `None` if nothing is reported, or nothing but counts of the list.
    fn look_after(&mut self, time: Duration) -> Option<Result<Vec<String>, String>> {
        self.now += time;
        let watched = &self.files.files[&name()];
        let (before, refused) = (Arc::clone(watched.version.as_ref().unwrap()), watched.refused.is_some());
        let mut changes = self.files.changed(self.now);
        assert!(changes.len() <= 1);
        let (changed, found) = changes.pop()?;
        assert_eq!(changed, name());
        let is_same = |fresh: &Fresh| !refused && Arc::ptr_eq(before.networks(), fresh.version.networks());
        match found {
            Ok(fresh) => (!is_same(&fresh)).then(|| Ok(texts(&fresh))),
            Err(error) => Some(Err(error.to_string())),
        }
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
    fresh.version.networks().iter().map(|(network, _)| network.to_string()).collect()
}

fn taken(networks: &[&str]) -> Option<Result<Vec<String>, String>> {
    Some(Ok(networks.iter().map(ToString::to_string).collect()))
}

#[test]
fn few_new_networks_are_listed() {
    let mut scene = Scene::new("192.0.2.1 old\n192.0.2.2\n");
    let mut added = |text: &str| {
        scene.replace(text);
        scene.files.changed(scene.now);
        scene.now += SETTLED;
        let (_, fresh) = scene.files.changed(scene.now).pop().unwrap();
        fresh.unwrap().added.map(|added| added.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let networks = |networks: &[&str]| Some(networks.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(added("192.0.2.1 new\n192.0.2.3\n"), networks(&["192.0.2.1", "192.0.2.3"]));
    assert_eq!(added("# the same\n192.0.2.1 new\n192.0.2.3\n"), networks(&[]));
    assert_eq!(added("192.0.2.3\n"), networks(&[]), "a network left");
    let list =
        |range: std::ops::Range<u16>| -> String { range.map(|n| format!("10.0.{}.{}\n", n / 256, n % 256)).collect() };
    assert_eq!(added(&list(0..1_024)).map(|added| added.len()), Some(1_024));
    assert_eq!(added(&list(1_024..2_049)), None);
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
    assert!(said.starts_with(&format!("{}:2:1: \"wrong\" is not an address", scene.path().display())), "{said}");
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
    assert!(scene.look().unwrap().unwrap_err().contains("banned.txt:1:1: this is not UTF-8; save the file"));
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
    let said = scene.look_after(LAST_LINE).unwrap().unwrap_err();
    assert!(
        said.contains("banned.txt:1:1: the list has no entry; write at least one, or allow-empty = true"),
        "{said}"
    );
    assert_eq!(scene.version().networks().len(), 1, "the set keeps what it has");
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
    let fresh = SetFiles::new().add(name(), &path, all()).unwrap();
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
    let mut watched = Watched::new(&path, all());
    let start = Instant::now();
    assert!(watched.try_reading(stamp, LAST_LINE - Duration::from_millis(1), start).is_none());
    assert_eq!(texts(&watched.try_reading(stamp, LAST_LINE, start).unwrap().unwrap()), ["192.0.2.1"]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_looked_at_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("banned.txt");
    fs::write(&path, "192.0.2.1\n").unwrap();
    let seen = Stamp::of_path(&path);
    fs::write(&path, "192.0.2.1\n192.0.2.2\n").unwrap();
    assert!(read_whole(&path, seen, LAST_LINE, &all()).unwrap().is_none());
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
    assert!(files.add(name(), &path, all()).unwrap_err().to_string().contains("deep can be changed by "));
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
    assert!(said.contains("banned.txt:1:1: the entry is not an address") && !said.contains("hunter2"), "{said}");
}

/// A plain list with these numbers as last bytes of addresses.
fn hosts(numbers: impl IntoIterator<Item = u8>) -> String {
    numbers.into_iter().map(|number| format!("192.0.2.{number}\n")).collect()
}

#[test]
fn every_format_is_read_and_its_counts_are_kept() {
    let mut scene = Scene::new("192.0.2.1\n");
    scene.replace("# ip,port\n198.51.100.7,443\n198.51.100.8,80\n");
    assert_eq!(scene.look(), taken(&["198.51.100.7", "198.51.100.8"]));
    let version = scene.version();
    let results = version.results();
    assert_eq!(
        (results.format.name(), results.counts.lines, results.counts.entries, results.counts.bad),
        ("csv", 3, 2, 0)
    );
    scene.replace("{\"cidr\":\"198.51.100.7\"}\n{\"cidr\":\"198.51.100.8\"}\n\n");
    assert_eq!(scene.look(), None, "same networks, no change");
    assert_eq!(scene.version().results().format.name(), "json-lines", "but the status knows");
    assert!(scene.version().results().read >= results.read);
}

#[test]
fn bad_lines_are_skipped_if_the_set_says_so() {
    let mut rules = all();
    rules.reading = rules.reading.skip_bad_lines(true);
    let mut scene = Scene::with("192.0.2.1\n", rules);
    scene.replace("192.0.2.1\nwrong\n192.0.2.2\n");
    assert_eq!(scene.look(), taken(&["192.0.2.1", "192.0.2.2"]));
    let version = scene.version();
    assert_eq!(version.results().counts.bad, 1);
    assert!(version.results().skipped[0].starts_with(&format!("{}:2:1: \"wrong\" is not", scene.path().display())));
    scene.replace("wrong\n");
    let said = scene.look().unwrap().unwrap_err();
    assert!(said.contains("banned.txt:1:1: \"wrong\" is not an address") && said.contains("no line is left"), "{said}");
    assert_eq!(scene.version().networks().len(), 2);
}

#[test]
fn an_empty_list_is_taken_only_if_the_set_says_so() {
    let mut rules = all();
    rules.reading = rules.reading.allow_empty(true);
    let mut scene = Scene::with("192.0.2.1\n", rules);
    scene.replace("# none\n");
    assert_eq!(scene.look(), taken(&[]));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("banned.txt");
    fs::write(&path, "# none\n").unwrap();
    let said = SetFiles::new().add(name(), &path, all()).unwrap_err().to_string();
    assert!(said.contains("banned.txt:1:1: the list has no entry"), "{said}");
}

#[test]
fn what_has_vanished_stays_for_its_lifetime() {
    let lifetime = Duration::from_secs(100);
    let mut scene = Scene::with(&hosts([1, 2]), Rules { lifetime: Some(lifetime), ..all() });
    scene.replace(hosts([2, 3]));
    assert_eq!(scene.look(), taken(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]));
    scene.now += Duration::from_secs(60);
    scene.replace(hosts([3]));
    assert_eq!(scene.look(), None, "the first and the second stay");
    assert_eq!(
        scene.look_after(Duration::from_secs(41)),
        taken(&["192.0.2.2", "192.0.2.3"]),
        "100 s after the first went"
    );
    scene.replace(hosts([2, 3]));
    assert_eq!(scene.look(), None);
    assert_eq!(scene.look_after(lifetime), None, "the second is back and stays");
    scene.replace(hosts([3]));
    assert_eq!(scene.look(), None);
    assert_eq!(scene.look_after(lifetime - SETTLED), None);
    assert_eq!(scene.look_after(SETTLED), taken(&["192.0.2.3"]));
    assert_eq!(scene.look_after(lifetime), None);
}

#[test]
fn entries_with_an_end_leave_the_set_then() {
    let mut scene = Scene::with("192.0.2.9\n", Rules { lifetime: Some(Duration::from_secs(1000)), ..all() });
    scene.replace(
        "add bad 192.0.2.1 timeout 10\nadd bad 192.0.2.2 timeout 20\nadd bad 192.0.2.3 timeout 0\nadd bad 192.0.2.9\n",
    );
    assert_eq!(scene.look(), taken(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.9"]));
    assert_eq!(scene.look_after(Duration::from_secs(9)), None);
    assert_eq!(scene.look_after(Duration::from_secs(1)), taken(&["192.0.2.2", "192.0.2.3", "192.0.2.9"]));
    assert_eq!(scene.look_after(Duration::from_secs(1)), None);
    // The entry that goes early keeps its own end although the lifetime is longer.
    scene.replace("add bad 192.0.2.3\nadd bad 192.0.2.9\n");
    assert_eq!(scene.look(), None);
    assert_eq!(scene.look_after(Duration::from_secs(20)), taken(&["192.0.2.3", "192.0.2.9"]));
}

#[test]
fn entries_end_while_a_later_list_is_refused() {
    let mut scene = Scene::with("192.0.2.9\n", all());
    scene.replace("add bad 192.0.2.1 timeout 10\nadd bad 192.0.2.9\n");
    assert_eq!(scene.look(), taken(&["192.0.2.1", "192.0.2.9"]));
    scene.replace("wrong\n");
    assert!(scene.look().unwrap().is_err());
    let mut changed = scene.files.changed(scene.now + Duration::from_secs(10));
    let fresh = changed.pop().unwrap().1.unwrap();
    assert_eq!(texts(&fresh), ["192.0.2.9"]);
    assert!(!fresh.is_read, "the file is as bad as before");
    let (sets, name) = (AddressSets::default(), name());
    sets.refuse(&name, Refusal { text: "wrong".to_owned(), counts: None });
    assert_eq!(sets.renew(&name, Arc::clone(&fresh.version), fresh.is_read), Renewed::Networks);
    assert!(sets.all()[&name].refused.is_some());
    assert_eq!(sets.renew(&name, fresh.version, true), Renewed::Mended);
    assert!(sets.all()[&name].refused.is_none());
}

#[test]
fn entries_leave_the_set_at_most_once_a_second() {
    let text: String =
        (1..=20).map(|n| format!("add bad 192.0.2.{n} timeout 10\nadd bad 198.51.100.{n} timeout 11\n")).collect();
    let mut scene = Scene::with("192.0.2.1\n", all());
    scene.replace(format!("{text}add bad 203.0.113.1 timeout 0\n"));
    assert_eq!(scene.look().unwrap().unwrap().len(), 41);
    assert_eq!(scene.look_after(Duration::from_millis(10_500)).unwrap().unwrap().len(), 21);
    assert_eq!(scene.look_after(Duration::from_millis(600)), None, "the others have ended and wait");
    assert_eq!(scene.look_after(Duration::from_millis(400)), taken(&["203.0.113.1"]));
}

#[test]
fn a_list_that_lost_too_much_is_refused() {
    let mut scene = Scene::with(&hosts(1..=100), Rules { largest_loss: Some(50), ..all() });
    scene.replace(hosts(1..=50));
    assert_eq!(scene.look().unwrap().unwrap().len(), 50, "a half is allowed");
    scene.replace(hosts(101..=150));
    assert_eq!(scene.look().unwrap().unwrap().len(), 50, "others instead are no loss");
    scene.replace(hosts(101..=124));
    let said = scene.look().unwrap().unwrap_err();
    let path = scene.path().display().to_string();
    let told = "the list has 24 networks, and the one in use has 50: it lost 52 %, more than the set's largest-loss of 50 %; \
                if the list is right, raise that key (100 allows any loss) and reload";
    assert_eq!(said, format!("{path}: {told}"));
    assert_eq!(scene.look(), None, "told once");
    assert_eq!(scene.version().networks().len(), 50);
    scene.replace(hosts(101..=125));
    assert_eq!(scene.look().unwrap().unwrap().len(), 25);
}

#[test]
fn a_reload_goes_on_with_what_is_in_use() {
    let rules = Rules { lifetime: Some(Duration::from_secs(100)), largest_loss: Some(50), ..all() };
    let scene = Scene::with(&hosts(1..=4), rules.clone());
    let before = scene.version();
    let reload = |text: &str, rules: &Rules| {
        scene.replace(text);
        let mut files = SetFiles::new();
        let read = files.add(name(), &scene.path(), rules.clone()).map(drop).map_err(|error| error.to_string());
        let version = files.go_on_with(&name(), Arc::clone(&before));
        (read, version.map(|version| version.networks().len()).map_err(|error| error.to_string()), files)
    };
    let (read, version, _) = reload(&hosts([1, 2, 5]), &rules);
    assert_eq!((read, version), (Ok(()), Ok(5)), "what has vanished stays");
    let (read, version, mut files) = reload(&hosts([1]), &rules);
    assert_eq!(read, Ok(()));
    assert!(version.unwrap_err().contains("it lost 75 %"));
    assert!(files.changed(Instant::now() + SETTLED).is_empty(), "told already");
    let (read, version, _) = reload("wrong\n", &rules);
    assert!(read.is_err() && version == Ok(4), "the set keeps what it has");
    let (_, version, _) = reload(&hosts([1]), &all());
    assert_eq!(version, Ok(1), "the new rules count");
}

/// A database in which these networks are of that country.
fn database(networks: &[&str]) -> Vec<u8> {
    let record = map([("country", map([("iso_code", text("RU"))]))]);
    let mut writer = Writer::new("GeoLite2-Country", true, 24);
    networks.iter().for_each(|network| writer.insert(network, &record));
    writer.finish()
}

#[test]
fn a_database_counts_once_it_is_whole() {
    let mut scene = Scene::new("192.0.2.1\n");
    scene.replace(database(&["198.51.100.0/24"]));
    assert_eq!(scene.look(), taken(&["198.51.100.0/24"]), "read as soon as it rests");
    let bytes = database(&["198.51.100.0/24", "203.0.113.0/24"]);
    for cut in [1, bytes.len() / 2, bytes.len() - 1] {
        fs::write(scene.path(), &bytes[..cut]).unwrap();
        assert_eq!(scene.look(), None, "the rest may follow");
        assert_eq!(scene.look_after(SETTLED), None);
        fs::write(scene.path(), &bytes).unwrap();
        assert_eq!(scene.look().map(|taken| taken.unwrap().len()), (cut == 1).then_some(2));
    }
    fs::write(scene.path(), &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(scene.look(), None);
    let said = scene.look_after(LAST_LINE).unwrap().unwrap_err();
    assert!(said.contains("banned.txt: the file is not a MaxMind database, or its end is cut off"), "{said}");
    assert_eq!(scene.version().networks().len(), 2, "the networks before stay");
    assert_eq!(scene.look_after(LAST_LINE), None, "told once");
}

#[test]
fn a_database_has_no_lifetime() {
    let mut scene = Scene::with("192.0.2.1\n", Rules { lifetime: Some(LAST_LINE), ..Rules::default() });
    scene.replace(database(&["198.51.100.0/24"]));
    let said = scene.look().unwrap().unwrap_err();
    assert!(
        said.ends_with("the file is a MaxMind database, and lifetime goes with lists of text; remove the key"),
        "{said}"
    );
}

#[test]
fn a_database_that_lost_too_much_is_refused() {
    let rules = Rules { largest_loss: Some(50), ..Rules::default() };
    let mut scene = Scene::with("192.0.2.1\n192.0.2.3\n192.0.2.5\n", rules);
    scene.replace(database(&["198.51.100.0/24"]));
    assert!(scene.look().unwrap().unwrap_err().contains("it lost 67 %"));
}

#[test]
fn readers_keep_the_version_that_they_have() {
    let mut scene = Scene::new("192.0.2.1\n");
    scene.replace(database(&["198.51.100.0/24"]));
    assert!(scene.look().unwrap().is_ok());
    let (before, shared) = (Arc::clone(scene.version().networks()), Arc::downgrade(scene.version().networks()));
    scene.replace(database(&["203.0.113.0/24"]));
    assert_eq!(scene.look(), taken(&["203.0.113.0/24"]));
    assert_eq!(before.longest("198.51.100.7".parse().unwrap()).map(|(_, value)| &**value), Some("RU"));
    assert_eq!(scene.look_after(SETTLED), None);
    drop(before);
    assert!(shared.upgrade().is_none(), "nobody keeps the version before");
}
