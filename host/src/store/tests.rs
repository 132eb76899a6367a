//! The storage of plugins survives restarts, keeps to its quota, and is private to each plugin.

use std::fs;
use std::sync::mpsc::channel as reports;
use std::time::Instant;

use proptest::prelude::*;

use super::*;

const QUOTA: Quota = Quota { keys: 100, bytes: 10_000 };

fn name(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

fn silent(report: String) {
    panic!("nothing to report, but: {report}");
}

fn open(dir: &Path) -> Store {
    Store::open(dir, silent).unwrap()
}

#[test]
fn what_is_set_is_there_after_a_restart_and_belongs_to_one_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep/state");
    let store = open(&state);
    let a = store.plugin(&name("a"), QUOTA).unwrap();
    let b = store.plugin(&name("b"), QUOTA).unwrap();
    a.set("seen/1", b"one", None).unwrap();
    a.set("seen/2", b"", None).unwrap();
    a.set("gone", b"x", None).unwrap();
    a.remove("gone");
    a.remove("never there");
    b.set("seen/1", b"other", None).unwrap();
    assert_eq!(a.get("seen/1").as_deref(), Some(&b"one"[..]));
    drop((a, b, store));

    let store = open(&state);
    let a = store.plugin(&name("a"), QUOTA).unwrap();
    assert_eq!(a.get("seen/1").as_deref(), Some(&b"one"[..]));
    assert_eq!(a.get("seen/2").as_deref(), Some(&b""[..]));
    assert_eq!(a.get("gone"), None);
    assert_eq!(a.keys("seen/"), ["seen/1", "seen/2"]);
    a.remove("seen/1");
    drop((a, store));
    let store = open(&state);
    assert_eq!(store.plugin(&name("a"), QUOTA).unwrap().keys(""), ["seen/2"]);
    let b = store.plugin(&name("b"), QUOTA).unwrap();
    assert_eq!(b.get("seen/1").as_deref(), Some(&b"other"[..]));
    assert_eq!(store.plugin(&name("c"), QUOTA).unwrap().keys(""), Vec::<String>::new());
}

#[test]
fn only_the_daemons_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    drop(open(&state));
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o077, 0);
    assert_eq!(fs::metadata(state.join(FILE)).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn an_instance_that_replaces_another_finds_its_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let old = store.plugin(&name("a"), QUOTA).unwrap();
    old.set("k", b"1", None).unwrap();
    let new = store.plugin(&name("a"), Quota { keys: 1, bytes: 10 }).unwrap();
    assert_eq!(new.get("k").as_deref(), Some(&b"1"[..]));
    assert!(old.set("l", b"", None).is_err(), "the new quota holds for both");
}

#[test]
fn the_quota_holds_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let memory = store.plugin(&name("a"), Quota { keys: 2, bytes: 10 }).unwrap();
    assert_eq!(
        memory.set(&"k".repeat(257), b"", None).unwrap_err(),
        "the key has 257 bytes, more than the allowed 256"
    );
    memory.set("a", b"1234", None).unwrap();
    memory.set("b", b"1234", None).unwrap();
    let full = "the quota of 2 keys is used up; remove keys or raise store-keys in its [plugin.limits]";
    assert_eq!(memory.set("c", b"", None).unwrap_err(), full);
    let full = "the quota of 10 bytes is used up; remove keys or raise store in its [plugin.limits]";
    assert_eq!(memory.set("b", b"12345", None).unwrap_err(), full);
    memory.set("b", b"4321", None).unwrap();
    memory.remove("a");
    memory.set("b", b"123456789", None).unwrap();
    assert_eq!(memory.set("c", b"", None).unwrap_err(), full, "the key's own byte counts");
    memory.set("", b"", None).unwrap();
    assert_eq!(memory.keys(""), ["", "b"]);
    // A lowered quota drops nothing, and values may still shrink.
    let memory = store.plugin(&name("a"), Quota { keys: 1, bytes: 5 }).unwrap();
    assert_eq!(
        memory.set("b", b"1234567890", None).unwrap_err(),
        "the quota of 5 bytes is used up; remove keys or raise store in its [plugin.limits]"
    );
    memory.set("b", b"12345678", None).unwrap();
    memory.set("b", b"1", None).unwrap();
}

