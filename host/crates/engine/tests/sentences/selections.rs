//! Selections that the program answers from its own knowledge of the table, in parallel with any sweep.

use ctwarden_engine::{Ack, Detail, EngineConfig, Knows, SelectionRequest, Tracked};
use ctwarden_model::{
    Effect, Family, Filter, Flow, Mark, Outcome, Prefix, Protocol, Refusal, Selection, Target, VerdictKind,
};

use crate::words::*;
use crate::world::World;

fn asked(world: &mut World) -> SelectionRequest {
    world.poll_selection(|_, _| Knows::All).unwrap()
}

/// A program that knows all flows of the filter `of`, and none of any other filter.
fn knows_all(of: Filter) -> impl Fn(&Filter, Detail) -> Knows {
    move |filter, _| if *filter == of { Knows::All } else { Knows::Nothing }
}

fn answer(world: &mut World, request: &SelectionRequest, flows: impl IntoIterator<Item = Flow>) {
    for flow in flows {
        assert!(world.engine.ready_for_selected());
        world.engine.handle_row(world.now, request.id, flow);
    }
    world.engine.handle_sweep_end(world.now, request.id, true);
    world.pump();
}

/// Answers with only the fields that never change, and checks that they suffice.
fn answer_by_name(world: &mut World, request: &SelectionRequest, flows: impl IntoIterator<Item = Flow>) {
    for flow in flows {
        assert!(world.engine.handle_known(world.now, request.id, &known(&flow)), "{flow:?}");
    }
    world.engine.handle_sweep_end(world.now, request.id, true);
    world.pump();
}

#[test]
fn a_selection_does_not_wait_for_a_running_sweep_and_takes_nothing_from_it() {
    let mut world = World::new([plugin("a").sweeps()]);
    let sweep = world.sweep();
    world.answer_all();
    world.judge(new(9), [("a", vec![delete("d", matching(from(1)))])]);
    let request = asked(&mut world);
    assert_eq!(request.filters, [from(1)]);
    assert!(world.poll_selection(|_, _| Knows::All).is_none(), "each is asked for once");
    answer(&mut world, &request, [flow(1)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))]);
    world.ack_all();
    assert_eq!(world.record("d").tally.as_deref().unwrap().applied, 1);
    world.rows(sweep.id, [flow(2)]);
    world.end_sweep(sweep.id, true);
    assert_eq!(world.flows("a"), [2], "what was selected was no row");
}

#[test]
fn what_the_program_cannot_answer_waits_for_a_sweep() {
    let mut world = World::new([plugin("a")]);
    let odd = filter(|f| f.states = [3].into());
    world.judge(new(9), [("a", vec![delete("odd", matching(odd.clone())), delete("known", matching(from(1)))])]);
    let request = world.poll_selection(knows_all(from(1))).unwrap();
    assert_eq!(request.filters, [from(1)]);
    answer(&mut world, &request, []);
    assert_eq!(world.record("known").outcome, Outcome::Applied);
    assert!(world.poll_selection(knows_all(from(1))).is_none());
    assert_eq!(world.sweep().filters, [odd]);
}

#[test]
fn one_after_the_other_needs_no_rest() {
    let mut world = World::new([plugin("a")]);
    for n in 1..=3 {
        world.judge(new(9), [("a", vec![delete("d", matching(from(n)))])]);
        let request = asked(&mut world);
        answer(&mut world, &request, [flow(n)]);
        assert_eq!(world.effects(), [Effect::Delete(key_of(n))]);
        world.ack_all();
    }
}

#[test]
fn a_small_one_does_not_wait_for_a_large_one() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("large", matching(Filter::default()))])]);
    let large = asked(&mut world);
    assert!(world.engine.handle_known(world.now, large.id, &known(&flow(1))));
    world.judge(new(9), [("a", vec![delete("small", matching(from(2)))])]);
    let small = asked(&mut world);
    assert_eq!(small.filters, [from(2)]);
    answer(&mut world, &small, [flow(2), flow(3)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1)), Effect::Delete(key_of(2))]);
    world.ack_all();
    assert_eq!(world.record("small").tally.as_deref().unwrap().applied, 1);
    answer(&mut world, &large, [flow(3)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(3))]);
    world.ack_all();
    assert_eq!(world.record("large").tally.as_deref().unwrap().applied, 2);
}

