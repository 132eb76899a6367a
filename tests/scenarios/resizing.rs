//! A resize of the kernel's hash table during a dump: the kernel skips flows without a report.
//!
//! The tests hold the readers in the middle of the table. The resize therefore meets them there on a fast machine and
//! on a slow one.

use std::io::Read;
use std::process::Stdio;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::thread;

use ctwarden_tests::{Policy, Said, Scene, conntrack, eventually, insert_all, table};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// A program whose output nobody reads stops after less than half of these flows.
const FLOWS: u16 = 6_000;

const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

/// A file with different content at each read (random(4)).
const ALWAYS_ANOTHER: &str = "/proc/sys/kernel/random/uuid";

/// A lock on the size of the hash table, which all namespaces share.
static SIZE: RwLock<()> = RwLock::new(());

/// Keeps other tests from resizing the table while the guard lives.
pub(crate) fn hold_size() -> RwLockReadGuard<'static, ()> {
    SIZE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the flows. Every tenth flow goes to port 53.
fn fill() {
    let port = |number: u16| if number.is_multiple_of(10) { 53 } else { 54 };
    let udp = |number: u16| format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport {number} --dport {} -t 600", port(number));
    insert_all((1..=FLOWS).map(udp));
}

/// Runs the command, waits for its first byte of output, and calls `meanwhile` while the command waits for a reader.
/// Returns its status, standard output and standard error.
fn held_up(words: &[&str], meanwhile: impl FnOnce()) -> (Option<i32>, String, String) {
    let mut child = conntrack(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let mut first = [0];
    out.read_exact(&mut first).unwrap();
    meanwhile();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let mut said = String::new();
    err.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), format!("{}{rest}", char::from(first[0])), said)
}

/// The source ports of the lines, sorted.
fn ports(lines: &str) -> Vec<u16> {
    let port = |line: &str| line.split_whitespace().find_map(|word| word.strip_prefix("sport=")?.parse().ok());
    let mut ports: Vec<u16> = lines.lines().map(|line| port(line).unwrap_or_else(|| panic!("{line}"))).collect();
    ports.sort_unstable();
    ports
}

#[test]
fn commands_meet_every_flow_once() {
    let _resizes = SIZE.write().unwrap_or_else(PoisonError::into_inner);
    let Some(scene) = Scene::alone() else { return };
    let Some(hash_table) = scene.hash_table() else { return };
    fill();
    let all: Vec<u16> = (1..=FLOWS).collect();
    for (words, done) in [
        (&["-L"][..], "shown"),
        (&["-L", "-s", "10.0.0.0/8", "-o", "id"], "shown"),
        (&["-U", "-s", "10.0.0.1", "-m", "7"], "updated"),
        (&["-D", "-s", "10.0.0.1"], "deleted"),
    ] {
        let (status, out, err) = held_up(words, || hash_table.shrink(2));
        hash_table.restore();
        assert_eq!(status, Some(0), "{words:?}: {err}");
        assert_eq!(ports(&out).len(), all.len(), "{words:?}: {err}");
        assert_eq!(ports(&out), all, "{words:?}: {err}");
        assert!(err.contains("resized") && err.contains(&format!("{FLOWS} flow entries have been {done}.")), "{err}");
    }
    assert_eq!(table(), [], "all are deleted");
}

#[test]
fn a_sweep_is_interrupted_and_another_one_is_whole() {
    let _resizes = SIZE.write().unwrap_or_else(PoisonError::into_inner);
    let Some(scene) = Scene::alone() else { return };
    let Some(hash_table) = scene.hash_table() else { return };
    fill();
    let mut daemon = scene.start(Policy::scripted(&[
        "sweep-begin: log turn=begin",
        "sweep-interrupted: log turn=interrupted",
        "row udp 53: sleep 2",
        "row udp: mark 0x5/0xff",
    ]));
    daemon.wait_for("the first sweep's begin", |record| record.0["fields"]["turn"] == "begin");
    hash_table.shrink(2);
    let swept = daemon.wait_for("the first sweep's end", |record| record.is_notice("swept"));
    assert_eq!(swept.0["complete"], false, "{swept:?}");
    hash_table.restore();
    daemon.wait_for("the plugin is told", |record| record.0["fields"]["turn"] == "interrupted");
    daemon.wait_for("a whole sweep", |record| record.is_notice("swept") && record.0["complete"] == true);
    eventually("every flow is marked", || table().iter().all(|entry| entry.mark == 5).then_some(()));
    assert_eq!(table().len(), usize::from(FLOWS));
    daemon.wait_for_err(&["the hash table was resized"]);
}

#[test]
fn a_table_that_is_resized_all_the_time_is_no_whole_list() {
    let Some(_scene) = Scene::new() else { return };
    insert_all((1..=100).map(|port| format!("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 2 -t 600")));
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let nothing = None::<&str>;
            mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
            mount(Some(ALWAYS_ANOTHER), BUCKETS, nothing, MsFlags::MS_BIND, nothing).unwrap();
            for (line, done) in
                [("-L", "shown"), ("-L -z", "shown"), ("-U -m 3 -s 10.0.0.1", "updated"), ("-D -s 10.0.0.1", "deleted")]
            {
                let words: Vec<&str> = line.split(' ').collect();
                let said = Said::of(conntrack(&words), "");
                assert_eq!(said.status.code(), Some(1), "{said:?}");
                assert_eq!(ports(&said.out), (1..=100).collect::<Vec<_>>(), "{said:?}");
                assert!(said.err.contains(&format!("100 flow entries have been {done}.")), "{said:?}");
                assert!(said.err.contains("Operation failed: the hash table was resized"), "{said:?}");
            }
            let said = Said::of(conntrack(&["-D", "-s", "10.0.0.1", "--exit-code"]), "");
            assert_eq!(said.status.code(), Some(1), "that nothing matches is not known: {said:?}");
            let said = Said::of(conntrack(&["-R", "-"]), "-D -s 10.0.0.1\n");
            assert!(said.status.code() == Some(1) && said.err.contains("line 1"), "{said:?}");
            // Commands that do not walk the hash table are not affected.
            for words in [&["-L", "expect"][..], &["-L", "dying"], &["-S"], &["-C"], &["-F"]] {
                let said = Said::of(conntrack(words), "");
                assert!(said.is_good() && !said.err.contains("resized"), "{said:?}");
            }
        });
        inside.join().unwrap();
    });
}
