//! Sinks in operation: where records go, what happens if a sink fails, and that every loss is reported.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ctwarden_model::{
    Action, Alert, FlowId, FlowKey, Layer4, Mode, Notice, Outcome, PluginName, Protocol, Target, Timestamp, Tuple,
    Verdict, VerdictRecord, Zone,
};

use super::scribe::{WAITING_BYTES_MAX, WAITING_MAX};
use super::sink::{Lost, Sink};
use super::text::{InWords, TupleInWords};
use super::*;

fn verdict(action: Action, outcome: Outcome) -> Record {
    Record::Verdict(Box::new(VerdictRecord {
        at: Timestamp(0),
        plugin: PluginName::new("p").unwrap(),
        mode: Mode::Enforce,
        verdict: Verdict { target: Target::None, action, code: "c".into(), reason: String::new() },
        flow: None,
        outcome,
        tally: None,
        took: Duration::ZERO,
    }))
}

fn alert(title: &str, outcome: Outcome) -> Record {
    verdict(Action::Alert(Alert { severity: 4, title: title.into(), key: "k".into(), fields: Vec::new() }), outcome)
}

fn notice() -> Record {
    Record::Notice(Timestamp(0), Box::new(Notice::Overrun))
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn silent(report: String) {
    panic!("nothing to report, but: {report}");
}

#[test]
fn every_record_goes_to_records_and_alerts_go_to_alerts_too() {
    let dir = tempfile::tempdir().unwrap();
    let (records, alerts) = (dir.path().join("records"), dir.path().join("alerts"));
    let sinks =
        Sinks::start(&Destination::File(records.clone()), Some(&Destination::File(alerts.clone())), silent).unwrap();
    sinks.write(notice());
    sinks.write(alert("shown", Outcome::Applied));
    sinks.write(alert("over budget", Outcome::OverBudget));
    sinks.write(verdict(Action::Delete, Outcome::Applied));
    assert_eq!(sinks.stop(), Stopped { counts: SinkCounts { written: 5, lost: 0 }, missing: vec![] });
    assert_eq!(lines(&records).len(), 4);
    let alerts_written = lines(&alerts);
    assert_eq!(alerts_written.len(), 1);
    assert!(alerts_written[0].contains("\"title\":\"shown\""));
    for line in lines(&records) {
        let _: serde_json::Value = serde_json::from_str(&line).unwrap();
    }
    assert_eq!(fs::metadata(&records).unwrap().permissions().mode() & 0o137, 0, "not for others");
}

#[test]
fn a_file_that_others_could_have_planted_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let precious = dir.path().join("precious");
    fs::write(&precious, "").unwrap();
    std::os::unix::fs::symlink(&precious, open.join("records")).unwrap();
    let planted = Destination::File(open.join("records"));
    let good = Destination::File(dir.path().join("good"));
    for (records, alerts, what) in [(&planted, None, "records"), (&good, Some(&planted), "alerts")] {
        let said = Sinks::start(records, alerts, silent).unwrap_err().to_string();
        assert!(said.starts_with(&format!("cannot open {planted} for {what}: ")), "{said}");
        assert!(said.contains("open can be changed by "), "{said}");
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "");
}

#[test]
fn one_destination_for_both_shows_an_alert_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both");
    let file = Destination::File(path.clone());
    let sinks = Sinks::start(&file, Some(&file), silent).unwrap();
    sinks.write(alert("once", Outcome::Observed));
    sinks.stop();
    assert_eq!(lines(&path).len(), 1);
}

#[test]
fn after_a_rotation_records_go_into_the_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records");
    let old = dir.path().join("records.1");
    let sinks = Sinks::start(&Destination::File(path.clone()), None, silent).unwrap();
    sinks.write(notice());
    fs::rename(&path, &old).unwrap();
    sinks.write(notice());
    sinks.reopen();
    sinks.write(notice());
    sinks.stop();
    assert_eq!((lines(&old).len(), lines(&path).len()), (2, 1));
    let sinks = Sinks::start(&Destination::File(path.clone()), None, silent).unwrap();
    sinks.write(notice());
    sinks.stop();
    assert_eq!(lines(&path).len(), 2, "appended");
}