/// A world in which plugin `a` deletes `many` selections, and plugin `b` then deletes one.
fn crowd(many: usize) -> World {
    let mut world = World::new([plugin("a"), plugin("b")]);
    world.events([new(9)]);
    world.answer("a", (10..200).cycle().take(many).map(|n| delete("many", matching(from(n)))));
    world.answer("b", [delete("one", matching(from(1)))]);
    world
}

#[test]
fn a_selection_does_not_wait_behind_another_plugins_thousand() {
    let mut world = crowd(1_000);
    world.pass_millis(10);
    world.sweep_of([flow(1)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1))], "in the first sweep already");
    world.ack_all();
    assert_eq!(world.record("one").outcome, Outcome::Applied);
}

#[test]
fn a_sweep_matches_each_row_against_so_many_selections_and_no_more() {
    let config = bounded(|bounds| bounds.selections_per_sweep = 10);
    let mut world = World::with(config, [plugin("a"), plugin("b"), plugin("c")]);
    world.events([new(9)]);
    for name in ["a", "b", "c"] {
        world.answer(name, (0..20).map(|n| delete("d", matching(from(n)))));
    }
    world.pass_millis(10);
    let sweep = world.sweep();
    assert_eq!(sweep.filters.len(), 10);
    world.end_sweep(sweep.id, true);
    let served = |name: &str| world.verdicts().filter(|verdict| verdict.plugin.to_string() == name).count();
    assert_eq!([served("a"), served("b"), served("c")], [4, 3, 3], "in turns");
}

#[test]
fn rows_that_plugins_ask_for_share_the_same_bound() {
    let config = bounded(|bounds| bounds.selections_per_sweep = 10);
    let mut world = World::with(config, [plugin("a"), plugin("b")]);
    world.events([new(9)]);
    for name in ["a", "b"] {
        world.answer(name, (0..20).map(|n| sweep("s", matching(from(n)))));
    }
    world.pass_millis(10);
    let sweep = world.sweep();
    assert_eq!(sweep.filters.len(), 10);
}

#[test]
fn whoever_has_many_answered_does_not_keep_another_from_being_answered() {
    let config = bounded(|bounds| bounds.selections_per_sweep = 4);
    let mut world = World::with(config, [plugin("a"), plugin("b")]);
    world.judge(new(9), [("a", (10..110).map(|n| delete("many", matching(from(n)))).collect()), ("b", vec![])]);
    let first: Vec<SelectionRequest> = core::iter::from_fn(|| world.poll_selection(|_, _| Knows::All)).collect();
    assert_eq!(first.len(), 8);
    assert!(first.iter().all(|request| request.filters.len() == 4));
    world.judge(new(9), [("a", vec![]), ("b", vec![delete("one", matching(from(1)))])]);
    assert!(world.engine.awaits_selection());
    let request = asked(&mut world);
    assert_eq!(request.filters, [from(1)], "of one plugin alone");
    answer(&mut world, &request, [flow(1)]);
    world.ack_all();
    assert_eq!(world.record("one").outcome, Outcome::Applied);
}

#[test]
fn a_program_is_asked_for_few_of_a_long_line_at_a_time() {
    let mut world = crowd(4_000);
    let looks = core::cell::Cell::new(0);
    let nothing = |_: &Filter, _| {
        looks.set(looks.get() + 1);
        Knows::Nothing
    };
    assert!(world.poll_selection(nothing).is_none());
    assert!(looks.get() <= 300, "{} looks", looks.get());
}

#[test]
fn eight_are_answered_at_once_and_others_wait() {
    let mut world = World::new([plugin("a")]);
    let requests: Vec<SelectionRequest> = (1..=8)
        .map(|n| {
            world.judge(new(9), [("a", vec![delete("d", matching(from(n)))])]);
            asked(&mut world)
        })
        .collect();
    world.judge(new(9), [("a", vec![delete("d", matching(from(9)))])]);
    assert!(!world.engine.awaits_selection() && world.poll_selection(|_, _| Knows::All).is_none());
    answer(&mut world, &requests[3], []);
    assert!(world.engine.awaits_selection());
    assert_eq!(asked(&mut world).filters, [from(9)]);
}

