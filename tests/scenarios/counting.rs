//! The policy that counts: the number of entries that it judged is the number in the kernel. The benchmark depends on
//! this.

use std::fs;
use std::io::{BufRead, BufReader};
use std::thread;
use std::time::Duration;

use ctwarden_tests::{Daemon, Policy, Record, Scene, eventually, insert_all, table};

/// Budgets that no test here uses up.
const UNBOUNDED: &str = "verdicts-per-second = 1000000\ntable-share-per-minute = 100";

fn tally() -> Policy {
    Policy::new("tally", "guest-tally")
        .enforce()
        .key("allow = [\"delete\", \"mark\", \"log\", \"sweep\"]\nmark-mask = 0xff")
}

/// The number of dump entries and the sum of their ids in the sweep of this record.
fn swept(record: &Record) -> (u64, u64) {
    let field = |name: &str| record.0["fields"][name].as_str().and_then(|text| text.parse().ok()).unwrap();
    assert_eq!(record.0["fields"]["complete"], "true");
    (field("rows"), field("ids"))
}

/// The number of dumps of the table so far.
fn sweeps(daemon: &Daemon) -> u64 {
    daemon.status()["sweeps"].as_u64().unwrap()
}

fn there() -> (u64, u64) {
    let entries = table();
    (entries.len() as u64, entries.iter().map(|entry| u64::from(entry.id)).sum())
}

#[test]
fn every_entry_is_judged_once_and_the_sum_of_ids_says_so() {
    let Some(scene) = Scene::new() else { return };
    insert_all((1..=250).map(|n| format!("-p udp -s 10.0.0.{n} -d 10.1.0.1 --sport 1000 --dport 53 -t 300")));
    insert_all((1..=250).map(|n| format!("-p udp -s 2001:db8:1::1 -d 2001:db8:2::{n} --sport 1000 --dport 53 -t 300")));
    let mut daemon = scene.start(tally());
    let tallied = |record: &Record| record.text("code") == Some("tallied");
    assert_eq!(swept(&daemon.wait_for("the first sweep", tallied)), there());

    assert!(daemon.send("tally", "sweep src 10.0.0.0/25").is_good());
    assert_eq!(swept(&daemon.wait_for_many("a part", 2, tallied)[1]).0, 127);

    assert!(daemon.send("tally", "judge delete 10.0.0.0/24").is_good());
    assert!(daemon.send("tally", "sweep").is_good());
    daemon.wait_for_many("the verdicts", 250, |record| record.came("delete", "applied"));
    assert_eq!(there().0, 250);
    let _ = daemon.stop();
}

/// The largest number of threads with this name that a process had at one time during the work, and the result of the
/// work.
fn most_threads<T: Send>(process: u32, name: &str, work: impl FnOnce() -> T + Send) -> (usize, T) {
    let count = || {
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        let names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.filter(|found| found.trim_end() == name).count()
    };
    thread::scope(|scope| {
        let working = scope.spawn(work);
        let mut most = 0;
        while !working.is_finished() {
            most = most.max(count());
            thread::sleep(Duration::from_millis(1));
        }
        (most, working.join().expect("the work is done"))
    })
}

#[test]
fn a_large_table_of_both_families_is_read_by_two_and_every_entry_is_judged_once() {
    let Some(scene) = Scene::new() else { return };
    let port = |n: u32| 1_000 + n;
    insert_all(
        (0..8_000).map(port).map(|port| format!("-p udp -s 10.1.0.1 -d 10.9.0.1 --sport {port} --dport 53 -t 300")),
    );
    let mut daemon = scene.start(tally().config("rows-only = true"));
    let tallied = |record: &Record| record.text("code") == Some("tallied");
    daemon.wait_for("the first sweep", tallied);
    let mut sweeps = 1;
    let mut readers = |daemon: &mut Daemon| {
        sweeps += 1;
        let (most, records) = most_threads(daemon.id(), "dump", || {
            assert!(daemon.send("tally", "sweep").is_good());
            daemon.wait_for_many("a sweep", sweeps, tallied)
        });
        assert_eq!(swept(records.last().unwrap()), there(), "entries and the sum of their ids");
        most
    };
    assert!(readers(&mut daemon) <= 1, "one family");
    insert_all(
        (0..4_000)
            .map(port)
            .map(|port| format!("-p udp -s 2001:db8:1::1 -d 2001:db8:2::1 --sport {port} --dport 53 -t 300")),
    );
    assert!(readers(&mut daemon) <= 1, "it is not known yet that there are two");
    let wanted = if thread::available_parallelism().unwrap().get() > 1 { 2 } else { 1 };
    eventually("it is read by two", || (readers(&mut daemon) == wanted).then_some(()));
    let _ = daemon.stop();
}

