//! Tests of the policy in the harness: what a ban ends, what it spares, and what the policy answers.

use std::time::Duration;

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

#[test]
fn a_message_bans_at_once_and_from_then_on() {
    let mut policy = follower(json!({}));
    assert!(policy.event(ssh("203.0.113.7")).is_empty());
    let answer = policy.message("ban 203.0.113.7 for 3600").unwrap();
    assert_eq!(answer.text(), "203.0.113.7 banned for 3600 s");
    assert_eq!(answer.lines(), ["delete on every match: banned: 203.0.113.7 is banned"]);
    assert_eq!(*answer.filter(), Filter::new().either(address("203.0.113.7")));
    let later = policy.events([ssh("203.0.113.8"), ssh("203.0.113.7")]);
    assert_eq!(later.lines(), ["delete on entry 1: banned: 203.0.113.7 is banned"]);
}

#[test]
fn a_ban_holds_at_either_end_and_through_nat() {
    let mut policy = follower(json!({}));
    policy.message("ban 203.0.113.0/24").unwrap();
    let to = flow().udp().from("192.0.2.1:5000").to("203.0.113.9:53");
    let behind = flow().tcp().from("192.0.2.1:5000").to("198.51.100.1:80").answered_by("203.0.113.9:8080");
    let translated = flow().tcp().from("192.0.2.1:5000").to("198.51.100.1:80").appearing_as("203.0.113.10:80");
    let other = flow().from("192.0.2.1").to("198.51.100.1").ping(7);
    let answer = policy.sweep([to, other, behind, translated]);
    assert_eq!(answer.entries(VerdictKind::Delete), [0, 2, 3]);
}

#[test]
fn a_ban_ends() {
    let mut policy = follower(json!({}));
    policy.message("ban 203.0.113.7 for 60").unwrap();
    policy.message("ban 2001:db8::/32").unwrap();
    policy.advance(Duration::from_millis(59_001));
    assert_eq!(policy.message("list").unwrap().text(), "203.0.113.7 for 1 s\n2001:db8::/32");
    assert_eq!(policy.event(ssh("203.0.113.7")).len(), 1);
    policy.advance(Duration::from_secs(1));
    assert!(policy.event(ssh("203.0.113.7")).is_empty(), "without a tick in between");
    assert!(policy.tick().is_empty());
    assert_eq!(policy.message("list").unwrap().text(), "2001:db8::/32");
    assert_eq!(policy.message("unban 2001:db8::/32").unwrap().text(), "2001:db8::/32 unbanned");
    assert_eq!(policy.message("list").unwrap().text(), "no bans");
    let ipv6 = flow().tcp().from("[2001:db8::7]:4000").to("[2001:db8:1::1]:22");
    assert!(policy.event(ipv6).is_empty());
    assert_eq!(policy.message("unban 2001:db8::/32"), Err("2001:db8::/32 is not banned".into()));
}

