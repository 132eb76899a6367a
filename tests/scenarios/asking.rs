//! The verbs `status`, `check`, `explain` and `send`, and access to the control socket.
//!
//! With these verbs, an operator sees what a plugin may do and what it did, and sends it messages.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use ctwarden_tests::{Policy, Said, Scene, Udp, copy_of, ctwarden, insert, skip, table};
use serde_json::{Value, json};

#[test]
fn check_says_what_is_asked_needed_granted_and_missing() {
    let Some(scene) = Scene::new() else { return };
    let first = Policy::scripted_with(&["mark", "log"], &[])
        .key("mark-mask = 0xf0\nread-sets = [\"office\"]")
        .config("sweep-every = 30");
    let second = Policy::new("second", "guest-scripted");
    scene.configure(format!(
        "[sets.office]\nentries = [\"192.0.2.0/24\"]\n[[protect]]\ndst-ports = [22]\n{first}{second}"
    ));
    let said = scene.verb("check").good();
    for words in [
        &["scripted", "enforce"][..],
        &["second", "observe"],
        &[
            "asks", "delete", "kill", "mark", "labels", "timeout", "alert", "log", "block", "unblock", "protect",
            "sweep",
        ],
        &["granted", "mark", "log", "0xf0", "office"],
        &["needs", "mark, log (with this configuration)"],
        &["missing", "nothing"],
        &["granted", "nothing"],
        &[
            "missing", "delete", "kill", "mark", "labels", "timeout", "alert", "log", "block", "unblock", "protect",
            "sweep",
        ],
        &[
            "warning",
            "needs delete, kill, mark",
            "allow = [\"delete\", \"kill\", \"mark\"",
            "mark-mask and label-bits and block-sets",
        ],
        &["guest-scripted.wasm"],
        &["new", "update", "destroy", "30s"],
        &["protected", "1"],
    ] {
        assert!(
            said.lines().any(|line| words.iter().all(|word| line.contains(word))),
            "no line with {words:?} in\n{said}"
        );
    }
    assert!(!scene.control().exists() && !scene.path("records.jsonl").exists() && !scene.path("state").exists());
}

/// The lines of `check` below the plugin's line (or below the line for all plugins), by their names.
fn of(said: &str, whose: &str) -> BTreeMap<String, String> {
    let lines = said.lines().skip_while(|line| !line.starts_with(whose)).skip(1);
    let lines = lines.take_while(|line| line.starts_with(' '));
    lines.filter_map(|line| line.trim().split_once(' ')).map(|(name, text)| (name.into(), text.trim().into())).collect()
}

/// The multicast groups of the netfilter sockets in this namespace, as bits (`/proc/net/netlink`).
fn groups() -> u32 {
    /// Changes of nftables rules. The daemon subscribes to this group as well.
    const NFTABLES: u32 = 1 << 6;
    let sockets = fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    let words = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = words.filter(|words| words[1] == "12");
    ours.map(|words| u32::from_str_radix(words[3], 16).unwrap()).fold(0, |sum, groups| sum | groups) & !NFTABLES
}

/// The filter of the plugin `dns` below, as an operator writes it.
const FILTER: &str =
    "family = \"ipv4\", protocols = [\"udp\"], original-src = [\"192.0.2.1\"], dst-ports = [53], labels = [3]";