#[test]
fn few_flows_of_a_followed_table_are_read_one_by_one_and_many_by_a_sweep() {
    let Some(scene) = Scene::new() else { return };
    insert_all(
        (0..2_000)
            .map(|n| format!("-p udp -s 10.1.{}.{} -d 10.9.0.1 --sport 1000 --dport 53 -t 300", n / 250, n % 250 + 1)),
    );
    insert_all((1..=100).map(|n| format!("-p udp -s 10.2.0.{n} -d 10.9.0.1 --sport 1000 --dport 53 -t 300")));
    let mut daemon = scene.start(tally().of("budget", UNBOUNDED).config("selects = true"));
    let tallied = |record: &Record| record.text("code") == Some("tallied");
    daemon.wait_for("the first sweep", tallied);
    eventually("the replica is complete and at rest", || {
        let status = daemon.status();
        (status["replica"]["flows"] == 2_100 && status["replica"]["complete"] == true && status["sweeping"] == false)
            .then_some(())
    });
    let before = sweeps(&daemon);
    for (nth, (network, rows, read)) in [("10.2.0.0/16", 100, 0), ("10.1.0.0/16", 2_000, 1)].into_iter().enumerate() {
        assert!(daemon.send("tally", &format!("sweep src {network}")).is_good());
        assert_eq!(swept(&daemon.wait_for_many(network, nth + 2, tallied)[nth + 1]).0, rows);
        assert_eq!(sweeps(&daemon) - before, read, "readings of the table up to {network}");
    }
    // A selection needs no dump, however many flows it ends.
    assert!(daemon.send("tally", "end 10.1.0.0/16").good().contains("2000 applied"));
    assert_eq!(sweeps(&daemon) - before, 1);
    assert_eq!(there().0, 100);
    let _ = daemon.stop();
}

#[test]
fn a_ban_does_not_wait_for_a_large_one() {
    let Some(scene) = Scene::new() else { return };
    insert_all(
        (0..20_000)
            .map(|n| format!("-p udp -s 10.1.{}.{} -d 10.9.0.1 --sport 1000 --dport 53 -t 300", n / 250, n % 250 + 1)),
    );
    insert_all((1..=3).map(|n| format!("-p udp -s 10.2.0.1 -d 10.9.0.{n} --sport 1000 --dport 53 -t 300")));
    let mut daemon = scene.start(tally().of("budget", UNBOUNDED).config("rows-only = true\nselects = true"));
    eventually("the replica is complete and at rest", || {
        let status = daemon.status();
        (status["replica"]["flows"] == 20_003 && status["replica"]["complete"] == true && status["sweeping"] == false)
            .then_some(())
    });
    let before = sweeps(&daemon);
    // Both messages wait before the daemon reads the first one.
    daemon.pause();
    let answers = ["10.1.0.0/16", "10.2.0.1"].map(|network| daemon.request("tally", &format!("end {network}")));
    daemon.resume();
    for answer in answers {
        let line = BufReader::new(answer).lines().next().unwrap().unwrap();
        assert!(line.starts_with("{\"sent\":"), "{line}");
    }
    let ended = daemon.wait_for_many("both", 2, |record| record.text("code") == Some("ended"));
    let applied: Vec<Option<u64>> = ended.iter().map(|record| record.number(&["tally", "applied"])).collect();
    assert_eq!(applied, [Some(3), Some(20_000)], "the small one is done first");
    assert_eq!(sweeps(&daemon), before, "and nobody read the table for it");
    assert_eq!(there().0, 0);
    let _ = daemon.stop();
}