#[test]
fn name_and_tuples_are_enough_where_nothing_asks_for_more() {
    let protect = vec![from(2)];
    let mut world = World::with(EngineConfig { protect, ..EngineConfig::default() }, [plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(filter(|f| f.protocols = [Protocol::TCP].into())))])]);
    let request = asked(&mut world);
    answer_by_name(&mut world, &request, (1..=3).map(flow));
    assert_eq!(world.effects(), [Effect::Delete(key_of(1)), Effect::Delete(key_of(3))]);
    world.ack_all();
    let tally = world.record("d").tally.as_deref().unwrap();
    assert_eq!((tally.matched, tally.applied, tally.protected), (3, 2, 1));
}

#[test]
fn what_a_filter_or_a_protection_asks_beyond_that_needs_the_whole_entry() {
    let marked = |filter: Filter| Filter { mark: Some(masked(7, 7)), ..filter };
    for (protect, wanted) in [(vec![], marked(from(1))), (vec![marked(Filter::default())], from(1))] {
        let protected = !protect.is_empty();
        let mut world = World::with(EngineConfig { protect, ..EngineConfig::default() }, [plugin("a")]);
        world.judge(new(9), [("a", vec![delete("d", matching(wanted))])]);
        let request = asked(&mut world);
        let whole = Flow { mark: Some(Mark(7)), ..flow(1) };
        assert!(!world.engine.handle_known(world.now, request.id, &known(&whole)));
        answer(&mut world, &request, [whole]);
        world.ack_all();
        let tally = world.record("d").tally.as_deref().unwrap();
        assert_eq!((tally.matched, tally.protected), (1, u64::from(protected)), "not counted twice");
    }
}

#[test]
fn a_limit_counts_what_is_known_too() {
    let mut world = World::new([plugin("a")]);
    let two = Selection { filter: Filter::default(), limit: Some(2) };
    world.judge(new(9), [("a", vec![delete("d", Target::Matching(Box::new(two)))])]);
    let request = asked(&mut world);
    answer_by_name(&mut world, &request, (1..=4).map(flow));
    assert_eq!(world.effects(), [Effect::Delete(key_of(1)), Effect::Delete(key_of(2))]);
}

#[test]
fn an_answer_that_broke_off_is_asked_for_again_and_at_last_refused() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(from(1)))])]);
    for _ in 0..3 {
        let request = asked(&mut world);
        world.engine.handle_sweep_end(world.now, request.id, false);
        world.pump();
    }
    assert!(world.poll_selection(|_, _| Knows::All).is_none());
    assert_eq!(world.record("d").outcome, Outcome::Refused(Refusal::NoAnswer));
}

#[test]
fn a_reload_in_between_ends_it() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(from(1)))])]);
    let request = asked(&mut world);
    world.configure(EngineConfig::default(), [plugin("b")]);
    assert_eq!(world.record("d").outcome, Outcome::Refused(Refusal::PluginGone));
    answer(&mut world, &request, [flow(1)]);
    assert_eq!(world.effects(), []);
}

fn asked_for_some(world: &mut World) -> Option<SelectionRequest> {
    world.poll_selection(|_, _| Knows::Some)
}

#[test]
fn what_is_known_is_ended_before_a_sweep_finds_the_rest() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(Filter::default()))])]);
    let request = asked_for_some(&mut world).unwrap();
    answer_by_name(&mut world, &request, [flow(1), flow(2)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(1)), Effect::Delete(key_of(2))]);
    assert!(world.poll_sweep().is_none(), "it would meet what is being ended");
    world.ack(Ack::Gone);
    world.ack_all();
    assert!(asked_for_some(&mut world).is_none(), "once is enough");
    assert_eq!(world.outcomes(), Vec::<String>::new(), "it is not over");
    world.sweep_of([flow(3)]);
    assert_eq!(world.effects(), [Effect::Delete(key_of(3))]);
    world.ack_all();
    let tally = world.record("d").tally.as_deref().unwrap();
    assert_eq!((tally.matched, tally.applied, tally.gone), (3, 2, 1));
}

#[test]
fn what_was_known_and_stays_is_counted_once() {
    let protect = vec![from(1)];
    let mut world = World::with(EngineConfig { protect, ..EngineConfig::default() }, [plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(Filter::default()))])]);
    let request = asked_for_some(&mut world).unwrap();
    answer_by_name(&mut world, &request, [flow(1), flow(2), flow(3)]);
    world.ack(Ack::Refused(16));
    world.ack_all();
    world.sweep_of([flow(1), flow(2)]);
    world.ack_all();
    let tally = world.record("d").tally.as_deref().unwrap();
    assert_eq!((tally.matched, tally.applied, tally.protected, tally.refused), (3, 2, 1, 0));
}

