//! Sentences about requests and their answers.

use std::sync::Arc;

use ctwarden_model::PrefixMap;

use super::*;

const ANY: Accepts<'_> = Accepts { shortest: Shortest { ipv4: 0, ipv6: 0 }, never: None, mirror: None };

fn second(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

fn add(networks: &[&str], seconds: Option<u64>, source: &str) -> AddToSet {
    AddToSet {
        set: "banned".into(),
        source: source.into(),
        networks: networks.iter().map(ToString::to_string).collect(),
        service: None,
        seconds,
        value: String::new(),
        reason: "scan".into(),
    }
}

fn remove(networks: &[&str], source: &str, all: bool) -> RemoveFromSet {
    let networks = networks.iter().map(ToString::to_string).collect();
    RemoveFromSet { set: "banned".into(), source: source.into(), networks, service: None, all }
}

fn lines(change: Result<ClaimChange, String>) -> Vec<String> {
    let line = |line: ChangedNetwork| format!("{} {}{}", line.network, line.text, if line.done { "" } else { " !" });
    change.unwrap().lines.into_iter().map(line).collect()
}

fn set() -> SetName {
    SetName("banned".into())
}

#[test]
fn a_network_is_added_once_and_a_short_time_does_not_shorten_a_long_one() {
    let mut claims = Claims::default();
    let now = second(0);
    let change = claims.add(&add(&["198.51.100.7", "2001:db8::/32"], Some(60), "alice"), ANY, now).unwrap();
    assert_eq!((change.rows.len(), change.networks[&set()].len()), (2, 2));
    assert_eq!(lines(Ok(change))[0], "198.51.100.7 added until 1970-01-01T00:01:00Z");
    let again = claims.add(&add(&["198.51.100.7"], Some(30), "alice"), ANY, now).unwrap();
    assert!(again.rows.is_empty() && again.networks.is_empty(), "nothing is written and nobody is told");
    assert_eq!(lines(Ok(again)), ["198.51.100.7 is there until 1970-01-01T00:01:00Z already"]);
    let longer = claims.add(&add(&["198.51.100.7"], None, "alice"), ANY, second(9)).unwrap();
    assert_eq!(longer.rows[0].claim.as_ref().unwrap().since, now, "the claim keeps its begin");
    assert_eq!(lines(Ok(longer)), ["198.51.100.7 stays until it is removed"]);
}

#[test]
fn what_others_claim_stays_and_is_named() {
    let mut claims = Claims::default();
    let now = second(0);
    claims.add(&add(&["198.51.100.7"], None, "alice"), ANY, now).unwrap();
    claims.add(&add(&["198.51.100.7", "198.51.100.0/24"], Some(60), "fail2ban"), ANY, now).unwrap();
    let of_bob = lines(claims.remove(&remove(&["198.51.100.7"], "bob", false), None, now));
    assert_eq!(of_bob, ["198.51.100.7 was not claimed, but stays in the set: alice claims 198.51.100.7 and 2 more !"]);
    let of_alice = lines(claims.remove(&remove(&["198.51.100.7"], "alice", false), None, now));
    let fail2ban = "fail2ban claims 198.51.100.7 until 1970-01-01T00:01:00Z";
    assert_eq!(of_alice, [format!("198.51.100.7 removed, but stays in the set: {fail2ban} and 1 more !")]);
    let all = lines(claims.remove(&remove(&["198.51.100.7"], "alice", true), None, now));
    let wider = "fail2ban claims 198.51.100.0/24 until 1970-01-01T00:01:00Z";
    assert_eq!(all, [format!("198.51.100.7 removed, but stays in the set: {wider} !")]);
    let listed: Networks = Arc::new(PrefixMap::from_iter([("198.51.0.0/16".parse().unwrap(), Arc::default())]));
    let wide = lines(claims.remove(&remove(&["198.51.100.0/24"], "fail2ban", false), Some(&listed), now));
    assert_eq!(wide, ["198.51.100.0/24 removed, but stays in the set: its list has 198.51.0.0/16 !"]);
    assert_eq!(lines(claims.remove(&remove(&["192.0.2.1"], "bob", true), None, now)), ["192.0.2.1 is not in the set"]);
    assert_eq!(claims.len(&set()), 0);
}

#[test]
fn a_claim_ends_by_itself_and_the_next_value_counts() {
    let mut claims = Claims::default();
    let valued =
        |seconds, value: &str, source: &str| AddToSet { value: value.into(), ..add(&["192.0.2.1"], seconds, source) };
    claims.add(&valued(Some(60), "short", "alice"), ANY, second(0)).unwrap();
    claims.add(&valued(Some(90), "long", "bob"), ANY, second(0)).unwrap();
    assert_eq!(claims.networks(&set(), second(0)), [("192.0.2.1".parse().unwrap(), "long".to_owned())]);
    claims.add(&valued(Some(120), "short", "alice"), ANY, second(0)).unwrap();
    assert_eq!(claims.next_end(), Some(second(60)));
    assert!(claims.expire(second(60)).rows.is_empty(), "the claim is longer now");
    let ended = claims.expire(second(90));
    assert_eq!(ended.networks[&set()], [("192.0.2.1".parse().unwrap(), Some("short".to_owned()))]);
    let ended = claims.expire(second(120));
    assert_eq!(ended.networks[&set()], [("192.0.2.1".parse().unwrap(), None)]);
    assert_eq!((ended.rows.len(), ended.rows[0].claim.clone(), claims.next_end()), (1, None, None));
}

#[test]
fn what_the_store_has_is_there_again_but_for_what_has_ended() {
    let mut claims = Claims::default();
    let mut rows = claims.add(&add(&["192.0.2.1"], Some(60), "alice"), ANY, second(0)).unwrap().rows;
    rows.extend(claims.add(&add(&["192.0.2.2"], None, "alice"), ANY, second(0)).unwrap().rows);
    let again = Claims::of(rows, second(60));
    assert_eq!(again.networks(&set(), second(60)), [("192.0.2.2".parse().unwrap(), String::new())]);
}

#[test]
fn a_policy_claims_for_itself_and_others_keep_their_claims() {
    let mut claims = Claims::default();
    let policy = PluginName::new("port-scan").unwrap();
    let network: Prefix = "192.0.2.1".parse().unwrap();
    let block = PolicyBlock {
        policy: policy.clone(),
        block: Block { set: set(), network, service: None, seconds: Some(60) },
        reason: "é".repeat(TEXT_MAX),
    };
    let change = claims.block(&block, second(0)).unwrap();
    assert_eq!(change.rows[0].claim.as_ref().unwrap().note.reason.len(), TEXT_MAX);
    assert_eq!(change.members[&set()], [(Member::network(network), Some(Some(second(60))))]);
    assert!(claims.block(&block, second(0)).unwrap().rows.is_empty(), "an equal block changes nothing");
    claims.add(&add(&["192.0.2.1"], Some(90), "alice"), ANY, second(0)).unwrap();
    assert_eq!(claims.policies(), [(policy.clone(), 1)].into());
    let unblock = PolicyUnblock { policy, unblock: ctwarden_model::Unblock { set: set(), network, service: None } };
    let change = claims.unblock(&unblock, second(0)).unwrap();
    assert_eq!(change.members[&set()], [(Member::network(network), Some(Some(second(90))))], "alice still claims");
    assert!(claims.unblock(&unblock, second(0)).is_none());
}

#[test]
fn the_blocks_of_a_policy_that_end_first_make_room_for_later_ones() {
    let mut claims = Claims::default();
    let block = |number: u32, seconds| PolicyBlock {
        policy: PluginName::new("port-scan").unwrap(),
        block: Block {
            set: set(),
            network: Prefix::host(std::net::Ipv4Addr::from_bits(0xc612_0000 + number).into()),
            service: None,
            seconds,
        },
        reason: "scan".into(),
    };
    for number in 0..100_000 {
        claims.block(&block(number, Some(100_000 - number)), second(0)).unwrap();
    }
    claims.add(&add(&["192.0.2.1"], Some(1), "alice"), ANY, second(0)).unwrap();
    let change = claims.block(&block(100_000, Some(5)), second(0)).unwrap();
    assert_eq!(claims.len(&set()), 99_002, "a hundredth goes");
    let gone: Vec<_> = change.members[&set()].iter().filter(|(_, end)| end.is_none()).collect();
    assert_eq!((gone.len(), change.rows.len()), (1000, 1001), "the store and the packet filter follow");
    assert_eq!(gone[0].0, Member::network(block(99_999, None).block.network), "the first to end goes first");
    let told: Vec<_> = change.told.into_changes().collect();
    assert_eq!((told.len(), told[0].what, told[0].count), (1, ClaimsChangeKind::Evicted, 1000));
    assert!(claims.all(&set()).any(|(_, source, _)| source.to_string() == "alice"), "people keep their claims");
}

#[test]
fn blocks_without_an_end_make_no_room() {
    let mut claims = Claims::default();
    for number in 0..=100_000u32 {
        let block = PolicyBlock {
            policy: PluginName::new("port-scan").unwrap(),
            block: Block {
                set: set(),
                network: Prefix::host(std::net::Ipv4Addr::from_bits(0xc612_0000 + number).into()),
                service: None,
                seconds: None,
            },
            reason: String::new(),
        };
        assert_eq!(claims.block(&block, second(0)).is_some(), number < 100_000);
    }
}

#[test]
fn each_change_is_told_once_for_each_source_and_reason() {
    let mut claims = Claims::default();
    let told = |change: ClaimChange| -> Vec<_> {
        let told = change.told.into_changes();
        told.map(|told| (told.source, told.what.name(), told.count, told.until, told.reason)).collect()
    };
    let many: Vec<String> = (0..40).map(|number| format!("192.0.2.{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let change = claims.add(&add(&many, Some(60), "alice"), ANY, second(0)).unwrap();
    let expected = ("alice".to_owned(), "added", 40, Some(second(60)), "scan".to_owned());
    assert_eq!(told(change), [expected]);
    let again = claims.add(&add(&many, Some(30), "alice"), ANY, second(0)).unwrap();
    assert_eq!(told(again), [], "nothing has changed");
    let other = AddToSet { reason: "mail".into(), ..add(&["192.0.2.1"], Some(60), "bob") };
    claims.add(&other, ANY, second(0)).unwrap();
    let removed = claims.remove(&remove(&["192.0.2.1"], "carol", true), None, second(0)).unwrap();
    let of = |source: &str, reason: &str| (source.to_owned(), "removed", 1, None, reason.to_owned());
    assert_eq!(told(removed), [of("alice", "scan"), of("bob", "mail")]);
    let ended = told(claims.expire(second(60)));
    assert_eq!(ended, [("alice".to_owned(), "ended", 39, None, "scan".to_owned())]);
}

#[test]
fn what_is_protected_is_not_added_and_the_rest_is() {
    let mut claims = Claims::default();
    let host = crate::netlink::HostAddresses {
        own: ["192.0.2.1".parse().unwrap()].into_iter().collect(),
        ..Default::default()
    };
    let never = NeverBanned::new(&[], &host);
    let accepts = Accepts { never: Some(&never), ..ANY };
    let change = claims.add(&add(&["192.0.2.1", "192.0.2.2", "::1"], None, "alice"), accepts, second(0));
    let expected = [
        "192.0.2.1 not banned: protected (an address of this host) !",
        "192.0.2.2 added until it is removed",
        "::1 not banned: protected (loopback) !",
    ];
    assert_eq!(lines(change), expected);
}

#[test]
fn a_service_is_claimed_beside_the_whole_network() {
    let mut claims = Claims::default();
    let ssh = AddToSet { service: Some("tcp/22".into()), ..add(&["192.0.2.1"], None, "alice") };
    let change = claims.add(&ssh, ANY, second(0)).unwrap();
    assert!(change.networks.is_empty(), "the address as a whole is not in the set");
    assert_eq!(change.members[&set()].len(), 1);
    assert_eq!(lines(Ok(change)), ["192.0.2.1 tcp/22 added until it is removed"]);
    let wrong = AddToSet { service: Some("ssh".into()), ..ssh.clone() };
    assert!(claims.add(&wrong, ANY, second(0)).unwrap_err().starts_with("\"ssh\" is not a service; write "));
    let elsewhere = claims.add(&ssh, Accepts { mirror: Some(MirrorKind::default()), ..ANY }, second(0)).unwrap_err();
    assert!(elsewhere.contains("firewall = true"), "{elsewhere}");
    let whole = lines(claims.remove(&remove(&["192.0.2.1"], "alice", false), None, second(0)));
    assert_eq!(whole, ["192.0.2.1 is not in the set"]);
    let request = RemoveFromSet { service: Some("tcp/22".into()), ..remove(&["192.0.2.1"], "alice", false) };
    assert_eq!(lines(claims.remove(&request, None, second(0))), ["192.0.2.1 tcp/22 removed"]);
}

#[test]
fn a_bad_request_changes_nothing_and_says_why() {
    let mut claims = Claims::default();
    let refused = |claims: &mut Claims, request: AddToSet| {
        claims.add(&request, Accepts { shortest: Shortest::default(), ..ANY }, second(0)).unwrap_err()
    };
    assert!(
        refused(&mut claims, add(&["192.0.2.1", "x"], None, "alice")).ends_with("2001:db8::1; nothing was changed")
    );
    let wide = refused(&mut claims, add(&["192.0.2.1", "0.0.0.0/0"], None, "alice"));
    assert!(wide.starts_with("\"0.0.0.0/0\" is wider than /8, the set's shortest-ipv4-prefix; "), "{wide}");
    assert!(refused(&mut claims, add(&["192.0.2.1"], None, "two words")).contains("is not the name of a source"));
    let long = AddToSet { reason: "x".repeat(300), ..add(&["192.0.2.1"], None, "alice") };
    assert!(refused(&mut claims, long).starts_with("the reason is longer than 256 bytes"));
    let escape = AddToSet { value: "\u{1b}[2J".into(), ..add(&["192.0.2.1"], None, "alice") };
    assert!(refused(&mut claims, escape).starts_with("the value"));
    assert_eq!(claims.len(&set()), 0);
}
