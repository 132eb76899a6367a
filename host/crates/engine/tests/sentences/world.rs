//! The simulated surroundings of the engine: its clock, the threads of the plugins, and the kernel.
//!
//! The test answers each call and acknowledges each effect. Until then they wait. A record is shown in the form
//! `plugin code outcome`.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use ctwarden_engine::{
    Ack, Answer, Call, CallId, Detail, Engine, EngineConfig, Knows, Looked, Lookup, LookupId, MessageOutcome, Output,
    PluginId, PluginSpec, SelectionId, SelectionRequest, SweepId, SweepRequest, TableReader, Ticket, Wait,
};
use ctwarden_model::{
    Action, Batch, Cause, Effect, EffectId, Event, EventKind, Fault, Filter, Flow, FlowKey, Notice, Now, Record, Reply,
    Steady, Timestamp, Verdict, VerdictRecord,
};

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
    pub(crate) names: BTreeMap<PluginId, String>,
    /// Calls without an answer, oldest first.
    pub(crate) calls: VecDeque<(PluginId, CallId, Call)>,
    /// Effects without an answer, oldest first.
    pub(crate) effects: VecDeque<(EffectId, Effect)>,
    pub(crate) records: Vec<Record>,
    lookups: VecDeque<Lookup>,
    selections: VecDeque<SelectionRequest>,
    sweeps: VecDeque<SweepRequest>,
    restarts: VecDeque<PluginId>,
    replies: VecDeque<(Ticket, MessageOutcome)>,
    exits: VecDeque<String>,
}

impl World {
    pub(crate) fn new(specs: impl IntoIterator<Item = PluginSpec>) -> Self {
        Self::with(EngineConfig::default(), specs)
    }

    pub(crate) fn with(config: EngineConfig, specs: impl IntoIterator<Item = PluginSpec>) -> Self {
        let now = Now { wall: Timestamp(1_000_000_000_000), steady: Steady(5_000_000_000) };
        let mut world = Self {
            engine: Engine::new(config.clone(), now),
            now,
            names: BTreeMap::new(),
            calls: VecDeque::new(),
            effects: VecDeque::new(),
            records: Vec::new(),
            lookups: VecDeque::new(),
            selections: VecDeque::new(),
            sweeps: VecDeque::new(),
            restarts: VecDeque::new(),
            replies: VecDeque::new(),
            exits: VecDeque::new(),
        };
        world.configure(config, specs);
        world
    }

    pub(crate) fn configure(&mut self, config: EngineConfig, specs: impl IntoIterator<Item = PluginSpec>) {
        let specs: Vec<PluginSpec> = specs.into_iter().collect();
        let names: Vec<String> = specs.iter().map(|spec| spec.name.to_string()).collect();
        let ids = self.engine.handle_plugins(self.now, config, specs);
        self.names.extend(ids.into_iter().zip(names));
        self.pump();
    }

    /// Takes all outputs of the engine.
    pub(crate) fn pump(&mut self) {
        self.pump_as(TableReader::Busy);
    }

    fn pump_as(&mut self, reader: TableReader) {
        while let Some(output) = self.engine.poll(reader) {
            match output {
                Output::Effect(id, effect) => self.effects.push_back((id, effect.into_inner())),
                Output::Lookup(lookup) => self.lookups.push_back(lookup),
                Output::Call(call) => self.calls.push_back((call.plugin, call.call, call.what)),
                Output::Selection(request) => self.selections.push_back(request),
                Output::Sweep(request) => self.sweeps.push_back(request),
                Output::Restart(plugin) => self.restarts.push_back(plugin),
                Output::Reply(ticket, outcome) => self.replies.push_back((ticket, *outcome)),
                Output::Record(record) => self.records.push(record),
                Output::Exit(reason) => self.exits.push_back(reason),
            }
        }
    }

    /// The sweep that the engine requests, if it requests one.
    pub(crate) fn poll_sweep(&mut self) -> Option<SweepRequest> {
        self.pump_as(TableReader::Free);
        self.sweeps.pop_front()
    }

    pub(crate) fn poll_restart(&mut self) -> Option<PluginId> {
        self.pump();
        self.restarts.pop_front()
    }

    pub(crate) fn poll_exit(&mut self) -> Option<String> {
        self.pump();
        self.exits.pop_front()
    }

    pub(crate) fn poll_lookup(&mut self) -> Option<Lookup> {
        self.pump();
        self.lookups.pop_front()
    }

