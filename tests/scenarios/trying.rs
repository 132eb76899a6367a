//! `ctwarden try`: policies on a pasted table, without a kernel and without privilege.

use std::path::Path;

use ctwarden_tests::{Policy, Record, Said, Scene, ctwarden, table};

const TABLE: &str = "\
tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=443 src=10.0.0.2 dst=10.0.0.1 sport=443 dport=1000 [ASSURED] mark=0 use=1
ipv4     2 udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1 mark=0 zone=0 use=2
-A -t 100 -s 10.0.0.3 -d 10.0.0.4 -r 10.0.0.4 -q 10.0.0.3 -p udp --sport 5 --dport 53 --reply-port-src 53 --reply-port-dst 5
";

fn tried(scene: &Scene, words: &[&str]) -> Said {
    let mut command = ctwarden();
    command.arg("try").arg("--config").arg(scene.configuration()).args(words);
    Said::of(command, "")
}

fn records(said: &Said) -> Vec<Record> {
    said.out.lines().map(|line| Record(serde_json::from_str(line).unwrap())).collect()
}

#[test]
fn what_a_policy_would_do_with_a_pasted_table_is_told() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(Policy::scripted(&["row udp 53: mark 0x5/0xff", "new tcp 443: delete"]));
    let pasted = scene.write("table.txt", TABLE);
    let before = table();
    let said = tried(&scene, &[pasted.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let told = records(&said);
    assert_eq!(told.iter().filter(|record| record.came("mark", "observed")).count(), 2, "{said:?}");
    assert!(!told.iter().any(|record| record.text("action") == Some("delete")), "no entry is new: {said:?}");
    let said = tried(&scene, &["--new", pasted.to_str().unwrap()]);
    let told = records(&said);
    assert_eq!(told.iter().filter(|record| record.came("delete", "observed")).count(), 1, "{said:?}");
    assert_eq!(table().len(), before.len(), "nothing was done");
}

#[test]
fn a_line_that_is_none_is_named_and_the_rest_is_tried() {
    let Some(scene) = Scene::new() else { return };
    scene.configure(Policy::scripted(&["row udp 53: mark 0x5/0xff"]));
    let pasted = scene.write("table.txt", format!("what is this\n{TABLE}"));
    let said = tried(&scene, &[pasted.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(1));
    assert!(said.err.contains("line 1"), "{said:?}");
    assert_eq!(records(&said).iter().filter(|record| record.came("mark", "observed")).count(), 2, "{said:?}");
    let said = tried(&scene, &["/no/such/table"]);
    assert!(said.status.code() == Some(1) && said.err.contains("/no/such/table"), "{said:?}");
}

/// A file with four flows of one source (`tests/corpus/tables`).
fn six() -> String {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/tables/six.txt");
    table.to_str().unwrap().to_owned()
}

/// The source ports of the flows that a policy would have ended.
fn ended(said: &Said) -> Vec<u64> {
    let ends = records(said).into_iter().filter(|record| record.came("delete", "observed"));
    ends.map(|record| record.0["flow"]["src_port"].as_u64().unwrap_or_else(|| panic!("{record:?}"))).collect()
}

#[test]
fn a_try_run_ends_what_the_daemon_would_end() {
    let Some(scene) = Scene::new() else { return };
    let cap = Policy::new("cap", "connection-cap").enforce().key("allow = [\"alert\", \"delete\", \"sweep\"]");
    scene.configure(cap.config("limit = 2\naction = \"delete\""));
    let said = tried(&scene, &["--new", &six()]);
    assert_eq!((said.status.code(), ended(&said)), (Some(0), vec![40_023, 40_024]), "{said:?}");
    // The same flows are in the table at the start: the newest ones exceed the limit, and each is ended once.
    let said = tried(&scene, &[&six()]);
    assert_eq!(ended(&said).len(), 2, "{said:?}");
    // The same flows as events.
    let events: String =
        std::fs::read_to_string(six()).unwrap().lines().map(|line| format!("    [NEW] {line}\n")).collect();
    let pasted = scene.write("events", events);
    let said = tried(&scene, &[pasted.to_str().unwrap()]);
    assert_eq!(ended(&said), [40_023, 40_024], "{said:?}");
}

const EVENTS: &str = "\
udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1 mark=0 use=1
    [NEW] udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=2 dport=54 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=54 dport=2
 [UPDATE] udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=2 dport=54 src=10.0.0.2 dst=10.0.0.1 sport=54 dport=2
[DESTROY] udp      17 src=10.0.0.1 dst=10.0.0.2 sport=2 dport=54 src=10.0.0.2 dst=10.0.0.1 sport=54 dport=2
";

#[test]
fn each_kind_of_event_and_of_turn_is_played_in_its_order() {
    let Some(scene) = Scene::new() else { return };
    let rules = [
        "row udp 53: log turn=row",
        "new udp 54: log turn=new",
        "update udp 54: log turn=update",
        "destroy udp 54: log turn=destroy",
        "sweep-complete: log turn=swept",
        "tick: log turn=tick",
        "row udp 54: log turn=ghost",
    ];
    scene.configure(Policy::scripted(&rules).config("tick-every = 3600000\nsweep-every = 3600"));
    let pasted = scene.write("events", EVENTS);
    let said = tried(&scene, &[pasted.to_str().unwrap()]);
    let told = records(&said);
    let turns: Vec<&str> = told.iter().filter_map(|record| record.0["fields"]["turn"].as_str()).collect();
    let (first, later) = turns.split_at(turns.len().min(5));
    assert_eq!(first, ["row", "swept", "new", "update", "destroy"], "{said:?}");
    // An hour later, without a real wait.
    assert!(later.contains(&"tick") && later.contains(&"row") && later.contains(&"swept"), "{turns:?}");
    assert!(!turns.contains(&"ghost"), "a flow that has ended is in no table: {turns:?}");
}

#[test]
fn a_set_is_there_and_many_events_are_not_dropped() {
    let Some(scene) = Scene::new() else { return };
    let many: String = (1..=3000)
        .map(|port| {
            format!(
                "    [NEW] udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport={port} dport=54 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 \
                 sport=54 dport={port}\n"
            )
        })
        .collect();
    let pasted = scene.write("events", many);
    scene.configure(Policy::scripted(&["new udp 54: mark 0x5/0xff"]).of("limits", "queue-entries = 8"));
    let said = tried(&scene, &[pasted.to_str().unwrap()]);
    let marked = records(&said).iter().filter(|record| record.came("mark", "observed")).count();
    assert_eq!(marked, 3000, "{}", said.err);
    scene.write("banned", "10.0.0.1\n");
    let follower = Policy::new("follower", "ban-follower")
        .enforce()
        .key("allow = [\"delete\", \"alert\", \"sweep\"]\nread-sets = [\"banned\"]")
        .config("sets = [\"banned\"]");
    scene.configure(format!("[sets.banned]\nfile = \"banned\"\n{follower}"));
    for words in [&["--new"][..], &[]] {
        let pasted = scene.write("table", TABLE);
        let said = tried(&scene, &[words, &[pasted.to_str().unwrap()]].concat());
        assert!(records(&said).iter().any(|record| record.came("delete", "observed")), "{words:?}: {said:?}");
    }
}
