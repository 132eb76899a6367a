//! What must hold whatever happens in whatever order.
//!
//! Random plugins, random deeds of kernel, plugins and people, all limits small so that each of them is met.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ctwarden_engine::{
    Ack, Answer, Call, EngineConfig, Knows, Looked, OnFailure, PluginLimits, PluginSpec, PluginState, SweepId, Ticket,
    Wait,
};
use ctwarden_model::{
    Action, Effect, EffectId, Event, EventKind, Fault, Filter, Flow, FlowId, FlowKey, Mark, Mode, Outcome, Reply,
    Selection, SetName, Steady, Target, Verdict, VerdictKind, VerdictKinds,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::words::*;
use crate::world::World;

/// Flow 0 is protected by its tuple, flow 1 by its mark, which events leave out.
const BY_TUPLE: u8 = 0;
const BY_MARK: u8 = 1;
const PROTECTED_BIT: u32 = 1 << 31;
/// Flows that are in the table and can be named by key and selection; ids from here on are given to one event each.
const FLOWS: u8 = 5;
const FIRST_OWN_ID: u32 = 1_000;

/// With an obedient kernel patience has no end: a selection that waits for a block comes into line a moment later than one
/// that does not, and whether others wait is what patience hangs on.
fn config(obedient_kernel: bool) -> EngineConfig {
    let mut config = EngineConfig {
        protect: vec![from(BY_TUPLE), filter(|f| f.mark = Some(masked(PROTECTED_BIT, PROTECTED_BIT)))],
        batch_entries: 3,
        alert_keys: 2,
        backlog: 40,
        ..EngineConfig::default()
    };
    if obedient_kernel {
        config.row_patience = Duration::MAX;
    }
    config.breaker.exhaustions = 2;
    config.breaker.observe_for = Duration::from_secs(3);
    config.restart.failures = 3;
    config.restart.quarantine = Duration::from_secs(3);
    config
}

/// A flow of the table, whole.
fn table_flow(n: u8) -> Flow {
    let mut flow = flow(n);
    flow.mark = Some(Mark(if n == BY_MARK { PROTECTED_BIT } else { 0 }));
    flow
}

fn any_spec(name: &'static str) -> impl Strategy<Value = PluginSpec> {
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
                    queue_rows: 3,
                    queue_messages: 2,
                    queue_message_bytes: 1_000,
                    open_bytes: 1 << 20,
                    records_per_second: 1_000_000,
                    record_burst: 1_000_000,
                    verdicts_per_second: 4,
                    verdict_burst: 9,
                    table_share_per_minute: 10,
                    table_share_floor: 6,
                    alerts_per_second: 1,
                    alert_burst: 3,
                    protections: 2,
                    selections: 3,
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

/// A verdict with targets that mostly go with it; its code is given when it is said.
fn any_verdict() -> impl Strategy<Value = Verdict> {
    let network = || prop_oneof![Just("10.0.0.2"), Just("10.0.0.3"), Just("10.0.0.0"), Just("0.0.0.0/0")];
    let seconds = || proptest::option::of(1_u32..3);
    prop_oneof![
        6 => any_target().prop_map(|t| delete("", t)),
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

/// Something that happens.
#[derive(Clone, Debug)]
enum Deed {
    /// Events, each of a flow of its own or of one of the table, and a flush.
    Events(Vec<(u8, bool, bool)>),
    Gap,
    SetChanged,
    Table(u32),
    /// The n-th outstanding call is answered.
    Answer(usize, Vec<Verdict>),
    Refuse(usize),
    Fault(usize),
    /// The n-th effect is answered.
    Ack(usize, u8),
    /// Open lookups are answered: found, gone, replaced, refused or not at all.
    Lookups(u8),
    /// A sweep is begun where one is wanted.
    Sweep,
    Asked,
    Rows(Vec<u8>),
    EndSweep(bool),
    /// Selections answered by the program: how many of their flows it knows, flows, and whether it ends and is complete.
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

fn any_deed() -> impl Strategy<Value = Deed> {
    let verdicts = || vec(any_verdict(), 0..7);
    prop_oneof![
        8 => vec((0_u8..3, any::<bool>(), any::<bool>()), 1..6).prop_map(Deed::Events),
        12 => (any::<usize>(), verdicts()).prop_map(|(n, v)| Deed::Answer(n, v)),
        8 => (any::<usize>(), 0_u8..5).prop_map(|(n, a)| Deed::Ack(n, a)),
        3 => (0_u8..5).prop_map(Deed::Lookups),
        3 => Just(Deed::Sweep),
        1 => Just(Deed::Asked),
        3 => vec(0..FLOWS, 0..6).prop_map(Deed::Rows),
        2 => any::<bool>().prop_map(Deed::EndSweep),
        3 => (any_knows(), vec(0..FLOWS, 0..6), proptest::option::of(any::<bool>()))
            .prop_map(|(knows, rows, end)| Deed::Select(knows, rows, end)),
        6 => prop_oneof![0_u64..5, Just(20), Just(300), Just(1_500), Just(6_000)].prop_map(Deed::Pass),
        2 => (0_usize..3, prop_oneof![Just(Wait::Outcomes), Just(Wait::Answer)]).prop_map(|(n, wait)| Deed::Message(n, wait)),
        1 => Just(Deed::Gap),
        1 => Just(Deed::SetChanged),
        1 => (0_u32..200).prop_map(Deed::Table),
        1 => any::<usize>().prop_map(Deed::Refuse),
        1 => any::<usize>().prop_map(Deed::Fault),
        2 => any::<bool>().prop_map(Deed::Restart),
        1 => Just(Deed::Reload),
    ]
}

/// A world with a memory of what was said and done in it.
struct History {
    world: World,
    specs: Vec<PluginSpec>,
    said: usize,
    next_id: u32,
    sweep: Option<SweepId>,
    selections: VecDeque<SweepId>,
    tickets: BTreeSet<Ticket>,
    replied: BTreeMap<Ticket, u32>,
    /// How often each flow was deleted.
    deletes: BTreeMap<FlowKey, u32>,
    /// When each effect was taken.
    sent: BTreeMap<EffectId, Steady>,
    /// Everything is acknowledged at once.
    obedient_kernel: bool,
}

impl History {
    fn new(specs: Vec<PluginSpec>, obedient_kernel: bool) -> Self {
        Self {
            world: World::with(config(obedient_kernel), specs.clone()),
            specs,
            said: 0,
            next_id: FIRST_OWN_ID,
            sweep: None,
            selections: VecDeque::new(),
            tickets: BTreeSet::new(),
            replied: BTreeMap::new(),
            deletes: BTreeMap::new(),
            sent: BTreeMap::new(),
            obedient_kernel,
        }
    }

    /// Gives each verdict a code of its own. Where everything is carried out, no flow may be ended twice: where everything is
    /// only observed, it would live.
    fn say(&mut self, verdicts: Vec<Verdict>) -> Vec<Verdict> {
        let name = |mut verdict: Verdict| {
            verdict.code = format!("v{}", self.said);
            self.said += 1;
            if self.obedient_kernel {
                let ends = matches!(verdict.action, Action::Delete | Action::Timeout(0));
                match &mut verdict.target {
                    Target::Matching(_) if ends => verdict.action = Action::Mark(masked(1, 1)),
                    Target::Key(key) => {
                        key.id = FlowId(self.next_id);
                        self.next_id += 1;
                    }
                    Target::Entry(_) | Target::Matching(_) | Target::None => {}
                }
            }
            verdict
        };
        verdicts.into_iter().map(name).collect()
    }

    fn events(&mut self, events: Vec<(u8, bool, bool)>) {
        let mut told = Vec::new();
        for (kind, by_us, of_table) in events {
            let kind = [EventKind::New, EventKind::Update, EventKind::Destroy][usize::from(kind)];
            let mut flow = table_flow(u8::try_from(self.next_id % u32::from(FLOWS)).unwrap());
            flow.mark = None;
            if !of_table || self.obedient_kernel {
                flow.id = Some(FlowId(self.next_id));
            }
            self.next_id += 1;
            told.push(Event { kind, by_us, flow });
        }
        self.world.events(told);
    }

    fn answer(&mut self, n: usize, answer: impl FnOnce(&Call, &mut Self) -> Option<Answer>) {
        if self.world.calls.is_empty() {
            return;
        }
        let place = n % self.world.calls.len();
        let what = self.world.calls[place].2.clone();
        let Some(answer) = answer(&what, self) else { return };
        let (_, call, _) = self.world.calls.remove(place).unwrap();
        let before = self.world.effects.len();
        self.world.engine.handle_answer(self.world.now, call, answer);
        self.world.pump();
        self.check_one_change_for_a_flow(before);
    }

    /// What one answer brings about has at most one effect of a kind for a flow, and no change of what it deletes.
    fn check_one_change_for_a_flow(&self, before: usize) {
        let mut touched = BTreeSet::new();
        for (_, effect) in self.world.effects.iter().skip(before) {
            let fresh = match effect {
                Effect::Delete(key) | Effect::Update(ctwarden_model::Update { key, .. }) => touched.insert(*key),
                Effect::DeleteExpectation(_) | Effect::Block(_) | Effect::Unblock(_) => true,
            };
            assert!(fresh, "two effects on one flow: {:?}", self.world.effects());
        }
    }

    fn ack(&mut self, n: usize, how: u8) {
        if self.world.effects.is_empty() {
            return;
        }
        let place = n % self.world.effects.len();
        let (id, _) = self.world.effects.remove(place).unwrap();
        let ack = [Ack::Done, Ack::Gone, Ack::Replaced, Ack::Refused(16), Ack::NoAnswer][usize::from(how)];
        self.world.engine.handle_ack(self.world.now, id, ack);
    }

    fn lookups(&mut self, how: u8) {
        let now = self.world.now;
        while let Some(lookup) = self.world.engine.poll_lookup() {
            let n = (0..FLOWS).find(|n| flow(*n).tuples.original == lookup.key.original).unwrap();
            let mut found = table_flow(n);
            found.id = Some(lookup.key.id);
            let answer = match how {
                0 => Looked::Found(Box::new(found)),
                1 => Looked::Gone,
                2 => {
                    found.id = Some(FlowId(lookup.key.id.0 ^ 1));
                    Looked::Found(Box::new(found))
                }
                3 => Looked::Refused(22),
                _ => continue,
            };
            self.world.engine.handle_lookup(now, lookup.id, answer);
            self.settle();
        }
    }

    fn happen(&mut self, deed: Deed) {
        let now = self.world.now;
        match deed {
            Deed::Events(events) => self.events(events),
            Deed::Gap => self.world.gap(),
            Deed::SetChanged => self.world.engine.handle_set_changed(now, &SetName("feed".into())),
            Deed::Table(entries) => self.world.engine.handle_table(now, entries),
            Deed::Answer(n, verdicts) => self.answer(n, |what, history| {
                let verdicts = history.say(verdicts);
                Some(match what {
                    Call::Message { .. } => Answer::Reply(Reply { text: "done".into(), verdicts }),
                    Call::Judge(_) | Call::JudgeExpectations(_) | Call::Tick(_) => Answer::Verdicts(verdicts),
                })
            }),
            Deed::Refuse(n) => self
                .answer(n, |what, _| matches!(what, Call::Message { .. }).then(|| Answer::MessageRefused("no".into()))),
            Deed::Fault(n) => self.answer(n, |_, _| Some(Answer::Fault(Fault::Trap("bad".into())))),
            Deed::Ack(n, how) => self.ack(n, how),
            Deed::Lookups(how) => self.lookups(how),
            Deed::Sweep => {
                if let Some(request) = self.world.engine.poll_sweep() {
                    assert!(self.sweep.is_none(), "two sweeps at a time");
                    self.sweep = Some(request.id);
                }
            }
            Deed::Asked => {
                if let Some(request) = self.world.engine.poll_asked(|filter| *filter != Filter::default()) {
                    assert!(self.sweep.is_none(), "two sweeps at a time");
                    self.sweep = Some(request.id);
                }
            }
            Deed::Rows(rows) => {
                for n in rows {
                    if let Some(id) = self.sweep.filter(|_| self.world.engine.ready_for_rows()) {
                        let mut row = table_flow(n);
                        if self.obedient_kernel {
                            row.id = Some(FlowId(self.next_id));
                            self.next_id += 1;
                        }
                        self.world.engine.handle_row(now, id, row);
                        self.settle();
                    }
                }
            }
            Deed::EndSweep(complete) => {
                if let Some(id) = self.sweep.take() {
                    self.world.engine.handle_sweep_end(now, id, complete);
                }
            }
            Deed::Select(knows, rows, end) => {
                // What is hurried because it is carried out has nothing in observing that it could be compared with.
                let knows = if self.obedient_kernel && knows == Knows::Some { Knows::Nothing } else { knows };
                if let Some(request) = self.world.engine.poll_selection(|_, _| knows) {
                    self.selections.push_back(request.id);
                    assert!(self.selections.len() <= 8, "too many selections at a time");
                }
                let id = self.selections.pop_front();
                for n in rows {
                    if let Some(id) = id.filter(|_| self.world.engine.ready_for_selected()) {
                        let whole = table_flow(n);
                        if !self.world.engine.handle_known(now, id, &known(&whole)) {
                            self.world.engine.handle_row(now, id, whole);
                        }
                        self.settle();
                    }
                }
                match (id, end) {
                    (Some(id), Some(complete)) => self.world.engine.handle_sweep_end(now, id, complete),
                    (Some(id), None) => self.selections.push_back(id),
                    (None, _) => {}
                }
            }
            Deed::Message(n, wait) => {
                let name = self.specs[n % self.specs.len()].name.to_string();
                if let Ok(ticket) = self.world.engine.handle_message(now, &name, "word".into(), wait) {
                    assert!(self.tickets.insert(ticket), "a ticket given twice");
                }
            }
            Deed::Restart(works) => {
                while let Some(id) = self.world.engine.poll_restart() {
                    if works {
                        self.world.engine.handle_started(now, id);
                    } else {
                        self.world.engine.handle_start_failed(now, id, Fault::Configuration("no".into()));
                    }
                }
            }
            Deed::Pass(millis) => {
                self.world.pass_millis(millis);
                self.give_up_effects();
                self.check_no_spinning();
            }
            Deed::Reload => self.world.configure(config(self.obedient_kernel), self.specs.clone()),
            Deed::Stop => self.world.engine.handle_stop(now),
        }
        self.settle();
    }

    /// Takes what is to be done, and looks at it.
    fn settle(&mut self) {
        loop {
            let known = self.world.effects.len();
            self.world.pump();
            for place in known..self.world.effects.len() {
                let effect = self.world.effects[place].1.clone();
                if let Effect::Delete(key) = effect {
                    *self.deletes.entry(key).or_default() += 1;
                }
            }
            if !self.obedient_kernel || self.world.effects.is_empty() {
                break;
            }
            let (id, _) = self.world.effects.pop_front().unwrap();
            self.world.engine.handle_ack(self.world.now, id, Ack::Done);
        }
        for (id, _) in &self.world.effects {
            self.sent.entry(*id).or_insert(self.world.now.steady);
        }
        while let Some((ticket, _)) = self.world.replied() {
            *self.replied.entry(ticket).or_default() += 1;
        }
        self.check_effects();
        self.check_bounds();
    }

    /// Effects that the engine has given up by now; late answers must change nothing.
    fn give_up_effects(&mut self) {
        let now = self.world.now.steady;
        let (sent, wait) = (&self.sent, EngineConfig::default().answer_wait);
        let overdue = |id: &EffectId| sent.get(id).is_some_and(|at| now.since(*at) >= wait);
        let effects = core::mem::take(&mut self.world.effects);
        let (given_up, open): (VecDeque<_>, _) = effects.into_iter().partition(|(id, _)| overdue(id));
        self.world.effects = open;
        for (id, _) in given_up {
            self.world.engine.handle_ack(self.world.now, id, Ack::Done);
        }
    }

    /// After time was told, the engine does not want to be told the same time again.
    fn check_no_spinning(&mut self) {
        let now = self.world.now.steady;
        let next = self.world.engine.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "{next:?} is not after {now:?}");
    }

    /// Every effect has a grant of a plugin that enforces, and none is on a protected flow.
    fn check_effects(&self) {
        let enforcing = || self.specs.iter().filter(|spec| spec.mode == Mode::Enforce);
        let granted = |kind: VerdictKind| enforcing().filter(move |spec| spec.grants.kinds.contains(kind));
        let mut deleting = BTreeSet::new();
        for (_, effect) in &self.world.effects {
            match effect {
                Effect::Delete(key) => {
                    // A timeout of no seconds is sent as a delete.
                    let kinds = [VerdictKind::Delete, VerdictKind::Timeout];
                    assert!(kinds.into_iter().any(|kind| granted(kind).count() > 0), "{effect:?}");
                    assert!(deleting.insert(*key), "two deletes of a flow on their way: {effect:?}");
                    self.check_unprotected(key);
                }
                Effect::Update(update) => {
                    let marks = granted(VerdictKind::Mark).fold(0, |bits, spec| bits | spec.grants.mark_mask);
                    let labels = granted(VerdictKind::Labels).fold(0, |bits, spec| bits | spec.grants.label_mask);
                    assert!(update.mark.is_none_or(|mark| mark.mask() & !marks == 0), "{effect:?}");
                    assert!(update.labels.is_none_or(|change| change.mask() & !labels == 0), "{effect:?}");
                    assert!(update.timeout.is_none() || granted(VerdictKind::Timeout).count() > 0, "{effect:?}");
                    assert!(update.mark.is_some() || update.labels.is_some() || update.timeout.is_some());
                    self.check_unprotected(&update.key);
                }
                Effect::Block(block) => {
                    assert!(
                        granted(VerdictKind::Block).any(|s| s.grants.block_sets.contains(&block.set)),
                        "{effect:?}"
                    );
                    assert!(!block.network.contains(address(BY_TUPLE)), "{effect:?}");
                }
                Effect::Unblock(unblock) => {
                    assert!(
                        granted(VerdictKind::Unblock).any(|s| s.grants.block_sets.contains(&unblock.set)),
                        "{effect:?}"
                    );
                }
                Effect::DeleteExpectation(_) => panic!("nobody spoke of expectations: {effect:?}"),
            }
        }
    }

    fn check_unprotected(&self, key: &FlowKey) {
        for n in [BY_TUPLE, BY_MARK] {
            assert_ne!(key.original, flow(n).tuples.original, "flow {n} is protected");
        }
    }

    fn check_bounds(&self) {
        let status = self.world.engine.status(self.world.now);
        for plugin in &status.plugins {
            assert!(plugin.queue_entries <= 7 + 3 + 3, "{} entries wait", plugin.queue_entries);
        }
        assert!(status.protections <= 2 * self.specs.len());
        let calls: BTreeSet<_> = self.world.calls.iter().map(|(plugin, _, _)| *plugin).collect();
        assert_eq!(calls.len(), self.world.calls.len(), "two calls of one plugin");
    }

    /// The end, and what must be true then.
    fn end(&mut self) {
        let now = self.world.now;
        self.world.engine.handle_stop(now);
        self.settle();
        self.world.engine.handle_finish(now);
        // Who still computes may answer; the verdicts get their records all the same.
        for (_, call, _) in core::mem::take(&mut self.world.calls) {
            let late = self.say(vec![delete("", entry(0)), log("")]);
            self.world.engine.handle_answer(now, call, Answer::Verdicts(late));
        }
        self.settle();
        let status = self.world.engine.status(now);
        assert_eq!((status.open_verdicts, status.effects_in_flight), (0, 0));
        assert!(self.world.engine.is_quiet());
        let mut records: BTreeMap<&str, u32> = BTreeMap::new();
        for record in self.world.verdicts() {
            *records.entry(&record.verdict.code).or_default() += 1;
        }
        for n in 0..self.said {
            assert_eq!(records.get(format!("v{n}").as_str()), Some(&1), "records of v{n}");
        }
        assert_eq!(records.len(), self.said);
        for ticket in &self.tickets {
            assert_eq!(self.replied.get(ticket), Some(&1), "replies to {ticket:?}");
        }
        for (key, deletes) in &self.deletes {
            // Such a flow was in one batch only.
            assert!(key.id.0 < FIRST_OWN_ID || *deletes <= 1, "{key:?} was deleted {deletes} times");
        }
        for plugin in &status.plugins {
            assert!(!matches!(plugin.state, PluginState::Failed { .. }) || !plugin.faults.is_empty());
        }
    }

    /// Verdicts with what came of them; what was done and what only would have been are told alike.
    fn outcomes(&self) -> BTreeMap<String, String> {
        let told = |outcome: Outcome| if outcome == Outcome::Observed { Outcome::Applied } else { outcome };
        self.world.verdicts().map(|v| (v.verdict.code.clone(), format!("{:?} {:?}", told(v.outcome), v.flow))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_verdict_ends_once_and_nothing_is_done_without_a_grant(
        a in any_spec("a"),
        b in any_spec("b"),
        c in any_spec("c"),
        deeds in vec(any_deed(), 1..120),
        stop in any::<Option<prop::sample::Index>>(),
    ) {
        let stop = stop.map(|place| place.index(deeds.len()));
        let mut history = History::new(vec![a, b, c], false);
        for (place, deed) in deeds.into_iter().enumerate() {
            if stop == Some(place) {
                history.happen(Deed::Stop);
            }
            history.happen(deed);
        }
        history.end();
    }

    #[test]
    fn observing_does_nothing_and_tells_the_same(spec in any_spec("a"), deeds in vec(any_deed(), 1..120)) {
        let run = |mode: Mode| {
            let mut history = History::new(vec![spec.clone().with(|spec| spec.mode = mode)], true);
            for deed in deeds.clone() {
                history.happen(deed);
            }
            // What is open at the end is open for the same reason.
            history.end();
            (history.outcomes(), history.deletes.len())
        };
        let (observed, deletes) = run(Mode::Observe);
        prop_assert_eq!(deletes, 0);
        let (enforced, _) = run(Mode::Enforce);
        prop_assert_eq!(observed, enforced);
    }
}
