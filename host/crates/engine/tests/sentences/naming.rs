//! Flows that a plugin names by a key: by either tuple, with any id, and long after it received an entry of the flow.
//!
//! The kernel finds an entry by either of its tuples. Each test answers lookups as a kernel with the given entries
//! would.

use core::net::IpAddr;

use ctwarden_engine::{Ack, EngineConfig, Looked};
use ctwarden_model::{
    Effect, Expectation, ExpectationEvent, Family, Filter, Flow, FlowId, FlowKey, Layer4, Mark, Outcome, PerDirection,
    PortRange, Protocol, Refusal, Target, Tuple, Verdict, Zone,
};

use crate::words::*;
use crate::world::World;

fn protecting(filter: Filter) -> EngineConfig {
    EngineConfig { protect: vec![filter], ..EngineConfig::default() }
}

fn to(network: &str) -> Filter {
    filter(|f| f.original_dst = networks(&[network]))
}

fn named(key: FlowKey) -> Target {
    Target::Key(key)
}

/// The key that a plugin makes from the reply tuple and the zone that it sees.
fn turned(flow: &Flow) -> FlowKey {
    flow.reply_key()
}

fn between(src: &str, dst: &str, protocol: Protocol, layer4: Layer4) -> Tuple {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    Tuple { src: address(src), dst: address(dst), protocol, layer4 }
}

fn entry_of(original: Tuple, reply: Tuple) -> Flow {
    let mut flow = Flow::new(PerDirection { original, reply });
    flow.id = Some(FlowId(4711));
    flow.mark = Some(Mark(0));
    flow
}

/// Flows to 198.51.100.7 or 2001:db8:7::7, one for each kind of tuple and zone that the kernel names differently.
fn kinds() -> Vec<(&'static str, Flow)> {
    let ports = Layer4::Ports { src: 40_000, dst: 22 };
    let plain = |src, dst, protocol, layer4| {
        let original = between(src, dst, protocol, layer4);
        entry_of(original, original.reversed())
    };
    let (v4, v6) = (("192.0.2.9", "198.51.100.7"), ("2001:db8::9", "2001:db8:7::7"));
    let echo = |kind| Layer4::Icmp { id: 77, kind, code: 0 };
    let translated = entry_of(
        between(v4.0, v4.1, Protocol::TCP, ports),
        between("10.0.0.1", "203.0.113.5", Protocol::TCP, Layer4::Ports { src: 2222, dst: 61_000 }),
    );
    let zoned = |zone, original, reply| {
        let mut flow = plain(v4.0, v4.1, Protocol::TCP, ports);
        flow.zone = Zone(zone);
        if original || reply {
            let of = |there: bool, zone| there.then_some(Zone(zone));
            flow.rare_mut().zones = PerDirection { original: of(original, zone), reply: of(reply, 9) };
        }
        flow
    };
    vec![
        ("tcp", plain(v4.0, v4.1, Protocol::TCP, ports)),
        ("tcp6", plain(v6.0, v6.1, Protocol::TCP, ports)),
        ("icmp", plain(v4.0, v4.1, Protocol::ICMP, echo(8))),
        ("icmpv6", plain(v6.0, v6.1, Protocol::ICMPV6, echo(128))),
        ("gre", plain(v4.0, v4.1, Protocol::GRE, Layer4::Keys { src: 1, dst: 2 })),
        ("esp", plain(v4.0, v4.1, Protocol(50), Layer4::None)),
        ("nat", translated),
        ("zone", zoned(5, false, false)),
        ("zone of the original", zoned(5, true, false)),
        ("zone of the reply", zoned(0, false, true)),
        ("zones that differ", zoned(5, true, true)),
    ]
}

/// One verdict of each kind that changes or ends a flow.
fn each(target: &Target) -> Vec<Verdict> {
    vec![
        delete("delete", target.clone()),
        mark("mark", target.clone(), 1, 1),
        labels("labels", target.clone(), 1, 0),
        timeout("timeout", target.clone(), 600),
        timeout("timeout0", target.clone(), 0),
    ]
}

const PROTECTED: [&str; 5] =
    ["a delete protected", "a labels protected", "a mark protected", "a timeout protected", "a timeout0 protected"];

#[test]
fn the_reply_tuple_is_no_way_around_a_protection() {
    for (kind, flow) in kinds() {
        let network = if flow.family() == Family::Ipv4 { "198.51.100.0/24" } else { "2001:db8:7::/48" };
        for key in [flow.key(), turned(&flow)] {
            let mut world = World::with(protecting(to(network)), [plugin("a")]);
            world.judge(new(9), [("a", each(&named(key)))]);
            assert_eq!(world.look_up_in(core::slice::from_ref(&flow)), 1, "{kind}");
            assert_eq!(world.effects(), [], "{kind}");
            assert_eq!(world.outcomes(), PROTECTED, "{kind}");
        }
    }
}

