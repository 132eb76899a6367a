//! The event loop: a ranked list of sources, and values moved from one part to the next.
//!
//! Each turn looks at every rank, highest first, and takes at most its budget from it, so that a flood in one rank delays
//! the others and never stops them. The engine decides about verdicts; see `ctwarden_engine::Engine` for the order of its
//! calls. The loop itself decides when events are gathered and how long it waits after a loss. `following` and `sweep` choose
//! between the replica and a dump.

mod allowance;
mod answers;
mod bell;
mod following;
mod granting;
mod hearing;
mod listening;
mod lists;
mod reloading;
mod sweep;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use ctwarden_engine::{Delivery, Engine, PluginId};
use ctwarden_model::{Notice, PrefixSet, Record, Steady};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

pub(crate) use self::allowance::Allowance;
use self::answers::Waiting;
use self::bell::Bell;
use self::following::Following;
use self::granting::Granting;
use self::hearing::Hearing;
pub(crate) use self::listening::Listening;
use self::sweep::{Selecting, Sweeping};
use crate::address_sets::AddressSets;
use crate::clock;
use crate::config;
use crate::control::{Asked, Warning};
use crate::doctor::Senses;
use crate::effects::{Effects, Outcomes};
use crate::netlink::{Drained, EventSocket, Families, Heard, Requests, own_addresses};
use crate::plugins::{PluginThread, Prepared, Preparer, Reading, Reloader, Said};
use crate::set_file::{SetChange, SetWatch};
use crate::sinks::Sinks;

/// Reads of the event socket in one turn. One read is one event as a rule, so this is also the largest round.
const EVENT_READS: usize = 256;
/// The same where the replica has to keep up: it answers only after all events were read.
const EVENT_READS_TO_FOLLOW: usize = 4096;
/// Answers of plugins in one turn; a plugin has at most one outstanding.
const ANSWERS: usize = 64;
/// Outcomes in one turn, counted in batches of the effects' thread.
const OUTCOMES: usize = 16;
/// Requests of the control socket in one turn.
const REQUESTS: usize = 16;
/// How long events are gathered after some were read, where they come thick: handing over each by itself wakes two threads and
/// the loop again for the answer, which costs ten times its decoding and judging. The first one after a pause is never held up.
const GATHER: Duration = Duration::from_millis(4);
/// Events come thick where less than this lies between two of them: those that come seldom may cost what they cost.
const THICK: Duration = Duration::from_millis(2);
/// Events of our own changes in one reading from which on they come thick, too: those of a large deletion. What happens right
/// after a few verdicts is not to wait for their events.
const MANY_OWN: u32 = 8;
/// How long the repair of a loss waits for the socket to be read empty.
const LOSS_PATIENCE: Duration = Duration::from_secs(1);
/// How long the loop works at most before the runtime sees to the connections of the control socket. Under load it never waits.
const COURTESY: Duration = Duration::from_millis(1);
/// How often the table's size is asked for.
const HOUSEKEEPING: Duration = Duration::from_millis(250);
/// How often this host's own addresses are asked for, which nobody may block.
const ADDRESSES: Duration = Duration::from_secs(2);
/// How long running calls, requests and sinks may take at the end.
const LAST_WORK: Duration = Duration::from_secs(5);

pub(crate) struct Drive {
    engine: Engine,
    events: EventSocket,
    bell: Bell,
    /// Whether events may be left in the socket of which the bell has rung already.
    unread: bool,
    sweeping: Option<Sweeping>,
    /// What the table had when all of it was read last.
    families: Families,
    selecting: VecDeque<Selecting>,
    following: Following,
    hearing: Hearing,
    allowance: Allowance,
    /// The table's maximum, 0 where it has none, and its entries, as they were when they were looked at last.
    maximum: Option<u32>,
    entries: u32,
    /// What keeps policies from their work, as it was told last.
    warnings: Vec<Warning>,
    /// Since when events are being lost.
    lost: Option<Steady>,
    /// When events were last read, and until when they are gathered.
    read_at: Steady,
    gather_until: Steady,
    effects: Effects,
    outcomes: UnboundedReceiver<Outcomes>,
    plugins: BTreeMap<PluginId, PluginThread>,
    /// Threads of plugins that were replaced or stopped and still end their last call.
    leaving: Vec<JoinHandle<()>>,
    saying: UnboundedSender<Said>,
    said: UnboundedReceiver<Said>,
    asked: Receiver<Asked>,
    waiting: Waiting,
    /// None once it was stopped.
    sinks: Option<Sinks>,
    reloader: Reloader<Prepared>,
    prepared: UnboundedReceiver<(Reading, Result<Prepared>)>,
    sets: AddressSets,
    set_watch: SetWatch,
    statistics: Requests,
    /// This host's own addresses, and when they were read.
    own: PrefixSet,
    own_read: Option<Steady>,
    stop: Option<Steady>,
    configuration: PathBuf,
    /// The daemon's own part as it was at the start.
    daemon: config::Daemon,
    started: Steady,
    /// Whether the configuration protects any flow.
    protects: bool,
    /// What each plugin says its version is, and what it lacks.
    granting: Granting,
}

