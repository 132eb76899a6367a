//! Random inputs of an engine: plugins, verdicts, and actions of the kernel, the plugins and the operator. All limits
//! are small, so that each is reached.

use core::time::Duration;

use ctwarden_engine::{EngineConfig, Knows, OnFailure, PluginBounds, PluginLimits, PluginSpec, Wait};
use ctwarden_model::{Flow, Mark, Mode, Selection, SetName, Target, Verdict, VerdictKind, VerdictKinds};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::words::*;

/// Flow 0 is protected by its tuple, and flow 1 by its mark. Events leave out the mark.
pub(crate) const BY_TUPLE: u8 = 0;
pub(crate) const BY_MARK: u8 = 1;
pub(crate) const PROTECTED_BIT: u32 = 1 << 31;
/// Number of flows in the table. Keys and selections can name them. From [`FIRST_OWN_ID`] on, each id belongs to one
/// event.
pub(crate) const FLOWS: u8 = 5;
pub(crate) const FIRST_OWN_ID: u32 = 1_000;

/// With an obedient kernel, `row_patience` is unlimited. It applies only while others wait for the sweep. A selection
/// that waits for a block enters the queue a moment later than in observe mode, so the runs in the two modes would
/// differ.
pub(crate) fn config(obedient_kernel: bool) -> EngineConfig {
    let mut config = EngineConfig {
        protect: vec![from(BY_TUPLE), filter(|f| f.mark = Some(masked(PROTECTED_BIT, PROTECTED_BIT)))],
        ..EngineConfig::default()
    };
    config.bounds.batch_entries = 3;
    config.bounds.alert_keys = 2;
    config.bounds.backlog = 40;
    if obedient_kernel {
        config.bounds.row_patience = Duration::MAX;
    }
    config.bounds.breaker.exhaustions = 2;
    config.bounds.breaker.observe_for = Duration::from_secs(3);
    config.bounds.restart.failures = 3;
    config.bounds.restart.quarantine = Duration::from_secs(3);
    config
}

/// A flow of the table with all its fields.
pub(crate) fn table_flow(n: u8) -> Flow {
    let mut flow = flow(n);
    flow.mark = Some(Mark(if n == BY_MARK { PROTECTED_BIT } else { 0 }));
    flow
}

pub(crate) fn any_spec(name: &'static str) -> impl Strategy<Value = PluginSpec> {
    let kinds = || {
        any::<u16>().prop_map(|bits| {
            VerdictKind::ALL.into_iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, k)| k).collect()
        })
    };
    let mostly = |kinds: VerdictKinds, all: bool| if all { VerdictKind::ALL.into_iter().collect() } else { kinds };
    (any::<bool>(), kinds(), any::<bool>(), any::<[bool; 5]>(), any::<u8>()).prop_map(
        move |(enforce, some_kinds, all, [row, own, ticks, exit, set], mask)| {
            plugin(name).sweeps().with(|spec| {
                spec.mode = if enforce { Mode::Enforce } else { Mode::Observe };
                spec.grants.kinds = mostly(some_kinds, all);
                spec.grants.mark_mask = u32::from(mask) | 1;
                spec.grants.label_mask = u128::from(mask) | 1;
                if !set {
                    spec.grants.block_sets.clear();
                }
                spec.subscription.kinds.row = row;
                spec.subscription.own_changes = own;
                spec.subscription.sets = vec![SetName("feed".into())];
                spec.subscription.tick_every = ticks.then_some(Duration::from_millis(300));
                spec.subscription.sweep_every = ticks.then_some(Duration::from_secs(4));
                spec.on_failure = if exit && own { OnFailure::Exit } else { OnFailure::Restart };
                spec.limits = PluginLimits {
                    queue_entries: 7,
                    records_per_second: 1_000_000,
                    record_burst: 1_000_000,
                    verdicts_per_second: 4,
                    verdict_burst: 9,
                    table_share_per_minute: 10,
                    table_share_floor: 6,
                    alerts_per_second: 1,
                    alert_burst: 3,
                    bounds: PluginBounds {
                        queue_rows: 3,
                        queue_messages: 2,
                        queue_message_bytes: 1_000,
                        open_bytes: 1 << 20,
                        protections: 2,
                        selections: 3,
                    },
                    ..PluginLimits::default()
                };
            })
        },
    )
}