#[test]
fn the_kernel_is_sent_the_tuple_that_was_checked() {
    for (kind, flow) in kinds() {
        let mut world = World::with(protecting(to("203.0.113.99")), [plugin("a")]);
        world.judge(new(9), [("a", vec![delete("d", named(turned(&flow)))])]);
        assert_eq!(world.effects(), [], "{kind}");
        world.look_up_in(core::slice::from_ref(&flow));
        assert_eq!(world.effects(), [Effect::Delete(flow.key())], "{kind}");
        world.ack_all();
        let record = world.record("d");
        assert_eq!((record.outcome, record.flow), (Outcome::Applied, Some(flow.key())), "{kind}");
    }
}

#[test]
fn ports_of_a_protection_hold_in_both_directions_of_a_key() {
    let ssh = filter(|f| {
        f.original_dst = networks(&["192.0.2.1"]);
        f.dst_ports = [PortRange { first: 80, last: 80 }].into();
    });
    let mut world = World::with(protecting(ssh), [plugin("a")]);
    world.judge(new(9), [("a", each(&named(turned(&flow(1)))))]);
    world.look_up_in(&[flow(1)]);
    assert_eq!(world.outcomes(), PROTECTED);
}

#[test]
fn a_plugins_protection_holds_by_either_tuple() {
    for (kind, flow) in kinds() {
        let keys = [flow.key(), turned(&flow)];
        for (protected, attacked) in [(keys[0], keys[1]), (keys[1], keys[0]), (keys[1], keys[1])] {
            let mut world = World::new([plugin("a"), plugin("b")]);
            world.judge(new(9), [("a", vec![]), ("b", vec![protect("p", named(protected), 60)])]);
            world.look_up_in(core::slice::from_ref(&flow));
            world.judge(new(9), [("a", each(&named(attacked))), ("b", vec![])]);
            world.look_up_in(core::slice::from_ref(&flow));
            assert_eq!(world.effects(), [], "{kind}");
            assert_eq!(world.outcomes(), [&PROTECTED[..], &["b p applied"]].concat(), "{kind}");
        }
    }
}

#[test]
fn one_round_has_one_flow_by_whichever_tuple_it_is_named() {
    let (flow, other) = (flow(1), flow(2));
    for keys in [[flow.key(), turned(&flow)], [turned(&flow), flow.key()]] {
        // Protect wins over delete, even if both verdicts name the flow by key.
        let mut world = World::new([plugin("a"), plugin("b")]);
        world.judge(new(9), [("a", vec![delete("d", named(keys[0]))]), ("b", vec![protect("p", named(keys[1]), 60)])]);
        world.look_up_in(&[other.clone(), flow.clone()]);
        assert_eq!(world.effects(), []);
        assert_eq!(world.outcomes(), ["a d protected", "b p applied"]);
        // Two deletes become one effect, and no other change of the flow is sent.
        let mut world = World::new([plugin("a"), plugin("b")]);
        let of_a = vec![mark("m", named(keys[1]), 1, 1), delete("d", named(keys[0]))];
        world.judge(new(9), [("a", of_a), ("b", vec![delete("e", named(keys[1]))])]);
        world.look_up_in(core::slice::from_ref(&flow));
        assert_eq!(world.effects(), [Effect::Delete(flow.key())]);
        world.ack_all();
        assert_eq!(world.outcomes(), ["a d applied", "a m superseded", "b e applied"]);
        // The same holds within one answer to a message, which has no round.
        let mut world = World::new([plugin("a")]);
        world.message("a", "word");
        world.reply("a", "", [delete("d", named(keys[0])), protect("p", named(keys[1]), 60)]);
        world.look_up_in(core::slice::from_ref(&flow));
        assert_eq!(world.effects(), []);
        assert_eq!(world.outcomes(), ["a d protected", "a p applied"]);
    }
}

#[test]
fn a_key_of_an_entry_of_the_batch_is_known_as_well_as_the_entry() {
    let mut world = World::with(protecting(from(2)), [plugin("a"), plugin("b")]);
    let answer = vec![delete("d", named(turned(&flow(1)))), delete("e", named(turned(&flow(2))))];
    world.judge(new(1), [("a", vec![mark("m", entry(0), 1, 1)]), ("b", answer)]);
    assert_eq!(world.look_up_in(&[flow(1), flow(2)]), 1, "only of the other one");
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a m superseded", "b d applied", "b e protected"]);
    // The last entry is the end of the flow, so a key by either tuple means the ended flow.
    world.events([new(1), destroy(1)]);
    world.answer("a", [delete("d", named(turned(&flow(1))))]);
    world.answer("b", []);
    assert_eq!(world.look_up_in(&[]), 0);
    assert_eq!(world.outcomes(), ["a d gone"]);
}

#[test]
fn a_key_with_another_id_changes_nothing() {
    for key in [key_of(1), turned(&flow(1))] {
        let mut world = World::new([plugin("a")]);
        let forged = named(FlowKey { id: FlowId(77), ..key });
        world.judge(new(1), [("a", each(&forged))]);
        assert_eq!(world.effects(), []);
        world.look_up_in(&[flow(1)]);
        assert_eq!(world.effects(), []);
        assert_eq!(
            world.outcomes(),
            ["a delete replaced", "a labels replaced", "a mark replaced", "a timeout replaced", "a timeout0 replaced"]
        );
    }
}