#[test]
fn the_quota_counts_what_was_kept_before() {
    let dir = tempfile::tempdir().unwrap();
    let quota = Quota { keys: 2, bytes: 10 };
    let store = open(dir.path());
    store.plugin(&name("a"), quota).unwrap().set("a", b"123456789", None).unwrap();
    drop(store);
    let store = open(dir.path());
    assert!(store.plugin(&name("a"), quota).unwrap().set("b", b"", None).is_err());
}

#[test]
fn a_key_with_a_lifetime_ends_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let memory = store.plugin(&name("a"), QUOTA).unwrap();
    let now = clock::now().wall;
    let later = |seconds: u64| Timestamp(now.0 + seconds * 1_000_000_000);
    memory.set_until("soon", b"12", Some(later(60)), now).unwrap();
    memory.set_until("late", b"1234", Some(later(3600)), now).unwrap();
    memory.set_until("stays", b"1", None, now).unwrap();
    memory.set("at once", b"1", Some(0)).unwrap();
    assert_eq!(memory.get("at once"), None);
    memory.set("soon after", b"1", Some(u32::MAX)).unwrap();
    memory.remove("soon after");
    drop((memory, store));

    let store = open(dir.path());
    let memory = store.plugin(&name("a"), QUOTA).unwrap();
    assert_eq!(memory.keys(""), ["late", "soon", "stays"]);
    assert_eq!(memory.present(later(59)).values.len(), 3);
    assert_eq!(memory.present(later(60)).values.len(), 2);
    assert_eq!(memory.get("soon"), None);
    // A value that is set again has the lifetime of the last call.
    memory.set_until("late", b"1234", None, now).unwrap();
    memory.set_until("stays", b"1", Some(later(120)), now).unwrap();
    drop((memory, store));

    let store = open(dir.path());
    flush(&store.disk, &store.memories, now).unwrap();
    let written: Vec<_> =
        lock(&store.disk).read("a").unwrap().into_iter().map(|(key, stored)| (key, stored.end)).collect();
    assert_eq!(written, [("late".to_owned(), None), ("stays".to_owned(), Some(later(120)))]);
    let memory = store.plugin(&name("a"), QUOTA).unwrap();
    // Nobody asks, and the database still loses the key.
    flush(&store.disk, &store.memories, later(120)).unwrap();
    assert_eq!(lock(&store.disk).read("a").unwrap().into_keys().collect::<Vec<_>>(), ["late"]);
    assert_eq!(memory.keys(""), ["late"]);
}

#[test]
fn a_key_that_has_ended_does_not_count() {
    let memory = PluginMemory::scratch(Quota { keys: 2, bytes: 10 });
    let now = clock::now().wall;
    let later = |seconds: u64| Timestamp(now.0 + seconds * 1_000_000_000);
    memory.set_until("a", b"1234", Some(later(10)), now).unwrap();
    memory.set_until("b", b"1234", Some(later(20)), now).unwrap();
    assert!(memory.set_until("c", b"1", None, later(9)).is_err());
    memory.set_until("c", b"1", None, later(10)).unwrap();
    assert!(memory.set_until("c", b"12345", None, later(19)).is_err());
    memory.set_until("c", b"123456789", None, later(20)).unwrap();
    assert_eq!(memory.keys(""), ["c"]);
}

