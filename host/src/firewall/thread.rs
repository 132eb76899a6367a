//! The thread that changes the packet filter, and compares it with the sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ctwarden_model::{PrefixSet, SetName, Timestamp};
use tokio::sync::mpsc::UnboundedSender;

use super::managed_table::ManagedTable;
use super::members::Members;
use super::monitor::Touched;
use super::operators_sets::OperatorsSets;
use super::{FirewallError, FirewallNews, FirewallState, Job, Mirror, MirrorState, MirroredSet};
use crate::clock;
use crate::netlink::nftables::Nftables;
use crate::netlink::nftables::managed::{ManagedSet, TABLE};

/// Everything is compared this often, whether or not a notification came.
const COMPARE: Duration = Duration::from_secs(60);
/// A comparison reads every element, so a set of many elements is compared more rarely: as often as the reading takes a
/// thousandth of the time, at about a microsecond for each element.
const RESTED: u32 = 1000;
const READ_ELEMENT: Duration = Duration::from_micros(1);

/// Changes of other programs are gathered for this long: a reload of a firewall makes many.
const GATHER: Duration = Duration::from_millis(20);
/// If the same repair is needed again at once, another program fights. The pause grows up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// After this time without a repair the pause is short again.
const PEACE: Duration = Duration::from_secs(10);

/// What another program may have changed.
#[derive(Debug, Default)]
struct Suspects {
    managed: bool,
    operators: BTreeSet<SetName>,
}

pub(super) struct Work {
    table: ManagedTable,
    operators: BTreeMap<SetName, OperatorsSets>,
    never: PrefixSet,
    state: Arc<Mutex<FirewallState>>,
    news: UnboundedSender<FirewallNews>,
    suspects: Suspects,
    /// When the suspects are compared.
    due: Option<Instant>,
    compared: Instant,
    pause: Duration,
    repaired: Option<Instant>,
}

impl Work {
    pub(super) fn new(
        nftables: Nftables,
        state: Arc<Mutex<FirewallState>>,
        news: UnboundedSender<FirewallNews>,
    ) -> Self {
        Self {
            table: ManagedTable::new(nftables),
            operators: BTreeMap::new(),
            never: PrefixSet::new(),
            state,
            news,
            suspects: Suspects::default(),
            due: None,
            compared: Instant::now(),
            pause: GATHER,
            repaired: None,
        }
    }

