//! Flows that a policy names by a key: by the reply tuple, with a wrong id, and after their end.
//!
//! The kernel finds an entry by either tuple. It compares the id only in a delete, and may give the same id to the next
//! entry of the tuple. These scenarios check what the daemon promises beyond that.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use ctwarden_tests::{Entry, Policy, Record, Scene, Tcp, eventually, insert, insert_all, load, ping, remove, table};

/// Entries to 198.51.100.7 or 2001:db8:7::7, one of each kind that has its own form of key. Each has a source of its
/// own.
const KINDS: [(&str, &str); 12] = [
    ("10.0.0.1", "-p tcp -d 198.51.100.7 --sport 1000 --dport 22 --state ESTABLISHED -u SEEN_REPLY,ASSURED"),
    ("10.0.0.2", "-p udp -d 198.51.100.7 --sport 1000 --dport 53"),
    ("10.0.0.3", "-p icmp -d 198.51.100.7 --icmp-type 8 --icmp-code 0 --icmp-id 77"),
    ("10.0.0.4", "-p gre -d 198.51.100.7 --srckey 1 --dstkey 2"),
    ("10.0.0.5", "-p udp -d 198.51.100.7 --sport 1000 --dport 53 -w 5"),
    ("10.0.0.6", "-p udp -d 198.51.100.7 --sport 1000 --dport 53 --orig-zone 5"),
    ("10.0.0.7", "-p udp -d 198.51.100.7 --sport 1000 --dport 53 --reply-zone 5"),
    ("10.0.0.8", "-p udp -d 198.51.100.7 --sport 1000 --dport 53 --dst-nat 10.9.9.9"),
    ("10.0.0.9", "-p udp -d 198.51.100.7 --sport 1000 --dport 53 --src-nat 10.9.9.8"),
    ("2001:db8::a", "-p udp -d 2001:db8:7::7 --sport 1000 --dport 53"),
    ("2001:db8::b", "-p icmpv6 -d 2001:db8:7::7 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77"),
    ("2001:db8::c", "-p tcp -d 2001:db8:7::7 --sport 1000 --dport 22 --state ESTABLISHED -u SEEN_REPLY,ASSURED -w 6"),
];

fn insert_kinds() {
    insert_all(KINDS.iter().map(|(src, rest)| format!("-s {src} -t 900 {rest}")));
}

const REMEMBER: &str = "row: remember $src; log seen=yes";

fn entry_from(src: &str) -> Option<Entry> {
    table().into_iter().find(|entry| entry.original.src == src.parse::<std::net::IpAddr>().unwrap())
}

#[test]
fn the_reply_tuple_is_no_way_around_a_protection() {
    let Some(scene) = Scene::new() else { return };
    insert_kinds();
    let protect = "[[protect]]\noriginal-dst = [\"198.51.100.0/24\", \"2001:db8:7::/48\"]\n";
    let mut daemon = scene.start(format!("{protect}{}", Policy::scripted(&[REMEMBER])));
    daemon.wait_for_many("the rows", KINDS.len(), |record| record.came("log", "applied"));
    for (src, _) in KINDS {
        for by in ["key", "reply"] {
            let said = daemon.send("scripted", &format!("{by} {src}: delete; mark 1/1; timeout 0; timeout 9"));
            let said = said.short();
            for kind in ["delete: 1 protected", "mark: 1 protected", "timeout: 2 protected"] {
                assert!(said.contains(kind), "{by} {src}: {said}");
            }
        }
    }
    let left = table();
    assert_eq!(left.len(), KINDS.len());
    assert!(left.iter().all(|entry| entry.mark == 0 && entry.timeout > 600), "{left:?}");
    let _ = daemon.stop();
}

#[test]
fn the_protection_of_another_policy_holds_by_either_tuple() {
    let Some(scene) = Scene::new() else { return };
    insert_kinds();
    let guardian = Policy::new("guardian", "guest-scripted")
        .enforce()
        .key("allow = [\"protect\", \"log\"]")
        .needs(&["protect", "log"])
        .config(&format!("rules = [{REMEMBER:?}]"));
    let mut daemon = scene.start(format!("{}{guardian}", Policy::scripted(&[REMEMBER])));
    daemon.wait_for_many("the rows", 2 * KINDS.len(), |record| record.came("log", "applied"));
    for (place, (src, _)) in KINDS.iter().enumerate() {
        let (by, against) = if place % 2 == 0 { ("key", "reply") } else { ("reply", "key") };
        let said = daemon.send("guardian", &format!("{by} {src}: protect 600")).good();
        assert!(said.contains("protect: 1 applied"), "{src}: {said}");
        for by in [against, by] {
            let said = daemon.send("scripted", &format!("{by} {src}: delete; mark 1/1; timeout 0")).short();
            for kind in ["delete: 1 protected", "mark: 1 protected", "timeout: 1 protected"] {
                assert!(said.contains(kind), "{by} {src}: {said}");
            }
        }
    }
    assert_eq!(table().iter().filter(|entry| entry.mark == 0).count(), KINDS.len());
    let _ = daemon.stop();
}

