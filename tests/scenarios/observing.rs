//! `ctwarden observe`: what a person sees of the decisions, as they come and afterwards.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use ctwarden_tests::{Daemon, Policy, Record, Said, Scene, Terminal, Udp, ctwarden, eventually, follows_schema};

fn marks() -> Policy {
    Policy::scripted(&["new udp 5001: mark 1/0xf", "new udp: log seen"])
}

fn flow(port: u16) {
    assert!(Udp::between("127.0.0.1", "127.0.0.2", port).works());
}

/// The records that a client of the socket gets for this request.
fn follow(scene: &Scene, request: &str) -> impl Iterator<Item = Record> {
    let mut stream = UnixStream::connect(scene.path("control.sock")).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let answer = lines.next().unwrap();
    assert!(answer.starts_with("{\"following\":{"), "{answer}");
    lines.map(|line| Record(serde_json::from_str(&line).unwrap()))
}

fn kept(daemon: &Daemon, words: &str) -> Vec<String> {
    daemon.verb(&format!("observe --no-follow {words}")).good().lines().map(str::to_owned).collect()
}

#[test]
fn what_happened_is_shown_and_filters_select() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(marks());
    for port in [5001, 5002] {
        flow(port);
    }
    daemon.wait_for("both flows", |record| record.came("log", "applied") && record.has_port(5002));
    let all = kept(&daemon, "--json");
    let of_file: Vec<Record> = daemon.records.all();
    for line in &all {
        let record = Record(serde_json::from_str(line).unwrap());
        assert!(of_file.contains(&record), "a record as in the file: {line}");
    }
    let mark = kept(&daemon, "--kind mark");
    assert!(mark.len() >= 2 && mark[0].ends_with(" (UTC)"), "{mark:?}");
    assert!(mark[1].contains("  scripted  mark     applied      udp 127.0.0.1:"), "{mark:?}");
    assert!(mark[1].contains("> 127.0.0.2:5001"), "{mark:?}");
    assert!(kept(&daemon, "--plugin nobody").is_empty());
    assert!(kept(&daemon, "--outcome refused --kind mark").is_empty());
    assert!(kept(&daemon, "--address 10.0.0.0/8").is_empty());
    assert_eq!(kept(&daemon, "--address 127.0.0.2/32 --kind mark --json").len(), 1);
    assert_eq!(kept(&daemon, "--last 1 --json").len(), 1);
    assert_eq!(kept(&daemon, "--since 1h --json").len(), all.len());
    assert!(kept(&daemon, "--since 2100-01-01").is_empty());
    let said = daemon.verb("observe --kind remove").failed();
    assert!(said.contains("\"remove\" is no kind; write one of delete,"), "{said}");
    assert!(daemon.verb("observe --address example").failed().contains("is no address and no network"));
    let _ = daemon.stop();
}

#[test]
fn its_own_output_can_be_read_again() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(marks());
    flow(5001);
    daemon.wait_for("the mark", |record| record.came("mark", "applied"));
    let json = daemon.verb("observe --no-follow --json").good();
    let text = daemon.verb("observe --no-follow").good();
    let read = |words: &[&str], input: &str| {
        let mut command = ctwarden();
        command.arg("observe").args(words);
        Said::of(command, input)
    };
    assert_eq!(read(&["-"], &json).good(), text);
    assert_eq!(read(&["-", "--json"], &json).good(), json);
    let file = scene.path("records.jsonl").display().to_string();
    assert!(read(&[&file, "--kind", "mark"], "").good().contains("mark     applied"));
    assert_eq!(read(&[&file, "--last", "1", "--json"], "").good().lines().count(), 1);
    let broken = read(&["-"], &format!("no record\n{json}"));
    assert!(!broken.is_good() && broken.out == text, "{broken:?}");
    assert!(broken.err.contains("standard input, line 1 is no record: "), "{broken:?}");
    let _ = daemon.stop();
}

