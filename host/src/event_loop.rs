//! The event loop: it polls ranked sources and moves values from one part to the next.
//!
//! Each turn polls every rank, highest first, and takes at most the budget of the rank. A flood in one rank therefore
//! delays the others but never stops them. The engine decides about verdicts. The reader decides when and how the table
//! is read. [`ctwarden_engine::Engine`] and [`ctwarden_reader::Reader`] document the order of their calls.

mod addresses;
mod allowance;
mod answers;
mod claiming;
mod hearing;
mod lists;
mod missing_grants;
mod outline;
mod reloading;
mod socket_readiness;
mod steering;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, available_parallelism};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use ctwarden_engine::{Delivery, Engine, Granted, Lookup, Output, PluginId, SelectionRequest, SweepId, TableReader};
use ctwarden_model::{Effect, EffectId, Notice, Record, Steady};
use ctwarden_reader::{Listening, Reader, Search, Searches};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

pub(crate) use self::allowance::Allowance;
use self::answers::Waiting;
pub(crate) use self::claiming::Claiming;
use self::hearing::Hearing;
use self::missing_grants::MissingGrants;
use self::outline::Outline;
use self::socket_readiness::SocketReadiness;
use self::steering::ReloadWaiters;
use self::sweep::Sweeping;
use crate::address_sets::AddressSets;
use crate::clock;
use crate::config;
use crate::control::{ControlRequest, Warning};
use crate::doctor::Senses;
use crate::effects::{EffectResults, Effects};
use crate::firewall::{Firewall, FirewallNews};
use crate::following::{FlowNews, Followers};
use crate::netlink::{Drained, Ends, EventSocket, Groups, HostAddresses, KernelMessage, Requests};
use crate::never_banned::NeverBanned;
use crate::plugins::{ConfigLoader, LoadedConfig, PluginReply, PluginThread, ReloadId, Reloader};
use crate::seed;
use crate::set_file::{SetChange, SetWatch};
use crate::sinks::Sinks;

/// Most plugin answers handled in one turn. A plugin has at most one outstanding answer.
const ANSWERS: usize = 64;
/// Most outcomes handled in one turn, counted in batches of the effects thread.
const OUTCOMES: usize = 16;
/// Most control socket requests handled in one turn.
const REQUESTS: usize = 16;
/// The longest time that the loop works before it yields to the runtime, which serves the control socket's connections.
/// Under load the loop never waits.
const COURTESY: Duration = Duration::from_millis(1);
/// Interval between two queries of the table's size.
const HEALTH_CHECK: Duration = Duration::from_millis(250);
/// Time that running calls, requests and sinks get to finish at shutdown.
const LAST_WORK: Duration = Duration::from_secs(5);

pub(crate) struct EventLoop {
    engine: Engine,
    reader: Reader,
    events: EventSocket,
    readiness: SocketReadiness,
    sweeping: Option<Sweeping>,
    /// Searches for the flows of selections, by the engine's requests.
    searches: Searches<SweepId>,
    /// Reads the flows that a search has found.
    flows: Requests,
    hearing: Hearing,
    allowance: Allowance,
    /// The table's maximum (0 if the table has none) and its number of entries, as last read.
    maximum: Option<u32>,
    entries: u32,
    /// Conditions that keep policies from working, as last reported.
    warnings: Vec<Warning>,
    effects: Effects,
    outcomes: UnboundedReceiver<EffectResults>,
    plugins: BTreeMap<PluginId, PluginThread>,
    /// Threads of replaced or stopped plugins that still finish their last call.
    leaving: Vec<JoinHandle<()>>,
    saying: UnboundedSender<PluginReply>,
    said: UnboundedReceiver<PluginReply>,
    asked: Receiver<ControlRequest>,
    waiting: Waiting,
    /// `None` once the sinks are stopped.
    sinks: Option<Sinks>,
    followers: Followers,
    /// Whether the event socket receives what followers of flows need.
    hears_for_followers: bool,
    reloader: Reloader<LoadedConfig>,
    prepared: UnboundedReceiver<(ReloadId, Result<LoadedConfig>)>,
    reload_waiters: ReloadWaiters,
    /// The configuration in force, to tell what a reload changes.
    outline: Outline,
    /// Plugins that may kill flows when they enforce.
    killers: BTreeSet<PluginId>,
    sets: AddressSets,
    claiming: Claiming,
    set_watch: SetWatch,
    statistics: Requests,
    firewall: Firewall,
    firewalled: UnboundedReceiver<FirewallNews>,
    /// The `[[protect]]` sections, and the addresses that are never banned because of them and of `own`.
    protected: Vec<config::Protected>,
    never: NeverBanned,
    /// This host's own addresses, and the time they were read.
    own: HostAddresses,
    own_read: Option<Steady>,
    stop: Option<Steady>,
    configuration: PathBuf,
    /// The `[daemon]` section as it was at the start.
    daemon: config::Daemon,
    started: Steady,
    /// Whether the configuration protects any flow.
    protects: bool,
    /// The version that each plugin reports, and the grants that it lacks.
    granting: MissingGrants,
}