#[test]
fn a_flow_is_found_by_its_reply_tuple_and_recorded_by_its_own() {
    let Some(scene) = Scene::new() else { return };
    insert_kinds();
    let mut daemon = scene.start(Policy::scripted(&[REMEMBER]));
    daemon.wait_for_many("the rows", KINDS.len(), |record| record.came("log", "applied"));
    for (src, _) in KINDS {
        let said = daemon.send("scripted", &format!("reply {src}: mark 0x7/0xff")).good();
        assert!(said.contains("mark: 1 applied"), "{src}: {said}");
        assert_eq!(entry_from(src).map(|entry| entry.mark), Some(7), "{src}");
        let said = daemon.send("scripted", &format!("reply {src}: timeout 0")).good();
        assert!(said.contains("timeout: 1 applied"), "{src}: {said}");
        assert_eq!(entry_from(src), None);
    }
    let records = daemon.stop().records;
    for action in ["mark", "timeout"] {
        let done: Vec<_> = records.iter().filter(|record| record.came(action, "applied")).collect();
        let mut sources: Vec<_> = done.iter().map(|record| record.0["flow"]["src"].as_str().unwrap()).collect();
        let mut expected = KINDS.map(|(src, _)| src);
        sources.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sources, expected, "{action}");
    }
}

