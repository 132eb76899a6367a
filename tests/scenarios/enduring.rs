//! A daemon that runs unattended for months: no outside influence ends it, and it costs nothing while idle.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};

use ctwarden_tests::{Policy, Scene, Tcp, Udp, elements, eventually, insert, load, table};

#[test]
fn who_was_killed_leaves_nothing_in_the_way() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::scripted(&["row udp: mark 1/1"]));
    assert!(daemon.send("scripted", "store word kept").is_good());
    // The daemon writes the stored data of plugins once a second, in the background.
    let stored = SystemTime::now();
    let written = || {
        std::fs::read_dir(scene.path("state"))
            .ok()?
            .find_map(|file| file.ok()?.metadata().ok()?.modified().ok().filter(|at| *at > stored))
    };
    eventually("it is on the disk", written);
    daemon.kill();
    assert!(scene.control().exists(), "it had no chance to remove it");
    assert!(scene.verb("status").failed().contains("ctwarden run"));
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300");
    let mut daemon = scene.start_again();
    daemon.wait_for("the sweep at the start", |record| record.came("mark", "applied"));
    assert_eq!(daemon.send("scripted", "load word").good().trim(), "kept");
    let _ = daemon.stop();
}

#[test]
fn an_interrupt_ends_it_in_order_too() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::scripted(&[]));
    daemon.interrupt();
    let ended = daemon.wait_for_end();
    assert!(ended.status.success(), "{}", ended.err);
    assert!(ended.records.iter().any(|record| record.is_notice("stopping")));
}

#[test]
fn records_that_cannot_be_written_are_counted_and_stop_nothing() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(Policy::scripted(&["new udp: mark 1/1; log a=b"]));
    let text = std::fs::read_to_string(scene.configuration()).unwrap();
    let records = format!("records = \"{}\"", scene.path("records.jsonl").display());
    // Every write to this file fails with ENOSPC, as on a full disk (full(4)).
    scene.write("ctwarden.toml", text.replace(&records, "records = \"/dev/full\""));
    let daemon = scene.start_again();
    for port in 5001..5011 {
        assert!(Udp::between("127.0.0.1", "127.0.0.2", port).works());
    }
    eventually("flows are marked all the same", || table().iter().all(|entry| entry.mark == 1).then_some(()));
    eventually("the loss is counted", || (daemon.status()["records_lost"].as_u64() >= Some(1)).then_some(()));
    daemon.wait_for_err(&["/dev/full"]);
    daemon.ask_to_stop();
    let _ = daemon.wait_for_end();
}

#[test]
fn nonsense_at_the_control_socket_harms_nobody() {
    let Some(scene) = Scene::new() else { return };
    let daemon = scene.start(Policy::scripted(&[]));
    let dial = || UnixStream::connect(scene.control()).unwrap();
    let ask = |line: &[u8]| -> String {
        let mut stream = dial();
        stream.write_all(line).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    };
    for line in [
        &b"\n"[..],
        b"{}\n",
        b"\"reboot\"\n",
        b"{\"send\":{}}\n",
        b"\xff\xfe\n",
        b"[[[[[[[[[[[[[[[[\n",
        b"GET / HTTP/1.1\n",
    ] {
        let answer = ask(line);
        assert!(answer.starts_with("{\"error\":"), "{line:?}: {answer}");
    }
    // Ten connections send nothing, ten start a request and hang up, and one never ends its line.
    let silent: Vec<_> = (0..10).map(|_| dial()).collect();
    for _ in 0..10 {
        dial().write_all(b"{\"send\":").unwrap();
    }
    let mut long = dial();
    let mut answer = String::new();
    let part = vec![b'x'; 1 << 16];
    while long.write_all(&part).is_ok() {
        long.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let _ = (&long).read_to_string(&mut answer);
        if !answer.is_empty() {
            break;
        }
    }
    assert!(answer.is_empty() || answer.contains("error"), "{answer}");
    assert!(daemon.verb("status").is_good());
    drop(silent);
    let _ = daemon.stop();
}

#[test]
fn a_block_set_that_vanishes_is_told_and_comes_back() {
    let Some(scene) = Scene::new() else { return };
    let set = "table inet ward { set bad { type ipv4_addr; flags interval, timeout; }; }";
    load(set);
    let policy = Policy::scripted_with(&["block"], &[]).key("block-sets = [\"bad\"]");
    let daemon = scene.start(format!("[block.bad]\ntable = \"inet ward\"\nipv4 = \"bad\"\nipv6 = false\n{policy}"));
    load("delete table inet ward");
    let said = daemon.send("scripted", "none: block bad 192.0.2.1 60").short();
    assert!(said.contains("block: 1 refused"), "{said}");
    load(set);
    let said = daemon.send("scripted", "none: block bad 192.0.2.1 60").good();
    assert!(said.contains("block: 1 applied"), "{said}");
    assert_eq!(elements("inet ward bad").len(), 1);
    let _ = daemon.stop();
}

#[test]
fn an_idle_daemon_sleeps() {
    let Some(scene) = Scene::new() else { return };
    let mut connection = Tcp::connect("127.0.0.1", "127.0.0.2", 8080);
    assert!(connection.works());
    let mut daemon = scene.start(format!(
        "{}{}",
        Policy::scripted(&["row tcp: mark 1/1"]).config("tick-every = 100"),
        Policy::new("ban", "ban-follower")
    ));
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    let before = daemon.processor_time();
    std::thread::sleep(Duration::from_secs(1));
    let used = daemon.processor_time() - before;
    assert!(used <= 10, "{used} hundredths of a second in one second of nothing to do");
    let _ = daemon.stop();
}