/// Why the loop woke up.
enum Wakeup {
    Results(EffectResults),
    /// The effects thread ended, which happens only after a panic.
    EffectsEnded,
    Firewalled(FirewallNews),
    /// The thread ended, which happens only after a panic.
    FirewallEnded,
    Said(PluginReply),
    Asked(ControlRequest),
    Prepared(ReloadId, Box<Result<LoadedConfig>>),
    SetChanged(SetChange),
    Looked(Box<(u64, Senses)>),
    /// The thread ended, which happens only after a panic.
    SensesEnded,
    /// The thread ended, which happens only after a panic.
    SetWatchEnded,
    Terminate,
    Reload,
    HealthCheck,
    /// A socket is readable or a deadline has passed. The turn finds out which.
    Look,
}

impl EventLoop {
    /// Assembles the prepared parts. Nothing runs yet.
    pub(crate) fn new(
        configuration: &Path,
        loader: ConfigLoader,
        prepared: LoadedConfig,
        sinks: Sinks,
        asked: Receiver<ControlRequest>,
        claiming: Claiming,
        followers: Followers,
    ) -> Result<Self> {
        let (saying, said) = unbounded_channel();
        let (acks, outcomes) = unbounded_channel();
        let (preparing, prepared_later) = unbounded_channel();
        let (firewalling, firewalled) = unbounded_channel();
        let firewall = Firewall::start(firewalling)?;
        let dropper = firewall.flow_dropper();
        let events = EventSocket::open(usize::try_from(prepared.daemon.receive_buffer).unwrap_or(usize::MAX))?;
        let mut event_loop = Self {
            engine: Engine::new(prepared.engine.clone(), clock::now()),
            reader: Reader::new(seed::random()?, has_two_processors(), clock::now().steady),
            readiness: SocketReadiness::new(&events).context("cannot watch the event socket")?,
            events,
            sweeping: None,
            searches: Searches::new(),
            flows: Requests::open()?,
            hearing: Hearing::begin(clock::now().steady).context("cannot start the thread that checks the rules")?,
            warnings: Vec::new(),
            allowance: Allowance::new(prepared.daemon.replica_memory),
            maximum: None,
            entries: 0,
            effects: Effects::start(acks, Box::new(dropper))?,
            outcomes,
            plugins: BTreeMap::new(),
            leaving: Vec::new(),
            saying,
            said,
            asked,
            waiting: Waiting::default(),
            sinks: Some(sinks),
            followers,
            hears_for_followers: false,
            configuration: configuration.to_owned(),
            daemon: prepared.daemon.clone(),
            started: clock::now().steady,
            protects: false,
            granting: MissingGrants::default(),
            reloader: Reloader::new(move || Ok(loader.load()?), preparing),
            prepared: prepared_later,
            reload_waiters: ReloadWaiters::default(),
            outline: Outline::default(),
            killers: BTreeSet::new(),
            sets: AddressSets::default(),
            claiming,
            set_watch: SetWatch::idle(),
            statistics: Requests::open()?,
            firewall,
            firewalled,
            protected: Vec::new(),
            never: NeverBanned::default(),
            own: HostAddresses::default(),
            own_read: None,
            stop: None,
        };
        event_loop.write(Notice::Started);
        event_loop.look_at_table();
        event_loop.take(prepared)?;
        event_loop.sense(clock::now().steady);
        Ok(event_loop)
    }

