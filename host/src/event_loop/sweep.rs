//! A running sweep: the table, and where somebody wants it the expectations, read no faster than plugins judge; and flows
//! that verdicts name by their addresses, found without one.

use anyhow::Result;
use ctwarden_engine::{Engine, SweepId, SweepRequest};
use ctwarden_model::{EventKind, ExpectationEvent, Steady};
use ctwarden_replica::SweepToken;
use ctwarden_wire::KernelFilter;

use super::EventLoop;
use super::following::{Following, Found};
use crate::clock;
use crate::netlink::{Dump, Dumped, Families, OpenError, Row};

/// A sweep of which rows are still to come.
pub(super) struct Sweeping {
    /// Whose it is; none where it is for the replica alone.
    id: Option<SweepId>,
    source: Source,
    /// Whether the expectations come after the flows.
    expectations: bool,
    /// Whether all that was read so far was complete.
    whole: bool,
}

/// Where rows come from.
enum Source {
    /// The kernel's dump, and its name where the replica learns from it.
    Table(Dump, Option<SweepToken>),
    /// What the replica knows.
    Copy(Box<Found>),
}

/// Flows of selections that are still to be judged.
pub(super) struct Selecting {
    id: SweepId,
    found: Found,
}

impl Sweeping {
    fn of_table(request: Option<&SweepRequest>, following: &mut Following, last: Families) -> Result<Self, OpenError> {
        let filters = request.map(|request| request.filters.as_slice()).unwrap_or_default();
        // What ended before this moment is not in the dump, what ends later is told by an event.
        let token = following.begin_sweep(KernelFilter::union_of(filters).is_everything());
        let dump = Dump::flows(filters, last).inspect_err(|_| following.end_sweep(token, false))?;
        let expectations = request.is_some_and(|request| request.expectations);
        Ok(Self {
            id: request.map(|request| request.id),
            source: Source::Table(dump, token),
            expectations,
            whole: true,
        })
    }

    fn of_copy(request: &SweepRequest) -> Self {
        let source = Source::Copy(Box::new(Following::find(&request.filters)));
        Self { id: Some(request.id), source, expectations: false, whole: true }
    }

    /// Waits until a part can be read; for ever where there is no sweep.
    pub(super) async fn readable(sweep: Option<&mut Self>) {
        match sweep.map(|sweep| &mut sweep.source) {
            Some(Source::Table(dump, _)) => dump.readable().await,
            Some(Source::Copy(_)) => {}
            None => std::future::pending().await,
        }
    }

    /// Whether a row would be taken now.
    pub(super) fn is_awaited(&self, engine: &Engine) -> bool {
        self.id.is_none() || engine.ready_for_rows()
    }

    fn read(&mut self, engine: &mut Engine, following: &mut Following) -> Dumped {
        let id = self.id;
        let read = match &mut self.source {
            Source::Copy(found) => following
                .read(found, |flow| {
                    if let Some(id) = id {
                        engine.handle_row(clock::now(), id, flow);
                    }
                })
                .map(|more| if more { Dumped::More } else { Dumped::Done(true) }),
            Source::Table(dump, token) => {
                let now = clock::now();
                dump.read(|row| match row {
                    Row::Flow(flow) => {
                        following.row(*token, &flow, now.steady);
                        if let Some(id) = id {
                            engine.handle_row(now, id, flow);
                        }
                    }
                    Row::Expectation(expectation) => {
                        let event = ExpectationEvent { kind: EventKind::Row, by_us: false, expectation };
                        engine.handle_expectation(now, event);
                    }
                })
            }
        };
        read.unwrap_or_else(|error| {
            crate::log::say(&format!("a sweep was interrupted: {error}"));
            Dumped::Done(false)
        })
    }
}

impl EventLoop {
    /// Starts to look for the flows of selections where the replica knows them, or some of them.
    pub(super) fn start_selection(&mut self) -> Result<()> {
        if !self.engine.awaits_selection() {
            return Ok(());
        }
        if self.senses_late() {
            return Ok(());
        }
        // What was made before the verdict has its event in the socket by now.
        if self.is_gathering() {
            self.read_events()?;
        }
        if let Some(request) = self.engine.poll_selection(|filter, detail| self.following.knows(filter, detail)) {
            self.selecting.push_back(Selecting { id: request.id, found: Following::find(&request.filters) });
        }
        Ok(())
    }

