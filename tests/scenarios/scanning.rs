//! The bundled policy `port-scan`: a source that tries many ports is told about and blocked, longer when it returns.
//!
//! The host counts for the policy. These scenarios show that its counters outlive faults and reloads, and that nobody
//! else is blocked.

use ctwarden_tests::{Peer, Policy, Scene, Tcp, Udp, elements, eventually, insert, insert_all, load};

const RULES: &str = "table inet ward { set scanners { type ipv4_addr; flags interval, timeout; }; chain in { type filter hook input priority 0; ip saddr @scanners ct state new drop; }; }";

fn udp(source: &str, port: u16) -> String {
    format!("-p udp -s {source} -d 10.9.9.9 --sport 4000 --dport {port} -t 300")
}

#[test]
fn who_scans_is_blocked_and_nobody_else() {
    let Some(scene) = Scene::new() else { return };
    load(RULES);
    let policy = Policy::new("scan", "port-scan")
        .enforce()
        .key("allow = [\"alert\", \"block\"]\nblock-sets = [\"scanners\"]")
        .config("limit = 20\naction = \"block\"\nblock-set = \"scanners\"\nblock-seconds = 120");
    let mut daemon =
        scene.start(format!("[block.scanners]\ntable = \"inet ward\"\nipv4 = \"scanners\"\nipv6 = false\n{policy}"));
    let host = Peer::connect("outside", &["10.9.0.1/24"], &["10.9.0.7/24", "10.9.0.8/24"]);
    // Another host makes many connections to few ports.
    let mut busy: Vec<Tcp> = (0..30).map(|n| host.tcp_from("10.9.0.8", "10.9.0.1", 8080 + n % 3)).collect();
    let mut within = host.tcp_from("10.9.0.7", "10.9.0.1", 8090);
    host.run(|| Udp::flood("10.9.0.7", "10.9.0.1", 1000..=1100));
    let block = daemon.wait_for("the block", |record| record.came("block", "applied"));
    assert_eq!(block.text("code"), Some("port-scan"), "{block:?}");
    let alert = daemon.wait_for("the alert", |record| record.came("alert", "applied"));
    assert_eq!(
        (alert.0["alert"]["fields"]["ports"].as_str(), alert.0["alert"]["fields"]["times"].as_str()),
        (Some("21"), Some("1"))
    );
    let blocked = elements("inet ward scanners");
    let blocked: Vec<_> = blocked.iter().map(|one| (one.address.to_string(), one.lifetime)).collect();
    assert_eq!(blocked, [("10.9.0.7".to_owned(), Some(130))], "once, and only who scans");
    let _listener = Tcp::listen("10.9.0.1", 8099);
    assert!(host.run(|| Tcp::dial("10.9.0.7", "10.9.0.1", 8099)).is_err(), "a new connection is dropped");
    assert!(within.works(), "what was there goes on");
    assert!(busy.iter_mut().all(Tcp::works));
    assert!(host.tcp_from("10.9.0.8", "10.9.0.1", 8081).works(), "and so does everybody else");
    let _ = daemon.stop();
}

#[test]
fn counts_survive_a_reload_unless_the_counter_changes() {
    let Some(scene) = Scene::new() else { return };
    let scan = |config: &str| Policy::new("scan", "port-scan").enforce().key("allow = [\"alert\"]").config(config);
    let mut daemon = scene.start(scan("limit = 20"));
    let counted = |daemon: &ctwarden_tests::Daemon, keys: u64| {
        eventually("the host counts", || {
            let status = daemon.plugin_status("scan");
            let tried = status["counters"].as_array()?.iter().find(|counter| counter["name"] == "tried")?.clone();
            let has_memory = tried["bytes"].as_u64()? > 0;
            (tried["keys"] == keys && tried["evictions"] == 0 && has_memory == (keys > 0)).then_some(())
        });
    };
    insert_all((1..=20).map(|port| udp("10.0.0.1", port)));
    counted(&daemon, 1);
    assert_eq!(daemon.reload(), None);
    insert(&udp("10.0.0.1", 21));
    let alert = daemon.wait_for("the alert", |record| record.came("alert", "applied"));
    assert_eq!(alert.0["alert"]["fields"]["ports"], "21", "{alert:?}");

    insert_all((1..=20).map(|port| udp("10.0.0.2", port)));
    // A source that was told about begins anew.
    counted(&daemon, 1);
    scene.configure(scan("limit = 20\nwindow-seconds = 61"));
    assert_eq!(daemon.reload(), None);
    counted(&daemon, 0);
    insert_all((21..=40).map(|port| udp("10.0.0.2", port)));
    counted(&daemon, 1);
    let ended = daemon.stop();
    assert_eq!(ended.records.iter().filter(|record| record.came("alert", "applied")).count(), 1);
}
