//! The event loop of a simulation: the order of the daemon's loop, with a simulated kernel and simulated plugins.

use std::collections::{BTreeMap, VecDeque};
use std::ops::AddAssign;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use ctwarden_engine::{
    Ack, Answer, Call, CallId, Delivery, Engine, EngineConfig, Knows, LookupId, MessageOutcome, Output, PluginId,
    SweepId, SweepRequest, SweepSource, TableReader, Ticket, Wait,
};
use ctwarden_model::{Effect, EffectId, EventKind, FlowKey, Now, Record, Steady, Timestamp};
use ctwarden_reader::{Reader, Search, Searches};
use ctwarden_replica::Seed;

use crate::chance::Chance;
use crate::checks::Checks;
use crate::flows::{self, CLIENTS, Life, PLACES};
use crate::kernel::{Deed, Kernel};
use crate::plugins::{self, Memory, Said};

/// Simulated time within which everything open must end, after faults and traffic have ended.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// How often the simulation reached the events that it exists for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub verdicts: u64,
    pub deletes: u64,
    pub updates: u64,
    pub lost_events: u64,
    pub overruns: u64,
    pub interrupted_dumps: u64,
    pub answers_of_the_replica: u64,
    pub lost_acks: u64,
    pub faults: u64,
    pub restarts: u64,
    pub checked_bans: u64,
    pub checked_replicas: u64,
}

impl Report {
    /// Whether the sum of many simulations reached every event at least once.
    #[must_use]
    pub const fn met_everything(&self) -> bool {
        let Self {
            verdicts,
            deletes,
            updates,
            lost_events,
            overruns,
            interrupted_dumps,
            answers_of_the_replica,
            lost_acks,
            faults,
            restarts,
            checked_bans,
            checked_replicas,
        } = *self;
        verdicts > 0
            && deletes > 0
            && updates > 0
            && lost_events > 0
            && overruns > 0
            && interrupted_dumps > 0
            && answers_of_the_replica > 0
            && lost_acks > 0
            && faults > 0
            && restarts > 0
            && checked_bans > 0
            && checked_replicas > 0
    }
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.verdicts += other.verdicts;
        self.deletes += other.deletes;
        self.updates += other.updates;
        self.lost_events += other.lost_events;
        self.overruns += other.overruns;
        self.interrupted_dumps += other.interrupted_dumps;
        self.answers_of_the_replica += other.answers_of_the_replica;
        self.lost_acks += other.lost_acks;
        self.faults += other.faults;
        self.restarts += other.restarts;
        self.checked_bans += other.checked_bans;
        self.checked_replicas += other.checked_replicas;
    }
}

/// A call that its plugin has not answered yet.
#[derive(Debug)]
struct Called {
    plugin: PluginId,
    call: CallId,
    what: Call,
    answers_at: Steady,
}

/// A running sweep with dump entries still to come.
#[derive(Debug)]
struct Sweeping {
    /// Id of the sweep. `None` if the dump serves only the replica.
    id: Option<SweepId>,
    source: Source,
    /// Whether the dump will be interrupted.
    breaks: bool,
}

#[derive(Debug)]
enum Source {
    /// The next place to list, and the filters of the kernel's dump. Without filters the dump lists all entries.
    Dump(usize, Vec<ctwarden_model::Filter>),
    Replica(Box<Search>),
}

/// An effect on its way to the kernel.
#[derive(Debug)]
struct Sent {
    id: EffectId,
    effect: Effect,
    seen: Option<Steady>,
    /// Number of ends that the daemon had read when it sent the effect.
    ends: u64,
    at: Steady,
}

/// A ban in progress: the client, and its unprotected entries that lived when the ban was sent.
#[derive(Debug)]
struct Ban {
    client: usize,
    lives: Vec<Life>,
}

#[derive(Debug)]
pub struct Simulation {
    chance: Chance,
    now: Steady,
    engine: Engine,
    reader: Reader,
    kernel: Kernel,
    memories: BTreeMap<PluginId, Memory>,
    said: Said,
    checks: Checks,
    calls: Vec<Called>,
    sent: VecDeque<Sent>,
    acks: Vec<(Steady, EffectId, Ack)>,
    lookups: Vec<(Steady, LookupId, FlowKey)>,
    searches: Searches<SweepId>,
    sweeping: Option<Sweeping>,
    restarts: Vec<(Steady, PluginId)>,
    bans: BTreeMap<Ticket, Ban>,
    /// Whether faults and traffic still occur.
    is_troubled: bool,
    report: Report,
}

