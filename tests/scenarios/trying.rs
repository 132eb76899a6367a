//! `ctwarden try`: policies on a table that somebody pasted, without a kernel and without privilege.

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