#[test]
fn flows_are_told_to_those_who_ask() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::scripted(&["new tcp: log seen"]));
    let mut records = follow(&scene, r#"{"follow":{"flows":true,"addresses":["127.0.0.9"]}}"#);
    let first = std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        // The socket hears of flows within a moment.
        scope.spawn(move || {
            for port in 6_000.. {
                let _ = Udp::between("127.0.0.1", "127.0.0.9", port).works();
                let _ = Udp::between("127.0.0.1", "127.0.0.8", port).works();
                if stopped.recv_timeout(std::time::Duration::from_millis(20)).is_ok() {
                    break;
                }
            }
        });
        let first = records.next().unwrap();
        stop.send(()).unwrap();
        first
    });
    follows_schema(&first);
    assert_eq!((first.text("record"), first.text("event")), (Some("flow"), Some("new")));
    assert_eq!(first.0["flow"]["dst"], "127.0.0.9");
    ctwarden_tests::remove("-p udp -d 127.0.0.9");
    let ended = records.find(|record| record.text("event") == Some("ended")).unwrap();
    follows_schema(&ended);
    assert_eq!(ended.0["flow"]["dst"], "127.0.0.9");
    assert_eq!(daemon.status()["followers"], 1);
    drop(records);
    eventually("nobody follows", || (daemon.status()["followers"] == 0).then_some(()));
    let _ = daemon.stop();
}

#[test]
fn who_does_not_read_holds_nobody() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::scripted(&["new udp: log seen"]));
    let mut slow = UnixStream::connect(scene.path("control.sock")).unwrap();
    slow.write_all(b"{\"follow\":{\"flows\":true}}\n").unwrap();
    eventually("it follows", || (daemon.status()["followers"] == 1).then_some(()));
    let mut round = 0;
    let lost = eventually("losses are counted", || {
        Udp::flood("127.0.0.1", &format!("127.0.1.{round}"), 10_000..=10_999);
        round = (round + 1) % 200;
        daemon.status()["followers_lost"].as_u64().filter(|lost| *lost > 0)
    });
    assert!(lost > 0);
    assert_eq!(daemon.status()["records_lost"], 0, "the file has them all");
    let told = BufReader::new(slow).lines().map(Result::unwrap).find(|line| line.contains("\"records-lost\""));
    follows_schema(&Record(serde_json::from_str(&told.unwrap()).unwrap()));
    let _ = daemon.stop();
}

#[test]
fn it_ends_quietly_and_with_the_daemon() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(marks());
    let observe = |words: &str| {
        let mut command: Command = daemon.command(&format!("observe {words}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let followers = |count: u64| {
        eventually("followers", || (daemon.status()["followers"] == count).then_some(()));
    };
    // A reader that has enough.
    let mut enough = observe("--last 1");
    drop(enough.stdout.take());
    let status = eventually("it ends", || enough.try_wait().unwrap());
    assert!(status.success(), "{status}");
    followers(0);
    // The daemon ends, and its last record is seen.
    let last = observe("--json");
    followers(1);
    let _ = daemon.stop();
    let output = last.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(out.lines().last().unwrap().contains("\"stopping\""), "{out}");
    assert!(!output.status.success() && err.contains("the daemon has closed the connection"), "{err}");
}

#[test]
fn a_person_at_a_terminal_sees_aligned_lines_in_colour() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(marks());
    let mut command = daemon.command("observe --kind mark");
    command.env_remove("NO_COLOR");
    let mut terminal = Terminal::run(&command, 24, 80);
    eventually("it follows", || (daemon.status()["followers"] == 1).then_some(()));
    flow(5001);
    terminal.wait_for_text("applied");
    let screen = terminal.screen();
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    assert!(screen.contains("  scripted  mark     applied      udp 127.0.0.1:"), "{screen}");
    let green = vt100_green();
    assert!(terminal.colours("applied").unwrap().iter().all(|colour| *colour == green));
    terminal.press("\x03");
    let _ = terminal.end();

    command.env("NO_COLOR", "1").args(["--last", "1"]);
    let terminal = Terminal::run(&command, 24, 80);
    terminal.wait_for_text("applied");
    assert!(terminal.colours("applied").unwrap().iter().all(|colour| *colour != green));
    drop(terminal);
    let _ = daemon.stop();
}

/// The colour number 2 of a terminal.
const fn vt100_green() -> ctwarden_tests::Color {
    ctwarden_tests::Color::Idx(2)
}