impl Simulation {
    /// Creates a simulation in which everything follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let now = Steady(5_000_000_000);
        let config = EngineConfig {
            protect: vec![flows::from_client(flows::PROTECTED_CLIENT), flows::with_protected_mark()],
            ..EngineConfig::default()
        };
        let specs: Vec<_> =
            ["ban", "mark", "watch"].iter().filter_map(|name| plugins::spec(name, &mut chance)).collect();
        let mut engine = Engine::new(config.clone(), wall(now));
        let ids = engine.handle_plugins(wall(now), config, specs);
        let mut reader = Reader::new(Seed([seed, !seed]), true, now);
        reader.keep_replica(chance.percent(80).then_some(1 << 20), now);
        reader.handle_hearing(true, now);
        let ids_recur = chance.percent(50);
        Self {
            now,
            engine,
            reader,
            kernel: Kernel::new(ids_recur),
            memories: ids.into_iter().map(|id| (id, Memory::default())).collect(),
            said: Said::default(),
            checks: Checks::default(),
            calls: Vec::new(),
            sent: VecDeque::new(),
            acks: Vec::new(),
            lookups: Vec::new(),
            searches: Searches::default(),
            sweeping: None,
            restarts: Vec::new(),
            bans: BTreeMap::new(),
            is_troubled: true,
            report: Report::default(),
            chance,
        }
    }

    /// Runs `turns` turns with faults and traffic, then usually calm turns until nothing is open, and stops the engine.
    ///
    /// # Errors
    /// Returns an error if a rule was broken.
    pub fn run(mut self, turns: usize) -> Result<Report> {
        for turn in 0..turns {
            self.traffic();
            self.turn().map_err(|broken| broken.context(format!("turn {turn}")))?;
        }
        if self.chance.percent(70) {
            self.calm_down()?;
        }
        self.engine.handle_stop(wall(self.now));
        self.dispatch(TableReader::Busy)?;
        self.engine.handle_finish(wall(self.now));
        self.dispatch(TableReader::Busy)?;
        self.checks.end(&self.said)?;
        ensure!(self.bans.is_empty(), "{} messages have no reply", self.bans.len());
        self.report.verdicts = self.said.verdicts.len() as u64;
        let done = |deed| self.kernel.deeds().iter().filter(|done| done.deed == deed).count() as u64;
        (self.report.deletes, self.report.updates) = (done(Deed::Deleted), done(Deed::Updated));
        self.report.lost_events = self.kernel.lost_events();
        Ok(self.report)
    }

    /// Runs turns without faults and traffic, until nothing is open and the replica has every flow.
    fn calm_down(&mut self) -> Result<()> {
        self.is_troubled = false;
        let until = self.now.plus(PATIENCE);
        while self.now < until {
            self.turn().map_err(|broken| broken.context("after the faults"))?;
            let is_whole = self.reader.replica().is_none() || self.reader.is_replica_complete();
            if self.engine.is_quiet() && is_whole && self.sweeping.is_none() && self.kernel.is_drained() {
                return Ok(());
            }
        }
        let status = self.engine.status(wall(self.now));
        bail!(
            "not quiet {PATIENCE:?} after the last fault: {} verdicts, {} effects, replica complete: {}, {} calls",
            status.open_verdicts,
            status.effects_in_flight,
            self.reader.is_replica_complete(),
            self.calls.len()
        )
    }

    /// Simulates packets, ends of flows and messages of people.
    fn traffic(&mut self) {
        for _ in 0..self.chance.below(4) {
            let place = self.chance.below(PLACES);
            if self.chance.percent(75) {
                self.kernel.packet(place, &mut self.chance);
            } else {
                self.kernel.expire(place);
            }
        }
        if self.chance.percent(2) {
            // A burst of more events than the event socket holds.
            for place in 0..PLACES {
                self.kernel.packet(place, &mut self.chance);
            }
        }
        if self.chance.percent(4) {
            self.ban();
        }
    }

    fn ban(&mut self) {
        let client = self.chance.below(CLIENTS);
        let filter = flows::from_client(client);
        let living = self.kernel.living(&filter);
        let lives = living.filter(|(place, _, _)| !flows::is_protected(*place)).map(|(_, life, _)| life).collect();
        if let Ok(ticket) = self.engine.handle_message(wall(self.now), "ban", client.to_string(), Wait::Outcomes) {
            self.bans.insert(ticket, Ban { client, lives });
        }
    }

    /// Runs one turn of the loop, in the order of the daemon's loop.
    fn turn(&mut self) -> Result<()> {
        self.now = self.now.plus(if self.chance.percent(5) {
            self.chance.millis(200..3_000)
        } else {
            self.chance.millis(0..20)
        });
        self.carry_out();
        self.hand_in_acks();
        self.hand_in_answers();
        if self.reader.gathers_until(self.now).is_none() {
            self.read_events();
        }
        self.read_search();
        self.read_sweep();
        self.reader.settle();
        if self.engine.poll_timeout().is_some_and(|at| at <= self.now) {
            self.engine.handle_timeout(wall(self.now));
        }
        self.dispatch(TableReader::Busy)?;
        self.offer_known();
        let reader = if self.sweeping.is_none() { TableReader::Free } else { TableReader::Busy };
        self.dispatch(reader)?;
        if self.sweeping.is_none() && self.reader.resync_at().is_some_and(|at| at <= self.now) {
            self.dump(None);
        }
        self.checks.kernel(&self.kernel)?;
        self.check_replica()?;
        self.check_bounds()
    }

    /// Carries out the effects that have arrived at the kernel, in order.
    fn carry_out(&mut self) {
        while self.sent.front().is_some_and(|sent| sent.at <= self.now) {
            let Some(Sent { id, effect, seen, ends, .. }) = self.sent.pop_front() else { return };
            let ack = self.kernel.carry_out(&effect, seen, ends, self.now);
            if self.is_troubled && self.chance.percent(2) {
                self.report.lost_acks += 1;
                continue;
            }
            let late = self.chance.millis(0..30);
            self.acks.push((self.now.plus(late), id, ack));
        }
    }

    fn hand_in_acks(&mut self) {
        let now = self.now;
        for (_, id, ack) in self.acks.extract_if(.., |(at, _, _)| *at <= now) {
            self.engine.handle_ack(wall(now), id, ack);
        }
        let (kernel, engine) = (&self.kernel, &mut self.engine);
        for (_, id, key) in self.lookups.extract_if(.., |(at, _, _)| *at <= now) {
            engine.handle_lookup(wall(now), id, kernel.look_up(&key));
        }
        let due: Vec<PluginId> = self.restarts.extract_if(.., |(at, _)| *at <= now).map(|(_, plugin)| plugin).collect();
        for plugin in due {
            self.report.restarts += 1;
            self.memories.insert(plugin, Memory::default());
            self.engine.handle_started(wall(now), plugin);
        }
    }

    fn hand_in_answers(&mut self) {
        let now = self.now;
        let due: Vec<Called> = self.calls.extract_if(.., |called| called.answers_at <= now).collect();
        for Called { plugin, call, what, .. } in due {
            let memory = self.memories.entry(plugin).or_default();
            let answer = plugins::answer(&what, memory, &mut self.said, self.is_troubled, &mut self.chance);
            let verdicts = match &answer {
                Answer::Verdicts(verdicts) => verdicts.as_slice(),
                Answer::Reply(reply) => reply.verdicts.as_slice(),
                Answer::MessageRefused(_) => &[],
                Answer::Fault(_) => {
                    self.report.faults += 1;
                    &[]
                }
            };
            for verdict in verdicts {
                self.checks.said(&verdict.code);
            }
            self.engine.handle_answer(wall(now), call, answer);
        }
    }

    fn read_events(&mut self) {
        let now = self.now;
        let most = if self.is_troubled { self.chance.below(20) } else { usize::MAX };
        if self.kernel.take_overrun() {
            self.report.overruns += 1;
            self.reader.handle_overrun(now);
        }
        for _ in 0..most {
            let Some(event) = self.kernel.next_event() else { break };
            if event.kind == EventKind::Destroy {
                self.checks.heard_ends(&event.flow);
            }
            self.reader.handle_event(&event, now);
            self.engine.handle_event(wall(now), event);
        }
        if self.reader.end_reading(self.kernel.is_drained(), now) {
            self.engine.handle_overrun(wall(now));
        }
        self.engine.handle_flush(wall(now));
    }

    /// Tells the engine which waiting selections and dump entries the replica can name.
    fn offer_known(&mut self) {
        if self.engine.awaits_selection() {
            self.read_events();
            let known = self.reader.known_selections(&self.engine);
            self.engine.handle_known_selections(wall(self.now), &known);
        }
        if self.sweeping.is_none() && self.reader.replica().is_some() && self.engine.awaits_asked() {
            self.read_events();
            let known = self.reader.known_rows(&self.engine);
            self.engine.handle_known_rows(wall(self.now), &known);
        }
    }

    fn read_search(&mut self) {
        if !self.engine.ready_for_selected() {
            return;
        }
        let Some((id, mut search)) = self.searches.pop() else { return };
        let now = wall(self.now);
        let mut turn = self.reader.turn(&mut search);
        while let Some(flow) = turn.next() {
            if !self.engine.handle_known(now, id, &flow) {
                turn.read(flow.key());
            }
        }
        for key in turn.into_reads() {
            if let Some(flow) = self.kernel.get(&key) {
                self.engine.handle_row(now, id, flow);
            }
        }
        if search.is_over() {
            self.report.answers_of_the_replica += 1;
            self.engine.handle_sweep_end(now, id, true);
        } else {
            self.searches.push(id, search);
        }
    }

    fn start_sweep(&mut self, request: &SweepRequest) {
        if request.source == SweepSource::Known || self.reader.can_answer_sweep(&request.filters, request.expectations)
        {
            let search = Box::new(Search::new(&request.filters));
            self.sweeping = Some(Sweeping { id: Some(request.id), source: Source::Replica(search), breaks: false });
        } else {
            self.dump(Some(request));
        }
    }

    fn dump(&mut self, request: Option<&SweepRequest>) {
        let filters = request.map(|request| request.filters.clone()).unwrap_or_default();
        self.reader.begin_dump(filters.is_empty(), self.now);
        let breaks = self.is_troubled && self.chance.percent(15);
        self.sweeping =
            Some(Sweeping { id: request.map(|request| request.id), source: Source::Dump(0, filters), breaks });
    }

    /// Reads a part of the running sweep.
    fn read_sweep(&mut self) {
        let Some(sweeping) = &mut self.sweeping else { return };
        if sweeping.id.is_some() && !self.engine.ready_for_rows() {
            return;
        }
        let (now, id) = (wall(self.now), sweeping.id);
        let is_over = match &mut sweeping.source {
            Source::Dump(next, filters) => {
                let end = (*next + 1 + self.chance.below(6)).min(PLACES);
                for flow in (*next..end).filter_map(|place| self.kernel.listed(place)) {
                    if filters.is_empty() || filters.iter().any(|filter| filter.matches(flow)) {
                        self.reader.handle_dump_entry(flow, self.now);
                        if let Some(id) = id {
                            self.engine.handle_row(now, id, flow.clone());
                        }
                    }
                }
                *next = end;
                end == PLACES
            }
            Source::Replica(search) => {
                for key in self.reader.take_keys(search) {
                    if let (Some(flow), Some(id)) = (self.kernel.get(&key), id) {
                        self.engine.handle_row(now, id, flow);
                    }
                }
                search.is_over()
            }
        };
        if is_over {
            self.end_sweep();
        }
    }

    fn end_sweep(&mut self) {
        let Some(Sweeping { id, source, breaks }) = self.sweeping.take() else { return };
        self.report.interrupted_dumps += u64::from(breaks);
        if matches!(source, Source::Dump(..)) {
            self.reader.end_dump(!breaks, self.now);
        }
        if let Some(id) = id {
            self.engine.handle_sweep_end(wall(self.now), id, !breaks);
        }
    }

    fn dispatch(&mut self, reader: TableReader) -> Result<()> {
        while let Some(output) = self.engine.poll(reader) {
            match output {
                Output::Effect(id, effect) => {
                    // Effects arrive in the order in which the engine produced them.
                    let wait = if self.is_troubled { self.chance.millis(0..60) } else { Duration::ZERO };
                    let at = self.sent.back().map_or(self.now, |last| last.at).max(self.now.plus(wait));
                    let seen = effect.seen();
                    let ends = self.checks.ends();
                    self.sent.push_back(Sent { id, effect: effect.into_inner(), seen, ends, at });
                }
                Output::Lookup(lookup) => {
                    if !(self.is_troubled && self.chance.percent(2)) {
                        self.lookups.push((self.now.plus(self.chance.millis(0..30)), lookup.id, lookup.key));
                    }
                }
                Output::Call(Delivery { plugin, call, what }) => {
                    let wait = match self.is_troubled {
                        true if self.chance.percent(3) => self.chance.millis(500..6_000),
                        true => self.chance.millis(0..40),
                        false => Duration::ZERO,
                    };
                    self.calls.push(Called { plugin, call, what, answers_at: self.now.plus(wait) });
                }
                Output::Selection(request) => self.searches.push(request.id, Search::new(&request.filters)),
                Output::Sweep(request) => self.start_sweep(&request),
                Output::Restart(plugin) => self.restarts.push((self.now.plus(self.chance.millis(0..200)), plugin)),
                Output::Reply(ticket, outcome) => self.replied(ticket, &outcome)?,
                Output::Record(Record::Verdict(record)) => self.checks.record(&record, &self.said, &self.kernel)?,
                Output::Record(Record::Fault(_) | Record::Notice(..)) => {}
                Output::Exit(reason) => bail!("the engine wants to end: {reason}"),
            }
        }
        Ok(())
    }

    /// Checks a reply: a ban without a shortfall must have ended every flow that lived when the ban was sent.
    fn replied(&mut self, ticket: Ticket, outcome: &MessageOutcome) -> Result<()> {
        let ban = self.bans.remove(&ticket).ok_or_else(|| anyhow!("a reply to a message that was not sent"))?;
        let is_done = outcome.result.is_ok() && outcome.shortfalls.is_empty() && outcome.open == 0;
        if !is_done {
            return Ok(());
        }
        self.report.checked_bans += 1;
        let filter = flows::from_client(ban.client);
        let left: Vec<Life> =
            self.kernel.living(&filter).map(|(_, life, _)| life).filter(|life| ban.lives.contains(life)).collect();
        ensure!(left.is_empty(), "the ban of client {} is told as done, and {left:?} live", ban.client);
        Ok(())
    }

    /// Checks that the replica, if it answers, names every living flow. The check runs only when no event waits in the
    /// socket.
    fn check_replica(&mut self) -> Result<()> {
        if !self.kernel.is_drained() || self.reader.gathers_until(self.now).is_some() {
            return Ok(());
        }
        let filter = flows::from_client(self.chance.below(CLIENTS));
        if self.reader.knows(&filter, ctwarden_engine::Detail::Name) != Knows::All {
            return Ok(());
        }
        self.report.checked_replicas += 1;
        let mut search = Search::new(std::slice::from_ref(&filter));
        let mut named: Vec<FlowKey> = Vec::new();
        while !search.is_over() {
            named.extend(self.reader.turn(&mut search).map(|flow| flow.key()));
        }
        for (place, life, flow) in self.kernel.living(&filter) {
            ensure!(
                named.contains(&flow.key()),
                "the replica is complete and lacks the flow at place {place}, {life:?}"
            );
        }
        Ok(())
    }

    fn check_bounds(&self) -> Result<()> {
        let status = self.engine.status(wall(self.now));
        for plugin in &status.plugins {
            // Events, dump entries, and the batch in which the dump entries arrive.
            ensure!(
                plugin.queue_entries <= 20 + 256 + 256,
                "{} entries wait for {}",
                plugin.queue_entries,
                plugin.name
            );
        }
        ensure!(self.kernel.len() <= PLACES, "the simulated table has {} entries", self.kernel.len());
        Ok(())
    }
}

fn wall(now: Steady) -> Now {
    Now { wall: Timestamp(1_700_000_000_000_000_000 + now.0), steady: now }
}
