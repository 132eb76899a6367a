//! What a plugin can ask the host: rare attributes of a flow, the table's figures, address sets, lasting memory.
//!
//! Events deliberately carry little. A policy that needs more must get it, but only data of its own.

use ctwarden_tests::{Ftp, Policy, Scene, Tcp, Udp, eventually, insert, load, table};

/// A field of a log record.
fn field(record: &ctwarden_tests::Record, name: &str) -> String {
    record.0["fields"][name].as_str().unwrap_or_else(|| panic!("no {name} in {record:?}")).to_owned()
}

#[test]
fn helper_and_master_of_an_ftp_transfer() {
    let Some(scene) = Scene::new() else { return };
    let Some(mut ftp) = Ftp::new("127.0.0.1", "127.0.0.2") else { return };
    ftp.offer(20_021);
    let mut data = Tcp::connect("127.0.0.1", "127.0.0.2", 20_021);
    assert!(data.works());
    let mut daemon = scene.start(Policy::scripted(&[
        "row tcp 21: log helper=$helper master=$master",
        "row tcp 20021: log helper=$helper master=$master",
        "row tcp 21: remember control",
    ]));
    let records = daemon.wait_for_many("both rows", 2, |record| record.came("log", "applied"));
    let of = |port: u16| records.iter().find(|record| record.has_port(port)).unwrap();
    assert_eq!((field(of(21), "helper"), field(of(21), "master")), ("ftp".to_owned(), "none".to_owned()));
    assert_eq!(field(of(20_021), "master"), "tcp-127.0.0.1-127.0.0.2", "the data connection was expected by the other");
    let _ = daemon.stop();
}

#[test]
fn expectations_are_delivered_and_deleted() {
    let Some(scene) = Scene::new() else { return };
    let policy = Policy::new("expecting", "guest-expecting").enforce().key("allow = [\"delete\", \"log\"]");
    let mut daemon = scene.start(&policy);
    // The flow begins while the daemon listens. Older flows, and the expectations for them, have no events
    // (nf_conntrack_events=2).
    let Some(mut ftp) = Ftp::new("127.0.0.1", "127.0.0.2") else { return };
    ftp.offer(20_021);
    let seen = daemon.wait_for("the expectation", |record| record.text("code") == Some("expectation"));
    for (name, value) in [
        ("kind", "new"),
        ("helper", "ftp"),
        ("master", "127.0.0.1"),
        ("master_protocol", "tcp"),
        ("port", "20021"),
        ("protocol", "tcp"),
    ] {
        assert_eq!(field(&seen, name), value, "{seen:?}");
    }
    assert_eq!(ctwarden_tests::expectations(), 1);

    scene.configure(policy.config("delete = [\"ftp\"]"));
    assert_eq!(daemon.reload(), None);
    let ended = daemon.wait_for("the sweep finds it and it is deleted", |record| record.came("delete", "applied"));
    assert_eq!((ended.text("code"), ended.text("reason")), (Some("helper"), Some("ftp")));
    assert_eq!(ctwarden_tests::expectations(), 0);
    ftp.offer(20_022);
    daemon.wait_for_many("the next as soon as it is there", 2, |record| record.came("delete", "applied"));
    assert_eq!(ctwarden_tests::expectations(), 0);
    let _ = daemon.stop();
}

#[test]
fn labels_marks_counters_and_zones() {
    let Some(scene) = Scene::new() else { return };
    load("table inet l { chain out { type filter hook output priority -1; udp dport 5353 ct label set 9; }; }");
    assert!(Udp::between("127.0.0.1", "127.0.0.2", 5353).works());
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300 --orig-zone 7 -m 0x1234");
    insert("-p udp -s 10.0.0.1 -d 10.0.0.3 --sport 1000 --dport 54 -t 300 --reply-zone 8");
    let fields = "log labels=$labels mark=$mark zone=$zone zones=$zones bytes=$bytes helper=$helper context=$context";
    let mut daemon = scene.start(Policy::scripted(&[&format!("row udp: {fields}"), &format!("new udp: {fields}")]));
    let records = daemon.wait_for_many("three rows", 3, |record| record.came("log", "applied"));
    let of = |port: u16| records.iter().find(|record| record.has_port(port)).unwrap();
    assert_eq!(field(of(5353), "labels"), "0x200");
    assert_eq!(field(of(5353), "zones"), "none");
    assert!(field(of(5353), "bytes").parse::<u64>().is_ok_and(|bytes| bytes > 28));
    assert_eq!((field(of(53), "mark"), field(of(53), "zones")), (0x1234.to_string(), "7/0".to_owned()));
    assert_eq!(field(of(54), "zones"), "0/8");
    assert_eq!((field(of(54), "helper"), field(of(54), "context")), ("none".to_owned(), "none".to_owned()));

    assert!(Udp::between("127.0.0.1", "127.0.0.2", 5354).works());
    let thin = daemon.wait_for("the event", |record| record.came("log", "applied") && record.has_port(5354));
    assert_eq!(field(&thin, "bytes"), "none", "what an event does not carry is none, not 0");
    let said = daemon.send("scripted", "matching src 10.0.0.1: delete").good();
    assert!(said.contains("flows: 2 applied"), "{said}");
    let _ = daemon.stop();
}