#[test]
fn a_key_of_no_entry_is_gone_and_protects_nothing() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![mark("m", key(1), 1, 1), protect("p", key(2), 60)])]);
    assert_eq!(world.look_up_in(&[]), 2);
    assert_eq!((world.effects(), world.engine.status(world.now).protections), (vec![], 0));
    assert_eq!(world.outcomes(), ["a m gone", "a p gone"]);
}

#[test]
fn a_key_that_the_kernel_refuses_or_does_not_answer_is_refused() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("odd", key(1)), delete("lost", key(2))])]);
    let lookups = world.lookups();
    world.engine.handle_lookup(world.now, lookups[0], Looked::Refused(22));
    world.pass_by_timeouts(core::time::Duration::from_secs(5));
    assert_eq!(world.effects(), []);
    assert_eq!(world.record("odd").outcome, Outcome::Refused(Refusal::Kernel(22)));
    assert_eq!(world.record("lost").outcome, Outcome::Refused(Refusal::NoAnswer));
}

#[test]
fn few_questions_are_open_at_a_time_and_none_is_forgotten() {
    let mut world = World::new([plugin("a")]);
    let keys = (0..1_000).map(|n| FlowKey { id: FlowId(n + 100), ..key_of(1) });
    world.judge(new(9), [("a", keys.map(|key| delete("d", named(key))).collect())]);
    let first = world.lookups();
    assert!(first.len() < 1_000 && world.lookups().is_empty());
    for lookup in first {
        world.looked_up(lookup, None);
    }
    world.look_up_in(&[]);
    assert_eq!(world.outcomes(), vec!["a d gone"; 1_000]);
}

#[test]
fn who_observes_is_told_the_same_of_a_key() {
    let mut world = World::with(protecting(from(2)), [plugin("a").observes()]);
    let answer = [1, 2, 3].map(|n| delete(&format!("d{n}"), named(turned(&flow(n)))));
    world.judge(new(9), [("a", answer.to_vec())]);
    world.look_up_in(&[flow(1), flow(2)]);
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["a d1 observed", "a d2 protected", "a d3 gone"]);
}

fn expectation() -> ExpectationEvent {
    let tuple = flow(1).tuples.original;
    let expectation = Expectation {
        id: Some(FlowId(5)),
        zone: Zone(0),
        master: tuple,
        tuple: Tuple { layer4: Layer4::Ports { src: 0, dst: 20 }, ..tuple },
        mask: tuple,
        timeout: None,
        flags: None,
        class: None,
        helper: None,
        function: None,
        nat: None,
    };
    ExpectationEvent { kind: ctwarden_model::EventKind::New, by_us: false, expectation }
}

/// Deletes an expectation whose master may be in the table, and returns the outcomes. With `protect_master`, plugin b
/// protects the master first.
fn expectation_deleted(config: EngineConfig, protect_master: bool, table: &[Flow]) -> Vec<String> {
    let specs = ["a", "b"].map(|name| plugin(name).with(|spec| spec.subscription.expectations = name == "a"));
    let mut world = World::with(config, specs);
    if protect_master {
        world.judge(new(1), [("a", vec![]), ("b", vec![protect("p", entry(0), 60)])]);
        assert_eq!(world.outcomes(), ["b p applied"]);
    }
    world.engine.handle_expectation(world.now, expectation());
    world.events([]);
    world.answer("a", [delete("d", entry(0))]);
    world.look_up_in(table);
    while !world.effects.is_empty() {
        world.ack(Ack::Done);
    }
    world.outcomes()
}

#[test]
fn an_expectation_of_a_protected_flow_is_not_deleted() {
    let mut master = flow(1);
    master.mark = Some(Mark(7));
    let marked = || protecting(filter(|f| f.mark = Some(masked(7, 7))));
    let answered_from = |network: &str| protecting(filter(|f| f.reply_src = networks(&[network])));
    assert_eq!(expectation_deleted(EngineConfig::default(), false, &[]), ["a d applied"]);
    assert_eq!(expectation_deleted(EngineConfig::default(), true, &[master.clone()]), ["a d protected"]);
    assert_eq!(expectation_deleted(EngineConfig::default(), true, &[]), ["a d gone"]);
    assert_eq!(expectation_deleted(marked(), false, &[master.clone()]), ["a d protected"]);
    assert_eq!(expectation_deleted(marked(), false, &[flow(1)]), ["a d applied"]);
    assert_eq!(expectation_deleted(answered_from("192.0.2.1"), false, &[flow(1)]), ["a d protected"]);
    assert_eq!(expectation_deleted(answered_from("192.0.2.2"), false, &[flow(1)]), ["a d applied"]);
    assert_eq!(expectation_deleted(protecting(from(1)), false, &[flow(1)]), ["a d protected"]);
    assert_eq!(expectation_deleted(protecting(from(2)), false, &[flow(1)]), ["a d applied"]);
}