#[test]
fn a_destination_that_cannot_be_opened_is_named_with_the_way_out() {
    let path = Path::new("/proc/nowhere/records");
    let said = Sinks::start(&Destination::File(path.into()), None, silent).unwrap_err().to_string();
    assert!(said.starts_with("cannot open /proc/nowhere/records for records: "), "{said}");
    assert!(said.ends_with("correct records in [daemon] or repair the destination"), "{said}");
}

#[test]
fn a_full_disk_is_reported_once_counted_and_told_in_the_stream() {
    // /dev/full fails each write with ENOSPC (full(4)).
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reports);
    let sinks = Sinks::start(&Destination::File("/dev/full".into()), None, move |line| told.lock().unwrap().push(line))
        .unwrap();
    for number in 1..=3 {
        sinks.write(notice());
        wait_for("the loss", || sinks.counts().lost == number);
    }
    let stopped = sinks.stop();
    assert_eq!(stopped.counts, SinkCounts { written: 0, lost: 3 });
    assert_eq!(stopped.missing, [Missing { name: "records to /dev/full".into(), records: 3, is_closed: false }]);
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].starts_with("cannot write records to /dev/full: No space left on device"), "{reports:?}");
    assert!(reports[0].ends_with("they are lost and counted until it can"), "{reports:?}");
}

/// A sink whose disk can be filled and emptied, or that sleeps.
#[derive(Clone, Default)]
struct Disk {
    full: Arc<AtomicBool>,
    asleep: Arc<Mutex<()>>,
    written: Arc<Mutex<Vec<String>>>,
}

impl Sink for Disk {
    fn put(&mut self, _: &Record, line: &str) -> Result<u64, Lost> {
        drop(self.asleep.lock().unwrap());
        if self.full.load(Ordering::SeqCst) {
            return Err(Lost { written: 0, lines: 1, error: io::ErrorKind::StorageFull.into() });
        }
        self.written.lock().unwrap().push(line.to_owned());
        Ok(1)
    }

    fn put_lost(&mut self, _: u64, line: &str) -> Result<(), Lost> {
        self.put(&notice(), line).map(drop)
    }

    fn flush(&mut self) -> Result<u64, Lost> {
        Ok(0)
    }