fn any_target() -> impl Strategy<Value = Target> {
    let filters = prop_oneof![(0..FLOWS).prop_map(from), Just(filter(|_| {}))];
    prop_oneof![
        4 => (0_u32..4).prop_map(Target::Entry),
        2 => (0..FLOWS).prop_map(key),
        1 => (filters, proptest::option::of(0_u32..3))
            .prop_map(|(filter, limit)| Target::Matching(Box::new(Selection { filter, limit }))),
        1 => Just(Target::None),
    ]
}

/// A verdict with a target that usually fits the action. `History::say` sets its code.
fn any_verdict() -> impl Strategy<Value = Verdict> {
    let network = || prop_oneof![Just("10.0.0.2"), Just("10.0.0.3"), Just("10.0.0.0"), Just("0.0.0.0/0")];
    let seconds = || proptest::option::of(1_u32..3);
    prop_oneof![
        5 => any_target().prop_map(|t| delete("", t)),
        3 => any_target().prop_map(|t| kill("", t)),
        3 => (any_target(), any::<u8>(), any::<u8>())
            .prop_map(|(t, v, m)| mark("", t, (v & m).into(), m.into())),
        2 => (any_target(), any::<u8>(), any::<u8>()).prop_map(|(t, s, c)| labels("", t, s.into(), c.into())),
        2 => (any_target(), 0_u32..3).prop_map(|(t, s)| timeout("", t, s)),
        1 => (any_target(), 0_u32..3).prop_map(|(t, s)| protect("", t, s)),
        1 => (0_u8..4).prop_map(|k| alert("", &k.to_string())),
        1 => Just(log("")),
        2 => (network(), seconds()).prop_map(|(n, s)| block("", n, s)),
        1 => network().prop_map(|n| unblock("", n)),
        1 => any_target().prop_map(|t| sweep("", t)),
    ]
}

#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Events and a flush. Each event is about a flow of its own or a flow of the table.
    Events(Vec<(u8, bool, bool)>),
    Overrun,
    SetChanged,
    Table(u32),
    /// Answers the n-th outstanding call.
    Answer(usize, Vec<Verdict>),
    Refuse(usize),
    Fault(usize),
    /// Answers the n-th effect.
    Ack(usize, u8),
    /// Answers the open lookups: found, gone, replaced, refused, or not at all.
    Lookups(u8),
    /// Begins a sweep if the engine requests one.
    Sweep,
    Asked,
    Rows(Vec<u8>),
    EndSweep(bool),
    /// Answers selections: how many of their flows the program knows, the flows, and whether the answer ends and is
    /// complete.
    Select(Knows, Vec<u8>, Option<bool>),
    Message(usize, Wait),
    Restart(bool),
    Pass(u64),
    Reload,
    Stop,
}

fn any_knows() -> impl Strategy<Value = Knows> {
    prop_oneof![2 => Just(Knows::All), 1 => Just(Knows::Some), 1 => Just(Knows::Nothing)]
}

pub(crate) fn any_deed() -> impl Strategy<Value = Deed> {
    let verdicts = || vec(any_verdict(), 0..7);
    prop_oneof![
        8 => vec((0_u8..3, any::<bool>(), any::<bool>()), 1..6).prop_map(Deed::Events),
        12 => (any::<usize>(), verdicts()).prop_map(|(n, v)| Deed::Answer(n, v)),
        8 => (any::<usize>(), 0_u8..6).prop_map(|(n, a)| Deed::Ack(n, a)),
        3 => (0_u8..5).prop_map(Deed::Lookups),
        3 => Just(Deed::Sweep),
        1 => Just(Deed::Asked),
        3 => vec(0..FLOWS, 0..6).prop_map(Deed::Rows),
        2 => any::<bool>().prop_map(Deed::EndSweep),
        3 => (any_knows(), vec(0..FLOWS, 0..6), proptest::option::of(any::<bool>()))
            .prop_map(|(knows, rows, end)| Deed::Select(knows, rows, end)),
        6 => prop_oneof![0_u64..5, Just(20), Just(300), Just(1_500), Just(6_000)].prop_map(Deed::Pass),
        2 => (0_usize..3, prop_oneof![Just(Wait::Outcomes), Just(Wait::Answer)]).prop_map(|(n, wait)| Deed::Message(n, wait)),
        1 => Just(Deed::Overrun),
        1 => Just(Deed::SetChanged),
        1 => (0_u32..200).prop_map(Deed::Table),
        1 => any::<usize>().prop_map(Deed::Refuse),
        1 => any::<usize>().prop_map(Deed::Fault),
        2 => any::<bool>().prop_map(Deed::Restart),
        1 => Just(Deed::Reload),
    ]
}