    /// The request for selections that the engine makes of a program with a replica. `knows` tells how many of the
    /// flows of a filter the program knows.
    pub(crate) fn poll_selection(&mut self, knows: impl Fn(&Filter, Detail) -> Knows) -> Option<SelectionRequest> {
        let known: Vec<(SelectionId, Knows)> = self
            .engine
            .waiting_selections()
            .map(|waiting| (waiting.id, knows(waiting.filter, waiting.detail)))
            .collect();
        if !known.is_empty() {
            self.engine.handle_known_selections(self.now, &known);
        }
        self.pump();
        self.selections.pop_front()
    }

    /// The sweep that the engine requests of a program with a replica. `answers` tells whether the program can answer a
    /// filter without reading the table.
    pub(crate) fn poll_asked(&mut self, answers: impl Fn(&Filter) -> bool) -> Option<SweepRequest> {
        let rows = self.engine.waiting_rows().filter(|waiting| answers(waiting.filter));
        let known: Vec<SelectionId> = rows.map(|waiting| waiting.id).collect();
        self.engine.handle_known_rows(self.now, &known);
        self.pump();
        self.sweeps.pop_front()
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now.steady = self.now.steady.plus(time);
        self.now.wall.0 += u64::try_from(time.as_nanos()).unwrap();
        self.engine.handle_timeout(self.now);
        self.pump();
    }

    pub(crate) fn pass_millis(&mut self, millis: u64) {
        self.pass(Duration::from_millis(millis));
    }

    /// Lets time jump from one timeout to the next, as a sleeping program does.
    pub(crate) fn pass_by_timeouts(&mut self, time: Duration) {
        let end = self.now.steady.plus(time);
        while let Some(next) = self.engine.poll_timeout().filter(|next| *next <= end) {
            let step = next.since(self.now.steady).max(Duration::from_nanos(1));
            self.pass(step);
        }
        let rest = end.since(self.now.steady);
        self.pass(rest);
    }

