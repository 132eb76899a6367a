//! The engine between the socket and the plugins: events, dump entries and answers go in, effects and records come out.
//!
//! The plugins are simulated, so these figures exclude the cost of a guest and its sandbox. They include a clone of
//! each event that is handed in.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use ctwarden_engine::{
    Ack, Answer, Call, Engine, EngineConfig, OnFailure, Output, PluginId, PluginLimits, PluginSpec, SweepId,
    TableReader,
};
use ctwarden_model::{
    Action, Batch, Event, EventKind, EventKinds, Flow, Grants, Masked, Mode, Now, Outcome, PluginName, Record, Steady,
    Subscription, Target, Timestamp, Verdict, VerdictKind, VerdictKinds,
};

use crate::{Prepared, flows};

/// The number of events between two reports to the engine that the socket is empty.
const READ: usize = 256;
const EVENTS: usize = 10 * READ;
const ROWS: usize = 10_000;

pub(crate) fn event() -> Result<Prepared> {
    let mut world = World::new(1, Says::Nothing)?;
    let events = flows::events(EventKind::New, &flows::mixed(EVENTS));
    Prepared::new(EVENTS, move || if world.hear(&events) == Done::default() { EVENTS } else { 0 })
}

pub(crate) fn verdicts() -> Result<Prepared> {
    let mut world = World::new(3, Says::MarkEvery(1))?;
    let events = flows::events(EventKind::New, &flows::mixed(EVENTS));
    // The verdicts of three plugins on a flow become one request.
    let expected = Done { effects: EVENTS, carried_out: 3 * EVENTS };
    Prepared::new(EVENTS, move || if world.hear(&events) == expected { EVENTS } else { 0 })
}

pub(crate) fn row() -> Result<Prepared> {
    let mut world = World::new(3, Says::MarkEvery(10))?;
    let flows = flows::mixed(ROWS);
    Prepared::new(ROWS, move || {
        let done = world.sweep(&flows);
        if done.effects >= ROWS / 10 && done.carried_out == 3 * done.effects { ROWS } else { 0 }
    })
}

/// The answer of a simulated plugin.
#[derive(Clone, Copy)]
enum Says {
    Nothing,
    /// A mark, in the plugin's own bits, for each entry whose index in the batch is a multiple of this number.
    MarkEvery(u32),
}

/// The result of a round.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    effects: usize,
    carried_out: usize,
}

struct World {
    engine: Engine,
    now: Now,
    plugins: Vec<PluginId>,
    says: Says,
    done: Done,
    sweep: Option<SweepId>,
}

impl World {
    fn new(plugins: usize, says: Says) -> Result<Self> {
        let now = Now { wall: Timestamp(1_700_000_000_000_000_000), steady: Steady(0) };
        let mut engine = Engine::new(EngineConfig::default(), now);
        let names = ["first", "second", "third"].into_iter().take(plugins);
        let specs = names.map(spec).collect::<Result<Vec<_>>>()?;
        let plugins = engine.handle_plugins(now, EngineConfig::default(), specs);
        let mut world = Self { engine, now, plugins, says, done: Done::default(), sweep: None };
        // The first sweep, of an empty table.
        let sweep = world.next_sweep().context("no plugin wants the table swept")?;
        world.end(sweep);
        Ok(world)
    }

    fn hear(&mut self, events: &[Event]) -> Done {
        // Budgets refill in this time.
        self.pass();
        for read in events.chunks(READ) {
            for event in read {
                self.engine.handle_event(self.now, black_box(event).clone());
            }
            self.engine.handle_flush(self.now);
            self.pump();
        }
        self.take_done()
    }

    fn sweep(&mut self, flows: &[Flow]) -> Done {
        self.pass();
        if let Some(sweep) = self.next_sweep() {
            for flow in flows {
                if !self.engine.ready_for_rows() {
                    self.pump();
                }
                self.engine.handle_row(self.now, sweep, black_box(flow).clone());
            }
            self.end(sweep);
        }
        self.take_done()
    }

    fn next_sweep(&mut self) -> Option<SweepId> {
        self.pump_as(TableReader::Free);
        self.sweep.take()
    }

    fn end(&mut self, sweep: SweepId) {
        self.pump();
        self.engine.handle_sweep_end(self.now, sweep, true);
        self.pump();
    }

    fn pass(&mut self) {
        let time = Duration::from_secs(60);
        self.now.steady = self.now.steady.plus(time);
        self.now.wall.0 += 60_000_000_000;
        self.engine.handle_timeout(self.now);
    }

    /// Simulates plugins and kernel until no work is left.
    fn pump(&mut self) {
        self.pump_as(TableReader::Busy);
    }

    fn pump_as(&mut self, reader: TableReader) {
        while let Some(output) = self.engine.poll(reader) {
            match output {
                Output::Effect(id, effect) => {
                    black_box(effect);
                    self.done.effects += 1;
                    self.engine.handle_ack(self.now, id, Ack::Done);
                }
                Output::Call(delivery) => {
                    let verdicts = match &delivery.what {
                        Call::Judge(batch) => self.judge(delivery.plugin, batch),
                        Call::JudgeExpectations(_) | Call::Concluded(_) | Call::Tick(_) | Call::Message { .. } => {
                            Vec::new()
                        }
                    };
                    self.engine.handle_answer(self.now, delivery.call, Answer::Verdicts(verdicts));
                }
                Output::Record(record) => {
                    let carried_out =
                        matches!(&record, Record::Verdict(verdict) if verdict.outcome == Outcome::Applied);
                    self.done.carried_out += usize::from(carried_out);
                }
                Output::Sweep(request) => self.sweep = Some(request.id),
                Output::Lookup(_) | Output::Selection(_) | Output::Restart(_) | Output::Reply(..) | Output::Exit(_) => {
                }
            }
        }
    }

    fn judge(&self, plugin: PluginId, batch: &Batch) -> Vec<Verdict> {
        let Says::MarkEvery(step) = self.says else { return Vec::new() };
        let bit = self.plugins.iter().position(|id| *id == plugin).unwrap_or_default();
        let Ok(mark) = Masked::new(0x100 << bit, 0x100 << bit) else { return Vec::new() };
        let entries = (0..u32::try_from(batch.entries.len()).unwrap_or_default()).step_by(step as usize);
        let verdict = |entry| Verdict {
            target: Target::Entry(entry),
            action: Action::Mark(mark),
            code: "marked".to_owned(),
            reason: "as its configuration says".to_owned(),
        };
        entries.map(verdict).collect()
    }

    fn take_done(&mut self) -> Done {
        let quiet = self.engine.is_quiet();
        let done = std::mem::take(&mut self.done);
        if quiet { done } else { Done { effects: usize::MAX, carried_out: usize::MAX } }
    }
}

fn spec(name: &str) -> Result<PluginSpec> {
    let kinds: VerdictKinds = [VerdictKind::Mark].into_iter().collect();
    Ok(PluginSpec {
        name: PluginName::new(name)?,
        mode: Mode::Enforce,
        wants: kinds,
        codes: [].into(),
        grants: Grants { kinds, mark_mask: u32::MAX, ..Grants::default() },
        subscription: Subscription {
            needs: kinds,
            kinds: EventKinds { row: true, new: true, update: true, destroy: true },
            sweep_every: Some(Duration::from_secs(30)),
            ..Subscription::default()
        },
        limits: PluginLimits::default(),
        on_failure: OnFailure::Restart,
    })
}