/// Why the loop woke.
enum Woke {
    Outcomes(Outcomes),
    /// Its thread ends only when it panics.
    EffectsEnded,
    Said(Said),
    Asked(Asked),
    Prepared(Reading, Box<Result<Prepared>>),
    SetChanged(SetChange),
    Looked(Box<(u64, Senses)>),
    /// Its thread ends only when it panics.
    SensesEnded,
    /// Its thread ends only when it panics.
    SetWatchEnded,
    Terminate,
    Reload,
    Housekeeping,
    /// A socket can be read or a deadline has passed: the turn will see.
    Look,
}

impl Drive {
    /// Puts the prepared parts together; nothing runs yet.
    pub(crate) fn new(
        configuration: &Path,
        preparer: Preparer,
        prepared: Prepared,
        sinks: Sinks,
        asked: Receiver<Asked>,
    ) -> Result<Self> {
        let (saying, said) = unbounded_channel();
        let (acks, outcomes) = unbounded_channel();
        let (preparing, prepared_later) = unbounded_channel();
        let events = EventSocket::open(usize::try_from(prepared.daemon.receive_buffer).unwrap_or(usize::MAX))?;
        let mut drive = Self {
            engine: Engine::new(prepared.engine.clone(), clock::now()),
            bell: Bell::new(&events).context("cannot watch the event socket")?,
            events,
            unread: false,
            sweeping: None,
            families: Families::default(),
            selecting: VecDeque::new(),
            following: Following::new()?,
            hearing: Hearing::begin(clock::now().steady).context("cannot start the thread that looks at the rules")?,
            warnings: Vec::new(),
            allowance: Allowance::new(prepared.daemon.replica_memory),
            maximum: None,
            entries: 0,
            lost: None,
            read_at: clock::now().steady,
            gather_until: clock::now().steady,
            effects: Effects::start(acks)?,
            outcomes,
            plugins: BTreeMap::new(),
            leaving: Vec::new(),
            saying,
            said,
            asked,
            waiting: Waiting::default(),
            sinks: Some(sinks),
            configuration: configuration.to_owned(),
            daemon: prepared.daemon.clone(),
            started: clock::now().steady,
            protects: false,
            granting: Granting::default(),
            reloader: Reloader::new(move || Ok(preparer.prepare()?), preparing),
            prepared: prepared_later,
            sets: AddressSets::default(),
            set_watch: SetWatch::idle(),
            statistics: Requests::open()?,
            own: PrefixSet::new(),
            own_read: None,
            stop: None,
        };
        drive.write(Notice::Started);
        drive.look_at_table();
        drive.take(prepared)?;
        drive.sense(clock::now().steady);
        Ok(drive)
    }

    /// Runs until it is told to stop or cannot go on, and ends in order either way.
    pub(crate) async fn run(mut self) -> Result<()> {
        let outcome = self.work().await;
        let ended = self.finish();
        outcome.and(ended)
    }