    pub(super) fn run(mut self, inbox: &Receiver<Job>) {
        loop {
            let now = Instant::now();
            let due = self.due.into_iter().chain(self.next_comparison()).min();
            let job = match due {
                Some(due) => inbox.recv_timeout(due.saturating_duration_since(now)),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match job {
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(job) => self.carry_out(job),
                Err(RecvTimeoutError::Timeout) => self.compare(),
            }
        }
    }

    /// When everything is compared next, if anything is mirrored.
    fn next_comparison(&self) -> Option<Instant> {
        if !self.table.is_needed() && self.operators.is_empty() {
            return None;
        }
        let elements: usize = self.table.sizes().map(|(_, elements, _)| elements).sum::<usize>()
            + self.operators.values().map(OperatorsSets::elements).sum::<usize>();
        let reading = READ_ELEMENT.saturating_mul(u32::try_from(elements).unwrap_or(u32::MAX));
        Some(self.compared + COMPARE.max(reading.saturating_mul(RESTED)))
    }

    fn carry_out(&mut self, job: Job) {
        let now = clock::now().wall;
        match job {
            Job::Configure(sets, kills, never, answer) => {
                let configured = self.configure(sets, kills, never, now);
                // The caller has gone if it does not wait any more.
                let _ = answer.send(configured);
            }
            Job::Change(set, members, ticket) => {
                let changed = self.change(&set, &members, now);
                self.note(&set, &changed);
                self.say(FirewallNews::Done(ticket, changed));
            }
            Job::List(set, list, ticket) => {
                let changed = match self.operators.get_mut(&set) {
                    Some(sets) => sets.use_list(list, &self.never, now).map_err(FirewallError::from),
                    None => self.table.use_list(&set, list, now).map_err(FirewallError::from),
                };
                self.tell(&set, &changed);
                self.note(&set, &changed);
                self.say(FirewallNews::Done(ticket, changed));
            }
            Job::Never(never) => {
                self.never = never;
                let changed = self.table.use_never(self.never.clone(), now).map_err(FirewallError::from);
                for set in self.table.names() {
                    self.tell(&set, &changed);
                    self.note(&set, &changed);
                }
                for (set, changed) in self.renew_operators(now) {
                    self.tell(&set, &changed);
                    self.note(&set, &changed);
                }
            }
            Job::PrepareKills(answer) => {
                let prepared = self.table.prepare_kills(now).map_err(FirewallError::from);
                self.refresh();
                // The caller has gone if it does not wait any more.
                let _ = answer.send(prepared);
            }
            Job::Drop(flows, answer) => {
                let dropped = self.table.drop_flows(&flows, now).map_err(FirewallError::from);
                // The caller has gone if it does not wait any more.
                let _ = answer.send(dropped);
            }
            Job::Touched(port, what) => self.suspect(port, what),
            // The caller has handled this one.
            Job::Stop => {}
        }
    }

    fn configure(
        &mut self,
        sets: Vec<MirroredSet>,
        kills: bool,
        never: PrefixSet,
        now: Timestamp,
    ) -> Result<(), FirewallError> {
        let (mut managed, mut operators) = (Vec::new(), BTreeMap::new());
        for MirroredSet { name, mirror, list, claims } in sets {
            let members = Members::new(list, claims);
            match mirror {
                Mirror::Managed(verdict) => managed.push((ManagedSet { name, verdict }, members)),
                Mirror::Operators(sets) => {
                    let new = OperatorsSets::new(sets, members, self.operators.get(&name));
                    operators.insert(name, new);
                }
            }
        }
        let mut configured = Ok(());
        for sets in operators.values_mut() {
            configured = configured.and(sets.renew(&never, now).map_err(FirewallError::from));
        }
        let configured = configured.and_then(|()| Ok(self.table.configure(managed, kills, never.clone(), now)?));
        if configured.is_ok() {
            self.never = never;
            let before = std::mem::replace(&mut self.operators, operators);
            self.leave(before, now);
        } else {
            // The kernel may have carried out a part.
            self.suspects.operators.extend(self.operators.keys().cloned());
            self.due = Some(Instant::now());
        }
        self.refresh();
        configured
    }

    /// Takes out of the operator's sets what ctwarden had added and does not mirror there any more.
    fn leave(&self, before: BTreeMap<SetName, OperatorsSets>, now: Timestamp) {
        for (name, old) in before {
            if self.operators.get(&name).is_none_or(|new| !new.are_the_same(&old))
                && let Err(error) = old.clear(now)
            {
                crate::log::say(&format!("set {name}: its networks stay in the nftables sets of before: {error}"));
            }
        }
    }

    fn renew_operators(&mut self, now: Timestamp) -> Vec<(SetName, Result<(), FirewallError>)> {
        let never = &self.never;
        let renewed = self.operators.iter_mut().map(|(name, sets)| {
            let renewed = sets.renew(never, now).map_err(FirewallError::from);
            (name.clone(), renewed)
        });
        renewed.collect()
    }

    fn change(
        &mut self,
        set: &SetName,
        members: &[(ctwarden_sets::Member, super::LatestEnd)],
        now: Timestamp,
    ) -> Result<(), FirewallError> {
        // What is asked for again was perhaps refused before.
        let is_behind = members.is_empty() && self.has_failed(set);
        match self.operators.get_mut(set) {
            Some(sets) if is_behind => sets.repair(&self.never, now).map(drop).map_err(FirewallError::from),
            Some(sets) => Ok(sets.change(members, &self.never, now)?),
            None if is_behind => self.table.check(now).map(drop).map_err(FirewallError::from),
            None => Ok(self.table.change(set, members, now)?),
        }
    }

    /// Whether the last change or repair of a set failed.
    fn has_failed(&self, set: &SetName) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sets.get(set).is_some_and(|state| state.error.is_some())
    }

