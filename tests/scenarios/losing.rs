//! Lost events: the kernel's buffer was full, or the plugin's queue.
//!
//! One ENOBUFS can stand for thousands of events, and only the table shows which flows they were about. The daemon
//! therefore reports a loss and repairs it with a sweep. The tests stop the daemon (SIGSTOP) during the flood, so that
//! the loss does not depend on the machine's speed.

use ctwarden_tests::{Daemon, Policy, Scene, Udp, eventually, table};

const RULES: [&str; 6] = [
    "new udp: mark 0x5/0xff",
    "row udp: mark 0x5/0xff",
    "overrun: log turn=overrun",
    "sweep-begin: log turn=begin",
    "sweep-complete: log turn=complete",
    "sweep-interrupted: log turn=interrupted",
];

fn all_marked(count: usize) {
    eventually("every flow is marked", || {
        let table = table();
        (table.len() == count && table.iter().all(|entry| entry.mark == 5)).then_some(())
    });
}

#[test]
fn what_the_kernel_drops_is_swept() {
    let Some(scene) = Scene::new() else { return };
    // 8 KiB hold about six events.
    scene.configure_daemon("receive-buffer = \"8KiB\"\n", Policy::scripted(&RULES));
    let mut daemon = scene.start_again();
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    daemon.pause();
    Udp::flood("127.0.0.1", "127.0.0.2", 10_000..12_000);
    daemon.resume();
    daemon.wait_for("the overrun", |record| record.is_notice("overrun"));
    all_marked(2_000);
    let records = daemon.stop().records;
    let overrun = records.iter().position(|record| record.is_notice("overrun")).unwrap();
    assert!(records[overrun..].iter().any(|record| record.is_notice("swept")), "a sweep follows");
    let turns: Vec<_> = records.iter().filter_map(|record| record.0["fields"]["turn"].as_str()).collect();
    let told = turns.iter().position(|turn| *turn == "overrun").expect("the plugin is told");
    assert!(turns[told..].starts_with(&["overrun", "begin"]) || turns[told..].contains(&"begin"), "{turns:?}");
    assert!(turns[told..].contains(&"complete") || turns[told..].contains(&"interrupted"), "{turns:?}");
}

#[test]
fn what_a_full_queue_drops_is_swept() {
    let Some(scene) = Scene::new() else { return };
    let rules: Vec<&str> = RULES.into_iter().chain(["new udp 9999: sleep 700"]).collect();
    let mut daemon = scene.start(Policy::scripted(&rules).of("limits", "queue-entries = 8"));
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    Udp::flood("127.0.0.1", "127.0.0.2", 9_999..=9_999);
    eventually("the plugin is busy", || {
        (daemon.plugin_status("scripted")["delivered"].as_u64() >= Some(1)).then_some(())
    });
    // The entries arrive in several reads while the plugin sleeps, so earlier ones already wait in its queue.
    for begin in (10_000..11_000).step_by(50) {
        Udp::flood("127.0.0.1", "127.0.0.2", begin..begin + 50);
    }
    let missed = daemon.wait_for("the loss", |record| record.is_notice("missed"));
    assert!(missed.is_of("scripted") && missed.number(&["entries"]).is_some_and(|entries| entries > 0), "{missed:?}");
    all_marked(1_001);
    assert!(daemon.plugin_status("scripted")["missed"].as_u64().is_some_and(|missed| missed > 0));
    let records = daemon.stop().records;
    assert_eq!(records.iter().filter(|record| record.is_notice("overrun")).count(), 0, "the kernel lost nothing");
}

#[test]
fn nothing_is_lost_where_there_is_room() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(Policy::scripted(&["new udp: mark 0x5/0xff"]));
    daemon.wait_for("the first sweep", |record| record.is_notice("swept"));
    daemon.pause();
    Udp::flood("127.0.0.1", "127.0.0.2", 10_000..13_000);
    daemon.resume();
    all_marked(3_000);
    let records = daemon.stop().records;
    assert!(!records.iter().any(|record| record.is_notice("overrun") || record.is_notice("missed")));
    assert_eq!(records.iter().filter(|record| record.came("mark", "applied")).count(), 3_000);
}

#[test]
fn who_reads_events_goes_before_plugins() {
    let Some(scene) = Scene::new() else { return };
    let mut daemon = scene.start(Policy::scripted(&RULES));
    // A thread sets its name and its niceness a moment after its start.
    let becomes = |daemon: &Daemon, thread: &str, expected: &[i32]| {
        eventually(&format!("{thread} has niceness {expected:?}"), || {
            (daemon.niceness(thread) == expected).then_some(())
        });
    };
    let ordinary = daemon.niceness("ctwarden-sinks");
    for _ in 0..2 {
        eventually("the loop goes first", || daemon.niceness("ctwarden").contains(&-10).then_some(()));
        becomes(&daemon, "effects", &[-10]);
        // After a reload, a thread that the loop started starts the plugins. The old thread may end later.
        becomes(&daemon, "scripted", &ordinary);
        assert_eq!(daemon.reload(), None);
    }
    let _ = daemon.stop();
    scene.configure_daemon("nice = 19\n", Policy::scripted(&RULES));
    let daemon = scene.start_again();
    becomes(&daemon, "effects", &ordinary);
    let _ = daemon.stop();
}
