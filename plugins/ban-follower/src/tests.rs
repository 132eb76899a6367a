//! Tests of the policy in the harness: what a ban ends, what it spares, and what the policy answers.

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{FlowBuilder, Harness, Host, flow, json, start};

use serde_json::Value;

use crate::{BanFollower, Config};

fn ssh(client: &str) -> FlowBuilder {
    flow().tcp().from(&format!("{client}:40000")).to("198.51.100.1:22").established()
}

fn follower(config: Value) -> Harness<BanFollower> {
    start(config).unwrap()
}

const BANNED: &str = "banned: 203.0.113.7 is in set banned";

/// A policy whose set `banned` takes the bans by message. The host's part, that the set then has them, is played by
/// [`Harness::change_set`].
fn banning(config: Value) -> Harness<BanFollower> {
    let mut all = json!({ "sets": ["banned"], "block-set": "banned" });
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    Host::new().set("banned", []).start(all).unwrap()
}

#[test]
fn a_message_bans_at_once_and_the_set_from_then_on() {
    let mut policy = banning(json!({}));
    assert!(policy.event(ssh("203.0.113.7")).is_empty());
    let answer = policy.message("ban 203.0.113.7 for 3600").unwrap();
    assert_eq!(answer.text(), "203.0.113.7 banned for at least 3600 s");
    let block = "block 203.0.113.7 in banned for 3600 s: banned: 203.0.113.7 is banned";
    assert_eq!(answer.lines(), [block, "delete on every match: banned: 203.0.113.7 is banned"]);
    assert_eq!(*answer.filter(), Filter::new().either(address("203.0.113.7")));
    policy.change_set("banned", ["203.0.113.7"]);
    let later = policy.events([ssh("203.0.113.8"), ssh("203.0.113.7"), ssh("203.0.113.7")]);
    assert_eq!(later.lines(), [format!("delete on entry 1: {BANNED}"), format!("delete on entry 2: {BANNED}")]);
    let answer = policy.message("ban 2001:db8::/32").unwrap();
    assert_eq!(answer.lines()[0], "block 2001:db8::/32 in banned: banned: 2001:db8::/32 is banned");
    let answer = policy.message("unban 203.0.113.7").unwrap();
    assert_eq!(answer.text(), "203.0.113.7 unbanned");
    assert_eq!(answer.lines(), ["unblock 203.0.113.7 in banned: unbanned: 203.0.113.7 is unbanned"]);
}

#[test]
fn without_a_block_set_a_message_ends_flows_and_bans_nobody() {
    let mut policy = follower(json!({}));
    let answer = policy.message("end 203.0.113.7").unwrap();
    assert_eq!(answer.text(), "flows of 203.0.113.7 ended");
    assert_eq!(answer.lines(), ["delete on every match: asked: 203.0.113.7 is to lose its flows"]);
    assert!(policy.event(ssh("203.0.113.7")).is_empty(), "later flows go on");
    let why = "there is no block-set; set it in the configuration";
    let refused = format!("203.0.113.7 is not banned, because {why}, or write end 203.0.113.7 to end its flows once");
    assert_eq!(policy.message("ban 203.0.113.7"), Err(refused));
    assert_eq!(policy.message("unban 203.0.113.7"), Err(format!("203.0.113.7 is not unbanned, because {why}")));
}

#[test]
fn a_kill_ends_flows_where_it_is_configured() {
    let mut policy = banning(json!({ "action": "kill" }));
    let answer = policy.message("ban 203.0.113.7").unwrap();
    assert_eq!(answer.kinds(), [VerdictKind::Block, VerdictKind::Kill]);
    policy.change_set("banned", ["203.0.113.7"]);
    assert_eq!(policy.event(ssh("203.0.113.7")).lines(), [format!("kill on entry 0: {BANNED}")]);
}

#[test]
fn a_ban_holds_at_either_end_and_through_nat() {
    let host = Host::new().set("banned", ["203.0.113.0/24"]);
    let mut policy: Harness<BanFollower> = host.start(json!({ "sets": ["banned"] })).unwrap();
    let to = flow().udp().from("192.0.2.1:5000").to("203.0.113.9:53");
    let behind = flow().tcp().from("192.0.2.1:5000").to("198.51.100.1:80").answered_by("203.0.113.9:8080");
    let translated = flow().tcp().from("192.0.2.1:5000").to("198.51.100.1:80").appearing_as("203.0.113.10:80");
    let other = flow().from("192.0.2.1").to("198.51.100.1").ping(7);
    let answer = policy.sweep([to, other, behind, translated]);
    assert_eq!(answer.entries(VerdictKind::Delete), [0, 2, 3]);
}

