//! The daemon without a kernel: an engine, plugins and sinks on a simulated table.
//!
//! It follows the daemon's order: the first sweep reads the table, then events arrive, then time passes. Time is
//! simulated as well, so a tick or a sweep that is due in a minute happens at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use ctwarden_engine::{Ack, Delivery, Engine, Looked, Output, PluginId, SweepId, TableReader};
use ctwarden_model::{
    Action, Event, EventKind, Flow, FlowKey, Now, Outcome, PluginName, Record, Target, Timestamp, VerdictRecord,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::table::TriedTable;
use crate::plugins::{PluginReply, PluginThread};
use crate::sinks::{Missing, Sinks};
use crate::{clock, log};

/// How long to wait for a plugin if the engine has no earlier deadline.
const LOOK: Duration = Duration::from_millis(100);

/// Events that arrive at once: fewer than the shortest default queue of a plugin can hold.
const EVENTS_AT_ONCE: usize = 8;

/// Maximum number of time jumps, because a plugin may request ticks without end.
const JUMPS: u32 = 200;

/// The daemon without a kernel.
pub(super) struct TryRun {
    pub(super) engine: Engine,
    pub(super) plugins: BTreeMap<PluginId, PluginThread>,
    pub(super) said: UnboundedReceiver<PluginReply>,
    pub(super) sinks: Sinks,
    /// Plugins whose verdicts the daemon would carry out.
    pub(super) enforcing: BTreeSet<PluginName>,
    pub(super) table: TriedTable,
    /// The running sweep, and the last place that it has read.
    pub(super) sweep: Option<(SweepId, u64)>,
    /// Flows that policies would have ended, and whose end is not reported to the engine yet.
    pub(super) ends: Vec<Flow>,
    /// How far the simulated time is ahead of the clock.
    pub(super) ahead: Duration,
}

impl TryRun {
    /// Plays the listed entries, then the events, then lets the time `horizon` pass.
    pub(super) async fn play(&mut self, entries: Vec<(EventKind, Flow)>, horizon: Duration) -> Result<()> {
        let (rows, events): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(kind, _)| *kind == EventKind::Row);
        for (kind, mut flow) in rows {
            self.table.name(kind, &mut flow);
            self.table.hear(kind, &flow);
        }
        // As in the daemon: a policy that counts flows must know the existing ones before it judges new ones.
        self.settle().await?;
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            for (kind, mut flow) in events.by_ref().take(EVENTS_AT_ONCE) {
                self.table.name(kind, &mut flow);
                self.table.hear(kind, &flow);
                self.engine.handle_event(self.now(), Event { kind, by_us: false, flow });
                self.carry_on()?;
            }
            self.settle().await?;
        }
        let end = self.now().steady.plus(horizon);
        for _ in 0..JUMPS {
            let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) else { break };
            self.ahead += at.since(self.now().steady);
            self.engine.handle_timeout(self.now());
            self.settle().await?;
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let now = clock::now();
        let ahead = u64::try_from(self.ahead.as_nanos()).unwrap_or(u64::MAX);
        Now { wall: Timestamp(now.wall.0.saturating_add(ahead)), steady: now.steady.plus(self.ahead) }
    }

    /// Continues until no work is left at this moment.
    async fn settle(&mut self) -> Result<()> {
        self.engine.handle_table(self.now(), u32::try_from(self.table.len()).unwrap_or(u32::MAX));
        self.engine.handle_flush(self.now());
        loop {
            self.carry_on()?;
            self.read_sweep();
            self.carry_on()?;
            if self.sweep.is_none() && self.ends.is_empty() && self.engine.is_quiet() {
                return Ok(());
            }
            if self.sweep.is_some() && self.engine.ready_for_rows() {
                continue;
            }
            let now = self.now();
            let wait = self.engine.poll_timeout().map_or(LOOK, |at| at.since(now.steady).min(LOOK));
            if let Ok(Some(said)) = timeout(wait, self.said.recv()).await {
                let now = self.now();
                said.tell(&mut self.engine, now);
            }
            self.engine.handle_timeout(self.now());
        }
    }

    /// Continues the running sweep as far as the engine accepts dump entries, and ends it at the end of the table.
    fn read_sweep(&mut self) {
        let Some((id, mut read)) = self.sweep.take() else { return };
        while self.engine.ready_for_rows() {
            let Some((place, flow)) = self.table.behind(read) else {
                self.engine.handle_sweep_end(self.now(), id, true);
                return;
            };
            let flow = flow.clone();
            self.engine.handle_row(self.now(), id, flow);
            read = place;
        }
        self.sweep = Some((id, read));
    }

    fn carry_on(&mut self) -> Result<()> {
        let reader = if self.sweep.is_some() { TableReader::Busy } else { TableReader::Free };
        while let Some(output) = self.engine.poll(reader) {
            match output {
                // No plugin enforces, so this does not happen. If it did, no kernel would have the flow.
                Output::Effect(effect, _) => self.engine.handle_ack(self.now(), effect, Ack::Gone),
                Output::Lookup(lookup) => {
                    let found = self.table.find(&lookup.key).cloned();
                    let looked = found.map_or(Looked::Gone, |flow| Looked::Found(Box::new(flow)));
                    self.engine.handle_lookup(self.now(), lookup.id, looked);
                }
                Output::Call(Delivery { plugin, call, what }) => {
                    if let Some(thread) = self.plugins.get(&plugin) {
                        thread.call(call, what);
                    }
                }
                Output::Sweep(request) => self.sweep = Some((request.id, 0)),
                // The engine requests this only from a host that keeps a replica.
                Output::Selection(request) => self.engine.handle_sweep_end(self.now(), request.id, false),
                Output::Restart(plugin) => {
                    if let Some(thread) = self.plugins.get(&plugin) {
                        thread.restart();
                    }
                }
                Output::Record(record) => {
                    if let Record::Verdict(verdict) = &record {
                        self.imagine(verdict);
                    }
                    self.sinks.write(record);
                }
                // No client sends messages here.
                Output::Reply(..) => {}
                Output::Exit(reason) => bail!("{reason}"),
            }
        }
        // The daemon receives events of the flows that it ended, and so do policies that subscribe to their own
        // changes.
        for flow in std::mem::take(&mut self.ends) {
            self.engine.handle_event(self.now(), Event { kind: EventKind::Destroy, by_us: true, flow });
            self.engine.handle_flush(self.now());
        }
        Ok(())
    }

    /// Changes the table as a verdict of an enforcing plugin would have changed the kernel's table.
    fn imagine(&mut self, record: &VerdictRecord) {
        if record.outcome != Outcome::Observed || !self.enforcing.contains(&record.plugin) {
            return;
        }
        let flows: Vec<FlowKey> = match (&record.verdict.target, record.flow) {
            (_, Some(key)) => vec![key],
            (Target::Matching(selection), None) => {
                let most = selection.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
                self.table.matching(&selection.filter).into_iter().take(most).collect()
            }
            (Target::Entry(_) | Target::Key(_) | Target::None, None) => Vec::new(),
        };
        match record.verdict.action {
            Action::Delete | Action::Kill | Action::Timeout(0) => {
                self.ends.extend(flows.iter().filter_map(|key| self.table.end(key)));
            }
            Action::Mark(mark) => flows.iter().for_each(|key| self.table.mark(key, mark)),
            Action::Labels(_)
            | Action::Timeout(_)
            | Action::Alert(_)
            | Action::Log(_)
            | Action::Block(_)
            | Action::Unblock(_)
            | Action::Protect(_)
            | Action::Sweep
            | Action::Malformed(..) => {}
        }
    }

    /// Stops the plugins after their last call, and writes the remaining records. Returns whether all records were
    /// written, except to a closed pipe.
    pub(super) fn end(self) -> bool {
        let ending: Vec<_> = self.plugins.into_values().filter_map(PluginThread::stop).collect();
        for thread in ending {
            // The log has the plugin's last output.
            drop(thread.join());
        }
        let missing = self.sinks.stop().missing;
        let unwanted = |missing: &&Missing| !missing.is_closed;
        missing.iter().filter(unwanted).inspect(|missing| log::say(&missing.to_string())).count() == 0
    }
}
