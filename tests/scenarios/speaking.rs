//! A standard error or output without a reader: nothing waits for it, and nothing ends because of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use ctwarden_tests::{Daemon, Policy, Said, Scene, conntrack, conntrack_verb, ctwarden, eventually, insert, table};

/// A plugin that writes a hundred lines at each tick.
fn talker() -> Policy {
    Policy::new("talker", "guest-flood").config("how = \"print\"")
}

fn policies() -> String {
    format!("{}{}", talker(), Policy::scripted_with(&["delete"], &[]))
}

/// Checks that the daemon acts, answers and reloads although its log lines are lost.
fn goes_on(daemon: &mut Daemon) {
    for number in 1..=20 {
        assert!(daemon.send("scripted", &format!("matching either 192.0.2.{number}: delete")).is_good());
        assert_eq!(daemon.reload(), None);
    }
    eventually("lines are lost, and counted", || (daemon.status()["log_lines_lost"].as_u64() > Some(0)).then_some(()));
    assert!(daemon.verb("status").good().contains("could not be written to standard error"));
}

#[test]
fn nobody_waits_for_who_does_not_read_standard_error() {
    let Some(scene) = Scene::new() else { return };
    let (mut from, to) = io::pipe().unwrap();
    let mut daemon = scene.start_saying(policies(), OwnedFd::from(to));
    goes_on(&mut daemon);
    let ended = daemon.stop();
    assert!(ended.status.success());
    // The lines written so far are whole, except for the one that was being written.
    let mut said = Vec::new();
    from.read_to_end(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said);
    assert!(said.lines().next().unwrap().starts_with("ctwarden: "), "{said}");
}

#[test]
fn a_standard_error_that_is_closed_ends_nothing() {
    let Some(scene) = Scene::new() else { return };
    let (from, to) = io::pipe().unwrap();
    let mut daemon = scene.start_saying(policies(), OwnedFd::from(to));
    drop(from);
    goes_on(&mut daemon);
    let _ = daemon.stop();
}

#[test]
fn a_standard_error_that_takes_nothing_ends_nothing() {
    let Some(scene) = Scene::new() else { return };
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut daemon = scene.start_saying(policies(), full);
    goes_on(&mut daemon);
    let _ = daemon.stop();
}

#[test]
fn a_command_that_has_done_its_work_says_so_though_nobody_reads_standard_error() {
    let Some(_scene) = Scene::new() else { return };
    for program in [conntrack, conntrack_verb] {
        insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2 -t 600");
        let (from, to) = io::pipe().unwrap();
        drop(from);
        let mut command = program(&["-D", "-p", "udp"]);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(OwnedFd::from(to)).status().unwrap();
        assert_eq!(status.code(), Some(0), "{status}");
        assert_eq!(table().len(), 0);
    }
}

/// Runs the command with a standard output that nobody reads.
fn into_closed_pipe(mut command: Command) -> Said {
    let line = format!("{command:?}");
    let (from, to) = io::pipe().unwrap();
    drop(from);
    let child = command.stdin(Stdio::null()).stdout(OwnedFd::from(to)).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Said { command: line, status: output.status, out: String::new(), err }
}

#[test]
fn a_verb_whose_output_nobody_reads_ends_quietly_with_its_own_status() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::scripted_with(&["delete"], &[]));
    let table = scene.write(
        "table",
        "udp 17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1\n",
    );
    let (control, configuration) = (scene.control(), scene.configuration());
    let (control, configuration, table) =
        (control.to_str().unwrap(), configuration.to_str().unwrap(), table.to_str().unwrap());
    for words in [
        &["status", "--socket", control][..],
        &["status", "--json", "--socket", control],
        &["send", "--socket", control, "scripted", "matching either 192.0.2.1: delete"],
        &["send", "--socket", control, "scripted", "no such words"],
        &["check", "--config", configuration],
        &["check", "--json", "--config", configuration],
        &["check", "--config", "/nowhere/ctwarden.toml"],
        &["explain", "labels = [5]"],
        &["try", "--config", configuration, table],
        &["doctor"],
        &["doctor", "--json"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let with = |command: &mut Command| {
            command.args(words);
        };
        let (mut open, mut closed) = (ctwarden(), ctwarden());
        with(&mut open);
        with(&mut closed);
        let open = Said::of(open, "");
        let closed = into_closed_pipe(closed);
        assert_eq!(closed.status.code(), open.status.code(), "{words:?}: {}", closed.err);
        assert_eq!(closed.err, open.err, "{words:?}");
    }
    let _ = daemon.stop();
}