#[test]
fn a_write_for_each_flow_does_not_wait_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let memory = store.plugin(&name("a"), Quota { keys: 1000, bytes: 1 << 20 }).unwrap();
    let begin = Instant::now();
    for round in 0..100_000u32 {
        memory.set(&format!("{}", round % 1000), &round.to_be_bytes(), None).unwrap();
    }
    // One fsync for each write would take minutes.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    drop((memory, store));
    let store = open(dir.path());
    let memory = store.plugin(&name("a"), QUOTA).unwrap();
    assert_eq!(memory.get("999").as_deref(), Some(&99_999u32.to_be_bytes()[..]));
}

#[test]
fn what_was_flushed_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let memory = store.plugin(&name("a"), QUOTA).unwrap();
    memory.set("k", b"v", None).unwrap();
    store.flush().unwrap();
    // A copy of the file stands for the disk at the moment of a crash.
    let crashed = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join(FILE), crashed.path().join(FILE)).unwrap();
    let store = open(crashed.path());
    assert_eq!(store.plugin(&name("a"), QUOTA).unwrap().get("k").as_deref(), Some(&b"v"[..]));
}

#[test]
fn the_thread_writes_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let memory = store.plugin(&name("a"), QUOTA).unwrap();
    memory.set("k", b"v", None).unwrap();
    let begin = Instant::now();
    while !lock(&memory.0).dirty.is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_second_daemon_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let said = Store::open(dir.path(), silent).unwrap_err().to_string();
    let file = dir.path().join(FILE);
    assert_eq!(
        said,
        format!("{} is in use by another ctwarden; stop that process or set another [daemon] state", file.display())
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"").unwrap();
    let state = dir.path().join("file/state");
    let said = Store::open(&state, silent).unwrap_err().to_string();
    assert!(said.starts_with(&format!("cannot use the state directory {}: ", state.display())), "{said}");
    assert!(
        said.ends_with("file is not a directory; move it away or name another path; or name another in [daemon] state"),
        "{said}"
    );
}

#[test]
fn a_damaged_file_is_told_and_never_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE);
    let store = open(dir.path());
    let memory = store.plugin(&name("a"), QUOTA).unwrap();
    for key in 0..50 {
        memory.set(&format!("key {key}"), &[7; 100], None).unwrap();
    }
    drop((memory, store));
    let good = fs::read(&file).unwrap();
    let way_out = format!("move it away to start without its content (`mv {0} {0}.damaged`)", file.display());

    fs::write(&file, b"this is no database, whatever its name says; ".repeat(200)).unwrap();
    let said = Store::open(dir.path(), silent).unwrap_err().to_string();
    assert!(said.starts_with(&format!("{} is damaged: ", file.display())) && said.ends_with(&way_out), "{said}");

    // With any block overwritten, opening or reading reports damage, or nothing is lost. It never returns wrong values.
    let mut damaged = 0;
    for at in (0..good.len()).step_by(4096).take(200) {
        let mut bad = good.clone();
        let end = good.len().min(at + 4096);
        bad[at..end].fill(0xa5);
        fs::write(&file, &bad).unwrap();
        match Store::open(dir.path(), |_| {}) {
            Err(error) => {
                damaged += 1;
                let said = error.to_string();
                assert!(said.contains(" is damaged: ") && said.ends_with(&way_out), "block at {at}: {said}");
            }
            Ok(store) => match store.plugin(&name("a"), QUOTA) {
                Ok(memory) => {
                    for key in memory.keys("") {
                        assert_eq!(memory.get(&key).as_deref(), Some(&[7; 100][..]), "block at {at}");
                    }
                }
                Err(error) => assert!(error.to_string().contains(" is damaged: "), "block at {at}: {error}"),
            },
        }
    }
    assert!(damaged > 0);
}