#[test]
fn the_whole_entry_and_the_tables_figures() {
    let Some(scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300 -m 77");
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1001 --dport 53 -t 300");
    let daemon = scene.start(Policy::scripted(&["row udp 1000: remember flow"]));
    let said =
        eventually("the row was delivered", || Some(daemon.send("scripted", "get flow")).filter(|said| said.is_good()))
            .good();
    let entry = table().into_iter().find(|entry| entry.mark == 77).unwrap();
    assert!(said.contains(&format!("id {}", entry.id)) && said.contains("mark Some(77)"), "{said}");
    let said = daemon.send("scripted", "table").good();
    let maximum = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").unwrap();
    assert_eq!(said.trim(), format!("entries 2 maximum Some({})", maximum.trim()));
    ctwarden_tests::remove("-p udp --sport 1000");
    assert_eq!(daemon.send("scripted", "get flow").good().trim(), "gone");
    let _ = daemon.stop();
}

#[test]
fn address_sets_are_looked_up_and_followed() {
    let Some(scene) = Scene::new() else { return };
    scene.write("bad.txt", "# feed\n192.0.2.0/24 wide\n192.0.2.128/25 narrow\n2001:db8:7::/48\n");
    let config =
        "[sets.bad]\nfile = \"bad.txt\"\n[sets.office]\nentries = [\"10.0.0.0/8 home\"]\n[sets.other]\nentries = []\n";
    let policy = Policy::scripted(&["set-changed: log set=changed", "new udp: log value=$value:office"]);
    let policy = policy.key("read-sets = [\"bad\", \"office\"]").config("sets = [\"bad\"]");
    let mut daemon = scene.start(format!("{config}{policy}"));
    let look = |daemon: &ctwarden_tests::Daemon, words: &str| daemon.send("scripted", &format!("lookup {words}"));
    let said = look(&daemon, "bad 192.0.2.1 192.0.2.200 198.51.100.1 2001:db8:7::9 2001:db8:8::9").good();
    assert_eq!(said.trim(), "[Some(\"wide\"), Some(\"narrow\"), None, Some(\"\"), None]");
    assert_eq!(look(&daemon, "office 10.1.2.3 11.0.0.1").good().trim(), "[Some(\"home\"), None]");
    assert!(look(&daemon, "other 10.0.0.1").failed().contains("not granted"));

    scene.write("bad.txt", "198.51.100.0/24 fresh\n");
    daemon.wait_for("the plugin is told", |record| {
        record.came("log", "applied") && record.0["fields"]["set"] == "changed"
    });
    eventually("by its name, with what is new", || {
        daemon.err().contains("scripted: changed: bad +198.51.100.0/24\n").then_some(())
    });
    assert!(
        daemon
            .records
            .which(|record| record.is_notice("set-changed"))
            .iter()
            .all(|record| record.text("set") == Some("bad"))
    );
    assert_eq!(look(&daemon, "bad 192.0.2.1 198.51.100.1").good().trim(), "[None, Some(\"fresh\")]");

    // An error in the file keeps the former content of the set.
    scene.write("bad.txt", "198.51.100.0/24 fresh\n300.0.0.1\n");
    eventually("the mistake is named", || daemon.err().contains("bad.txt").then_some(()));
    assert!(daemon.err().contains("bad.txt:2"), "{}", daemon.err());
    assert_eq!(look(&daemon, "bad 198.51.100.1").good().trim(), "[Some(\"fresh\")]");
    let _ = daemon.stop();
}

#[test]
fn memory_outlives_the_daemon_and_is_private() {
    let Some(scene) = Scene::new() else { return };
    let policies =
        format!("{}{}", Policy::scripted(&[]).of("limits", "store-keys = 3"), Policy::new("other", "guest-scripted"));
    let daemon = scene.start(&policies);
    let send = |daemon: &ctwarden_tests::Daemon, plugin: &str, words: &str| daemon.send(plugin, words);
    for (key, value) in [("seen-a", "1"), ("seen-b", "2"), ("other", "3")] {
        assert_eq!(send(&daemon, "scripted", &format!("store {key} {value}")).good().trim(), "stored");
    }
    assert!(!send(&daemon, "scripted", "store one-more 4").is_good(), "the quota is used up");
    assert_eq!(send(&daemon, "other", "load seen-a").good().trim(), "nothing");
    assert!(send(&daemon, "other", "store seen-a mine").is_good());
    let _ = daemon.stop();

    let daemon = scene.start_again();
    assert_eq!(send(&daemon, "scripted", "load seen-a").good().trim(), "1");
    assert_eq!(send(&daemon, "other", "load seen-a").good().trim(), "mine");
    assert_eq!(send(&daemon, "scripted", "keys seen-").good().trim(), "seen-a seen-b");
    assert!(send(&daemon, "scripted", "forget seen-a").is_good());
    assert_eq!(send(&daemon, "scripted", "keys").good().trim(), "other seen-b");
    let _ = daemon.stop();
}