    /// Runs until a stop request or a fatal error, and shuts down in order in both cases.
    pub(crate) async fn run(mut self) -> Result<()> {
        let outcome = self.work().await;
        let ended = self.finish();
        outcome.and(ended)
    }

    async fn work(&mut self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut reload = signal(SignalKind::hangup())?;
        let mut health_check = interval(HEALTH_CHECK);
        health_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut yielded = clock::now().steady;
        loop {
            self.turn()?;
            if self.is_over() {
                return Ok(());
            }
            let now = clock::now().steady;
            if now.since(yielded) >= COURTESY {
                yield_now().await;
                yielded = now;
            }
            // Read the clock once for both: if the socket is not watched, the wait needs a deadline.
            let gathering = self.reader.gathers_until(clock::now().steady);
            let watches = self.stop.is_none() && gathering.is_none();
            self.readiness.watch(watches).context("cannot watch the event socket")?;
            match self.wait(gathering, &mut terminate, &mut interrupt, &mut reload, &mut health_check).await {
                Wakeup::Results(results) => self.note_results(results),
                Wakeup::Firewalled(news) => self.note_firewall(news),
                Wakeup::FirewallEnded => {
                    bail!("the thread that changes the packet filter has died; start ctwarden again")
                }
                Wakeup::EffectsEnded => bail!("the thread that carries out verdicts has died; start ctwarden again"),
                Wakeup::Said(said) => said.tell(&mut self.engine, clock::now()),
                Wakeup::Asked(asked) => self.answer(asked),
                Wakeup::Prepared(reading, prepared) => self.reload(reading, *prepared),
                Wakeup::SetChanged(change) => self.change_set(change),
                Wakeup::Looked(seen) => {
                    self.hearing.take(*seen);
                    self.sense(clock::now().steady);
                }
                Wakeup::SensesEnded => bail!("the thread that checks the rules has died; start ctwarden again"),
                Wakeup::SetWatchEnded => bail!("the thread that watches set files has died; start ctwarden again"),
                Wakeup::Terminate => self.begin_to_stop(),
                Wakeup::Reload => {
                    // logrotate requests this too, so reopen whether or not the configuration loads.
                    self.reopen();
                    self.reloader.begin(clock::now().steady);
                }
                Wakeup::HealthCheck => self.check_health()?,
                Wakeup::Look => {}
            }
        }
    }

    async fn wait(
        &mut self,
        gathering: Option<Steady>,
        terminate: &mut Signal,
        interrupt: &mut Signal,
        reload: &mut Signal,
        health_check: &mut Interval,
    ) -> Wakeup {
        let resync = self.reader.resync_at().filter(|_| self.sweeping.is_none());
        let deadline = [self.engine.poll_timeout(), self.stop, resync].into_iter().flatten().min();
        let deadline = deadline.into_iter().chain(gathering).chain(self.hearing.settles_at(clock::now().steady)).min();
        let unread = self.readiness.has_unread() && self.stop.is_none() && gathering.is_none();
        let sweep = self.sweeping.as_mut().filter(|sweeping| sweeping.is_awaited(&self.engine));
        let selected = !self.searches.is_empty() && self.engine.ready_for_selected();
        let offers = self.engine.has_new_selections() && self.hearing.settles_at(clock::now().steady).is_none();
        tokio::select! {
            biased;
            Some(()) = terminate.recv() => Wakeup::Terminate,
            Some(()) = interrupt.recv() => Wakeup::Terminate,
            Some(()) = reload.recv() => Wakeup::Reload,
            outcomes = self.outcomes.recv() => outcomes.map_or(Wakeup::EffectsEnded, Wakeup::Results),
            news = self.firewalled.recv() => news.map_or(Wakeup::FirewallEnded, Wakeup::Firewalled),
            Some(said) = self.said.recv() => Wakeup::Said(said),
            () = self.readiness.ready() => Wakeup::Look,
            () = Sweeping::readable(sweep), if sweep.is_some() => Wakeup::Look,
            () = std::future::ready(()), if selected || offers || unread || !self.reader.is_settled() => Wakeup::Look,
            Some(asked) = self.asked.recv() => Wakeup::Asked(asked),
            Some((reading, prepared)) = self.prepared.recv() => Wakeup::Prepared(reading, Box::new(prepared)),
            seen = self.hearing.looked() => seen.map_or(Wakeup::SensesEnded, |seen| Wakeup::Looked(Box::new(seen))),
            changed = self.set_watch.changed() => changed.map_or(Wakeup::SetWatchEnded, Wakeup::SetChanged),
            () = until(deadline), if deadline.is_some() => Wakeup::Look,
            _ = health_check.tick() => Wakeup::HealthCheck,
        }
    }