#[test]
fn what_was_ended_is_counted_once_though_it_is_told_of_again() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(Filter::default()))])]);
    let some = asked_for_some(&mut world).unwrap();
    answer_by_name(&mut world, &some, [flow(1)]);
    world.ack_all();
    let all = asked(&mut world);
    answer_by_name(&mut world, &all, [flow(1), flow(2)]);
    world.ack(Ack::Gone);
    world.ack(Ack::Done);
    let tally = world.record("d").tally.as_deref().unwrap();
    assert_eq!((tally.matched, tally.applied, tally.gone), (2, 2, 0), "it had not heard yet that one was ended");
}

#[test]
fn only_what_is_really_deleted_is_hurried() {
    let observing = plugin("a").observes();
    for (spec, verdict) in
        [(observing, delete("v", matching(from(1)))), (plugin("a"), mark("v", matching(from(1)), 1, 1))]
    {
        let mut world = World::new([spec]);
        world.judge(new(9), [("a", vec![verdict])]);
        assert!(asked_for_some(&mut world).is_none());
        assert_eq!(world.sweep().filters, [from(1)]);
    }
}

#[test]
fn a_reload_while_known_flows_are_being_ended_ends_it_with_what_was_done() {
    let mut world = World::new([plugin("a")]);
    world.judge(new(9), [("a", vec![delete("d", matching(from(1)))])]);
    let request = asked_for_some(&mut world).unwrap();
    answer_by_name(&mut world, &request, [flow(1)]);
    world.configure(EngineConfig::default(), [plugin("b")]);
    world.ack_all();
    assert_eq!(world.record("d").outcome, Outcome::Applied);
}

#[test]
fn what_is_changed_and_not_deleted_is_read_before() {
    let all = || matching(from(1));
    let verdicts = || {
        [
            (mark("m", all(), 1, 1), Detail::Entry),
            (labels("l", all(), 1, 0), Detail::Entry),
            (timeout("t", all(), 60), Detail::Entry),
            (timeout("t0", all(), 0), Detail::Name),
            (delete("d", all()), Detail::Name),
            (protect("p", all(), 60), Detail::Name),
        ]
    };
    for (verdict, detail) in verdicts() {
        let mut world = World::new([plugin("a")]);
        world.judge(new(9), [("a", vec![verdict])]);
        let knows = |_: &Filter, asked: Detail| if asked == detail { Knows::All } else { Knows::Nothing };
        let request = world.poll_selection(knows).unwrap();
        // The replica may still hold a flow that ended long ago.
        let is_enough = world.engine.handle_known(world.now, request.id, &known(&flow(1)));
        assert_eq!(is_enough, detail == Detail::Name);
        if !is_enough {
            world.pump();
            assert_eq!(world.effects(), []);
            world.engine.handle_row(world.now, request.id, flow(1));
        }
        world.engine.handle_sweep_end(world.now, request.id, true);
        world.pump();
        world.ack_all();
        assert_eq!(world.verdicts().next().unwrap().tally.as_deref().unwrap().applied, 1);
    }
}

#[test]
fn where_connections_are_not_tracked_finding_none_is_no_success() {
    let (off, four) = (Tracked { ipv4: false, ipv6: false }, Tracked { ipv4: true, ipv6: false });
    let six = filter(|f| f.either = ["2001:db8::1/128".parse::<Prefix>().unwrap()].into_iter().collect());
    let any = filter(|f| f.protocols = [Protocol::TCP].into());
    let not_tracked = Outcome::Refused(Refusal::NotTracked);
    for (tracked, wanted, outcome) in [
        (off, from(1), not_tracked),
        (off, any.clone(), not_tracked),
        (four, from(1), Outcome::Applied),
        (four, six.clone(), not_tracked),
        (four, Filter { family: Some(Family::Ipv6), ..any.clone() }, not_tracked),
        (four, any, Outcome::Applied),
        (Tracked::ALL, six, Outcome::Applied),
    ] {
        let mut world = World::new([plugin("a")]);
        world.engine.handle_tracked(tracked);
        world.message("a", "ban");
        world.reply("a", "banned", [delete("d", matching(wanted.clone()))]);
        let request = asked(&mut world);
        answer(&mut world, &request, []);
        assert_eq!(world.record("d").outcome, outcome, "{tracked:?} {wanted:?}");
        let (_, told) = world.replied().unwrap();
        assert_eq!(told.refusals.iter().any(|why| why.contains("conntrack is off")), outcome == not_tracked);
    }
}