    fn reopen(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

fn with_disk(disk: &Disk) -> (Sinks, Arc<Mutex<Vec<String>>>) {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reports);
    let outlet = Outlet::new("records", Destination::File("/disk".into()), Box::new(disk.clone()));
    let sinks = Sinks::of(vec![(outlet, Patience::default())], move |line| told.lock().unwrap().push(line)).unwrap();
    (sinks, reports)
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn when_the_disk_has_room_again_the_stream_tells_what_was_lost() {
    let disk = Disk::default();
    let (sinks, reports) = with_disk(&disk);
    sinks.write(notice());
    wait_for("the first", || disk.written.lock().unwrap().len() == 1);
    disk.full.store(true, Ordering::SeqCst);
    sinks.write(notice());
    sinks.write(notice());
    wait_for("both losses", || sinks.counts().lost == 2);
    disk.full.store(false, Ordering::SeqCst);
    // No further record is necessary: the thread tries the sink again by itself.
    wait_for("the word of it", || disk.written.lock().unwrap().len() == 2);
    assert!(disk.written.lock().unwrap()[1].contains("\"notice\":\"records-lost\",\"lost\":2}"));
    sinks.write(notice());
    let stopped = sinks.stop();
    assert_eq!(stopped.counts, SinkCounts { written: 2, lost: 2 });
    assert_eq!(stopped.missing, [], "the stream tells of them");
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert_eq!(reports[1], "can write records to /disk again; 2 were lost");
}

#[test]
fn a_sink_that_sleeps_never_holds_the_daemon_and_its_losses_are_told() {
    let disk = Disk::default();
    let (sinks, reports) = with_disk(&disk);
    let sleep = disk.asleep.lock().unwrap();
    let begin = Instant::now();
    let sent = u64::try_from(WAITING_MAX).unwrap() + 100;
    for _ in 0..sent {
        sinks.write(verdict(Action::Delete, Outcome::Applied));
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
    let lost = sinks.counts().lost;
    // The writer took at most one record before the channel filled. The waiting records are also bounded in bytes.
    assert!((99..sent / 2).contains(&lost), "{lost}");
    drop(sleep);
    wait_for("the word of it", || {
        disk.written
            .lock()
            .unwrap()
            .last()
            .is_some_and(|line| line.contains(&format!("records-lost\",\"lost\":{lost}}}")))
    });
    let stopped = sinks.stop();
    assert_eq!((stopped.counts.written + stopped.counts.lost, stopped.missing), (sent, vec![]));
    let reports = reports.lock().unwrap();
    assert_eq!(*reports, [format!("{lost} records are lost: they came faster than they could be written")]);
}

#[test]
fn a_file_that_cannot_be_reopened_goes_on_and_is_told() {
    let disk = Disk::default();
    let (sinks, reports) = with_disk(&disk);
    sinks.reopen();
    sinks.write(notice());
    assert_eq!(sinks.stop().counts.written, 1);
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0].starts_with("cannot reopen /disk for records: ")
            && reports[0].ends_with("; the old file stays open")
    );
}

#[test]
fn words_for_people() {
    let tuple = Tuple {
        src: "2001:db8::1".parse().unwrap(),
        dst: "2001:db8::2".parse().unwrap(),
        protocol: Protocol::TCP,
        layer4: Layer4::Ports { src: 1, dst: 2 },
    };
    let Record::Verdict(mut record) = verdict(Action::Delete, Outcome::Gone) else { panic!() };
    record.flow = Some(FlowKey { id: FlowId(1), zone: Zone(0), original: tuple });
    record.verdict.reason = "banned".into();
    assert_eq!(
        InWords(&Record::Verdict(record)).to_string(),
        "p: delete tcp [2001:db8::1]:1 > [2001:db8::2]:2: gone [c] banned"
    );
    let icmp = Tuple { layer4: Layer4::Icmp { id: 9, kind: 8, code: 0 }, protocol: Protocol::ICMPV6, ..tuple };
    assert_eq!(TupleInWords(&icmp).to_string(), "icmpv6 2001:db8::1 > 2001:db8::2 type 8 code 0 id 9");
    let gre = Tuple { layer4: Layer4::Keys { src: 16, dst: 17 }, protocol: Protocol::GRE, ..tuple };
    assert_eq!(TupleInWords(&gre).to_string(), "gre 2001:db8::1 > 2001:db8::2 keys 0x10 0x11");
    assert_eq!(
        InWords(&Record::Notice(Timestamp(0), Box::new(Notice::ReloadFailed("why".into())))).to_string(),
        "the configuration was not reloaded, the old one stays in force: why"
    );
}

/// A verdict whose reason has this many bytes.
fn long(bytes: usize) -> Record {
    let Record::Verdict(mut record) = verdict(Action::Delete, Outcome::NotGranted) else { panic!() };
    record.verdict.reason = "x".repeat(bytes);
    Record::Verdict(record)
}

#[test]
fn what_waits_is_bounded_in_bytes_and_leaves_room_for_faults_and_turns() {
    let disk = Disk::default();
    let (sinks, _) = with_disk(&disk);
    let sleep = disk.asleep.lock().unwrap();
    for _ in 0..200 {
        sinks.write(long(1 << 20));
        assert!(sinks.0[0].waiting_bytes() <= WAITING_BYTES_MAX);
    }
    let lost = sinks.counts().lost;
    assert!(lost >= 200 - 33, "{lost} of 200 MiB");
    for _ in 0..100 {
        sinks.write(notice());
    }
    assert_eq!(sinks.counts().lost, lost, "no turn is pushed out by verdicts");
    drop(sleep);
    let stopped = sinks.stop();
    assert_eq!(stopped.counts.written + stopped.counts.lost, 300);
    let turns = disk.written.lock().unwrap().iter().filter(|line| line.contains("\"notice\":\"overrun\"")).count();
    assert_eq!(turns, 100);
}

#[test]
fn a_destination_that_sleeps_does_not_hold_another() {
    let (records, alerts) = (Disk::default(), Disk::default());
    let outlet = |what, disk: &Disk| {
        (Outlet::new(what, Destination::File(what.into()), Box::new(disk.clone())), Patience::default())
    };
    let sinks = Sinks::of(vec![outlet("records", &records), outlet("alerts", &alerts)], silent).unwrap();
    let sleep = records.asleep.lock().unwrap();
    sinks.write(alert("shown", Outcome::Applied));
    wait_for("the alert", || alerts.written.lock().unwrap().len() == 1);
    drop(sleep);
    assert_eq!(sinks.stop().counts, SinkCounts { written: 2, lost: 0 });
}

/// Creates a named pipe in its own directory.
fn pipe() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
    nix::unistd::mkfifo(&path, mode).unwrap();
    (dir, path)
}