    /// Polls every rank once.
    fn turn(&mut self) -> Result<()> {
        // 1. Outcomes of earlier effects: they free capacity and end verdicts.
        for _ in 0..OUTCOMES {
            let Ok(outcomes) = self.outcomes.try_recv() else { break };
            self.note_results(outcomes);
        }
        for _ in 0..OUTCOMES {
            let Ok(news) = self.firewalled.try_recv() else { break };
            self.note_firewall(news);
        }
        // 2. Answers: a verdict is worth more than the next event.
        for _ in 0..ANSWERS {
            let Ok(said) = self.said.try_recv() else { break };
            said.tell(&mut self.engine, clock::now());
        }
        // 3. Events: the kernel's buffer is finite.
        if self.reader.gathers_until(clock::now().steady).is_none() {
            self.read_events()?;
        }
        // 4. Flows of selections, because a client waits for them, and rows of a sweep, because the kernel waits for
        //    the reader.
        self.read_selection();
        self.read_sweep();
        self.reader.settle();
        // 5. Requests of people and programs at the control socket.
        for _ in 0..REQUESTS {
            let Ok(asked) = self.asked.try_recv() else { break };
            self.answer(asked);
        }
        // 6. Time.
        let now = clock::now();
        if self.engine.poll_timeout().is_some_and(|at| at <= now.steady) {
            self.engine.handle_timeout(now);
        }
        self.dispatch()
    }

    fn read_events(&mut self) -> Result<()> {
        if self.stop.is_some() {
            return Ok(());
        }
        let (engine, reader, ours) = (&mut self.engine, &mut self.reader, self.effects.port());
        let followers = self.followers.want_flows().then_some(&self.followers);
        let mut is_drained = false;
        let mut now = clock::now();
        for _ in 0..reader.reads_in_one_turn() {
            // Events that one system call received share one time.
            if !self.events.has_taken_more() {
                now = clock::now();
            }
            let drained = self.events.drain(ours, |heard| match heard {
                KernelMessage::Flow(event) => {
                    if let Some(followers) = followers {
                        followers.tell_flow(now.wall, || FlowNews::of(&event));
                    }
                    reader.handle_event(&event, now.steady);
                    engine.handle_event(now, event);
                }
                KernelMessage::End { key, by_us } => {
                    if let Some(followers) = followers {
                        followers.tell_flow(now.wall, || Some(FlowNews::End(key)));
                    }
                    reader.handle_end(&key, by_us);
                    engine.handle_end(now, &key);
                }
                KernelMessage::Expectation(event) => engine.handle_expectation(now, event),
            });
            match drained.context("cannot read conntrack events")? {
                Drained::Some => {}
                Drained::Lost => reader.handle_overrun(now.steady),
                Drained::Nothing => {
                    is_drained = true;
                    break;
                }
            }
        }
        self.readiness.set_unread(!is_drained);
        let now = clock::now();
        if self.reader.end_reading(is_drained, now.steady) {
            self.engine.handle_overrun(now);
        }
        self.engine.handle_flush(now);
        Ok(())
    }

