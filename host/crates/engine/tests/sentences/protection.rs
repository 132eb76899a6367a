//! Protected flows, whatever the engine knows of them.

use core::time::Duration;

use ctwarden_engine::EngineConfig;
use ctwarden_model::{Effect, Filter, FlowId, Mark};

use crate::words::*;
use crate::world::World;

fn protecting(filters: impl IntoIterator<Item = Filter>) -> EngineConfig {
    EngineConfig { protect: filters.into_iter().collect(), ..EngineConfig::default() }
}

fn marked() -> Filter {
    filter(|f| f.mark = Some(masked(1, 1)))
}

#[test]
fn a_protected_flow_is_not_touched_in_any_way() {
    let mut world = World::with(protecting([from(1)]), [plugin("a").sweeps()]);
    world.sweep_of([]);
    world.answer_all();
    world.events([new(1)]);
    world.answer(
        "a",
        [
            delete("entry", entry(0)),
            delete("key", key(1)),
            mark("mark", entry(0), 1, 1),
            labels("labels", entry(0), 1, 0),
            timeout("timeout", entry(0), 1),
            delete("matching", matching(from(1))),
        ],
    );
    world.pass_millis(1_000);
    world.sweep_of([flow(1)]);
    assert_eq!(world.effects(), []);
    assert_eq!(world.record("matching").tally.as_deref().unwrap().protected, 1);
    assert_eq!(
        world.outcomes(),
        [
            "a entry protected",
            "a key protected",
            "a labels protected",
            "a mark protected",
            "a matching protected",
            "a timeout protected"
        ]
    );
}

#[test]
fn what_an_event_does_not_tell_is_asked_for() {
    let mut world = World::with(protecting([marked()]), [plugin("a")]);
    let whole = |mark: u32| {
        let mut flow = flow(1);
        flow.mark = Some(Mark(mark));
        flow
    };
    for (found, outcome, effects) in [
        (Some(whole(1)), "protected", 0),
        (Some(whole(2)), "applied", 1),
        (None, "gone", 0),
        (
            Some({
                let mut other = whole(1);
                other.id = Some(FlowId(99));
                other
            }),
            "replaced",
            0,
        ),
    ] {
        world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
        assert_eq!(world.effects(), [], "nothing is done before it is known");
        let lookups = world.lookups();
        assert_eq!(lookups.len(), 1);
        world.looked_up(lookups[0], found);
        assert_eq!(world.effects.len(), effects);
        world.ack_all();
        assert_eq!(world.outcomes(), [format!("a d {outcome}")]);
    }
}

#[test]
fn without_an_answer_a_doubtful_flow_counts_as_protected() {
    let mut world = World::with(protecting([marked()]), [plugin("a")]);
    world.judge(new(1), [("a", vec![delete("d", entry(0))])]);
    world.pass_by_timeouts(Duration::from_secs(5));
    assert_eq!(world.effects(), []);
    assert_eq!(world.outcomes(), ["a d protected"]);
    let late = world.lookups();
    assert_eq!(late.len(), 1);
    world.looked_up(late[0], Some(flow(1)));
    assert_eq!(world.effects(), [], "an answer that comes later is ignored");
}

#[test]
fn what_an_event_tells_is_not_asked_for_again() {
    let mut world = World::with(protecting([marked()]), [plugin("a")]);
    let mut known = new(1);
    known.flow.mark = Some(Mark(1));
    world.judge(known, [("a", vec![delete("d", entry(0))])]);
    let mut known = new(2);
    known.flow.mark = Some(Mark(2));
    world.judge(known, [("a", vec![delete("e", entry(0))])]);
    assert!(world.lookups().is_empty());
    world.ack_all();
    assert_eq!(world.outcomes(), ["a d protected", "a e applied"]);
}

#[test]
fn a_key_is_always_looked_up() {
    let either = filter(|f| f.either = networks(&["172.16.0.0/12"]));
    // The entry may have the tuple of the key as its reply tuple, so the key alone decides nothing.
    for config in [EngineConfig::default(), protecting([either]), protecting([from(2)])] {
        let mut world = World::with(config, [plugin("a")]);
        world.judge(new(9), [("a", vec![delete("d", key(1))])]);
        assert_eq!(world.effects(), []);
        assert_eq!(world.look_up_in(&[flow(1)]), 1);
        assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    }
}

#[test]
fn two_looks_at_one_flow_tell_more_than_one() {
    let mut world = World::with(protecting([marked()]), [plugin("a")]);
    let mut known = new(1);
    known.flow.mark = Some(Mark(3));
    world.events([new(1), known]);
    world.answer("a", [delete("thin", entry(0)), mark("known", entry(1), 4, 4)]);
    assert!(world.lookups().is_empty());
    assert_eq!(world.outcomes(), ["a known protected", "a thin protected"]);
}

