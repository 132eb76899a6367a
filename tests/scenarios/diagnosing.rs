//! The findings of `ctwarden doctor` in namespaces made for it, and the effect of the commands that it suggests.

use std::process::Command;

use ctwarden_tests::{Namespace, Said, ctwarden, load, skip, table, try_load};
use serde_json::Value;

/// A new namespace without any changes.
fn untouched() -> Option<Namespace> {
    Namespace::enter().map_err(|why| skip(&why)).ok()
}

fn run(command: Command) -> (Value, i32) {
    let said = Said::of(command, "");
    let status = said.status.code().unwrap_or_else(|| panic!("{said:?}"));
    (serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}")), status)
}

/// The report as JSON and the exit status.
fn doctor() -> (Value, i32) {
    let mut command = ctwarden();
    command.args(["doctor", "--json"]);
    run(command)
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let check = &report["checks"][name];
    assert!(check.is_object(), "no {name} in {report:#}");
    check
}

/// The verdict and the value of a check.
fn found<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let check = check(report, name);
    (check["verdict"].as_str().unwrap(), check["value"].as_str().unwrap())
}

/// Runs the command that a check suggests.
fn obey(report: &Value, name: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", check(report, name)["change"].as_str().unwrap()]);
    let _ = Said::of(shell, "").good();
}

#[test]
fn an_empty_namespace_is_found_untracked_and_the_command_switches_it_on() {
    let Some(_namespace) = untouched() else { return };
    let (report, status) = doctor();
    assert_eq!((status, &report["fit"]), (1, &Value::Bool(false)));
    assert_eq!(found(&report, "hooks"), ("bad", "not active in this network namespace"));
    assert_eq!(found(&report, "ctnetlink").0, "good");
    assert_eq!(found(&report, "capability").0, "good");
    obey(&report, "hooks");
    let (report, status) = doctor();
    assert_eq!((status, &report["fit"]), (0, &Value::Bool(true)), "{report:#}");
    assert_eq!(found(&report, "hooks"), ("good", "active"));
    assert_eq!(table(), [], "nothing of it stays");
}

#[test]
fn a_rule_of_one_family_tracks_that_family_only() {
    let Some(_namespace) = untouched() else { return };
    load("table ip t { chain c { ct state invalid drop; }; }");
    assert_eq!(found(&doctor().0, "hooks"), ("note", "active for IPv4, not for IPv6"));
    load("table ip6 t { chain c { type nat hook postrouting priority 0; masquerade; }; }");
    let (report, status) = doctor();
    assert_eq!((found(&report, "hooks"), status), (("good", "active"), 0));
    assert_eq!(report["facts"]["tracking"]["rules"]["tracking"], serde_json::json!({ "ipv4": 1, "ipv6": 1 }));
}

#[test]
fn loopback_that_is_exempt_from_tracking_misleads_nobody() {
    let Some(_namespace) = untouched() else { return };
    load(
        "table inet t { chain raw { type filter hook prerouting priority -300; iif lo notrack; }; \
         chain out { type filter hook output priority -300; oif lo notrack; }; chain c { ct state new; }; }",
    );
    let (report, _) = doctor();
    assert_eq!(report["facts"]["tracking"]["own_connection"]["ipv4"], "not-tracked", "{report:#}");
    assert_eq!(found(&report, "hooks"), ("good", "active"));
}

#[test]
fn rules_of_iptables_are_seen() {
    let Some(_namespace) = untouched() else { return };
    let mut iptables = Command::new("iptables-nft");
    iptables.args("-A OUTPUT ! -o lo -m conntrack --ctstate NEW -j ACCEPT".split(' '));
    let said = Said::of(iptables, "");
    if !said.is_good() {
        return skip(&format!("no rule of iptables here: {}", said.err));
    }
    let (report, _) = doctor();
    assert_eq!(report["facts"]["tracking"]["rules"]["tracking"]["ipv4"], 1, "{report:#}");
    assert_eq!(found(&report, "hooks").1, "active for IPv4, not for IPv6");
}

#[test]
fn switches_are_judged_as_they_are_and_as_they_become() {
    let Some(_namespace) = untouched() else { return };
    let named = ["accounting", "timestamps", "events", "tcp_loose"];
    let settings = ["acct", "timestamp", "events", "tcp_loose"];
    let set = |values: [u32; 4]| {
        for (setting, value) in settings.iter().zip(values) {
            std::fs::write(format!("/proc/sys/net/netfilter/nf_conntrack_{setting}"), value.to_string()).unwrap();
        }
    };
    let verdicts = || {
        let (report, _) = doctor();
        (named.map(|name| found(&report, name).0.to_owned()), report)
    };
    set([0, 0, 2, 1]);
    let (before, report) = verdicts();
    assert_eq!(before, ["note"; 4]);
    for name in named {
        obey(&report, name);
    }
    assert_eq!(verdicts().0, ["good"; 4]);
    set([1, 1, 0, 0]);
    let (report, status) = doctor();
    assert_eq!((found(&report, "events"), status), (("bad", "nf_conntrack_events = 0"), 1));
}