    /// Notes what another program has changed.
    fn suspect(&mut self, port: u32, what: Touched) {
        if port == self.table.port() || self.operators.values().any(|sets| sets.port() == port) {
            return;
        }
        match what {
            Touched::Anything => {
                self.suspects.managed = true;
                self.suspects.operators.extend(self.operators.keys().cloned());
            }
            Touched::Object { table, name } => {
                self.suspects.managed |= table == TABLE;
                let touched = self.operators.iter().filter(|(_, sets)| sets.may_be_at(&table, name.as_deref()));
                self.suspects.operators.extend(touched.map(|(name, _)| name.clone()));
            }
        }
        if self.suspects.managed || !self.suspects.operators.is_empty() {
            self.due.get_or_insert_with(|| Instant::now() + self.pause);
        }
    }

    /// Compares the suspects, or everything once a minute, and repairs what differs.
    fn compare(&mut self) {
        let now = Instant::now();
        if self.next_comparison().is_some_and(|next| next <= now) {
            self.compared = now;
            self.suspects.managed = true;
            self.suspects.operators.extend(self.operators.keys().cloned());
        }
        self.due = None;
        let suspects = std::mem::take(&mut self.suspects);
        let wall = clock::now().wall;
        let mut repaired = Vec::new();
        if suspects.managed {
            let outcome = self.table.check(wall);
            if let Ok(found) = &outcome
                && !found.is_nothing()
            {
                let what = if found.table { "the table" } else { "elements of its sets" };
                repaired.push(format!("table inet ctwarden: another program changed {what}; repaired"));
            }
            let outcome = outcome.map(drop).map_err(FirewallError::from);
            for set in self.table.names() {
                self.tell(&set, &outcome);
                self.note(&set, &outcome);
            }
        }
        for name in suspects.operators {
            let Some(sets) = self.operators.get_mut(&name) else { continue };
            let outcome = sets.repair(&self.never, wall);
            if let Ok(missing @ 1..) = outcome {
                repaired.push(format!("set {name}: another program removed {missing} of its elements; added again"));
            }
            let outcome = outcome.map(drop).map_err(FirewallError::from);
            self.tell(&name, &outcome);
            self.note(&name, &outcome);
        }
        if !repaired.is_empty() {
            self.note_repair(repaired, now);
        }
    }

    /// Makes the pause longer while repairs follow each other, and short again in peace. Only the first of such repairs is
    /// reported.
    fn note_repair(&mut self, repaired: Vec<String>, now: Instant) {
        let was_long_ago = self.repaired.is_none_or(|last| now.duration_since(last) > PEACE);
        self.pause = if was_long_ago { GATHER } else { (self.pause * 2).min(LONGEST_PAUSE) };
        self.repaired = Some(now);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.repairs = state.repairs.saturating_add(1);
        drop(state);
        for text in repaired {
            crate::log::say(&text);
            if was_long_ago {
                self.say(FirewallNews::Repaired(text));
            }
        }
    }

    fn say(&self, news: FirewallNews) {
        // Nobody listens any more if the loop has ended.
        let _ = self.news.send(news);
    }

    /// Reports an error that no caller waits for. The same error is reported once.
    fn tell(&self, set: &SetName, outcome: &Result<(), FirewallError>) {
        let Err(error) = outcome else { return };
        let text = error.to_string();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.sets.get(set).and_then(|state| state.error.as_ref()) != Some(&text) {
            drop(state);
            crate::log::say(&format!("set {set}: the packet filter does not hold it: {text}"));
        }
    }

    /// Notes the state of a set for the status.
    fn note(&self, set: &SetName, outcome: &Result<(), FirewallError>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = state.sets.get_mut(set) {
            entry.error = outcome.as_ref().err().map(ToString::to_string);
        }
        drop(state);
        self.refresh();
    }

    /// Brings the numbers of the status up to date.
    fn refresh(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sets = BTreeMap::new();
        let managed = self.table.sizes().map(|(name, elements, held_back)| (name.clone(), elements, held_back.clone()));
        let operators = self.operators.iter();
        let operators = operators.map(|(name, sets)| (name.clone(), sets.elements(), sets.held_back().clone()));
        for (name, elements, held_back) in managed.chain(operators) {
            let error = state.sets.get(&name).and_then(|state| state.error.clone());
            sets.insert(name, MirrorState { elements, held_back, error });
        }
        state.sets = sets;
    }
}
