//! Tables that people paste: the output of routers, older programs and other versions (`tests/corpus/tables`).
//!
//! Reading them needs no kernel and no privilege. Where a kernel is available, it loads the lines saved from them.

use std::path::{Path, PathBuf};

use ctwarden_tests::{Said, Scene, conntrack, original};
use serde_json::Value;

fn pasted(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/tables").join(name)
}

/// `-L --from` of a file, in UTC.
fn listed(name: &str, more: &[&str]) -> Said {
    let file = pasted(name);
    let mut command = conntrack(&["-L", "--from", file.to_str().unwrap()]);
    command.args(more).env("TZ", "UTC");
    Said::of(command, "")
}

fn again(input: &str, more: &[&str]) -> Said {
    let mut command = conntrack(&["-L", "--from", "-"]);
    command.args(more).env("TZ", "UTC");
    Said::of(command, input)
}

fn objects(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The objects of a table in which every line can be read.
fn whole(name: &str, count: usize) -> Vec<Value> {
    let said = listed(name, &["-o", "json"]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    assert_eq!(said.err, format!("conntrack v1.4.9 (conntrack-tools): {count} flow entries have been shown.\n"));
    let objects = objects(&said);
    assert_eq!(objects.len(), count, "{said:?}");
    // JSON loses nothing.
    assert_eq!(again(&said.out, &["-o", "json"]).good(), said.out);
    objects
}

/// Saves a table and checks that its lines read back unchanged. Returns the lines, and the messages about the lines
/// that cannot be saved.
fn saved(name: &str) -> (String, String) {
    let said = listed(name, &["-o", "save"]);
    let back = again(&said.out, &["-o", "save"]);
    assert_eq!((back.status.code(), &back.out), (Some(0), &said.out), "{back:?}");
    (said.out, said.err)
}

#[test]
fn a_router_with_words_of_its_own() {
    let flows = whole("keenetic.txt", 2);
    assert!(flows.iter().all(|flow| flow["state"] == "ESTABLISHED"), "{flows:?}");
    let counted =
        |flow: &Value| ["original", "reply"].map(|way| (flow[way]["packets"].as_u64(), flow[way]["bytes"].as_u64()));
    assert_eq!(counted(&flows[0]), [(Some(14), Some(3389)), (Some(12), Some(6182))]);
    assert_eq!(counted(&flows[1]), [(Some(2), Some(80)), (Some(2098), Some(284_515))]);
    assert_eq!((&flows[0]["mark"], &flows[1]["use"]), (&268_434_092.into(), &3.into()));
}

#[test]
fn a_total_of_both_directions() {
    for flow in whole("tomato.txt", 3) {
        for way in ["original", "reply"] {
            assert!(flow[way].get("packets").is_none() && flow[way].get("bytes").is_none(), "{flow}");
        }
    }
}

#[test]
fn a_list_with_the_commands_last_words() {
    let flows = whole("pasted.txt", 2);
    assert_eq!((&flows[0]["protocol"], &flows[1]["protocol"]), (&"tcp".into(), &"udp".into()));
    // In a file, the summary can interrupt a line, at the place where the buffer of standard output was full.
    let lines = "udp 17 29 src=192.0.2.11 dst=198.51.1conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n\
        00.8 sport=4 dport=53 [UNREPLIED] src=198.51.100.8 dst=192.0.2.11 sport=53 dport=4 mark=0 use=1\n";
    let said = again(lines, &[]);
    assert!(said.is_good() && said.out.contains("dst=198.51.100.8 sport=4 "), "{said:?}");
    // An error message of the command is not a table.
    let failed = again("conntrack v1.4.7 (conntrack-tools): Operation failed: No buffer space available\n", &[]);
    assert!(failed.status.code() == Some(1) && failed.err.contains("line 1"), "{failed:?}");
}

#[test]
fn events_of_several_versions() {
    let events = whole("events.txt", 6);
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(kinds, ["new", "update", "update", "update", "destroy", "destroy"]);
    let begun = 1_757_235_600_000_000_000_u64;
    let ended = &events[5];
    assert_eq!((&ended["started_ns"], &ended["stopped_ns"]), (&begun.into(), &(begun + 30_000_000_000).into()));
    assert_eq!(events[4]["started_ns"], begun + 300_000_000, "counted from the time of the line");
    let text = listed("events.txt", &["-o", "timestamp,ktimestamp"]).good();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("[1757235600.250000]\t    [NEW] tcp      6 120 SYN_SENT "), "{text}");
    assert!(
        lines[5].ends_with("delta-time=30 [start=Sun Sep  7 09:00:00 2025] [stop=Sun Sep  7 09:00:30 2025]"),
        "{text}"
    );
    // In another time zone, the same line means another moment.
    let file = pasted("events.txt");
    let mut there = conntrack(&["-L", "--from", file.to_str().unwrap(), "-o", "json", "-p", "udp"]);
    there.env("TZ", "<+05>-5");
    let there: Value = serde_json::from_str(Said::of(there, "").good().trim()).unwrap();
    assert_eq!(there["started_ns"], begun - 5 * 3_600_000_000_000);
    // A saved event is the command with the same effect.
    let (lines, said) = saved("events.txt");
    assert_eq!(
        lines.lines().map(|line| &line[..2]).collect::<Vec<_>>(),
        ["-A", "-U", "-U", "-U", "-D", "-D"],
        "{said}"
    );
}

#[test]
fn a_table_of_linux_2_6() {
    let flows = whole("k26.txt", 3);
    assert_eq!((&flows[2]["original"]["dst_key"], &flows[2]["reply"]["dst_key"]), (&0x4001.into(), &0xc1.into()));
    let (lines, said) = saved("k26.txt");
    assert!(lines.lines().count() == 3 && !said.contains("cannot be saved"), "{said}");
    let Some(_scene) = Scene::new() else { return };
    let loaded = Said::of(conntrack(&["-R", "-"]), &lines);
    assert_eq!(loaded.status.code(), Some(0), "{loaded:?}");
    assert_eq!(Said::of(original(&["-L"]), "").good().lines().count(), 3);
}

#[test]
fn offloaded_flows_and_a_cut_line() {
    let said = listed("openwrt.txt", &["-o", "json"]);
    assert_eq!((said.status.code(), objects(&said).len()), (Some(1), 5), "{said:?}");
    assert!(said.err.contains("line 4") && said.err.contains("zo2") && said.err.contains("5 flow entries"), "{said:?}");
    let hardware = &objects(&said)[2];
    assert!(hardware.get("timeout").is_none() && hardware.get("state").is_none(), "{hardware}");
    assert!(hardware["status"].as_array().unwrap().contains(&"HW_OFFLOAD".into()), "{hardware}");
    let (lines, said) = saved("openwrt.txt");
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(said.contains("3 flow entries have been shown.") && said.contains("2 entries cannot be saved"), "{said}");
    assert!(said.contains("2 without a timeout"), "{said}");
}

#[test]
fn states_zones_and_protocols_of_all_kinds() {
    let flows = whole("misc.txt", 16);
    let names: Vec<&str> = flows.iter().filter_map(|flow| flow["protocol"].as_str()).collect();
    assert_eq!(names[..4], ["sctp", "sctp", "sctp", "dccp"]);
    assert_eq!((names[12], names[13], names[14]), ("50", "2", "112"));
    assert_eq!((&flows[1]["state"], flows[2].get("state")), (&"HEARTBEAT_ACKED".into(), None));
    assert_eq!((&flows[4]["original"]["zone"], &flows[5]["original"]["zone"]), (&100.into(), &200.into()));
    assert_eq!((&flows[8]["zone"], &flows[8]["reply"]["zone"]), (&7.into(), &9.into()));
    assert_eq!((&flows[9]["id"], &flows[11]["id"]), (&305_795_136.into(), &777.into()));
    assert_eq!((&flows[6]["helper"], &flows[7]["secctx"]), (&"ftp".into(), &"null".into()));
    assert_eq!(flows[10]["started_ns"], 1_789_918_350_000_000_000_u64);
    let (lines, said) = saved("misc.txt");
    assert_eq!(lines.lines().count(), 11, "{lines}");
    for part in ["5 entries cannot be saved", "2 of SCTP without verification tags", "1 of DCCP without its role"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_mark_of_an_editor_and_ends_of_windows() {
    let line = "udp 17 29 src=192.0.2.1 dst=192.0.2.2 sport=4 dport=53 src=192.0.2.2 dst=192.0.2.1 sport=53 dport=4";
    let said = again(&format!("\u{feff}{line}\r\n{line}\r\n"), &["-o", "save"]);
    assert!(said.is_good() && said.out.lines().count() == 2, "{said:?}");
    let json = again(line, &["-o", "json"]).good();
    assert_eq!(again(&format!("\u{feff}{json}"), &["-o", "json"]).good(), json);
}

#[test]
fn an_input_without_an_end_is_refused() {
    for words in [&["-L", "--from", "/dev/zero"][..], &["-R", "/dev/zero"]] {
        let said = Said::of(conntrack(words), "");
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        assert!(said.err.contains("line 1") && said.err.len() < 400, "{said:?}");
    }
    for words in [&["-L", "--from", "-"][..], &["-R", "-"]] {
        let said = Said::of(conntrack(words), &"\0".repeat(1 << 20));
        assert!(said.status.code() == Some(1) && said.err.contains("line 1") && said.err.len() < 400, "{said:?}");
        // The messages do not repeat terminal control characters.
        let said = Said::of(conntrack(words), "-A \u{1b}[2J\u{9b}31m\u{202e}x\n");
        assert!(!said.is_good() && !said.err.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{said:?}");
    }
    let said = again(&"nonsense\n".repeat(1_000), &[]);
    assert!(said.status.code() == Some(1) && said.err.lines().count() < 30, "{}", said.err);
    assert!(said.err.contains("980 more lines cannot be read"), "{}", said.err);
}