fn read_end(path: &Path) -> File {
    File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).unwrap()
}

/// Reads the present content of the pipe.
fn rest_of(pipe: &mut File) -> String {
    let mut bytes = Vec::new();
    let outcome = pipe.read_to_end(&mut bytes);
    assert!(outcome.is_ok() || outcome.unwrap_err().kind() == io::ErrorKind::WouldBlock);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn records_wait_for_who_reads_a_pipe_and_none_is_lost() {
    let (_dir, path) = pipe();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reports);
    let sinks =
        Sinks::start(&Destination::File(path.clone()), None, move |line| told.lock().unwrap().push(line)).unwrap();
    for _ in 0..3 {
        sinks.write(notice());
    }
    wait_for("word of it", || reports.lock().unwrap().len() == 1);
    let mut reader = read_end(&path);
    wait_for("the records", || sinks.counts() == SinkCounts { written: 3, lost: 0 });
    assert_eq!(sinks.stop().missing, []);
    assert_eq!(rest_of(&mut reader).lines().count(), 3);
    let reports = reports.lock().unwrap();
    let name = format!("records to {}", path.display());
    assert_eq!(
        *reports,
        [
            format!("cannot write {name} yet: no process reads this pipe; the queue keeps them while it has room"),
            format!("can write {name} now")
        ]
    );
}

#[test]
fn a_pipe_that_nobody_ever_reads_ends_in_a_count() {
    let (_dir, path) = pipe();
    let sinks = Sinks::start(&Destination::File(path), None, |_| {}).unwrap();
    for _ in 0..3 {
        sinks.write(notice());
    }
    let stopped = sinks.stop_within(Duration::from_millis(100));
    assert_eq!(stopped.counts, SinkCounts { written: 0, lost: 3 });
    assert_eq!(stopped.missing.len(), 1);
    assert_eq!(stopped.missing[0].records, 3);
}

#[test]
fn of_a_pipe_that_is_not_read_to_the_end_it_is_known_what_was_written() {
    let (_dir, path) = pipe();
    let mut reader = read_end(&path);
    let sinks = Sinks::start(&Destination::File(path), None, |_| {}).unwrap();
    for n in 0..6_000 {
        sinks.write(alert(&format!("number {n}"), Outcome::Applied));
    }
    let stopped = sinks.stop_within(Duration::from_millis(300));
    // The writer has closed its end, so the pipe holds everything that the writer wrote.
    let text = rest_of(&mut reader);
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).count() as u64;
    assert!((1..6_000).contains(&whole), "{whole}");
    assert_eq!(stopped.counts, SinkCounts { written: whole, lost: 6_000 - whole });
    assert_eq!(stopped.missing[0].records, 6_000 - whole);
}