    /// Reads the events that are being gathered. Changes made before a question already have their events in the
    /// socket.
    fn read_gathered(&mut self) -> Result<()> {
        match self.reader.gathers_until(clock::now().steady) {
            Some(_) => self.read_events(),
            None => Ok(()),
        }
    }

    /// Moves everything that the engine has ready to its destination. Verdicts that are taken in the first pass may
    /// need selections. The replica answers these before the second pass, which may start a sweep for the rest.
    fn dispatch(&mut self) -> Result<()> {
        self.dispatch_outputs(TableReader::Busy)?;
        self.offer_known()?;
        let reader = if self.can_read_table() { TableReader::Free } else { TableReader::Busy };
        self.dispatch_outputs(reader)?;
        self.resync();
        Ok(())
    }

    /// Carries out the engine's requests until none is left. Effects and lookups come first and are sent together,
    /// because the outcomes of those that complete at once may release more.
    fn dispatch_outputs(&mut self, reader: TableReader) -> Result<()> {
        let (mut effects, mut lookups) = (Vec::new(), Vec::new());
        loop {
            let output = match self.engine.poll(reader) {
                Some(Output::Effect(id, effect)) => {
                    effects.push((id, effect));
                    continue;
                }
                Some(Output::Lookup(lookup)) => {
                    lookups.push(lookup);
                    continue;
                }
                output => output,
            };
            let was_changed = !(effects.is_empty() && lookups.is_empty());
            self.apply_effects(std::mem::take(&mut effects), std::mem::take(&mut lookups));
            match output {
                Some(Output::Effect(..) | Output::Lookup(_)) => {}
                Some(Output::Call(Delivery { plugin, call, what })) => {
                    if let Some(thread) = self.plugins.get(&plugin) {
                        thread.call(call, what);
                    }
                }
                Some(Output::Selection(SelectionRequest { id, filters })) => {
                    self.searches.push(id, Search::new(&filters));
                }
                Some(Output::Sweep(request)) => self.start_sweep(&request)?,
                Some(Output::Restart(plugin)) => {
                    if let Some(thread) = self.plugins.get(&plugin) {
                        thread.restart();
                    }
                }
                Some(Output::Reply(ticket, outcome)) => self.waiting.settle(ticket, *outcome, &self.claiming),
                Some(Output::Record(record)) => {
                    if let Some(told) = self.granting.hear(&record) {
                        crate::log::say(&told);
                    }
                    self.record(record);
                }
                Some(Output::Exit(reason)) => bail!("{reason}"),
                None if was_changed => {}
                None => return Ok(()),
            }
        }
    }

    fn apply_effects(&mut self, effects: Vec<(EffectId, Granted<Effect>)>, lookups: Vec<Lookup>) {
        let is_claim = |effect: &Granted<Effect>| matches!(effect.get(), Effect::Block(_) | Effect::Unblock(_));
        let (claims, effects): (Vec<_>, Vec<_>) = effects.into_iter().partition(|(_, effect)| is_claim(effect));
        self.claim_for_policies(claims);
        if !effects.is_empty() {
            let acks = self.effects.apply(effects);
            self.note_results(EffectResults::Effects(acks));
        }
        if !lookups.is_empty() {
            let found = self.effects.look_up(lookups);
            self.note_results(EffectResults::Lookups(found));
        }
    }

    fn note_results(&mut self, results: EffectResults) {
        let now = clock::now();
        match results {
            EffectResults::Effects(acks) => {
                for (effect, ack) in acks {
                    self.engine.handle_ack(now, effect, ack);
                }
            }
            EffectResults::Lookups(found) => {
                for (lookup, looked) in found {
                    self.engine.handle_lookup(now, lookup, looked);
                }
            }
        }
    }