#[test]
fn room_for_labels_is_found_and_made() {
    let Some(_namespace) = untouched() else { return };
    let (report, _) = doctor();
    assert_eq!(found(&report, "labels"), ("note", "no room in entries"));
    assert_eq!(table(), [], "the entry of its own is gone");
    obey(&report, "labels");
    assert_eq!(found(&doctor().0, "labels"), ("good", "usable"));
}

#[test]
fn rules_that_mute_entries_are_found() {
    let Some(_namespace) = untouched() else { return };
    load("table inet t { chain c { ct event set new,related,destroy,reply; }; }");
    assert_eq!(found(&doctor().0, "event_rules"), ("good", "no rule mutes entries"));
    load("table inet t { chain c { udp dport 53 ct event set new; ct event set new,destroy; }; }");
    let (report, status) = doctor();
    assert_eq!((found(&report, "event_rules"), status), (("note", "2 rules mute entries"), 0));
    assert_eq!(report["facts"]["tracking"]["rules"]["muting"], 2);
    let mut iptables = Command::new("iptables-nft");
    iptables.args("-t raw -A PREROUTING -p udp -j CT --ctevents new".split(' '));
    let said = Said::of(iptables, "");
    if !said.is_good() {
        return skip(&format!("no rule of iptables here: {}", said.err));
    }
    assert_eq!(found(&doctor().0, "event_rules").1, "3 rules mute entries");
}

#[test]
fn a_timeout_that_was_changed_is_odd_until_it_is_changed_back() {
    let Some(_namespace) = untouched() else { return };
    let setting = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established";
    let before = std::fs::read_to_string(setting).unwrap();
    std::fs::write(setting, "7").unwrap();
    let (report, _) = doctor();
    let (verdict, value) = found(&report, "timeouts_tcp");
    assert!(verdict == "note" && value.contains("established 7,"), "{report:#}");
    assert_eq!(report["facts"]["timeouts"]["nf_conntrack_tcp_timeout_established"], 7);
    obey(&report, "timeouts_tcp");
    assert_eq!(std::fs::read_to_string(setting).unwrap(), before);
    assert_eq!(found(&doctor().0, "timeouts_tcp").0, "good");
}

#[test]
fn without_the_capability_it_says_what_is_missing_and_what_it_cannot_tell() {
    let Some(_namespace) = untouched() else { return };
    if let Err(why) = try_load("table inet t { chain c { ct state new; }; }") {
        return skip(&why);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"]);
    command.arg(ctwarden().get_program()).args(["doctor", "--json"]);
    let (report, status) = run(command);
    assert_eq!(status, 1);
    assert_eq!(found(&report, "capability"), ("bad", "CAP_NET_ADMIN is missing"));
    assert!(check(&report, "capability")["change"].as_str().unwrap().contains("setcap cap_net_admin+ep"));
    assert_eq!(found(&report, "ctnetlink").0, "note");
    assert_eq!(found(&report, "labels"), ("note", "unknown"));
    // Checks that need no capability are reported all the same.
    assert_eq!(found(&report, "hooks"), ("good", "active"));
}

#[test]
fn people_get_lines_without_colour_in_a_pipe() {
    let Some(_namespace) = untouched() else { return };
    let mut command = ctwarden();
    command.arg("doctor");
    let said = Said::of(command, "");
    assert_eq!(said.status.code(), Some(1));
    assert!(!said.out.contains('\x1b') && said.err.is_empty(), "{said:?}");
    let (report, _) = doctor();
    for (name, check) in report["checks"].as_object().unwrap() {
        let line = said.out.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
        let line = line.unwrap_or_else(|| panic!("no line of {name} in {}", said.out));
        assert!(line.starts_with(check["verdict"].as_str().unwrap()), "{line}");
    }
    assert!(
        said.out.lines().any(|line| line.trim_start().starts_with("# nft 'add table inet tracking")),
        "{}",
        said.out
    );
    // The length of the summary depends on the rest of the machine, so the summary may take several lines.
    assert!(said.out.lines().any(|line| line.starts_with("This machine is not fit: hooks")), "{}", said.out);
}