#[test]
fn an_entry_of_the_batch_is_protected_by_either_tuple() {
    let Some(scene) = Scene::new() else { return };
    let protect = "[[protect]]\noriginal-dst = [\"127.0.0.2\", \"2001:db8::2\"]\ndst-ports = [8080]\n\
                   [[protect]]\noriginal-dst = [\"127.0.0.2\", \"2001:db8::2\"]\nprotocols = [\"icmp\", \"icmpv6\"]\n";
    let rules = ["new: by-reply delete; by-reply mark 1/1", "update: by-reply timeout 0"];
    let mut daemon = scene.start(format!("{protect}{}", Policy::scripted(&rules)));
    for (from, to) in [("127.0.0.1", "127.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
        let mut tcp = Tcp::connect(from, to, 8080);
        assert!(tcp.works() && ping(from, to, 7));
        drop(tcp);
    }
    daemon.wait_for_many("the deletes", 4, |record| record.came("delete", "protected"));
    let records = daemon.stop().records;
    let verdicts: Vec<_> = records.iter().filter(|record| record.is_verdict()).collect();
    assert!(verdicts.iter().all(|record| record.text("outcome") != Some("applied")), "{verdicts:?}");
}

#[test]
fn a_key_with_another_id_changes_nothing() {
    let Some(scene) = Scene::new() else { return };
    insert_kinds();
    let before = table();
    let mut daemon = scene.start(Policy::scripted(&[REMEMBER]));
    daemon.wait_for_many("the rows", KINDS.len(), |record| record.came("log", "applied"));
    for (src, _) in KINDS {
        let said =
            daemon.send("scripted", &format!("forged {src}: mark 0x7/0xff; timeout 9; timeout 0; delete; protect 60"));
        let said = said.short();
        for kind in ["mark: 1 replaced", "timeout: 2 replaced", "delete: 1 replaced", "protect: 1 replaced"] {
            assert!(said.contains(kind), "{src}: {said}");
        }
    }
    let after = table();
    assert_eq!(after.len(), before.len());
    assert!(after.iter().all(|entry| entry.mark == 0 && entry.timeout > 600), "{after:?}");
    let _ = daemon.stop();
}

#[test]
fn a_change_by_address_does_not_hit_the_next_flow_of_the_tuple() {
    let Some(scene) = Scene::new() else { return };
    let tuple = "-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300";
    // An entry that is created without events begins and ends without one, so the replica still has it after its end.
    let silently = |act: &dyn Fn()| {
        scene.set("netfilter/nf_conntrack_events", 0);
        act();
        scene.set("netfilter/nf_conntrack_events", 1);
    };
    silently(&|| insert(tuple));
    let first = table()[0].id;
    scene.configure_daemon("replica = \"on\"\n", Policy::scripted(&[]));
    let daemon = scene.start_again();
    eventually("the replica knows the flow", || {
        let replica = &daemon.status()["replica"];
        (replica["flows"] == 1 && replica["complete"] == true).then_some(())
    });
    let next = || table().into_iter().find(|entry| entry.has_port(1000)).expect("the next one lives");
    let replaced = (1..=20).any(|round| {
        remove("-p udp --sport 1000");
        let others = (1..=50).map(|n| format!("-p udp -s 10.{round}.1.{n} -d 10.7.0.2 --sport 9 --dport 9 -t 300"));
        insert_all(others);
        silently(&|| insert(tuple));
        next().id != first
    });
    assert!(replaced, "each entry got the id {first}");
    let said = daemon.send("scripted", "matching src 10.0.0.1: mark 0x7/0xff").good();
    assert!(!said.contains("replaced"), "nothing was hit under another's name: {said}");
    assert_eq!(next().mark == 7, said.contains("flows: 1 applied"), "{said}");
    let _ = daemon.stop();
}

/// Moves this thread and its children to one processor. Each processor has its own memory for entries, and gives the
/// place of the last ended entry to the next one.
fn stay_on_one_processor() {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let first = (0..CpuSet::count()).find(|processor| allowed.is_set(*processor).unwrap()).unwrap();
    let mut one = CpuSet::new();
    one.set(first).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
}

/// A daemon whose policy has seen one entry, and not its successor with the same tuple and the same id.
fn recurred(scene: &Scene) -> (ctwarden_tests::Daemon, u32) {
    let tuple = "-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300";
    stay_on_one_processor();
    // With the default, an entry that was created before the daemon listened would end without an event.
    scene.set("netfilter/nf_conntrack_events", 1);
    insert(&format!("{tuple} -m 0x50"));
    let first = table()[0].id;
    let rules = ["row udp 1000: remember dns; log seen=yes", "destroy udp 1000: log ended=yes"];
    let policy = Policy::scripted(&rules).config("only = \"mark 0x50/0xff\"");
    let mut daemon = scene.start(policy);
    daemon.wait_for_many("the row", 1, |record| record.came("log", "applied"));
    // Packets of other programs may need an entry in between.
    for _ in 0..100 {
        remove("-p udp --sport 1000");
        insert(tuple);
        if table()[0].id == first {
            daemon.wait_for_many("its end", 2, |record| record.came("log", "applied"));
            return (daemon, first);
        }
    }
    panic!("no entry got the id {first} again");
}

#[test]
fn an_id_that_comes_back_does_not_bring_its_flow_back() {
    let Some(scene) = Scene::new() else { return };
    let (daemon, first) = recurred(&scene);
    let said = daemon.send("scripted", "key dns: mark 0x7/0xff; protect 60").short();
    assert!(said.contains("mark: 1 replaced") && said.contains("protect: 1 replaced"), "{said}");
    let said = daemon.send("scripted", "reply dns: timeout 0").good();
    assert!(said.contains("timeout: 1 replaced"), "{said}");
    let said = daemon.send("scripted", "key dns: delete").good();
    assert!(said.contains("delete: 1 replaced"), "{said}");
    let entry = entry_from("10.0.0.1").expect("the next one lives");
    assert_eq!((entry.id, entry.mark), (first, 0));
    let records = daemon.stop().records;
    assert_eq!(records.iter().filter(|record| record.text("outcome") == Some("replaced")).count(), 4);
}

#[test]
fn a_flow_that_was_deleted_and_came_back_is_met_again_by_who_is_told_of_it() {
    let Some(scene) = Scene::new() else { return };
    load("table inet seen { chain out { type filter hook output priority 0; ct state new counter; }; }");
    scene.set("netfilter/nf_conntrack_tcp_loose", 1);
    let mut daemon = scene.start(Policy::scripted(&["new tcp 8080: remember c; log seen=yes"]));
    let mut tcp = Tcp::connect("127.0.0.1", "127.0.0.2", 8080);
    for round in 1..=6 {
        assert!(tcp.works());
        daemon.wait_for_many("it is told of", round, |record| record.came("log", "applied"));
        let said = daemon.send("scripted", "key c: delete").good();
        assert!(said.contains("delete: 1 applied"), "{round}: {said}");
    }
    let ended = daemon.stop();
    assert_eq!(ended.records.iter().filter(|record: &&Record| record.came("delete", "applied")).count(), 6);
}