#[test]
fn a_disk_that_fails_is_told_once_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE);
    let (told, reported) = reports();
    let store = Store::open(dir.path(), move |line| drop(told.send(line))).unwrap();
    let memory = store.plugin(&name("a"), QUOTA).unwrap();
    // The handle is closed, and a directory with the file's name prevents a new one.
    let mut disk = lock(&store.disk);
    disk.database = None;
    fs::rename(&file, dir.path().join("aside")).unwrap();
    fs::create_dir(&file).unwrap();
    drop(disk);
    memory.set("k", b"v", None).unwrap();
    let said = reported.recv_timeout(Duration::from_secs(20)).unwrap();
    let begin =
        format!("cannot write plugins' memories, the daemon keeps them until it can: cannot use {}: ", file.display());
    assert!(said.starts_with(&begin), "{said}");
    assert!(store.flush().is_err());
    memory.set("l", b"w", None).unwrap();
    let (told, again) = reports();
    let (disk, memories) = (Arc::clone(&store.disk), Arc::clone(&store.memories));
    let mut flusher = Flusher { disk, memories, failing: false, report: |line| drop(told.send(line)) };
    (0..3).for_each(|_| flusher.flush());
    drop(flusher);
    assert_eq!(again.try_iter().count(), 1, "told once");
    assert!(reported.try_recv().is_err(), "told once");
    let disk = lock(&store.disk);
    fs::remove_dir(&file).unwrap();
    fs::rename(dir.path().join("aside"), &file).unwrap();
    drop(disk);
    let said = reported.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(said, "plugins' memories can be written again; nothing is lost");
    drop((memory, store));
    assert_eq!(open(dir.path()).plugin(&name("a"), QUOTA).unwrap().keys(""), ["k", "l"]);
}

#[test]
fn a_directory_or_a_file_that_others_could_change_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let said = |state: &Path| Store::open(state, silent).unwrap_err().to_string();
    let open_to_all = dir.path().join("open");
    fs::create_dir_all(open_to_all.join("state")).unwrap();
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(said(&open_to_all).contains("open can be changed by "), "the directory itself");
    assert!(said(&open_to_all.join("state")).contains("open can be changed by "), "the one above it");
    assert!(!open_to_all.join("state").join(FILE).exists());

    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let precious = dir.path().join("precious");
    fs::write(&precious, b"").unwrap();
    symlink(&precious, state.join(FILE)).unwrap();
    assert!(said(&state).contains("memory.redb is not a regular file"), "a link is not followed");
    assert_eq!(fs::read(&precious).unwrap(), b"");
    fs::remove_file(state.join(FILE)).unwrap();
    drop(open(&state));
    fs::set_permissions(state.join(FILE), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(said(&state).contains("memory.redb can be changed by "), "the file");
}

#[derive(Clone, Debug)]
enum Step {
    Set(String, Vec<u8>),
    Remove(String),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let key = "[ab]{0,3}";
    prop_oneof![
        6 => (key, prop::collection::vec(any::<u8>(), 0..4)).prop_map(|(key, value)| Step::Set(key, value)),
        3 => key.prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_behaves_as_a_map(steps in prop::collection::vec(step(), 0..30), beginning in "[ab]{0,2}") {
        let dir = tempfile::tempdir().unwrap();
        let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut store = open(dir.path());
        let mut memory = store.plugin(&name("a"), QUOTA).unwrap();
        for step in steps {
            match step {
                Step::Set(key, value) => {
                    memory.set(&key, &value, None).unwrap();
                    model.insert(key, value);
                }
                Step::Remove(key) => {
                    memory.remove(&key);
                    model.remove(&key);
                }
                Step::Reopen => {
                    drop(store);
                    store = open(dir.path());
                    memory = store.plugin(&name("a"), QUOTA).unwrap();
                }
            }
        }
        let values = lock(&memory.0).values.clone();
        let values: BTreeMap<_, _> = values.into_iter().map(|(key, stored)| (key, stored.value)).collect();
        prop_assert_eq!(&values, &model);
        prop_assert_eq!(lock(&memory.0).bytes, model.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>());
        let keys: Vec<_> = model.keys().filter(|key| key.starts_with(&beginning)).cloned().collect();
        prop_assert_eq!(memory.keys(&beginning), keys);
    }
}