    async fn work(&mut self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut reload = signal(SignalKind::hangup())?;
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
            // One look at the clock for both: a bell that is off needs a deadline.
            let gathering = self.is_gathering().then_some(self.gather_until);
            self.bell.switch(self.stop.is_none() && gathering.is_none()).context("cannot watch the event socket")?;
            match self.wait(gathering, &mut terminate, &mut interrupt, &mut reload, &mut housekeeping).await {
                Woke::Outcomes(outcomes) => self.note_outcomes(outcomes),
                Woke::EffectsEnded => bail!("the thread that carries out verdicts has died; start ctwarden again"),
                Woke::Said(said) => said.tell(&mut self.engine, clock::now()),
                Woke::Asked(asked) => self.answer(asked),
                Woke::Prepared(reading, prepared) => self.reload(reading, *prepared),
                Woke::SetChanged(change) => self.change_set(change),
                Woke::Looked(seen) => {
                    self.hearing.take(*seen);
                    self.sense(clock::now().steady);
                }
                Woke::SensesEnded => bail!("the thread that looks at the rules has died; start ctwarden again"),
                Woke::SetWatchEnded => bail!("the thread that looks after set files has died; start ctwarden again"),
                Woke::Terminate => self.begin_to_stop(),
                Woke::Reload => {
                    // It is also what logrotate asks for, whatever comes of the configuration.
                    self.reopen();
                    self.reloader.begin(clock::now().steady);
                }
                Woke::Housekeeping => self.keep_house()?,
                Woke::Look => {}
            }
        }
    }

    async fn wait(
        &mut self,
        gathering: Option<Steady>,
        terminate: &mut Signal,
        interrupt: &mut Signal,
        reload: &mut Signal,
        housekeeping: &mut Interval,
    ) -> Woke {
        let sweep_for_copy = self.sweep_for_copy_due().filter(|_| self.sweeping.is_none());
        let deadline = [self.engine.poll_timeout(), self.stop, sweep_for_copy].into_iter().flatten().min();
        let deadline = deadline.into_iter().chain(gathering).chain(self.hearing.settles_at(clock::now().steady)).min();
        let unread = self.unread && self.stop.is_none() && gathering.is_none();
        let sweep = self.sweeping.as_mut().filter(|sweeping| sweeping.is_awaited(&self.engine));
        let selected = !self.selecting.is_empty() && self.engine.ready_for_selected();
        tokio::select! {
            biased;
            Some(()) = terminate.recv() => Woke::Terminate,
            Some(()) = interrupt.recv() => Woke::Terminate,
            Some(()) = reload.recv() => Woke::Reload,
            outcomes = self.outcomes.recv() => outcomes.map_or(Woke::EffectsEnded, Woke::Outcomes),
            Some(said) = self.said.recv() => Woke::Said(said),
            () = self.bell.rings() => Woke::Look,
            () = Sweeping::readable(sweep), if sweep.is_some() => Woke::Look,
            () = std::future::ready(()), if selected || unread || !self.following.is_settled() => Woke::Look,
            Some(asked) = self.asked.recv() => Woke::Asked(asked),
            Some((reading, prepared)) = self.prepared.recv() => Woke::Prepared(reading, Box::new(prepared)),
            seen = self.hearing.looked() => seen.map_or(Woke::SensesEnded, |seen| Woke::Looked(Box::new(seen))),
            changed = self.set_watch.changed() => changed.map_or(Woke::SetWatchEnded, Woke::SetChanged),
            () = until(deadline), if deadline.is_some() => Woke::Look,
            _ = housekeeping.tick() => Woke::Housekeeping,
        }
    }

    /// One look at every rank.
    fn turn(&mut self) -> Result<()> {
        // 1. What came of earlier effects: it frees room and ends verdicts.
        for _ in 0..OUTCOMES {
            let Ok(outcomes) = self.outcomes.try_recv() else { break };
            self.note_outcomes(outcomes);
        }
        // 2. Answers: a verdict is worth more than the next event.
        for _ in 0..ANSWERS {
            let Ok(said) = self.said.try_recv() else { break };
            said.tell(&mut self.engine, clock::now());
        }
        // 3. Events: the kernel's buffer is finite.
        if !self.is_gathering() {
            self.read_events()?;
        }
        // 4. Flows of selections, which somebody waits for, and rows of a sweep: the kernel waits for us.
        self.read_selection();
        self.read_sweep();
        self.following.settle();
        // 5. People and programs at the control socket.
        for _ in 0..REQUESTS {
            let Ok(asked) = self.asked.try_recv() else { break };
            self.answer(asked);
        }
        // 6. Time.
        let now = clock::now();
        if self.engine.poll_timeout().is_some_and(|at| at <= now.steady) {
            self.engine.handle_timeout(now);
        }
        self.carry_on()
    }

    /// Whether events wait a moment for those that come after them.
    fn is_gathering(&self) -> bool {
        clock::now().steady < self.gather_until
    }

    fn read_events(&mut self) -> Result<()> {
        if self.stop.is_some() {
            return Ok(());
        }
        let (engine, following, ours) = (&mut self.engine, &mut self.following, self.effects.port());
        let reads = if following.is_kept() { EVENT_READS_TO_FOLLOW } else { EVENT_READS };
        let lost = &mut self.lost;
        let (mut to_the_end, mut count, mut own) = (false, 0, 0_u32);
        let mut now = clock::now();
        for _ in 0..reads {
            // Events that were taken over together have come together.
            if !self.events.has_taken_more() {
                now = clock::now();
            }
            let drained = self.events.drain(ours, |heard| match heard {
                Heard::Flow(event) => {
                    own += u32::from(event.by_us);
                    count += u32::from(!event.by_us);
                    following.hear(&event, now.steady);
                    engine.handle_event(now, event);
                }
                Heard::End { key, by_us } => {
                    own += u32::from(by_us);
                    count += u32::from(!by_us);
                    following.hear_of_end(&key);
                    engine.handle_end(now, &key);
                }
                Heard::Expectation(event) => engine.handle_expectation(now, event),
            });
            match drained.context("cannot read conntrack events")? {
                Drained::Some => {}
                Drained::Lost => {
                    following.lose(now.steady);
                    lost.get_or_insert(now.steady);
                }
                Drained::Nothing => {
                    to_the_end = true;
                    break;
                }
            }
        }
        self.unread = !to_the_end;
        self.following.read_events(to_the_end);
        let now = clock::now();
        let is_thick = now.steady.since(self.read_at) < THICK * count || own >= MANY_OWN;
        if to_the_end && is_thick {
            self.gather_until = now.steady.plus(GATHER);
        }
        if count > 0 {
            self.read_at = now.steady;
        }
        // Once it has dropped one, the kernel drops every event until the socket was read empty; only a sweep that begins
        // after that finds them all.
        if self.lost.take_if(|since| to_the_end || now.steady.since(*since) >= LOSS_PATIENCE).is_some() {
            self.engine.handle_overrun(now);
        }
        self.engine.handle_flush(now);
        Ok(())
    }

    /// Moves everything that the engine has ready to where it belongs.
    fn carry_on(&mut self) -> Result<()> {
        self.bring_about();
        while let Some(Delivery { plugin, call, what }) = self.engine.poll_delivery() {
            if let Some(thread) = self.plugins.get(&plugin) {
                thread.call(call, what);
            }
        }
        self.start_selection()?;
        self.start_sweep()?;
        while let Some(plugin) = self.engine.poll_restart() {
            if let Some(thread) = self.plugins.get(&plugin) {
                thread.restart();
            }
        }
        while let Some((ticket, outcome)) = self.engine.poll_reply() {
            self.waiting.settle(ticket, outcome);
        }
        while let Some(record) = self.engine.poll_record() {
            if let Some(told) = self.granting.hear(&record) {
                crate::log::say(&told);
            }
            self.record(record);
        }
        match self.engine.poll_exit() {
            None => Ok(()),
            Some(reason) => bail!("{reason}"),
        }
    }

    /// Effects first: what came of those that are carried out at once may set others free, and so may what is found.
    fn bring_about(&mut self) {
        loop {
            let effects: Vec<_> = std::iter::from_fn(|| self.engine.poll_effect()).collect();
            let lookups: Vec<_> = std::iter::from_fn(|| self.engine.poll_lookup()).collect();
            if effects.is_empty() && lookups.is_empty() {
                return;
            }
            if !effects.is_empty() {
                let acks = self.effects.apply(effects);
                self.note_outcomes(Outcomes::Effects(acks));
            }
            if !lookups.is_empty() {
                let found = self.effects.look_up(lookups);
                self.note_outcomes(Outcomes::Lookups(found));
            }
        }
    }

    fn note_outcomes(&mut self, outcomes: Outcomes) {
        let now = clock::now();
        match outcomes {
            Outcomes::Effects(acks) => {
                for (effect, ack) in acks {
                    self.engine.handle_ack(now, effect, ack);
                }
            }
            Outcomes::Lookups(found) => {
                for (lookup, looked) in found {
                    self.engine.handle_lookup(now, lookup, looked);
                }
            }
        }
    }

    fn keep_house(&mut self) -> Result<()> {
        let now = clock::now();
        self.sense(now.steady);
        // Better no daemon, which a service manager starts again, than one that only looks healthy.
        if let Some(dead) = self.plugins.values().find(|thread| thread.has_ended()) {
            bail!("the thread of plugin {} has died; start ctwarden again", dead.name());
        }
        self.look_at_table();
        // The maximum may be raised while the daemon runs.
        if self.following.is_kept() {
            self.following.keep(Some(self.allowance.limit(self.maximum)), now.steady)?;
        }
        self.leaving.retain(|thread| !thread.is_finished());
        if let Some(why) = self.reloader.give_up(now.steady) {
            self.take_or_keep(Err(why));
        }
        if self.own_read.is_none_or(|read| now.steady.since(read) >= ADDRESSES) {
            self.read_own_addresses();
        }
        Ok(())
    }

    /// How large the table is, and how large it may be.
    fn look_at_table(&mut self) {
        let Ok(size) = self.statistics.size() else { return };
        (self.entries, self.maximum) = (size.entries, size.maximum);
        self.engine.handle_table(clock::now(), size.entries);
    }

    /// Tells the engine which addresses nobody may block. Where they cannot be read those hold that were read before.
    fn read_own_addresses(&mut self) {
        let now = clock::now();
        let first = self.own_read.replace(now.steady).is_none();
        match own_addresses() {
            Ok(own) if own == self.own => {}
            Ok(own) => {
                self.engine.handle_addresses(now, &own);
                self.own = own;
            }
            Err(error) if first => {
                let error =
                    anyhow::Error::from(error).context("this host's addresses are not known and could be blocked");
                crate::log::say(&format!("warning: {error:#}"));
            }
            Err(_) => {}
        }
    }

    fn reopen(&self) {
        if let Some(sinks) = &self.sinks {
            sinks.reopen();
        }
    }

    /// Hears of what plugins subscribe to, and of the begin and end of every flow where the replica is kept.
    fn listen(&mut self) -> Result<()> {
        let listening = Listening::of(self.engine.subscribed(), self.daemon.replica);
        let limit = self.allowance.limit(self.maximum);
        self.following.keep(listening.replica.then_some(limit), clock::now().steady)?;
        Ok(self.events.listen(listening.groups, listening.ends, &listening.filters)?)
    }

    fn write(&self, notice: Notice) {
        self.record(Record::Notice(clock::now().wall, Box::new(notice)));
    }

    fn record(&self, record: Record) {
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
        self.engine.handle_stop(now);
    }

    fn is_over(&self) -> bool {
        self.stop.is_some_and(|at| self.engine.is_quiet() || at <= clock::now().steady)
    }

    /// The end, in order: what is open gets its record, plugins get their last call, records are on their way.
    fn finish(mut self) -> Result<()> {
        self.engine.handle_finish(clock::now());
        let carried_on = self.carry_on();
        while let Some(record) = self.engine.poll_record() {
            self.record(record);
        }
        for thread in std::mem::take(&mut self.plugins).into_values() {
            self.leaving.extend(thread.stop());
        }
        let until = clock::now().steady.plus(LAST_WORK);
        while self.leaving.iter().any(|thread| !thread.is_finished()) && clock::now().steady < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let missing = self.sinks.take().map(|sinks| sinks.stop().missing).unwrap_or_default();
        let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
        carried_on.and(if told.is_empty() { Ok(()) } else { Err(anyhow!("{}", told.join("\n"))) })
    }
}

/// Sleeps until a moment of the steady clock.
async fn until(deadline: Option<Steady>) {
    let Some(deadline) = deadline else { return std::future::pending().await };
    sleep_until(Instant::now() + deadline.since(clock::now().steady)).await;
}
