//! Properties that hold for every order of inputs.
//!
//! The inputs are random (`deeds`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ctwarden_engine::{Ack, Answer, Call, EngineBounds, Knows, Looked, PluginSpec, PluginState, SweepId, Ticket};
use ctwarden_model::{
    Action, Effect, EffectId, Event, EventKind, Fault, Filter, FlowId, FlowKey, KillRefusal, Mode, Outcome, Reply,
    SetName, Steady, Target, Verdict, VerdictKind,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::deeds::*;
use crate::words::*;
use crate::world::World;

/// A world that remembers its inputs and outputs.
struct History {
    world: World,
    specs: Vec<PluginSpec>,
    said: usize,
    next_id: u32,
    sweep: Option<SweepId>,
    selections: VecDeque<SweepId>,
    tickets: BTreeSet<Ticket>,
    replied: BTreeMap<Ticket, u32>,
    /// Number of deletes of each flow.
    deletes: BTreeMap<FlowKey, u32>,
    /// When the engine handed out each effect.
    sent: BTreeMap<EffectId, Steady>,
    /// Whether every effect is acknowledged at once.
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

    /// Gives each verdict its own code. With an obedient kernel, no flow may be ended twice: in observe mode the flow
    /// would live on, and the outcomes would differ from those in enforce mode.
    fn say(&mut self, verdicts: Vec<Verdict>) -> Vec<Verdict> {
        let name = |mut verdict: Verdict| {
            verdict.code = format!("v{}", self.said);
            self.said += 1;
            if self.obedient_kernel {
                let ends = matches!(verdict.action, Action::Delete | Action::Kill | Action::Timeout(0));
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

    /// One answer causes at most one effect on a flow: a delete, a kill or an update.
    fn check_one_change_for_a_flow(&self, before: usize) {
        let mut touched = BTreeSet::new();
        for (_, effect) in self.world.effects.iter().skip(before) {
            let fresh = match effect {
                Effect::Delete(key) | Effect::Kill(key) | Effect::Update(ctwarden_model::Update { key, .. }) => {
                    touched.insert(*key)
                }
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
        let not_killed = Ack::NotKilled(KillRefusal::NoSocket);
        let acks = [Ack::Done, Ack::Gone, Ack::Replaced, Ack::Refused(16), Ack::NoAnswer, not_killed];
        let ack = acks[usize::from(how)];
        self.world.engine.handle_ack(self.world.now, id, ack);
    }

    fn lookups(&mut self, how: u8) {
        let now = self.world.now;
        while let Some(lookup) = self.world.poll_lookup() {
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
            Deed::Overrun => self.world.overrun(),
            Deed::SetChanged => self.world.engine.handle_set_changed(now, changed(&SetName("feed".into())), None),
            Deed::Table(entries) => self.world.engine.handle_table(now, entries),
            Deed::Answer(n, verdicts) => self.answer(n, |what, history| {
                let verdicts = history.say(verdicts);
                Some(match what {
                    Call::Message { .. } => Answer::Reply(Reply { text: "done".into(), verdicts }),
                    Call::Judge(_) | Call::JudgeExpectations(_) | Call::Concluded(_) | Call::Tick(_) => {
                        Answer::Verdicts(verdicts)
                    }
                })
            }),
            Deed::Refuse(n) => self
                .answer(n, |what, _| matches!(what, Call::Message { .. }).then(|| Answer::MessageRefused("no".into()))),
            Deed::Fault(n) => self.answer(n, |_, _| Some(Answer::Fault(Fault::Trap("bad".into())))),
            Deed::Ack(n, how) => self.ack(n, how),
            Deed::Lookups(how) => self.lookups(how),
            Deed::Sweep => {
                if let Some(request) = self.world.poll_sweep() {
                    assert!(self.sweep.is_none(), "two sweeps at a time");
                    self.sweep = Some(request.id);
                }
            }
            Deed::Asked => {
                if let Some(request) = self.world.poll_asked(|filter| *filter != Filter::default()) {
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
                // Only deletes in enforce mode begin before their sweep. In observe mode there is nothing to compare
                // with them.
                let knows = if self.obedient_kernel && knows == Knows::Some { Knows::Nothing } else { knows };
                if let Some(request) = self.world.poll_selection(|_, _| knows) {
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
                while let Some(id) = self.world.poll_restart() {
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

    /// Takes the outputs of the engine and checks them.
    fn settle(&mut self) {
        loop {
            let known = self.world.effects.len();
            self.world.pump();
            for place in known..self.world.effects.len() {
                let effect = self.world.effects[place].1.clone();
                if let Effect::Delete(key) | Effect::Kill(key) = effect {
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

    /// Acknowledges the effects that the engine has already given up. These late answers must change nothing.
    fn give_up_effects(&mut self) {
        let now = self.world.now.steady;
        let (sent, wait) = (&self.sent, EngineBounds::default().answer_wait);
        let overdue = |id: &EffectId| sent.get(id).is_some_and(|at| now.since(*at) >= wait);
        let effects = core::mem::take(&mut self.world.effects);
        let (given_up, open): (VecDeque<_>, _) = effects.into_iter().partition(|(id, _)| overdue(id));
        self.world.effects = open;
        for (id, _) in given_up {
            self.world.engine.handle_ack(self.world.now, id, Ack::Done);
        }
    }

    /// After the engine received the time, its next timeout must be later than that time.
    fn check_no_spinning(&mut self) {
        let now = self.world.now.steady;
        let next = self.world.engine.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "{next:?} is not after {now:?}");
    }

    /// Every effect has a grant of an enforcing plugin, and no effect is on a protected flow.
    fn check_effects(&self) {
        let enforcing = || self.specs.iter().filter(|spec| spec.mode == Mode::Enforce);
        let granted = |kind: VerdictKind| enforcing().filter(move |spec| spec.grants.kinds.contains(kind));
        let mut ending = BTreeSet::new();
        for (_, effect) in &self.world.effects {
            match effect {
                Effect::Delete(key) => {
                    // A timeout of 0 seconds is sent as a delete.
                    let kinds = [VerdictKind::Delete, VerdictKind::Timeout];
                    assert!(kinds.into_iter().any(|kind| granted(kind).count() > 0), "{effect:?}");
                    assert!(ending.insert((*key, false)), "two deletes of a flow on their way: {effect:?}");
                    assert!(!ending.contains(&(*key, true)), "a delete after a kill: {effect:?}");
                    self.check_unprotected(key);
                }
                // A kill may follow a delete that was sent before.
                Effect::Kill(key) => {
                    assert!(granted(VerdictKind::Kill).count() > 0, "{effect:?}");
                    assert!(ending.insert((*key, true)), "two kills of a flow on their way: {effect:?}");
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
                        granted(VerdictKind::Block).any(|s| s.grants.block_sets.contains(&block.block.set)),
                        "{effect:?}"
                    );
                    assert!(!block.block.network.contains(address(BY_TUPLE)), "{effect:?}");
                }
                Effect::Unblock(unblock) => {
                    assert!(
                        granted(VerdictKind::Unblock).any(|s| s.grants.block_sets.contains(&unblock.unblock.set)),
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

    /// Stops the engine, and checks what must hold at the end.
    fn end(&mut self) {
        let now = self.world.now;
        self.world.engine.handle_stop(now);
        self.settle();
        self.world.engine.handle_finish(now);
        // Plugins that still compute may answer after the end. Their verdicts get records too.
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
            // A flow with an id from `FIRST_OWN_ID` on was in one batch only.
            assert!(key.id.0 < FIRST_OWN_ID || *deletes <= 1, "{key:?} was deleted {deletes} times");
        }
        for plugin in &status.plugins {
            assert!(!matches!(plugin.state, PluginState::Failed { .. }) || !plugin.faults.is_empty());
        }
    }

    /// The outcome and the flow of each verdict, by code. Observed counts as applied.
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
            let spec = spec.clone().with(|spec| {
                spec.mode = mode;
                // With a share, a flow that comes back is deleted a few times only. To an observing plugin no flow comes
                // back. A sentence of the budgets covers the share of an observing plugin.
                spec.limits.table_share_per_minute = 100;
            });
            let mut history = History::new(vec![spec], true);
            for deed in deeds.clone() {
                history.happen(deed);
            }
            // Verdicts that are open at the end are open for the same reason in both modes.
            history.end();
            (history.outcomes(), history.deletes.len())
        };
        let (observed, deletes) = run(Mode::Observe);
        prop_assert_eq!(deletes, 0);
        let (enforced, _) = run(Mode::Enforce);
        prop_assert_eq!(observed, enforced);
    }
}