#[test]
fn a_plugins_protection_ends_with_its_time() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![protect("p", entry(0), 60)]), ("b", vec![])]);
    world.pass(Duration::from_secs(59));
    world.judge(new(1), [("a", vec![delete("a1", entry(0))]), ("b", vec![delete("b1", key(1))])]);
    assert_eq!(world.engine.status(world.now).protections, 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.engine.status(world.now).protections, 0);
    world.judge(new(1), [("a", vec![]), ("b", vec![delete("b2", key(1))])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 protected", "a p applied", "b b1 protected", "b b2 applied"]);
}

#[test]
fn a_plugin_may_protect_only_so_many_flows() {
    let mut world = World::new([plugin("a").with(|spec| spec.limits.bounds.protections = 2)]);
    world.events([new(1), new(2), new(3)]);
    world.answer("a", (0..3).map(|n| protect(&format!("p{n}"), entry(n), 10)));
    world.judge(new(1), [("a", vec![protect("renewed", entry(0), 10)])]);
    world.pass(Duration::from_secs(10));
    world.judge(new(3), [("a", vec![protect("room-again", entry(0), 10)])]);
    assert_eq!(
        world.outcomes(),
        ["a p0 applied", "a p1 applied", "a p2 over-budget", "a renewed applied", "a room-again applied"]
    );
}

#[test]
fn a_block_of_a_protected_address_never_happens() {
    let admins = filter(|f| {
        f.original_src = networks(&["10.9.0.0/16", "2001:db8:1::/48"]);
        f.dst_ports = [ctwarden_model::PortRange { first: 22, last: 22 }].into();
    });
    let wide = plugin("a").with(|spec| (spec.limits.shortest_block_ipv4, spec.limits.block_space_ipv4) = (8, 4));
    let mut world = World::with(protecting([admins]), [wide]);
    world.judge(
        new(1),
        [(
            "a",
            vec![
                block("within", "10.9.8.7", Some(60)),
                block("same", "10.9.0.0/16", Some(60)),
                block("around", "10.0.0.0/8", Some(60)),
                block("beside", "10.10.0.0/16", Some(60)),
                block("within6", "2001:db8:1::7", Some(60)),
                block("around6", "2001:db8::/32", Some(60)),
                block("beside6", "2001:db8:2::/48", Some(60)),
                unblock("out", "10.9.8.7"),
            ],
        )],
    );
    world.ack_all();
    assert_eq!(
        world.outcomes(),
        [
            "a around protected",
            "a around6 protected",
            "a beside applied",
            "a beside6 applied",
            "a out applied",
            "a same protected",
            "a within protected",
            "a within6 protected"
        ]
    );
}

#[test]
fn the_lookup_of_a_round_keeps_its_merge() {
    let mut world = World::with(protecting([marked()]), [plugin("a"), plugin("b")]);
    world.judge(new(1), [("a", vec![mark("a1", entry(0), 8, 8)]), ("b", vec![delete("b1", entry(0))])]);
    let lookups = world.lookups();
    assert_eq!(lookups.len(), 1, "one question for both");
    world.looked_up(lookups[0], Some(flow(1)));
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 superseded", "b b1 applied"]);
}

#[test]
fn a_late_answer_joins_the_question_that_its_round_has_asked() {
    let config = || protecting([marked()]);
    let plugins = || [plugin("a"), plugin("b")];
    // Both deletes wait for one lookup and for both blocks.
    let mut world = World::with(config(), plugins());
    world.events([new(1)]);
    world.answer("a", [delete("a1", entry(0)), block("a2", "10.0.0.7", None)]);
    world.pass_millis(2);
    world.answer("b", [delete("b1", entry(0)), block("b2", "10.0.0.8", None)]);
    let lookups = world.lookups();
    assert_eq!(lookups.len(), 1);
    world.looked_up(lookups[0], Some(flow(1)));
    world.ack(ctwarden_engine::Ack::Done);
    assert!(world.effects().iter().all(|effect| matches!(effect, Effect::Block(_))), "{:?}", world.effects());
    world.ack(ctwarden_engine::Ack::Done);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 applied", "a a2 applied", "b b1 applied", "b b2 applied"]);
    // The round has ended the flow before the late answer came, so the late answer needs no lookup.
    let mut world = World::with(config(), plugins());
    world.events([new(1)]);
    world.answer("a", [delete("a1", entry(0))]);
    world.pass_millis(2);
    let lookups = world.lookups();
    world.looked_up(lookups[0], Some(flow(1)));
    world.ack_all();
    world.answer("b", [delete("b1", entry(0))]);
    assert!(world.lookups().is_empty());
    assert_eq!(world.outcomes(), ["a a1 applied", "b b1 superseded"]);
    // The late answer names an entry with the mark that the open lookup was to find.
    let mut world = World::with(config(), plugins());
    let mut known = new(1);
    known.flow.mark = Some(Mark(4));
    world.events([new(1), known]);
    world.answer("a", [delete("a1", entry(0))]);
    world.pass_millis(2);
    world.answer("b", [mark("b1", entry(1), 2, 2)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    let stale = world.lookups();
    assert_eq!(stale.len(), 1);
    world.looked_up(stale[0], Some(flow(1)));
    assert_eq!(world.effects().len(), 1, "the answer to what was asked before changes nothing");
    world.ack_all();
    assert_eq!(world.outcomes(), ["a a1 applied", "b b1 superseded"]);
}

#[test]
fn nobody_is_cut_off_from_himself() {
    let wide = plugin("a").with(|spec| {
        (spec.limits.shortest_block_ipv4, spec.limits.block_space_ipv4) = (1, 1);
        (spec.limits.shortest_block_ipv6, spec.limits.block_space_ipv6) = (1, 1);
    });
    let mut world = World::new([wide]);
    world.engine.handle_addresses(world.now, &networks(&["203.0.113.1", "2001:db8::1", "198.51.100.254"]));
    let never = [
        "127.0.0.1",
        "127.8.0.0/16",
        "0.0.0.0/8",
        "224.0.0.251",
        "239.0.0.0/8",
        "255.255.255.255",
        "203.0.113.1",
        "203.0.113.0/24",
        "198.51.100.254",
        "128.0.0.0/1",
        "::",
        "::1",
        "::/1",
        "ff02::1",
        "ff00::/8",
        "2001:db8::1",
        "2001:db8::/64",
    ];
    let others = ["203.0.113.2", "198.51.100.0/25", "2001:db8::2", "2001:db8:1::/48", "126.0.0.0/8"];
    world.events([new(1)]);
    world.answer("a", never.iter().map(|network| block("never", network, None)));
    world.ack_all();
    assert_eq!(world.outcomes(), vec!["a never protected"; never.len()]);
    world.events([new(1)]);
    world.answer("a", others.iter().map(|network| block("other", network, None)));
    world.ack_all();
    assert_eq!(world.outcomes(), vec!["a other applied"; others.len()]);
    // This host gets another address in place of the old one.
    world.engine.handle_addresses(world.now, &networks(&["203.0.113.9"]));
    world.judge(new(1), [("a", vec![block("old", "203.0.113.1", None), block("own", "203.0.113.9", None)])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a old applied", "a own protected"]);
}

#[test]
fn many_small_blocks_do_not_block_everybody() {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.events([new(1)]);
    world.answer("a", (1..=126_u16).flat_map(|n| [block("wide", &format!("{n}.1.0.0/8"), None)]));
    world.answer("b", []);
    assert_eq!(world.outcomes(), vec!["a wide refused"; 126]);
    let sixteen = |n: u16| format!("{}.{}.0.0/16", 11 + n / 256, n % 256);
    world.judge(new(1), [("a", (0..512).map(|n| block("b", &sixteen(n), Some(60))).collect()), ("b", vec![])]);
    world.ack_all();
    let outcomes = world.outcomes();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "a b applied").count(), 256);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "a b over-budget").count(), 256);
    world.judge(new(1), [("a", vec![block("one", "9.9.9.9", None)]), ("b", vec![block("other", "9.9.9.9", None)])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a one over-budget", "b other applied"], "each has its own");
    world.pass(core::time::Duration::from_secs(61));
    world.judge(new(1), [("a", vec![block("later", "9.9.9.9", None)]), ("b", vec![])]);
    world.ack_all();
    assert_eq!(world.outcomes(), ["a later applied"]);
}

#[test]
fn the_account_of_blocks_outlives_a_reload() {
    let tight = || plugin("a").with(|spec| spec.limits.block_space_ipv4 = 31);
    let mut world = World::new([tight()]);
    world.judge(new(1), [("a", vec![block("b1", "9.9.9.1", None), block("b2", "9.9.9.2", None)])]);
    world.ack_all();
    world.configure(ctwarden_engine::EngineConfig::default(), [tight()]);
    world.judge(new(1), [("a", vec![block("b3", "9.9.9.3", None), block("b1", "9.9.9.1", None)])]);
    world.ack_all();
    world.judge(new(1), [("a", vec![unblock("u", "9.9.9.1")])]);
    world.ack_all();
    world.judge(new(1), [("a", vec![block("b4", "9.9.9.4", None)])]);
    world.ack_all();
    assert_eq!(
        world.outcomes(),
        ["a b1 applied", "a b1 applied", "a b2 applied", "a b3 over-budget", "a b4 applied", "a u applied"]
    );
}