#[test]
fn bans_outlive_a_restart_with_their_ends() {
    let mut policy = follower(json!({}));
    policy.message(r#"{"ban": ["203.0.113.7", "203.0.113.8"], "seconds": 60}"#).unwrap();
    policy.message("ban 2001:db8::/32").unwrap();
    policy.message("unban 203.0.113.8").unwrap();
    policy.advance(Duration::from_secs(10));
    let mut policy = policy.restart().unwrap();
    assert_eq!(policy.message("list").unwrap().text(), "203.0.113.7 for 50 s\n2001:db8::/32");
    policy.advance(Duration::from_secs(50));
    policy.tick();
    let mut policy = policy.restart().unwrap();
    assert_eq!(policy.message("list").unwrap().text(), "2001:db8::/32");
}

#[test]
fn bans_are_forgotten_where_that_is_wanted() {
    let mut policy = follower(json!({ "remember": false }));
    policy.message("ban 203.0.113.7").unwrap();
    assert_eq!(policy.restart().unwrap().message("list").unwrap().text(), "no bans");
}

#[test]
fn a_ban_that_cannot_be_remembered_holds_all_the_same() {
    let mut policy: Harness<BanFollower> = Host::new().memory_keys(0).start(json!({})).unwrap();
    let answer = policy.message("ban 203.0.113.7 for 5").unwrap();
    assert_eq!(
        answer.text(),
        "203.0.113.7 banned for 5 s; the ban is lost at a restart: the quota of 0 keys is used up"
    );
    assert_eq!(policy.event(ssh("203.0.113.7")).len(), 1);
}

#[test]
fn what_is_remembered_and_is_no_ban_is_dropped() {
    let host = Host::new().remembering("ban/nonsense", b"").remembering("ban/192.0.2.1", b"soon");
    let mut policy: Harness<BanFollower> = host.remembering("ban/192.0.2.2", b"").start(json!({})).unwrap();
    assert_eq!(policy.message("list").unwrap().text(), "192.0.2.2");
}

#[test]
fn a_block_comes_with_each_ban() {
    let mut policy = follower(json!({ "block-set": "banned", "block-seconds": 600 }));
    let answer = policy.message("ban 203.0.113.7 for 3600").unwrap();
    let block = "block 203.0.113.7 in banned for 3600 s: banned: 203.0.113.7 is banned";
    assert_eq!(answer.lines(), [block, "delete on every match: banned: 203.0.113.7 is banned"]);
    let answer = policy.message("ban 2001:db8::/32").unwrap();
    assert_eq!(answer.lines()[0], "block 2001:db8::/32 in banned for 600 s: banned: 2001:db8::/32 is banned");
    let answer = policy.message("unban 203.0.113.7").unwrap();
    assert_eq!(answer.lines(), ["unblock 203.0.113.7 in banned: unbanned: 203.0.113.7 is unbanned"]);
}

#[test]
fn who_comes_back_after_the_block_is_blocked_again_once_a_batch() {
    let mut policy = follower(json!({ "block-set": "banned", "block-seconds": 600 }));
    policy.message("ban 203.0.113.7 for 3600").unwrap();
    policy.advance(Duration::from_secs(1000));
    let answer = policy.events([ssh("203.0.113.7"), ssh("203.0.113.7")]);
    let kinds = [VerdictKind::Block, VerdictKind::Delete, VerdictKind::Delete];
    assert_eq!(answer.kinds(), kinds);
    assert_eq!(answer.lines()[0], "block 203.0.113.7 in banned for 2600 s on entry 0: banned: 203.0.113.7 is banned");
    assert_eq!(policy.event(ssh("203.0.113.7")).kinds(), [VerdictKind::Block, VerdictKind::Delete]);
    policy.sweep_begin();
    assert_eq!(policy.sweep_rows([ssh("203.0.113.7")]).len(), 2);
    assert_eq!(policy.sweep_rows([ssh("203.0.113.7")]).len(), 1, "the same sweep");
}

#[test]
fn nobody_in_never_is_banned() {
    let config = json!({ "never": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/64"], "sets": ["list"] });
    let host = Host::new().set("list", ["10.1.2.3", "203.0.113.0/24"]);
    let mut policy: Harness<BanFollower> = host.start(config).unwrap();
    for (message, error) in [
        ("ban 192.0.2.1", "192.0.2.1 is not banned: it is in never"),
        ("ban 10.1.2.3", "10.1.2.3 is not banned: it is in 10.0.0.0/8, which is in never"),
        ("ban 192.0.2.0/24 for 60", "192.0.2.0/24 is not banned: it holds 192.0.2.1, which is in never"),
        ("ban 2001:db8::/32", "2001:db8::/32 is not banned: it holds 2001:db8::/64, which is in never"),
        ("{\"ban\": [\"203.0.113.7\", \"192.0.2.1\"]}", "192.0.2.1 is not banned: it is in never"),
    ] {
        assert_eq!(policy.message(message), Err(error.into()));
    }
    assert_eq!(policy.message("list").unwrap().text(), "no bans", "all of a message or nothing");
    assert!(policy.event(flow().tcp().from("10.1.2.3:1").to("192.0.2.1:22")).is_empty());
    let peer = flow().tcp().from("10.1.2.3:1").to("203.0.113.1:22");
    assert_eq!(policy.event(peer).len(), 1, "its peer is banned, and so is their flow");
}

#[test]
fn half_the_world_is_not_banned_by_a_slip() {
    let mut policy = follower(json!({}));
    let refused = "0.0.0.0/0 is not banned: it is wider than /16 (shortest-ipv4-prefix)";
    assert_eq!(policy.message("ban 0.0.0.0/0"), Err(refused.into()));
    let refused = "2000::/3 is not banned: it is wider than /32 (shortest-ipv6-prefix)";
    assert_eq!(policy.message("ban 2000::/3"), Err(refused.into()));
    let mut policy = follower(json!({ "shortest-ipv4-prefix": 0 }));
    assert_eq!(policy.message("ban 0.0.0.0/0").unwrap().text(), "0.0.0.0/0 banned");
}

#[test]
fn a_runaway_sender_finds_an_end() {
    let mut policy = follower(json!({ "max-bans": 2 }));
    policy.message("ban 192.0.2.1").unwrap();
    policy.message("ban 192.0.2.2").unwrap();
    policy.message("ban 192.0.2.2 for 60").unwrap();
    let refused = Err("there are 2 bans of at most 2; unban some or raise max-bans".into());
    assert_eq!(policy.message("ban 192.0.2.3"), refused);
    policy.advance(Duration::from_secs(60));
    assert!(policy.message("ban 192.0.2.3").is_ok(), "one has ended");
    let many: Vec<String> = (0..1001).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let refused = Err("1001 networks in one message; send at most 1000".into());
    assert_eq!(policy.message(&json!({ "ban": many }).to_string()), refused);
}

#[test]
fn a_set_bans_as_soon_as_it_changes() {
    let host = Host::new().set("banned", ["203.0.113.0/24 scanner"]).set("other", []);
    let config = json!({ "sets": ["banned", "other"], "block-set": "drop", "block-seconds": 60 });
    let mut policy: Harness<BanFollower> = host.start(config).unwrap();
    assert_eq!(policy.subscription().sets(), ["banned", "other"]);
    let why = "banned: 203.0.113.7 is in set banned (scanner)";
    let answer = policy.events([ssh("192.0.2.7"), ssh("203.0.113.7")]);
    let lines = [format!("block 203.0.113.7 in drop for 60 s on entry 1: {why}"), format!("delete on entry 1: {why}")];
    assert_eq!(answer.lines(), lines);
    let answer = policy.change_set("other", ["192.0.2.7"]);
    assert_eq!(answer.lines(), ["sweep on every match: set-changed: other"]);
    let network = |text: &str| text.parse::<Prefix>().unwrap();
    assert_eq!(*answer.filter(), Filter::new().either(network("192.0.2.7")), "the whole set is not looked for");
    let swept = policy.sweep_of(answer.filter(), [ssh("203.0.113.7"), ssh("192.0.2.8"), ssh("192.0.2.7")]);
    let why = "192.0.2.7 is in set other";
    let block = format!("block 192.0.2.7 in drop for 60 s on entry 0: banned: {why}");
    assert_eq!(
        swept.lines(),
        [block, format!("delete on entry 0: banned: {why}")],
        "those of the other set were met before"
    );
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
    let mut policy = follower(json!({ "sets": ["lost"] }));
    policy.message("ban 203.0.113.7").unwrap();
    let answer = policy.event(ssh("203.0.113.7"));
    assert_eq!(answer.kinds(), [VerdictKind::Alert, VerdictKind::Delete]);
    assert_eq!(answer.lines()[0], "alert \"bans of set lost have no effect: there is no set \"lost\"\": set");
}

#[test]
fn unbanning_says_what_still_holds() {
    let host = Host::new().set("banned", ["192.0.2.1"]);
    let mut policy: Harness<BanFollower> = host.start(json!({ "sets": ["banned"] })).unwrap();
    policy.message("ban 203.0.113.0/24").unwrap();
    policy.message("ban 203.0.113.7").unwrap();
    policy.message("ban 192.0.2.1").unwrap();
    let text = |answer: Result<ctwarden_sdk::testing::Answer, String>| answer.unwrap().text().to_owned();
    let still = "203.0.113.7 unbanned, but 203.0.113.0/24 is banned";
    assert_eq!(text(policy.message("unban 203.0.113.7")), still);
    let refused = Err("203.0.113.7 is not unbanned: 203.0.113.0/24 is banned".into());
    assert_eq!(policy.message("unban 203.0.113.7"), refused);
    assert_eq!(text(policy.message("unban 192.0.2.1")), "192.0.2.1 unbanned, but it is in set banned");
    assert_eq!(policy.message("unban 192.0.2.1"), Err("192.0.2.1 is not unbanned: it is in set banned".into()));
}

/// Returns the `block` and `unblock` verdicts of an answer in their order, without code and reason.
fn on_networks(answer: &ctwarden_sdk::testing::Answer) -> Vec<String> {
    let lines = answer.lines();
    let lines = lines.iter().filter(|line| line.starts_with("block") || line.starts_with("unblock"));
    lines.map(|line| line.split(": ").next().unwrap().to_owned()).collect()
}

#[test]
fn what_another_ban_holds_stays_blocked() {
    let mut policy = follower(json!({ "block-set": "drop", "block-seconds": 600 }));
    policy.message("ban 203.0.113.0/28 for 1h").unwrap();
    policy.message("ban 203.0.113.7 for 2h").unwrap();
    policy.message("ban 203.0.113.8 for 60").unwrap();
    policy.message("ban 192.0.2.1").unwrap();
    let answer = policy.message("unban 203.0.113.8").unwrap();
    assert!(on_networks(&answer).is_empty(), "it leaves with the network, which is banned for longer");
    let answer = policy.message("unban 203.0.113.7").unwrap();
    let expected = ["unblock 203.0.113.7 in drop", "block 203.0.113.0/28 in drop for 3600 s"];
    assert_eq!(on_networks(&answer), expected, "it would have stayed longer than the network");

    policy.message("ban 203.0.113.7 for 60").unwrap();
    policy.message("ban 203.0.113.9").unwrap();
    policy.advance(Duration::from_secs(10));
    let answer = policy.message("unban 203.0.113.0/28").unwrap();
    let expected =
        ["unblock 203.0.113.0/28 in drop", "block 203.0.113.7 in drop for 50 s", "block 203.0.113.9 in drop for 600 s"];
    assert_eq!(on_networks(&answer), expected);
    assert_eq!(
        policy.message("unban 203.0.113.7").unwrap().lines(),
        ["unblock 203.0.113.7 in drop: unbanned: 203.0.113.7 is unbanned"]
    );
    let answer = policy.message("unban 203.0.113.0/24").unwrap();
    assert_eq!(answer.text(), "203.0.113.0/24 was not banned; removed from drop");
    assert_eq!(on_networks(&answer), ["unblock 203.0.113.0/24 in drop", "block 203.0.113.9 in drop for 600 s"]);
}

#[test]
fn what_a_set_lists_stays_blocked() {
    let host = Host::new().set("list", ["192.0.2.1"]);
    let mut policy: Harness<BanFollower> = host.start(json!({ "sets": ["list"], "block-set": "drop" })).unwrap();
    policy.message("ban 192.0.2.1").unwrap();
    let answer = policy.message("unban 192.0.2.1").unwrap();
    assert_eq!(on_networks(&answer), ["block 192.0.2.1 in drop for 3600 s"]);
}

#[test]
fn a_network_that_holds_many_bans_is_let_go_in_steps() {
    let mut policy = follower(json!({ "block-set": "drop" }));
    for part in 0..3 {
        let many: Vec<String> = (0..1000).map(|n| format!("10.0.{}.{}", 4 * part + n / 256, n % 256)).collect();
        policy.message(&json!({ "ban": many }).to_string()).unwrap();
    }
    policy.message("ban 10.0.0.0/16").unwrap();
    let answer = policy.message("unban 10.0.0.0/16").unwrap();
    let tick = policy.tick();
    assert_eq!((answer.len(), tick.len()), (2000, 1001));
    assert!(policy.tick().is_empty());
}

#[test]
fn an_earlier_end_holds_for_the_block_set_too() {
    let mut policy = follower(json!({ "block-set": "drop" }));
    policy.message("ban 203.0.113.7 for 1h").unwrap();
    policy.message("ban 203.0.113.7 for 60").unwrap();
    policy.advance(Duration::from_secs(60));
    assert_eq!(policy.tick().lines(), ["unblock 203.0.113.7 in drop: ended: the ban of 203.0.113.7 has ended"]);
    policy.message("ban 203.0.113.7 for 60").unwrap();
    policy.advance(Duration::from_secs(60));
    assert!(policy.tick().is_empty(), "the set lets go of it by itself");
}

#[test]
fn remembered_bans_are_blocked_again_for_the_rest_of_their_time() {
    let config = json!({ "block-set": "drop", "block-seconds": "10m", "never": ["198.51.100.0/24"] });
    let mut policy = follower(config.clone());
    policy.message("ban 203.0.113.7 for 1h").unwrap();
    policy.message("ban 203.0.113.8 for 60").unwrap();
    policy.message("ban 2001:db8::/32").unwrap();
    policy.advance(Duration::from_secs(100));
    let mut policy = policy.restart().unwrap();
    let answer = policy.sweep_begin();
    assert_eq!(
        answer.lines(),
        [
            "block 203.0.113.7 in drop for 3500 s: remembered: 203.0.113.7 is banned",
            "block 2001:db8::/32 in drop for 600 s: remembered: 2001:db8::/32 is banned",
        ]
    );
    assert!(policy.sweep_begin().is_empty(), "once is enough");
    let mut policy = policy.restart().unwrap();
    assert_eq!(policy.event(ssh("192.0.2.1")).len(), 2, "whatever comes first");
    let host = Host::new().remembering("ban/198.51.100.7", b"").remembering("ban/::ffff:192.0.2.9", b"");
    let mut policy: Harness<BanFollower> = host.start(config).unwrap();
    assert_eq!(on_networks(&policy.sweep_begin()), ["block 192.0.2.9 in drop for 600 s"], "who is exempt stays so");
}

#[test]
fn an_address_with_a_length_means_its_network_which_is_said() {
    let mut policy = follower(json!({}));
    let answer = policy.message("ban 10.1.0.3/24 for 4h30m").unwrap();
    assert_eq!(answer.text(), "10.1.0.0/24 (all of it, not 10.1.0.3 alone) banned for 16200 s");
    let answer = policy.message("unban 10.1.0.7/24").unwrap();
    assert_eq!(answer.text(), "10.1.0.0/24 (all of it, not 10.1.0.7 alone) unbanned");
    assert_eq!(policy.message("ban ::ffff:203.0.113.7 for -1").unwrap().text(), "203.0.113.7 banned");
    assert_eq!(policy.event(ssh("203.0.113.7")).len(), 1);
}

#[test]
fn who_is_only_blocked_can_be_let_go() {
    let mut policy = follower(json!({ "block-set": "drop" }));
    let answer = policy.message("unban 192.0.2.1").unwrap();
    assert_eq!(answer.text(), "192.0.2.1 was not banned; removed from drop");
    assert_eq!(answer.kinds(), [VerdictKind::Unblock]);
}

#[test]
fn only_the_ports_that_were_asked_for() {
    let mut policy = follower(json!({ "protocols": ["tcp"], "ports": [22, "8000-8999"] }));
    let scope = Filter::new().tcp().dst_port(22).dst_port(8000..=8999);
    let answer = policy.message("ban 203.0.113.7").unwrap();
    assert_eq!(*answer.filter(), scope.clone().either(address("203.0.113.7")));
    let web = flow().tcp().from("203.0.113.7:40000").to("198.51.100.1:443");
    let alternative = flow().tcp().from("203.0.113.7:40000").to("198.51.100.1:8080");
    let answer = policy.events([web, alternative, ssh("203.0.113.7")]);
    assert_eq!(answer.len(), 2, "the host delivers no more: {:?}", answer.lines());
    let whole = Subscription::default().needs([VerdictKind::Delete]).tick_every(Duration::from_secs(60)).selects();
    assert_eq!(*policy.subscription(), whole.clone().only(scope));
    assert_eq!(*follower(json!({})).subscription(), whole);
}

#[test]
fn many_bans_at_once_are_one_deletion() {
    let mut policy = follower(json!({ "block-set": "drop" }));
    let answer = policy.message(r#"{"ban": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "seconds": 60}"#).unwrap();
    assert_eq!(answer.text(), "192.0.2.1 banned for 60 s\n192.0.2.2 banned for 60 s\n192.0.2.3 banned for 60 s");
    let kinds = [VerdictKind::Block, VerdictKind::Block, VerdictKind::Block, VerdictKind::Delete];
    assert_eq!(answer.kinds(), kinds);
    assert_eq!(answer.lines()[3], "delete on every match: banned: 192.0.2.1 and 2 more are banned");
}

#[test]
fn a_long_list_is_cut() {
    let mut policy = follower(json!({}));
    let many: Vec<String> = (0..600).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    policy.message(&json!({ "ban": many }).to_string()).unwrap();
    let list = policy.message("list").unwrap();
    assert_eq!((list.text().lines().count(), list.text().lines().last()), (501, Some("and 100 more")));
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let refused = |config| start::<BanFollower>(config).map(|_| ()).unwrap_err();
    assert!(refused(json!({ "block-sets": "x" })).starts_with("unknown field `block-sets`"));
    assert!(refused(json!({ "never": ["10.0.0.0/40"] })).starts_with("prefix length 40 is longer than the 32 bits"));
    let ports = "ports: one of the given protocols has no ports; remove one of the two";
    assert_eq!(refused(json!({ "protocols": ["icmp"], "ports": [22] })), ports);
    let schema = <Config as Configuration>::schema();
    for key in ["block-set", "shortest-ipv6-prefix", "before it ends their flows"] {
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
}

#[test]
fn a_ban_that_ran_out_while_nobody_watched_is_forgotten_at_once() {
    let mut policy = follower(json!({}));
    policy.message("ban 203.0.113.7 for 60").unwrap();
    policy.message("ban 203.0.113.8").unwrap();
    policy.advance(Duration::from_secs(61));
    let policy = policy.restart().unwrap();
    assert_eq!(policy.policy().bans.len(), 1);
}
