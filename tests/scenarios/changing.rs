//! The verdicts that change a flow: `mark`, `labels`, `timeout`, `protect`.
//!
//! Other programs use the same fields, so all other bits and fields must stay unchanged.

use ctwarden_tests::{Policy, Scene, Udp, counter, insert, insert_all, load, table};

const DNS: &str = "-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300";

fn mark() -> u32 {
    table()[0].mark
}

#[test]
fn a_mark_changes_under_its_mask() {
    let Some(scene) = Scene::new() else { return };
    insert(&format!("{DNS} -m 0xab0f"));
    let mut daemon = scene.start(Policy::scripted(&["row udp 53: mark 0x50/0xff; remember dns"]));
    let record = daemon.wait_for("the mark", |record| record.came("mark", "applied"));
    assert_eq!((record.number(&["mark", "value"]), record.number(&["mark", "mask"])), (Some(0x50), Some(0xff)));
    assert_eq!(mark(), 0xab50, "bits outside the mask are somebody else's");
    assert!(daemon.send("scripted", "key dns: mark 0/0xff").good().contains("mark: 1 applied"));
    assert_eq!(mark(), 0xab00, "0 is a mark like any other");
    assert!(daemon.send("scripted", "matching dport 53: mark 0xffffffff/0xffffffff").good().contains("1 applied"));
    assert_eq!(mark(), 0xffff_ffff);
    let _ = daemon.stop();
}

#[test]
fn new_flows_are_marked_in_both_families() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(Policy::scripted(&["new udp 5353: mark 0x7/0xf"]));
    for (from, to) in [("127.0.0.1", "127.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
        assert!(Udp::between(from, to, 5353).works());
    }
    daemon.wait_for_many("two marks", 2, |record| record.came("mark", "applied"));
    assert_eq!(table().iter().map(|entry| entry.mark).collect::<Vec<_>>(), [7, 7]);
    let _ = daemon.stop();
}

#[test]
fn what_several_verdicts_want_of_one_flow_is_one_change() {
    let Some(scene) = Scene::new() else { return };
    insert(&format!("{DNS} -m 0x1000"));
    let rules = ["row udp 53: mark 0x1/0xf; mark 0x20/0xf0; mark 0x2/0xf; timeout 4000"];
    let mut daemon = scene.start(Policy::scripted(&rules));
    daemon.wait_for_many("four verdicts", 4, ctwarden_tests::Record::is_verdict);
    let entry = table().remove(0);
    assert_eq!(entry.mark, 0x1022);
    assert!((3900..=4000).contains(&entry.timeout), "{}", entry.line);
    let records = daemon.stop().records;
    let outcomes: Vec<_> = records.iter().filter(|r| r.is_verdict()).filter_map(|r| r.text("outcome")).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "applied").count(), 3, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "superseded").count(), 1, "{outcomes:?}");
}

#[test]
fn labels_are_set_and_cleared() {
    let Some(scene) = Scene::new() else { return };
    load(
        "table inet l { counter five { }; counter hundred { }; chain out { type filter hook output priority 1;
        ct label 5 counter name five; ct label 100 counter name hundred; }; }",
    );
    let udp = Udp::between("127.0.0.1", "127.0.0.2", 5353);
    assert!(udp.works());
    let seen = || (counter("inet l five"), counter("inet l hundred"));
    assert_eq!(seen(), (0, 0));
    let mut daemon = scene.start(Policy::scripted(&["row udp 5353: labels +5 +100; remember flow"]));
    daemon.wait_for("the labels", |record| record.came("labels", "applied"));
    assert!(udp.works());
    assert_eq!(seen(), (2, 2), "a packet each way met the rules");
    assert!(daemon.send("scripted", "key flow: labels -5 +7").good().contains("labels: 1 applied"));
    assert!(udp.works());
    assert_eq!(seen(), (2, 4), "one bit is cleared, the other is as it was");
    assert!(daemon.send("scripted", "matching label 100 label 7: mark 9/0xff").good().contains("mark: 1 applied"));
    assert_eq!(mark(), 9);
    let _ = daemon.stop();
}

#[test]
fn labels_without_a_rule_that_uses_them_are_refused_by_the_kernel() {
    let Some(scene) = Scene::new() else { return };
    insert(DNS);
    let mut daemon = scene.start(Policy::scripted(&["row udp 53: labels +5"]));
    let record = daemon.wait_for("the refusal", |record| record.came("labels", "refused"));
    // ENOSPC: nf_connlabels_replace finds no room for labels in an entry that was created without them.
    assert_eq!(record.number(&["errno"]), Some(28), "{record:?}");
    assert!(record.text("refusal").is_some_and(|why| why.contains("28")), "{record:?}");
    let _ = daemon.stop();
}

#[test]
fn a_timeout_is_set_from_now() {
    let Some(scene) = Scene::new() else { return };
    insert(DNS);
    let daemon = scene.start(Policy::scripted(&[]));
    assert!(daemon.send("scripted", "matching dport 53: timeout 3000").good().contains("timeout: 1 applied"));
    let timeout = table()[0].timeout;
    assert!((2900..=3000).contains(&timeout), "{timeout}");
    assert!(daemon.send("scripted", "matching dport 53: timeout 20").good().contains("timeout: 1 applied"));
    assert!(table()[0].timeout <= 20);
    let _ = daemon.stop();
}

#[test]
fn what_a_plugin_protects_no_other_touches() {
    let Some(scene) = Scene::new() else { return };
    insert(DNS);
    insert_all((1..=3).map(|n| format!("-p udp -s 10.0.1.{n} -d 10.0.0.2 --sport 1000 --dport 53 -t 300")));
    let guard = Policy::new("guard", "guest-scripted").enforce().key("allow = [\"protect\"]").needs(&["protect"]);
    let daemon = scene.start(format!("{guard}{}", Policy::scripted(&[])));
    assert!(daemon.send("guard", "matching src 10.0.0.1: protect 600").good().contains("protect: 1 applied"));
    let said = daemon.send("scripted", "matching dport 53: delete").short();
    assert!(said.contains("3 applied") && said.contains("1 protected"), "{said}");
    assert_eq!(table().len(), 1);
    let said = daemon.send("scripted", "matching dport 53: mark 1/1").short();
    assert!(said.contains("1 protected"), "{said}");
    assert_eq!(mark(), 0);
    let _ = daemon.stop();
}