    /// Judges found flows while their verdicts can be carried out; selections take turns, so that a small one is soon done.
    pub(super) fn read_selection(&mut self) {
        if !self.engine.ready_for_selected() {
            return;
        }
        let Some(Selecting { id, mut found }) = self.selecting.pop_front() else { return };
        let (engine, now) = (&mut self.engine, clock::now());
        let doubtful = self.following.offer(&mut found, |flow| engine.handle_known(now, id, flow));
        let read = self.following.read_each(&doubtful, |flow| engine.handle_row(clock::now(), id, flow));
        if let Err(error) = &read {
            crate::log::say(&format!("a selection was interrupted: {error}"));
        } else if !found.is_empty() {
            self.selecting.push_back(Selecting { id, found });
            return;
        }
        self.engine.handle_sweep_end(clock::now(), id, read.is_ok());
    }

    /// When a sweep is wanted for the replica alone; not at the end, when nobody asks it any more.
    pub(super) fn sweep_for_copy_due(&self) -> Option<Steady> {
        self.following.sweep_due().filter(|_| self.stop.is_none())
    }

    /// Starts a sweep of rows that plugins asked for where the replica knows them; whether there is one.
    fn start_asked(&mut self) -> Result<bool> {
        if !self.following.is_kept() || !self.engine.awaits_asked() {
            return Ok(false);
        }
        // What was made before the verdict has its event in the socket by now.
        if self.is_gathering() {
            self.read_events()?;
        }
        let request = self.engine.poll_asked(|filter| self.following.knows_all_rows(filter));
        self.sweeping = request.as_ref().map(Sweeping::of_copy);
        Ok(self.sweeping.is_some())
    }

    /// Starts the sweep that the engine asks for, or one for the replica, if none is running.
    pub(super) fn start_sweep(&mut self) -> Result<()> {
        if self.sweeping.is_some() || (self.engine.awaits_table() && self.senses_late()) {
            return Ok(());
        }
        if self.start_asked()? {
            return Ok(());
        }
        let request = self.engine.poll_sweep();
        if request.as_ref().is_some_and(|request| !request.filters.is_empty()) && self.is_gathering() {
            self.read_events()?;
        }
        let known = |request: &SweepRequest| {
            let (filters, following) = (&request.filters, &self.following);
            !request.expectations
                && !filters.is_empty()
                && filters.iter().all(|filter| following.knows_all_rows(filter))
        };
        if let Some(request) = request.as_ref().filter(|request| known(request)) {
            self.sweeping = Some(Sweeping::of_copy(request));
            return Ok(());
        }
        if request.is_none() && self.sweep_for_copy_due().is_none_or(|at| at > clock::now().steady) {
            return Ok(());
        }
        match Sweeping::of_table(request.as_ref(), &mut self.following, self.families) {
            Ok(sweeping) => self.sweeping = Some(sweeping),
            Err(error) => {
                crate::log::say(&format!("a sweep could not start: {:#}", anyhow::Error::from(error)));
                if let Some(request) = request {
                    self.engine.handle_sweep_end(clock::now(), request.id, false);
                }
            }
        }
        Ok(())
    }

    /// Reads a part of the running sweep while plugins keep up.
    pub(super) fn read_sweep(&mut self) {
        let Some(sweeping) = self.sweeping.as_mut().filter(|sweeping| sweeping.is_awaited(&self.engine)) else {
            return;
        };
        match sweeping.read(&mut self.engine, &mut self.following) {
            Dumped::Nothing | Dumped::More => {}
            Dumped::Done(whole) => self.end_part(whole),
        }
    }

    /// The flows are through, or the expectations after them.
    fn end_part(&mut self, whole: bool) {
        let Some(mut sweeping) = self.sweeping.take() else { return };
        sweeping.whole &= whole;
        if let Source::Table(dump, token) = &mut sweeping.source {
            if let Some(families) = dump.families().filter(|_| whole) {
                self.families = families;
            }
            if dump.is_resized() {
                crate::log::say("a sweep was interrupted: the hash table was resized while it was read");
            }
            if let Some(token) = token.take() {
                self.following.end_sweep(Some(token), whole);
            }
        }
        if std::mem::take(&mut sweeping.expectations) {
            match Dump::expectations() {
                Ok(dump) => {
                    sweeping.source = Source::Table(dump, None);
                    self.sweeping = Some(sweeping);
                    return;
                }
                Err(_) => sweeping.whole = false,
            }
        }
        if let Some(id) = sweeping.id {
            self.engine.handle_sweep_end(clock::now(), id, sweeping.whole);
        }
    }
}