    pub(crate) fn events(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.engine.handle_event(self.now, event);
        }
        self.engine.handle_flush(self.now);
        self.pump();
    }

    pub(crate) fn overrun(&mut self) {
        self.engine.handle_overrun(self.now);
        self.pump();
    }

    /// The call that the plugin must answer.
    pub(crate) fn call(&self, plugin: &str) -> Option<&Call> {
        self.calls.iter().find(|(id, _, _)| self.names[id] == plugin).map(|(_, _, call)| call)
    }

    pub(crate) fn batch(&self, plugin: &str) -> &Batch {
        match self.call(plugin) {
            Some(Call::Judge(batch)) => batch,
            other => panic!("{plugin} has no batch to judge but {other:?}"),
        }
    }

    pub(crate) fn cause(&self, plugin: &str) -> Cause {
        self.batch(plugin).cause.clone()
    }

    /// Ids of the flows in the batch that the plugin must judge.
    pub(crate) fn flows(&self, plugin: &str) -> Vec<u32> {
        self.batch(plugin).entries.iter().map(|event| event.flow.id.unwrap().0).collect()
    }

    pub(crate) fn take_call(&mut self, plugin: &str) -> CallId {
        let place = self.calls.iter().position(|(id, _, _)| self.names[id] == plugin);
        let place = place.unwrap_or_else(|| panic!("{plugin} has no call to answer"));
        self.calls.remove(place).unwrap().1
    }

    pub(crate) fn give(&mut self, plugin: &str, answer: Answer) {
        let call = self.take_call(plugin);
        self.engine.handle_answer(self.now, call, answer);
        self.pump();
    }

    pub(crate) fn answer(&mut self, plugin: &str, verdicts: impl IntoIterator<Item = Verdict>) {
        self.give(plugin, Answer::Verdicts(verdicts.into_iter().collect()));
    }

    pub(crate) fn reply(&mut self, plugin: &str, text: &str, verdicts: impl IntoIterator<Item = Verdict>) {
        let reply = Reply { text: text.into(), verdicts: verdicts.into_iter().collect() };
        self.give(plugin, Answer::Reply(reply));
    }

    pub(crate) fn fault(&mut self, plugin: &str) {
        self.give(plugin, Answer::Fault(Fault::Trap("unreachable".into())));
    }

    /// Answers all calls, including those that the answers cause, without a verdict.
    pub(crate) fn answer_all(&mut self) {
        while let Some((_, call, _)) = self.calls.pop_front() {
            self.engine.handle_answer(self.now, call, Answer::Verdicts(Vec::new()));
            self.pump();
        }
    }

    /// Delivers one event and gives the answers of the plugins.
    pub(crate) fn judge<const N: usize>(&mut self, event: Event, answers: [(&str, Vec<Verdict>); N]) {
        self.events([event]);
        for (plugin, verdicts) in answers {
            self.answer(plugin, verdicts);
        }
    }

    /// Effects without an answer yet.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        self.effects.iter().map(|(_, effect)| effect.clone()).collect()
    }

    pub(crate) fn ack(&mut self, ack: Ack) {
        let (id, _) = self.effects.pop_front().expect("an effect to acknowledge");
        self.engine.handle_ack(self.now, id, ack);
        self.pump();
    }

    pub(crate) fn ack_all(&mut self) {
        while !self.effects.is_empty() {
            self.ack(Ack::Done);
        }
    }

    /// Begins the sweep that the engine requests. Panics if there is none.
    pub(crate) fn sweep(&mut self) -> SweepRequest {
        self.poll_sweep().expect("a sweep is wanted")
    }

    pub(crate) fn rows(&mut self, sweep: SweepId, flows: impl IntoIterator<Item = Flow>) {
        for flow in flows {
            self.engine.handle_row(self.now, sweep, flow);
        }
        self.pump();
    }

    pub(crate) fn end_sweep(&mut self, sweep: SweepId, complete: bool) {
        self.engine.handle_sweep_end(self.now, sweep, complete);
        self.pump();
    }

    /// Runs a complete sweep with these flows.
    pub(crate) fn sweep_of(&mut self, flows: impl IntoIterator<Item = Flow>) {
        let id = self.sweep().id;
        self.rows(id, flows);
        self.end_sweep(id, true);
    }

    pub(crate) fn message(&mut self, plugin: &str, text: &str) -> Ticket {
        self.message_of(plugin, text, Wait::Outcomes)
    }

    /// Sends a message. `wait` tells what its sender waits for.
    pub(crate) fn message_of(&mut self, plugin: &str, text: &str, wait: Wait) -> Ticket {
        let ticket = self.engine.handle_message(self.now, plugin, text.into(), wait).unwrap();
        self.pump();
        ticket
    }

    pub(crate) fn replied(&mut self) -> Option<(Ticket, MessageOutcome)> {
        self.replies.pop_front()
    }

    pub(crate) fn lookups(&mut self) -> Vec<LookupId> {
        core::iter::from_fn(|| self.poll_lookup()).map(|lookup| lookup.id).collect()
    }

    pub(crate) fn looked_up(&mut self, lookup: LookupId, flow: Option<Flow>) {
        self.engine.handle_lookup(self.now, lookup, flow.map_or(Looked::Gone, |flow| Looked::Found(Box::new(flow))));
        self.pump();
    }

    /// Answers each lookup as a kernel with these entries would: by either tuple, whatever the id. Returns the number
    /// of lookups.
    pub(crate) fn look_up_in(&mut self, table: &[Flow]) -> usize {
        let mut asked = 0;
        while let Some(lookup) = self.poll_lookup() {
            let at = |flow: &&Flow| flow.is_named_by(&FlowKey { id: flow.id.unwrap(), ..lookup.key });
            self.looked_up(lookup.id, table.iter().find(at).cloned());
            asked += 1;
        }
        asked
    }

    pub(crate) fn verdicts(&self) -> impl Iterator<Item = &VerdictRecord> {
        self.records.iter().filter_map(|record| match record {
            Record::Verdict(verdict) => Some(&**verdict),
            Record::Fault(_) | Record::Notice(..) => None,
        })
    }

    /// Takes the outcomes of the verdicts since the last call, sorted by plugin and code: `plugin code outcome`.
    pub(crate) fn outcomes(&mut self) -> Vec<String> {
        let mut told: Vec<String> =
            self.verdicts().map(|v| format!("{} {} {}", v.plugin, v.verdict.code, v.outcome)).collect();
        self.records.retain(|record| !matches!(record, Record::Verdict(_)));
        told.sort();
        told
    }

    /// The record of the verdict with this code.
    pub(crate) fn record(&self, code: &str) -> &VerdictRecord {
        self.verdicts().find(|v| v.verdict.code == code).unwrap_or_else(|| panic!("no record of {code}"))
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.records
            .iter()
            .filter_map(|record| match record {
                Record::Notice(_, notice) => Some((**notice).clone()),
                Record::Verdict(_) | Record::Fault(_) => None,
            })
            .collect()
    }

    pub(crate) fn shown_alerts(&self) -> usize {
        self.verdicts().filter(|v| v.is_alert()).count()
    }

    pub(crate) fn logs(&self) -> usize {
        self.verdicts().filter(|v| matches!(v.verdict.action, Action::Log(_))).count()
    }
}

/// The kind of each entry of a batch.
pub(crate) fn kinds(batch: &Batch) -> Vec<EventKind> {
    batch.entries.iter().map(|event| event.kind).collect()
}