#[test]
fn check_says_what_is_left_to_the_kernel_and_it_is_done() {
    let Some(scene) = Scene::new() else { return };
    let only = |name: &str, words: &str| {
        Policy::new(name, "guest-scripted").config(&format!("needs = []\nonly = \"{words}\""))
    };
    let dns = only("dns", "v4 protocol udp src 192.0.2.1 dport 53 label 3");
    let six = only("six", "src 2001:db8::1 protocol udp");
    scene.configure(format!("{dns}{six}"));
    let said = scene.verb("check").good();

    let lines = of(&said, "dns ");
    assert_eq!(lines["groups"], "new, update, destroy", "{said}");
    assert!(
        lines["events"].starts_with("the kernel drops other events, by family, protocols, original-src, dst-ports (")
            && lines["events"].ends_with("; ctwarden matches labels"),
        "{said}"
    );
    let kernel = "the kernel sends entries with family ipv4, protocols udp, original-src 192.0.2.1, dst-ports 53";
    assert_eq!(lines["sweeps"], format!("{kernel}; ctwarden matches labels"));
    assert_eq!(
        of(&said, "six ")["sweeps"],
        "the kernel sends entries with family ipv6; ctwarden matches protocols, original-src"
    );
    let together = of(&said, "all plugins together");
    assert!(together["events"].contains("by family, protocols, original-src, dst-ports ("), "{said}");
    assert_eq!(
        together["sweeps"],
        "the kernel sends every entry; ctwarden matches family, protocols, original-src, dst-ports, labels"
    );
    assert_eq!(together["replica"], "not kept, because no plugin names flows by filter (selects)");

    // The JSON output and `explain` with that filter report the same.
    let told: Value = serde_json::from_str(&scene.verb("check --json").good()).unwrap();
    let alone = &told["plugins"][0]["kernel"];
    let kernel = json!({ "family": "ipv4", "protocols": "udp", "original-src": "192.0.2.1", "dst-ports": "53" });
    assert_eq!(alone["sweeps"], json!({ "kernel": kernel, "left": ["labels"] }));
    assert_eq!(told["together"]["sweeps"]["kernel"], json!({}));
    let mut explain = ctwarden();
    explain.args(["explain", "--json", FILTER]);
    let explained: Value = serde_json::from_str(&Said::of(explain, "").good()).unwrap();
    assert_eq!((&explained["sweeps"]["kernel"], &explained["events"]), (&kernel, &alone["events"]));
    let daemon = scene.start(format!("{dns}{six}"));
    ctwarden_tests::eventually("it is in the groups", || (groups() == 0b111).then_some(()));
    drop(daemon);

    let ban = Policy::new("ban", "ban-follower").config("sets = []");
    scene.configure(format!("{dns}{ban}"));
    let said = scene.verb("check").good();
    let together = of(&said, "all plugins together");
    assert_eq!(together["replica"], "kept, because ban names flows by filter (selects)", "{said}");
    assert_eq!(together["events"], "the kernel drops none: the replica follows every flow");
    assert_eq!(of(&said, "dns ")["replica"], "not kept, because no plugin names flows by filter (selects)");
}

