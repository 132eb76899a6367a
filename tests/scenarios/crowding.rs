//! A plugin whose filters have thousands of values does not delay the bans of its neighbour or the control socket.

use ctwarden_tests::{Daemon, Policy, Record, Scene, Udp, insert_all, load};

/// The number of messages, of sixty selections each.
const MESSAGES: u8 = 40;

/// Makes flows that no range of the greedy plugin matches. Each flow is therefore compared with all of its filters.
fn entries(count: u32) {
    insert_all(
        (0..count)
            .map(|n| format!("-p udp -s 10.0.{}.{} -d 10.1.0.1 --sport 1000 --dport 53 -t 3000", n / 250, n % 250 + 1)),
    );
}

fn greedy(filters: u32, ranges: u32) -> Policy {
    Policy::new("greedy", "guest-greedy")
        .enforce()
        .key("allow = [\"delete\"]")
        .config(&format!("filters = {filters}\nranges = {ranges}"))
}

fn neighbour() -> Policy {
    let rules = ["new udp 7: log seen=yes"];
    Policy::scripted_with(&["delete", "log"], &rules).of("budget", "table-share-per-minute = 100")
}

fn is_greedy(record: &Record) -> bool {
    record.is_of("greedy") && record.is_verdict()
}

/// The neighbour ends a flow, and the daemon answers a status request.
fn ban(daemon: &Daemon, host: u8) {
    let said = daemon.send("scripted", &format!("matching src 10.0.0.{host}: delete")).good();
    assert!(said.contains("delete: 1 applied"), "{said}");
    assert_eq!(daemon.plugin_status("greedy")["state"], "running");
}

#[test]
fn sixty_selections_of_thousands_of_ports_keep_nobody_waiting() {
    let Some(scene) = Scene::new() else { return };
    entries(5_000);
    let mut daemon = scene.start(format!("{}{}", greedy(0, 0), neighbour()));
    let before = daemon.memory();
    for host in 1..=MESSAGES {
        // A plugin may return at most a megabyte of ranges in one answer.
        let _ = daemon.send_without_waiting("greedy", "60 4000").good();
        ban(&daemon, host);
    }
    let after = daemon.memory();
    assert!(after < before + (64 << 10), "{before} KiB became {after} KiB");
    daemon.wait_for_many("what came of the selections", 60 * usize::from(MESSAGES), is_greedy);
    let records = daemon.stop().records;
    let last = records.iter().rposition(is_greedy).expect("they were waited for");
    let overtook = records.iter().take(last).filter(|record| record.came("delete", "applied") && !is_greedy(record));
    assert!(overtook.count() > 0, "all selections were over before the first ban, so that nothing was shown");
}

#[test]
fn a_subscription_of_a_quarter_million_ranges_is_refused() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(format!("{}{}", greedy(1, 250_000).of("limits", "text-per-call = \"64MiB\""), neighbour()));
    for verb in ["check", "run"] {
        let said = scene.verb(verb).failed();
        assert!(said.contains("greedy") && said.contains("more than 65536 values"), "{said}");
    }
}

#[test]
fn events_that_are_matched_against_the_largest_subscription_keep_nobody_waiting() {
    let Some(scene) = Scene::new() else { return };
    load("table inet seen { chain out { type filter hook output priority 0; ct state new counter; }; }");
    entries(50);
    let mut daemon =
        scene.start(format!("{}{}", greedy(64, 32_000).of("limits", "text-per-call = \"64MiB\""), neighbour()));
    for host in 1..=40 {
        let first = 10_000 + 1_000 * u16::from(host);
        Udp::flood("127.0.0.1", "127.0.0.2", first..first + 1_000);
        ban(&daemon, host);
    }
    Udp::flood("127.0.0.1", "127.0.0.2", std::iter::once(7));
    daemon.wait_for("the last event", |record: &Record| record.came("log", "applied"));
    assert_eq!(daemon.plugin_status("greedy")["missed"], 0);
    let _ = daemon.stop();
}
