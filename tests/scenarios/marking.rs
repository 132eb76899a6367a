//! The bundled policy `mark-by-service`: marks and labels by protocol, port and prefix.
//!
//! Rules mark packets as they arrive. Flows that are older than a rule keep their old mark unless a policy changes it.

use ctwarden_tests::{Policy, Record, Scene, Udp, eventually, insert, insert_all, load, stays, table};

const RULES: &str = r#"
sweep-seconds = 1
[[plugin.config.rules]]
name = "office-dns"
protocols = ["udp", "tcp"]
ports = [53]
from = ["10.0.7.0/24", "2001:db8:7::/48"]
mark = "0x30/0xff"
[[plugin.config.rules]]
name = "dns"
protocols = ["udp"]
ports = [53, "5300-5399"]
mark = "0x20/0xff"
[[plugin.config.rules]]
name = "lab"
to = ["192.0.2.0/24"]
mark = "0x40/0xf0"
"#;

fn marker(config: &str) -> Policy {
    Policy::new("marker", "mark-by-service").enforce().key("allow = [\"mark\"]\nmark-mask = 0xff").config(config)
}

#[test]
fn flows_that_are_there_get_their_mark_and_keep_the_other_bits() {
    let Some(scene) = Scene::new() else { return };
    for (port, options) in [
        (1001, "-p udp -s 10.0.7.1 -d 10.1.0.1 --dport 53"),
        (1002, "-p udp -s 10.0.8.1 -d 10.1.0.1 --dport 53"),
        (1003, "-p udp -s 2001:db8:7::1 -d 2001:db8:8::1 --dport 53"),
        (1004, "-p tcp -s 10.0.8.1 -d 10.1.0.1 --dport 53 --state ESTABLISHED -u SEEN_REPLY,ASSURED"),
        (1005, "-p udp -s 10.0.8.1 -d 192.0.2.9 --dport 5399"),
        (1006, "-p tcp -s 10.0.8.1 -d 192.0.2.9 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED"),
    ] {
        insert(&format!("{options} --sport {port} -t 300 -m 0xab0f"));
    }
    let mut daemon = scene.start(marker(RULES));
    daemon.wait_for_many("five marks", 5, |record| record.came("mark", "applied"));
    let mark = |port: u16| table().into_iter().find(|entry| entry.has_port(port)).unwrap().mark;
    assert_eq!((mark(1001), mark(1002), mark(1003)), (0xab30, 0xab20, 0xab30), "the first rule that holds decides");
    assert_eq!(mark(1004), 0xab0f, "nothing holds of it");
    assert_eq!((mark(1005), mark(1006)), (0xab20, 0xab4f), "only the bits of the rule's mask change");
    let record = daemon.wait_for("why", |record| record.is_verdict() && record.has_port(1001));
    assert_eq!(record.text("code"), Some("office-dns"));
    let _ = daemon.stop();
}

#[test]
fn new_flows_are_marked_once_and_put_right_when_others_change_them() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(marker(RULES));
    let pairs = [Udp::between("127.0.0.1", "127.0.0.2", 5353), Udp::between("2001:db8::1", "2001:db8::2", 5353)];
    assert!(pairs.iter().all(Udp::works));
    daemon.wait_for_many("two marks", 2, |record| record.came("mark", "applied"));
    assert_eq!(table().iter().map(|entry| entry.mark).collect::<Vec<_>>(), [0x20, 0x20]);
    // The policy's own change comes back as an event, and a sweep every second delivers the entries again. Neither is a
    // reason for another mark.
    let swept = daemon.records.which(|record| record.is_notice("swept")).len();
    daemon.wait_for_many("another sweep", swept + 2, |record| record.is_notice("swept"));
    assert!(pairs.iter().all(Udp::works));
    assert_eq!(daemon.records.which(Record::is_verdict).len(), 2);

    ctwarden_tests::update("-p udp --dport 5353 -s 127.0.0.1 -m 0x7700");
    eventually("it is put right by a sweep", || table().iter().any(|entry| entry.mark == 0x7720).then_some(()));
    let _ = daemon.stop();
}

#[test]
fn thousands_of_flows_are_marked_without_looping() {
    let Some(scene) = Scene::new() else { return };
    let config = "[[plugin.config.rules]]\nname = \"all\"\nprotocols = [\"udp\"]\nmark = \"0x1/0x1\"\n";
    let mut daemon = scene.start(marker(config));
    insert_all(
        (0..2_000)
            .map(|n| format!("-p udp -s 10.{}.{}.1 -d 10.9.9.9 --sport 1000 --dport 53 -t 300", n / 250, n % 250)),
    );
    daemon.wait_for_many("all of them", 2_000, |record| record.came("mark", "applied"));
    assert!(table().iter().all(|entry| entry.mark == 1));
    stays("no verdict follows from a verdict", || daemon.records.which(Record::is_verdict).len() == 2_000);
    let _ = daemon.stop();
}

#[test]
fn labels_and_a_default() {
    let Some(scene) = Scene::new() else { return };
    load(
        "table inet l { counter nine { }; chain out { type filter hook output priority 1; ct label 9 counter name nine; }; }",
    );
    let config = "[plugin.config.default]\nmark = \"0x80/0x80\"\n[[plugin.config.rules]]\nname = \"dns\"\nports = [5353]\nlabels = [9]\n";
    let policy = Policy::new("marker", "mark-by-service")
        .enforce()
        .key("allow = [\"mark\", \"labels\"]\nmark-mask = 0xff\nlabel-bits = [9]");
    let mut daemon = scene.start(policy.config(config));
    let (dns, other) = (Udp::between("127.0.0.1", "127.0.0.2", 5353), Udp::between("127.0.0.1", "127.0.0.2", 5354));
    assert!(dns.works() && other.works());
    daemon.wait_for("the label", |record| record.came("labels", "applied") && record.has_port(5353));
    let record = daemon.wait_for("the default", |record| record.came("mark", "applied"));
    assert!(record.has_port(5354) && record.text("code") == Some("default"), "{record:?}");
    let before = ctwarden_tests::counter("inet l nine");
    assert!(dns.works());
    assert_eq!(ctwarden_tests::counter("inet l nine"), before + 2);
    let _ = daemon.stop();
}
