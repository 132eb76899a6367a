//! `ctwarden try`: the policies of a configuration on a table that somebody pasted or saved, without root and without a kernel.
//!
//! The same engine and the same walls as in the daemon, with a file in the place of the kernel and every plugin observing: what
//! is printed are the records that the daemon would have written.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use ctwarden_engine::{Ack, Delivery, Engine, Looked, PluginId, SweepId};
use ctwarden_model::{Event, EventKind, Flow, FlowKey, Mode};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::config::{self, Destination};
use crate::plugins::{PluginThread, Preparer, Said};
use crate::sinks::Sinks;
use crate::{clock, log};

/// How long to wait for a plugin where the engine knows no nearer moment.
const LOOK: Duration = Duration::from_millis(100);

/// Try the policies of a configuration on a table from a file
///
/// Every policy observes, whatever its mode: nothing is changed, and no privilege is needed. The records that the daemon would
/// write go to standard output. Exit status 1 where a line of the table could not be read.
#[derive(Args)]
pub(super) struct Trial {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = super::CONFIGURATION)]
    config: PathBuf,
    /// Hand the entries over as new flows, not as rows of a sweep
    #[arg(long)]
    new: bool,
    /// Table: text of conntrack or /proc/net/nf_conntrack, saved lines or JSON; - is standard input
    #[arg(value_name = "TABLE")]
    table: String,
}

/// The daemon without a kernel.
struct Rehearsal {
    engine: Engine,
    plugins: BTreeMap<PluginId, PluginThread>,
    said: UnboundedReceiver<Said>,
    sinks: Sinks,
    flows: Vec<Flow>,
    /// Where each flow is, by both of its tuples; filled at the first question.
    places: HashMap<FlowKey, usize>,
    /// The running sweep, and the next of its rows.
    sweep: Option<(SweepId, usize)>,
    swept: bool,
}

impl Trial {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (flows, unreadable) = ctwarden_conntrack::entries_of(&self.table)?;
        let mut configuration = config::load(&self.config)?;
        for plugin in &mut configuration.plugins {
            plugin.mode = Mode::Observe;
        }
        let prepared = Preparer::new(&self.config, None)?.rehearse(configuration)?;
        for problem in &prepared.refused {
            log::say(&format!("without a list that is refused: {problem}"));
        }
        let sinks = Sinks::start(&Destination::Stdout, None, |line| log::say(&line))?;
        let mut engine = Engine::new(prepared.engine.clone(), clock::now());
        let (saying, said) = unbounded_channel();
        let (specs, threads): (Vec<_>, Vec<_>) =
            prepared.plugins.into_iter().map(|ready| (ready.spec, ready.thread)).unzip();
        let ids = engine.handle_plugins(clock::now(), prepared.engine, specs);
        let plugins: BTreeMap<_, _> = ids.into_iter().zip(threads).collect();
        for (id, thread) in &plugins {
            thread.named(*id, saying.clone());
        }
        let mut rehearsal =
            Rehearsal { engine, plugins, said, sinks, flows, places: HashMap::new(), sweep: None, swept: false };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.context("cannot start the event loop")?.block_on(rehearsal.play(self.new))?;
        rehearsal.end();
        Ok(if unreadable { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl Rehearsal {
    async fn play(&mut self, as_new: bool) -> Result<()> {
        if as_new {
            for flow in self.flows.clone() {
                self.engine.handle_event(clock::now(), Event { kind: EventKind::New, by_us: false, flow });
                self.carry_on()?;
            }
            self.engine.handle_flush(clock::now());
        }
        loop {
            self.carry_on()?;
            self.sweep(as_new);
            self.carry_on()?;
            let over = self.swept || self.engine.poll_timeout().is_none();
            if over && self.sweep.is_none() && self.engine.is_quiet() {
                return Ok(());
            }
            if self.sweep.is_some() && self.engine.ready_for_rows() {
                continue;
            }
            let now = clock::now();
            let wait = self.engine.poll_timeout().map_or(LOOK, |at| at.since(now.steady).min(LOOK));
            if let Ok(Some(said)) = timeout(wait, self.said.recv()).await {
                said.tell(&mut self.engine, clock::now());
            }
            self.engine.handle_timeout(clock::now());
        }
    }

    /// Begins, goes on with or ends a reading of the table.
    fn sweep(&mut self, empty: bool) {
        if self.sweep.is_none() {
            self.sweep = self.engine.poll_sweep().map(|request| (request.id, 0));
        }
        let Some((id, mut next)) = self.sweep.take() else { return };
        let flows = if empty { &[] } else { self.flows.as_slice() };
        while self.engine.ready_for_rows() {
            let Some(flow) = flows.get(next) else {
                self.engine.handle_sweep_end(clock::now(), id, true);
                self.swept = true;
                return;
            };
            self.engine.handle_row(clock::now(), id, flow.clone());
            next += 1;
        }
        self.sweep = Some((id, next));
    }

    fn carry_on(&mut self) -> Result<()> {
        while let Some(Delivery { plugin, call, what }) = self.engine.poll_delivery() {
            if let Some(thread) = self.plugins.get(&plugin) {
                thread.call(call, what);
            }
        }
        // Nobody enforces, so that there is none; were there one, there is no kernel that has the flow.
        while let Some((effect, _)) = self.engine.poll_effect() {
            self.engine.handle_ack(clock::now(), effect, Ack::Gone);
        }
        while let Some(lookup) = self.engine.poll_lookup() {
            let found = self.find(&lookup.key).map_or(Looked::Gone, |flow| Looked::Found(Box::new(flow)));
            self.engine.handle_lookup(clock::now(), lookup.id, found);
        }
        while let Some(plugin) = self.engine.poll_restart() {
            if let Some(thread) = self.plugins.get(&plugin) {
                thread.restart();
            }
        }
        while let Some(record) = self.engine.poll_record() {
            self.sinks.write(record);
        }
        match self.engine.poll_exit() {
            None => Ok(()),
            Some(reason) => bail!("{reason}"),
        }
    }

    /// The flow that a key names, as the kernel would find it.
    fn find(&mut self, key: &FlowKey) -> Option<Flow> {
        if self.places.is_empty() {
            let both = |(place, flow): (usize, &Flow)| [(flow.reply_key(), place), (flow.key(), place)];
            self.places.extend(self.flows.iter().enumerate().flat_map(both));
        }
        self.flows.get(*self.places.get(key)?).cloned()
    }

    /// Plugins get their last call, records are written.
    fn end(self) {
        let ending: Vec<_> = self.plugins.into_values().filter_map(PluginThread::stop).collect();
        for thread in ending {
            // Its last words are in the log.
            drop(thread.join());
        }
        let lost = self.sinks.stop().lost;
        if lost > 0 {
            log::say(&format!("{lost} records could not be written"));
        }
    }
}