#[test]
fn what_is_found_all_the_same_is_told_as_it_is() {
    let mut world = World::new([plugin("a")]);
    world.engine.handle_tracked(Tracked { ipv4: false, ipv6: false });
    world.judge(new(9), [("a", vec![delete("d", matching(from(1)))])]);
    let request = asked(&mut world);
    answer(&mut world, &request, [flow(1)]);
    world.ack_all();
    assert_eq!(world.record("d").outcome, Outcome::Applied, "entries that were made before");
}

#[test]
fn a_ban_in_a_large_table_is_answered_with_what_is_done_before_the_sweep_for_the_rest() {
    for (entries, long) in [(4_000_000, true), (1_000, false)] {
        let mut world = World::new([plugin("a")]);
        world.engine.handle_table(world.now, entries);
        world.message("a", "ban");
        world.reply("a", "banned", [block("b", "10.0.0.1", None), delete("d", matching(from(1)))]);
        world.ack(Ack::Done);
        let request = world.poll_selection(|_, _| Knows::Some).unwrap();
        answer_by_name(&mut world, &request, [flow(1), flow(2)]);
        world.ack_all();
        assert!(world.poll_selection(|_, _| Knows::Some).is_none(), "only a sweep finds the others");
        let told = world.replied();
        assert_eq!(told.is_some(), long);
        if let Some((_, told)) = told {
            assert_eq!((told.flows.applied, told.open, told.sweeping), (1, 1, 1), "the rest is under way");
            assert_eq!(told.verdicts.get(VerdictKind::Block, "applied"), 1);
        }
        // The next message is answered too, while the sweep for the first one runs.
        let sweep = world.sweep();
        world.message("a", "ban another");
        world.reply("a", "banned", [delete("e", matching(from(7)))]);
        let request = world.poll_selection(|_, _| Knows::Some).unwrap();
        answer_by_name(&mut world, &request, [flow(7)]);
        world.ack_all();
        assert!(world.poll_selection(|_, _| Knows::Some).is_none());
        assert_eq!(world.replied().is_some(), long);
        world.rows(sweep.id, [flow(1), flow(3)]);
        world.end_sweep(sweep.id, true);
        world.ack_all();
        let tally = world.record("d").tally.as_deref().unwrap();
        assert_eq!((tally.matched, tally.applied), (2, 2), "and its record comes all the same: {tally:?}");
        assert_eq!(world.replied().is_some(), !long);
    }
}

#[test]
fn a_ban_is_offered_at_once_whatever_number_of_bans_waits_for_the_sweep() {
    let mut world = World::new([plugin("a")]);
    world.engine.handle_table(world.now, 4_000_000);
    let ban = |world: &mut World, n: u8| {
        world.message("a", "ban");
        world.reply("a", "banned", [delete("d", matching(from(n)))]);
        let request = asked_for_some(world).unwrap();
        assert_eq!(request.filters, [from(n)]);
        answer_by_name(world, &request, [flow(n)]);
        assert_eq!(world.effects(), [Effect::Delete(key_of(n))]);
        world.ack_all();
        assert!(asked_for_some(world).is_none(), "only a sweep finds the others");
        let (_, told) = world.replied().unwrap();
        assert_eq!((told.flows.applied, told.sweeping), (1, 1), "ban {n}");
    };
    for n in 0..200 {
        ban(&mut world, n);
    }
}

#[test]
fn many_bans_of_one_answer_are_all_offered_before_any_is_left_to_a_sweep() {
    let mut world = World::new([plugin("a")]);
    world.engine.handle_table(world.now, 4_000_000);
    world.message("a", "ban");
    let last = from(199);
    world.reply("a", "banned", (0..200).map(|n| delete("d", matching(from(n)))));
    let knows = |filter: &Filter, _| if *filter == last { Knows::All } else { Knows::Nothing };
    let mut offers = 0;
    let request = loop {
        assert!(world.engine.has_new_selections(), "the program would wait for an event");
        offers += 1;
        if let Some(request) = world.poll_selection(knows) {
            break request;
        }
        assert_eq!(world.replied(), None, "the last ban is not known yet");
    };
    assert_eq!((request.filters, offers), (vec![last.clone()], 4));
}