#[test]
fn status_tells_plugins_modes_queues_verdicts_and_faults() {
    let Some(scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300");
    let policy = Policy::scripted_with(&["mark"], &["row udp 53: mark 1/1; delete"]).key("mark-mask = 1");
    let mut daemon = scene.start(format!("{policy}{}", Policy::new("quiet", "guest-scripted")));
    daemon.wait_for("the mark", |record| record.came("mark", "applied"));
    daemon.wait_for("the delete", |record| record.came("delete", "not-granted"));
    assert!(Udp::between("127.0.0.1", "127.0.0.2", 5353).works());
    ctwarden_tests::eventually("its events are counted", || {
        daemon.status()["events"].as_u64().filter(|events| *events >= 2)
    });

    let status = daemon.status();
    assert_eq!(status["pid"], daemon.id());
    assert!(status["configuration"].as_str().is_some_and(|path| path.ends_with("ctwarden.toml")), "{status}");
    assert!(
        status["sweeps"].as_u64() >= Some(1) && status["rows"].as_u64() >= Some(1) && status["overruns"] == 0,
        "{status}"
    );
    assert_eq!(status["table"]["entries"].as_u64(), Some(table().len() as u64), "{status}");
    let names: Vec<_> =
        status["plugins"].as_array().unwrap().iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["scripted", "quiet"]);
    let plugin = daemon.plugin_status("scripted");
    assert_eq!(
        (&plugin["mode"], &plugin["state"], &plugin["faults"]),
        (&"enforce".into(), &"running".into(), &0.into())
    );
    assert_eq!(plugin["verdicts"]["mark"]["applied"], 1, "{plugin}");
    assert_eq!(plugin["verdicts"]["delete"]["not-granted"], 1, "{plugin}");
    assert!(plugin["delivered"].as_u64() >= Some(3) && plugin["queue_limit"].as_u64() > Some(0), "{plugin}");
    assert_eq!(daemon.plugin_status("quiet")["mode"], "observe");

    let text = daemon.verb("status").good();
    for words in [
        &["scripted", "enforce", "running"][..],
        &["quiet", "observe", "running"],
        &["mark", "1 applied"],
        &["delete", "1 not-granted"],
    ] {
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours where it is no terminal");
    let by_configuration = scene.verb("status --json").good();
    assert!(by_configuration.contains(&format!("\"pid\": {}", daemon.id())), "{by_configuration}");
    let _ = daemon.stop();
    let said = scene.verb("status").failed();
    assert!(said.contains("ctwarden run") && said.contains("control.sock"), "{said}");
}

#[test]
fn send_prints_what_came_of_each_message() {
    let Some(scene) = Scene::new() else { return };
    insert("-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 300");
    let daemon = scene.start(Policy::scripted(&[]));
    let said = daemon.send("scripted", "matching dport 53: mark 1/1").good();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("as you say") && said.contains("mark: 1 applied"), "{said}");

    let said = daemon.send_lines(
        "scripted",
        "matching dport 53: mark 2/2\n\nmatching dport 53: timeout 99\nrefuse not today\nmatching dport 54: delete\n",
    );
    assert_eq!(said.out.lines().count(), 3, "one line for each that was taken: {}", said.out);
    assert!(said.failed().contains("not today"), "and the reason for the other");
    assert_eq!(table()[0].mark, 3);

    let why = daemon.send("nobody", "hello").failed();
    assert!(why.contains("nobody") && why.contains("ctwarden status"), "{why}");
    assert!(daemon.send("scripted", "refuse come back later").failed().contains("come back later"));
    assert_eq!(daemon.send("scripted", "load nothing-yet").good().trim(), "nothing");
    let _ = daemon.stop();
}

/// Runs the program as an unprivileged user in this group.
fn as_nobody(scene: &Scene, group: &str) -> Said {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", group, "--clear-groups", "--"]);
    command.arg(copy_of(&ctwarden(), scene.folder())).args(["status", "--socket"]).arg(scene.control());
    Said::of(command, "")
}

#[test]
fn the_control_socket_is_for_root_and_its_group() {
    let Some(scene) = Scene::new() else { return };
    // The folder must let the user pass, so that the socket itself decides.
    fs::set_permissions(scene.folder(), Permissions::from_mode(0o711)).unwrap();
    let daemon = scene.start(Policy::scripted(&[]));
    let socket = fs::metadata(scene.control()).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.uid()), (0o660, 0));
    let said = as_nobody(&scene, "65534").failed();
    assert!(said.contains("root and its group only") && said.contains("control.sock"), "{said}");
    let _ = daemon.stop();
}

#[test]
fn the_group_of_the_configuration_may_use_it() {
    let Some(scene) = Scene::new() else { return };
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let Some(gid) = groups.lines().find_map(|line| line.strip_prefix("nogroup:")?.split(':').nth(1).map(str::to_owned))
    else {
        return skip("this system has no group nogroup");
    };
    fs::set_permissions(scene.folder(), Permissions::from_mode(0o711)).unwrap();
    scene.configure_daemon("control-group = \"nogroup\"\n", Policy::scripted(&[]));
    let daemon = scene.start_again();
    assert_eq!(fs::metadata(scene.control()).unwrap().gid().to_string(), gid);
    assert!(as_nobody(&scene, &gid).good().contains("scripted"));
    assert!(!as_nobody(&scene, "12345").is_good());
    let _ = daemon.stop();
}
