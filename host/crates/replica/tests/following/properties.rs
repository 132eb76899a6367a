//! Compares the claims of the replica with a table that it cannot see, under every order of events, rows and losses.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::kernel::{Kernel, Life, TUPLES, address};
use ctwarden_model::{
    Family, Filter, Flow, FlowKey, Masked, NamedSet, PerDirection, PortRange, Prefix, PrefixSet, Protocol, SetName,
    Zone,
};
use ctwarden_replica::{Selected, Slice, Walk};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Create(usize, u8),
    Change(usize),
    Destroy(usize, bool),
    Belated(usize),
    ReadEvents(u8),
    Begin(Slice),
    List(u8),
    ReadRows(u8),
    Interrupt,
    RemoveAbsent(usize),
}

fn slice() -> impl Strategy<Value = Slice> {
    let part = |change: fn(&mut Slice)| {
        let mut slice = Slice::ALL;
        change(&mut slice);
        Just(slice)
    };
    prop_oneof![
        6 => Just(Slice::ALL),
        1 => part(|s| s.family = Some(Family::Ipv4)),
        1 => part(|s| s.family = Some(Family::Ipv6)),
        1 => part(|s| s.zone = Some(Zone(1))),
        1 => part(|s| s.protocol = Some(Protocol::TCP)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let slot = 0..TUPLES;
    prop_oneof![
        6 => (slot.clone(), any::<u8>()).prop_map(|(slot, arg)| Step::Create(slot, arg)),
        6 => slot.clone().prop_map(Step::Change),
        5 => (slot.clone(), any::<bool>()).prop_map(|(slot, lingers)| Step::Destroy(slot, lingers)),
        1 => slot.prop_map(Step::Belated),
        9 => (1_u8..6).prop_map(Step::ReadEvents),
        2 => slice().prop_map(Step::Begin),
        6 => (1_u8..8).prop_map(Step::List),
        6 => (1_u8..8).prop_map(Step::ReadRows),
        1 => Just(Step::Interrupt),
        2 => (1_usize..20).prop_map(Step::RemoveAbsent),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let networks = |how_many: std::ops::Range<usize>| {
        prop::collection::vec((0..TUPLES, 0_u8..16, prop::sample::select(vec![0_u8, 24, 30, 32, 120, 128])), how_many)
            .prop_map(|networks| {
                let prefix = |(slot, host, length): (usize, u8, u8)| {
                    let address = address(slot, host);
                    Prefix::new(address, length).unwrap_or(Prefix::host(address))
                };
                networks.into_iter().map(prefix).collect::<PrefixSet>()
            })
    };
    let network = || networks(1..4);
    // From an empty set, which holds no flow, to a set with more networks than there are flows.
    let named = networks(0..60).prop_map(|networks| NamedSet {
        name: SetName("feed".into()),
        networks: Arc::new(networks.iter().map(|network| (network, Arc::default())).collect()),
    });
    let sets = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(named, 1..3)];
    let masked = prop::sample::select(vec![(0, 3), (1, 1), (2, 3), (0, 0), (3, 3)]);
    let status = prop::sample::select(vec![(8, 8), (4, 4), (0, 2), (0x4000, 0x4000), (0x4004, 0x4004)]);
    let mutable = prop_oneof![
        2 => Just(Filter::default()),
        1 => masked.prop_map(|(v, m)| Filter { mark: Some(Masked::new(v, m).unwrap()), ..Filter::default() }),
        1 => status.prop_map(|(v, m)| Filter { status: Some(Masked::new(v, m).unwrap()), ..Filter::default() }),
        1 => prop::collection::vec(1_u8..6, 1..3).prop_map(|states| Filter { states: states.into(), ..Filter::default() }),
        1 => Just(Filter { labels: 1, ..Filter::default() }),
    ];
    let family = prop::option::of(prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]);
    let ports = prop::option::of((0_u16..12, 0_u16..12));
    let one = prop::option::of((0..5_u8, network()));
    (mutable, one, prop::option::of(network()), sets, family, ports).prop_map(
        |(mut filter, one, either, sets, family, ports)| {
            match one {
                Some((0, networks)) => filter.original_src = networks,
                Some((1, networks)) => filter.original_dst = networks,
                Some((2, networks)) => filter.reply_src = networks,
                Some((3, networks)) => filter.reply_dst = networks,
                Some(_) | None => {}
            }
            filter.either = either.unwrap_or_default();
            if !sets.is_empty() {
                filter.rare_mut().sets = sets;
            }
            filter.family = family;
            filter.src_ports = ports.map(|(first, last)| PortRange { first, last }).into_iter().collect();
            filter
        },
    )
}

fn apply(kernel: &mut Kernel, step: &Step) {
    match *step {
        Step::Create(slot, arg) => kernel.create(slot, arg, false),
        Step::Change(slot) => kernel.change(slot),
        Step::Destroy(slot, lingers) => kernel.destroy(slot, lingers),
        Step::Belated(slot) => kernel.belated(slot),
        Step::ReadEvents(count) => (0..count).for_each(|_| kernel.read_event()),
        Step::Begin(slice) => {
            if !kernel.is_sweeping() {
                kernel.begin_sweep(slice);
            }
        }
        Step::List(count) => (0..count).for_each(|_| kernel.list()),
        Step::ReadRows(count) => (0..count).for_each(|_| kernel.read_row()),
        Step::Interrupt => kernel.interrupt(),
        Step::RemoveAbsent(budget) => {
            kernel.replica.remove_absent(budget);
        }
    }
}

/// Living flows that began at or before the last event that the replica has processed.
fn lives_at_position(kernel: &Kernel) -> impl Iterator<Item = &Life> {
    let position = kernel.position;
    kernel.lives.iter().filter(move |life| life.born <= position && life.died.is_none())
}

/// Checks every claim of the replica at this moment.
fn claims_hold(kernel: &Kernel, filter: &Filter) -> Result<(), TestCaseError> {
    let everything = Filter::default();
    let all: Vec<Selected> = kernel.replica.select(&everything).collect();
    prop_assert_eq!(all.len(), kernel.replica.len());
    let keys: BTreeSet<FlowKey> = all.iter().map(|selected| selected.key).collect();
    prop_assert_eq!(keys.len(), all.len(), "a flow came twice");

    for life in lives_at_position(kernel) {
        if kernel.replica.knowledge(life.key.original.family()).is_complete() {
            let found = kernel.replica.get(&life.key);
            prop_assert!(found.is_some_and(|found| found.reply == life.reply), "{life:?} is missing: {found:?}");
        }
    }

    let matching: Vec<Selected> = kernel.replica.select(filter).collect();
    let wanted = lasting_part(filter);
    let expected: Vec<FlowKey> =
        all.iter().filter(|known| wanted.matches(&flow(known))).map(|known| known.key).collect();
    prop_assert_eq!(matching.len(), expected.len(), "{:?} for {:?}", matching, expected);
    prop_assert!(matching.iter().all(|selected| expected.contains(&selected.key)), "{matching:?} for {expected:?}");
    for known in &all {
        let was = kernel.lives.iter().any(|life| life.key == known.key && life.reply == known.reply);
        prop_assert!(was, "{known:?} never was");
    }
    Ok(())
}

fn flow(known: &Selected) -> Flow {
    let mut flow = Flow::new(PerDirection { original: known.key.original, reply: known.reply });
    flow.zone = known.key.zone;
    flow
}

/// The part of the filter that tests only what a flow keeps for life.
fn lasting_part(filter: &Filter) -> Filter {
    Filter { mark: None, status: None, states: ctwarden_model::AnyOf::NONE, labels: 0, ..filter.clone() }
}

/// Checks the stronger claim once all events are read. The replica has all living flows. Of ended flows it has at most
/// silent ones, which ended without an event.
fn equals_the_table(kernel: &Kernel, family: Family) -> Result<(), TestCaseError> {
    let (replicated, living) = (replicated(kernel, family), living(kernel, family));
    let silent: BTreeSet<FlowKey> = kernel.lives.iter().filter(|life| life.silent).map(|life| life.key).collect();
    prop_assert!(living.is_subset(&replicated), "{:?} are missing", living.difference(&replicated));
    let ended: Vec<&FlowKey> = replicated.difference(&living).filter(|key| !silent.contains(key)).collect();
    prop_assert!(ended.is_empty(), "{ended:?} have ended and that was heard");
    Ok(())
}

fn replicated(kernel: &Kernel, family: Family) -> BTreeSet<FlowKey> {
    let filter = Filter { family: Some(family), ..Filter::default() };
    kernel.replica.select(&filter).map(|selected| selected.key).collect()
}

fn living(kernel: &Kernel, family: Family) -> BTreeSet<FlowKey> {
    let lives = kernel.lives.iter().filter(|life| life.died.is_none());
    lives.map(|life| life.key).filter(|key| key.original.family() == family).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_it_claims_is_so(
        room in prop::sample::select(vec![2_usize, 5, 12, 1_000]),
        silent in prop::collection::vec((0..TUPLES, any::<u8>()), 0..6),
        steps in prop::collection::vec(step(), 1..120),
        filter in filter(),
    ) {
        let mut kernel = Kernel::new(room, &silent);
        for step in &steps {
            apply(&mut kernel, step);
            claims_hold(&kernel, &filter)?;
            for family in [Family::Ipv4, Family::Ipv6] {
                if kernel.events_are_read() && kernel.replica.knowledge(family).is_complete() {
                    kernel.replica.remove_absent(usize::MAX);
                    equals_the_table(&kernel, family)?;
                }
            }
        }
        // An undisturbed sweep repairs everything.
        kernel.read_all_events();
        kernel.interrupt();
        kernel.sweep_at_once(Slice::ALL);
        claims_hold(&kernel, &filter)?;
        for family in [Family::Ipv4, Family::Ipv6] {
            prop_assert!(kernel.replica.knowledge(family).is_complete());
            prop_assert_eq!(replicated(&kernel, family), living(&kernel, family));
        }
    }

    #[test]
    fn without_loss_it_equals_the_table_whenever_all_is_read(
        silent in prop::collection::vec((0..TUPLES, any::<u8>()), 0..4),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut kernel = Kernel::new(usize::MAX, &silent);
        kernel.sweep_at_once(Slice::ALL);
        for step in &steps {
            apply(&mut kernel, step);
            if kernel.events_are_read() {
                for family in [Family::Ipv4, Family::Ipv6] {
                    prop_assert!(kernel.replica.knowledge(family).is_complete());
                    equals_the_table(&kernel, family)?;
                }
            }
        }
    }
}

/// Splits a step into parts, so that a test can see what changes after each part.
fn finely(step: Step) -> Vec<Step> {
    if let Step::ReadEvents(count) = step {
        (0..count).map(|_| Step::ReadEvents(1)).collect()
    } else if let Step::ReadRows(count) = step {
        (0..count).map(|_| Step::ReadRows(1)).collect()
    } else {
        vec![step]
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_comes_once_past_each_flow_that_stays(
        filters in prop::collection::vec(filter(), 1..4),
        before in prop::collection::vec(step(), 0..120),
        turns in prop::collection::vec((1_usize..6, prop::collection::vec(step(), 0..4)), 1..40),
    ) {
        let mut kernel = Kernel::new(1_000, &[]);
        before.iter().for_each(|step| apply(&mut kernel, step));
        let wanted = |kernel: &Kernel| -> BTreeSet<FlowKey> {
            filters.iter().flat_map(|filter| kernel.replica.select(filter)).map(|selected| selected.key).collect()
        };
        let mut stayed = wanted(&kernel);
        let mut were = stayed.clone();
        let (mut walk, mut told) = (Walk::new(filters.clone()), Vec::new());
        for (looks, steps) in turns {
            if !kernel.replica.step(&mut walk, looks, |selected| told.push(selected.key)) {
                break;
            }
            for step in steps.into_iter().flat_map(finely) {
                apply(&mut kernel, &step);
                let now = wanted(&kernel);
                stayed.retain(|key| now.contains(key));
                were.extend(now);
            }
        }
        while kernel.replica.step(&mut walk, 3, |selected| told.push(selected.key)) {}
        for key in &stayed {
            prop_assert_eq!(told.iter().filter(|other| *other == key).count(), 1, "{:?}", key);
        }
        prop_assert!(told.iter().all(|key| were.contains(key)));
        prop_assert!(!kernel.replica.step(&mut walk, 3, |_| panic!("a walk that has ended goes on")));
    }
}

/// The properties prove little if the random histories never reach a state.
#[test]
fn random_histories_come_into_every_state() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut complete, mut overruns, mut chosen, mut left, mut again) = (0, 0, 0, 0, 0);
    for _ in 0..200 {
        let steps = prop::collection::vec(step(), 600).new_tree(&mut runner).unwrap().current();
        let filter = filter().new_tree(&mut runner).unwrap().current();
        let mut kernel = Kernel::new(5, &[(0, 0), (3, 2), (6, 8)]);
        let mut lost = false;
        for step in &steps {
            apply(&mut kernel, step);
            match kernel.replica.knowledge(Family::Ipv4) {
                ctwarden_replica::Knowledge::Complete { .. } => {
                    complete += 1;
                    again += usize::from(lost);
                    lost = false;
                }
                ctwarden_replica::Knowledge::Overrun { .. } => {
                    overruns += 1;
                    lost = true;
                }
                ctwarden_replica::Knowledge::NeverSwept | ctwarden_replica::Knowledge::OverLimit { .. } => {}
            }
            let matching = kernel.replica.select(&filter).count();
            chosen += matching;
            left += kernel.replica.len() - matching;
        }
    }
    let seen = [complete, overruns, chosen, left, again];
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}