    fn check_health(&mut self) -> Result<()> {
        let now = clock::now();
        self.sense(now.steady);
        self.expire_claims();
        // Exit instead of running without the plugin: a service manager restarts the daemon.
        if let Some(dead) = self.plugins.values().find(|thread| thread.has_ended()) {
            bail!("the thread of plugin {} has died; start ctwarden again", dead.name());
        }
        self.look_at_table();
        // The maximum may be raised while the daemon runs.
        if self.reader.replica().is_some() {
            self.reader.keep_replica(Some(self.allowance.limit(self.maximum)), now.steady);
        }
        if self.followers.want_flows() != self.hears_for_followers {
            self.listen()?;
        }
        self.leaving.retain(|thread| !thread.is_finished());
        if let Some(why) = self.reloader.give_up(now.steady) {
            self.take_or_keep(Err(why));
        }
        self.keep_addresses(now.steady);
        Ok(())
    }

    /// Reads the size and the maximum of the table.
    fn look_at_table(&mut self) {
        let Ok(size) = self.statistics.size() else { return };
        (self.entries, self.maximum) = (size.entries, size.maximum);
        self.engine.handle_table(clock::now(), size.entries);
    }

    fn reopen(&self) {
        if let Some(sinks) = &self.sinks {
            sinks.reopen();
        }
    }

    /// Configures the event socket for the subscriptions of plugins, and for the replica if one is kept.
    fn listen(&mut self) -> Result<()> {
        let subscribed = self.engine.subscribed();
        let keeps_replica = self.daemon.replica.is_wanted(subscribed.selects);
        self.hears_for_followers = self.followers.want_flows();
        let listening = Listening::new(subscribed, keeps_replica);
        let Listening { kinds, expectations, filters, others_ends, own_ends, replica } =
            if self.hears_for_followers { listening.with_every_flow() } else { listening };
        let limit = self.allowance.limit(self.maximum);
        self.reader.keep_replica(replica.then_some(limit), clock::now().steady);
        let groups = Groups { new: kinds.new, update: kinds.update, destroy: kinds.destroy, expectations };
        Ok(self.events.listen(groups, Ends { others: others_ends, own: own_ends }, &filters)?)
    }

    fn write(&self, notice: Notice) {
        self.record(Record::Notice(clock::now().wall, Box::new(notice)));
    }

    fn record(&self, record: Record) {
        self.followers.tell(&record);
        if let Some(sinks) = &self.sinks {
            sinks.write(record);
        }
    }

    fn begin_to_stop(&mut self) {
        if self.stop.is_some() {
            return;
        }
        let now = clock::now();
        self.write(Notice::Stopping);
        self.stop = Some(now.steady.plus(LAST_WORK));
        self.reader.handle_stop();
        self.engine.handle_stop(now);
    }

    fn is_over(&self) -> bool {
        self.stop.is_some_and(|at| self.engine.is_quiet() || at <= clock::now().steady)
    }

    /// Shuts down in order: open verdicts get their records, plugins get their last call, and the sinks write the
    /// records.
    fn finish(mut self) -> Result<()> {
        self.engine.handle_finish(clock::now());
        let dispatched = self.dispatch();
        for thread in std::mem::take(&mut self.plugins).into_values() {
            self.leaving.extend(thread.stop());
        }
        let until = clock::now().steady.plus(LAST_WORK);
        while self.leaving.iter().any(|thread| !thread.is_finished()) && clock::now().steady < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let missing = self.sinks.take().map(|sinks| sinks.stop().missing).unwrap_or_default();
        let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
        dispatched.and(if told.is_empty() { Ok(()) } else { Err(anyhow!("{}", told.join("\n"))) })
    }
}

/// Sleeps until a moment of the steady clock.
async fn until(deadline: Option<Steady>) {
    let Some(deadline) = deadline else { return std::future::pending().await };
    sleep_until(Instant::now() + deadline.since(clock::now().steady)).await;
}

fn has_two_processors() -> bool {
    available_parallelism().is_ok_and(|processors| processors > NonZero::<usize>::MIN)
}