#[test]
fn nobody_in_never_is_banned() {
    let config =
        json!({ "never": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/64"], "sets": ["list"], "block-set": "drop" });
    let host = Host::new().set("list", ["10.1.2.3", "203.0.113.0/24"]);
    let mut policy: Harness<BanFollower> = host.start(config).unwrap();
    for (message, error) in [
        ("ban 192.0.2.1", "192.0.2.1 is not banned: it is in never"),
        ("ban 10.1.2.3", "10.1.2.3 is not banned: it is in 10.0.0.0/8, which is in never"),
        ("ban 192.0.2.0/24 for 60", "192.0.2.0/24 is not banned: it holds 192.0.2.1, which is in never"),
        ("ban 2001:db8::/32", "2001:db8::/32 is not banned: it holds 2001:db8::/64, which is in never"),
        ("end 192.0.2.1", "192.0.2.1 keeps its flows: it is in never"),
        ("{\"ban\": [\"203.0.113.7\", \"192.0.2.1\"]}", "192.0.2.1 is not banned: it is in never"),
    ] {
        assert_eq!(policy.message(message), Err(error.into()));
    }
    assert!(policy.event(flow().tcp().from("10.1.2.3:1").to("192.0.2.1:22")).is_empty());
    let peer = flow().tcp().from("10.1.2.3:1").to("203.0.113.1:22");
    assert_eq!(policy.event(peer).len(), 1, "its peer is banned, and so is their flow");
}

#[test]
fn half_the_world_is_not_banned_by_a_slip() {
    let mut policy = banning(json!({}));
    let refused = "0.0.0.0/0 is not banned: it is wider than /16 (shortest-ipv4-prefix)";
    assert_eq!(policy.message("ban 0.0.0.0/0"), Err(refused.into()));
    let refused = "2000::/3 is not banned: it is wider than /32 (shortest-ipv6-prefix)";
    assert_eq!(policy.message("ban 2000::/3"), Err(refused.into()));
    let refused = "0.0.0.0/0 keeps its flows: it is wider than /16 (shortest-ipv4-prefix)";
    assert_eq!(policy.message("end 0.0.0.0/0"), Err(refused.into()));
    let mut policy = banning(json!({ "shortest-ipv4-prefix": 0 }));
    assert_eq!(policy.message("ban 0.0.0.0/0").unwrap().text(), "0.0.0.0/0 banned");
}

#[test]
fn a_message_has_a_greatest_length() {
    let many: Vec<String> = (0..1001).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let refused = Err("1001 networks in one message; send at most 1000".into());
    assert_eq!(banning(json!({})).message(&json!({ "ban": many }).to_string()), refused);
}

#[test]
fn a_set_bans_as_soon_as_it_changes() {
    let host = Host::new().set("banned", ["203.0.113.0/24 scanner"]).set("other", []);
    let mut policy: Harness<BanFollower> = host.start(json!({ "sets": ["banned", "other"] })).unwrap();
    assert_eq!(policy.subscription().sets(), ["banned", "other"]);
    let answer = policy.events([ssh("192.0.2.7"), ssh("203.0.113.7")]);
    assert_eq!(answer.lines(), ["delete on entry 1: banned: 203.0.113.7 is in set banned (scanner)"]);
    let answer = policy.change_set("other", ["192.0.2.7"]);
    assert_eq!(answer.lines(), ["sweep on every match: set-changed: other"]);
    let network = |text: &str| text.parse::<Prefix>().unwrap();
    assert_eq!(*answer.filter(), Filter::new().either(network("192.0.2.7")), "the whole set is not looked for");
    let swept = policy.sweep_of(answer.filter(), [ssh("203.0.113.7"), ssh("192.0.2.8"), ssh("192.0.2.7")]);
    let others = "those of the other set were met before";
    assert_eq!(swept.lines(), ["delete on entry 0: banned: 192.0.2.7 is in set other"], "{others}");
    assert!(policy.change_set("other", []).is_empty(), "a network that left the set bans no flow");
    let many: Vec<String> = (0..1025).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let answer = policy.change_set("other", many.iter().map(String::as_str));
    assert_eq!(*answer.filter(), Filter::new().in_set("other"), "so many are not listed");
}

#[test]
fn a_changed_set_is_asked_for_within_the_scope_and_spares_never() {
    let config = json!({ "sets": ["banned"], "never": ["203.0.113.0/28"], "protocols": ["tcp"], "ports": [22] });
    let mut policy: Harness<BanFollower> = Host::new().set("banned", []).start(config).unwrap();
    let answer = policy.change_set("banned", ["203.0.113.0/24"]);
    let network = "203.0.113.0/24".parse::<Prefix>().unwrap();
    assert_eq!(*answer.filter(), Filter::new().tcp().dst_port(22).either(network));
    let dns = flow().udp().from("203.0.113.77:5000").to("198.51.100.1:53");
    let swept = policy.sweep_of(answer.filter(), [ssh("203.0.113.7"), dns, ssh("203.0.113.77")]);
    assert_eq!(swept.lines(), ["delete on entry 1: banned: 203.0.113.77 is in set banned"]);
}

#[test]
fn a_set_that_cannot_be_read_is_told_and_the_rest_goes_on() {
    let host = Host::new().set("banned", ["203.0.113.7"]);
    let mut policy: Harness<BanFollower> = host.start(json!({ "sets": ["lost", "banned"] })).unwrap();
    let answer = policy.event(ssh("203.0.113.7"));
    assert_eq!(answer.kinds(), [VerdictKind::Alert, VerdictKind::Delete]);
    assert_eq!(answer.lines()[0], "alert \"flows of set lost are not ended: there is no set \"lost\"\": set");
}

#[test]
fn unbanning_says_which_other_set_has_the_address() {
    let host = Host::new().set("list", ["192.0.2.1"]).set("banned", ["192.0.2.1"]);
    let config = json!({ "sets": ["banned", "list"], "block-set": "banned" });
    let mut policy: Harness<BanFollower> = host.start(config).unwrap();
    let mut text = |message: &str| policy.message(message).unwrap().text().to_owned();
    assert_eq!(text("unban 192.0.2.1"), "192.0.2.1 unbanned, but it is in set list");
    assert_eq!(text("unban 192.0.2.2"), "192.0.2.2 unbanned");
}

#[test]
fn an_address_with_a_length_means_its_network_which_is_said() {
    let mut policy = banning(json!({}));
    let answer = policy.message("ban 10.1.0.3/24 for 4h30m").unwrap();
    assert_eq!(answer.text(), "10.1.0.0/24 (all of it, not 10.1.0.3 alone) banned for at least 16200 s");
    let answer = policy.message("unban 10.1.0.7/24").unwrap();
    assert_eq!(answer.text(), "10.1.0.0/24 (all of it, not 10.1.0.7 alone) unbanned");
    assert_eq!(policy.message("ban ::ffff:203.0.113.7 for -1").unwrap().text(), "203.0.113.7 banned");
}

#[test]
fn only_the_ports_that_were_asked_for() {
    let host = Host::new().set("banned", ["203.0.113.7"]);
    let config = json!({ "sets": ["banned"], "protocols": ["tcp"], "ports": [22, "8000-8999"] });
    let mut policy: Harness<BanFollower> = host.start(config).unwrap();
    let scope = Filter::new().tcp().dst_port(22).dst_port(8000..=8999);
    let answer = policy.message("end 203.0.113.7").unwrap();
    assert_eq!(*answer.filter(), scope.clone().either(address("203.0.113.7")));
    let web = flow().tcp().from("203.0.113.7:40000").to("198.51.100.1:443");
    let alternative = flow().tcp().from("203.0.113.7:40000").to("198.51.100.1:8080");
    let answer = policy.events([web, alternative, ssh("203.0.113.7")]);
    assert_eq!(answer.len(), 2, "the host delivers no more: {:?}", answer.lines());
    let whole = Subscription::default().needs([VerdictKind::Delete]).selects();
    let narrowed = follower(json!({ "protocols": ["tcp"], "ports": [22, "8000-8999"] }));
    assert_eq!(*narrowed.subscription(), whole.clone().only(scope));
    assert_eq!(*follower(json!({})).subscription(), whole);
}

#[test]
fn many_bans_at_once_are_one_deletion() {
    let mut policy = banning(json!({}));
    let answer = policy.message(r#"{"ban": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "seconds": 60}"#).unwrap();
    assert_eq!(
        answer.text(),
        "192.0.2.1 banned for at least 60 s\n192.0.2.2 banned for at least 60 s\n192.0.2.3 banned for at least 60 s"
    );
    let kinds = [VerdictKind::Block, VerdictKind::Block, VerdictKind::Block, VerdictKind::Delete];
    assert_eq!(answer.kinds(), kinds);
    assert_eq!(answer.lines()[3], "delete on every match: banned: 192.0.2.1 and 2 more are banned");
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let refused = |config| start::<BanFollower>(config).map(|_| ()).unwrap_err();
    assert!(refused(json!({ "block-sets": "x" })).starts_with("unknown field `block-sets`"));
    assert!(refused(json!({ "never": ["10.0.0.0/40"] })).starts_with("prefix length 40 is longer than the 32 bits"));
    assert!(refused(json!({ "remember": true })).starts_with("unknown field `remember`"));
    let ports = "ports: one of the given protocols has no ports; remove one of the two";
    assert_eq!(refused(json!({ "protocols": ["icmp"], "ports": [22] })), ports);
    let schema = <Config as Configuration>::schema();
    for key in ["block-set", "shortest-ipv6-prefix", "How flows end"] {
        assert!(schema.contains(key), "{schema}");
    }
}

fn address(text: &str) -> Prefix {
    text.parse().unwrap()
}

#[test]
fn no_more_is_needed_than_bans_take() {
    let needs = |config| follower(config).needs().to_vec();
    assert_eq!(needs(json!({})), [VerdictKind::Delete]);
    let blocking = [VerdictKind::Delete, VerdictKind::Block, VerdictKind::Unblock];
    assert_eq!(needs(json!({ "block-set": "b" })), blocking);
    assert_eq!(needs(json!({ "sets": ["s"] })), [VerdictKind::Delete, VerdictKind::Alert, VerdictKind::Sweep]);
    assert_eq!(needs(json!({ "action": "kill" })), [VerdictKind::Kill]);
}
