//! The destination of records: a pipe without a reader, a pipe that is not read to the end, and a rotation with a
//! broken configuration.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ctwarden_tests::{Daemon, Policy, Scene, Udp, eventually};

/// Makes a named pipe and a configuration that sends the records to it.
fn with_pipe(scene: &Scene) -> PathBuf {
    let pipe = scene.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).unwrap();
    let file = scene.configure(Policy::scripted(&["new udp: log seen"]));
    let text = fs::read_to_string(&file).unwrap();
    scene.write("ctwarden.toml", text.replace("/records.jsonl\"", "/pipe\""));
    pipe
}

fn reader(pipe: &Path) -> File {
    File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(pipe).unwrap()
}

fn rest_of(pipe: &mut File) -> String {
    let mut bytes = Vec::new();
    let outcome = pipe.read_to_end(&mut bytes);
    assert!(outcome.is_ok() || outcome.unwrap_err().kind() == ErrorKind::WouldBlock);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn flood(daemon: &Daemon, flows: u64) {
    let mut seen = 0;
    for round in 0..20 {
        Udp::flood("127.0.0.1", &format!("127.0.1.{round}"), 10_000..=10_499);
        seen = daemon.plugin_status("scripted")["verdicts"]["log"]["applied"].as_u64().unwrap_or(0);
        if seen >= flows {
            return;
        }
    }
    eventually("the verdicts", || {
        seen = daemon.plugin_status("scripted")["verdicts"]["log"]["applied"].as_u64().unwrap_or(0);
        (seen >= flows).then_some(())
    });
}

#[test]
fn the_daemon_does_not_wait_for_who_reads_its_records() {
    let Some(scene) = Scene::new() else { return };
    let pipe = with_pipe(&scene);
    let daemon = scene.start_again();
    assert!(daemon.send("scripted", "matching either 192.0.2.1: delete").is_good());
    eventually("word of it", || daemon.err().contains("no process reads this pipe").then_some(()));
    let mut reader = reader(&pipe);
    eventually("nothing waits any more", || (daemon.status()["records"].as_u64() >= Some(2)).then_some(()));
    assert_eq!(daemon.status()["records_lost"], 0);
    daemon.ask_to_stop();
    let ended = daemon.wait_for_end();
    assert!(ended.status.success(), "{}", ended.err);
    let text = rest_of(&mut reader);
    assert!(text.lines().next().unwrap().contains("\"started\""), "{text}");
    assert!(text.ends_with('\n') && text.contains("\"stopping\""), "{text}");
}

#[test]
fn records_that_nobody_ever_reads_are_counted_and_fail_the_exit_status() {
    let Some(scene) = Scene::new() else { return };
    let _pipe = with_pipe(&scene);
    let daemon = scene.start_again();
    flood(&daemon, 100);
    daemon.ask_to_stop();
    let ended = daemon.wait_for_end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
    let told = ended.err.lines().last().unwrap();
    assert!(
        told.contains("could not write records to") && told.contains("/pipe: ") && told.contains(" are lost"),
        "{told}"
    );
    assert!(count_in(told) >= 102, "{told}");
}

/// The number before "are lost".
fn count_in(line: &str) -> u64 {
    line.split(" are lost").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn what_a_stalled_reader_did_not_take_is_told_at_the_end() {
    let Some(scene) = Scene::new() else { return };
    let pipe = with_pipe(&scene);
    let mut reader = reader(&pipe);
    let daemon = scene.start_again();
    flood(&daemon, 2_000);
    let verdicts = daemon.plugin_status("scripted")["verdicts"]["log"]["applied"].as_u64().unwrap();
    daemon.ask_to_stop();
    let ended = daemon.wait_for_end();
    let text = rest_of(&mut reader);
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).count() as u64;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
    let lost = count_in(ended.err.lines().last().unwrap());
    assert!(whole > 0 && lost > 0, "{whole} {lost}");
    // The verdicts, and at least the notices of the start and the end.
    assert!(whole + lost >= verdicts + 2, "{whole} written, {lost} lost of {verdicts} verdicts");
}

#[test]
fn a_rotation_does_not_depend_on_the_configuration() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(Policy::scripted(&["new udp: log seen"]));
    scene.configure("[[plugin]]\nname = \"broken\"\n");
    fs::rename(scene.path("records.jsonl"), scene.path("records.jsonl.1")).unwrap();
    let why = daemon.reload().expect("it is not taken");
    assert!(why.contains("broken"), "{why}");
    assert!(Udp::between("127.0.0.1", "127.0.0.2", 5001).works());
    daemon.wait_for("a record in the new file", |record| record.came("log", "applied") && record.has_port(5001));
    let old = fs::read_to_string(scene.path("records.jsonl.1")).unwrap();
    assert!(old.contains("\"started\"") && !old.contains("reload-failed"), "{old}");
    let _ = daemon.stop();
}
