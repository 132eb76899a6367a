//! Running sweeps and searches. The reader plans them. The loop reads entries and flows, and hands them to the engine.
//!
//! Plugins set the pace of a sweep: the loop reads an entry only while the engine accepts it.

use std::io;

use anyhow::Result;
use ctwarden_engine::{Engine, SweepId, SweepRequest, SweepSource};
use ctwarden_model::{EventKind, ExpectationEvent};
use ctwarden_reader::{Reader, Search, SweepProgress, SweepStep};
use ctwarden_wire::KernelFilter;

use super::EventLoop;
use crate::clock;
use crate::netlink::{Dump, DumpProgress, OpenError, Requests, Row};

/// A sweep that still has rows to read.
pub(super) struct Sweeping {
    /// The engine's request. `None` if the dump is for the replica alone.
    id: Option<SweepId>,
    source: Source,
    progress: SweepProgress,
}

/// The source of the rows.
enum Source {
    Flows(Dump),
    Expectations(Dump),
    Replica(Box<Search>),
}

impl Sweeping {
    fn of_dump(request: Option<&SweepRequest>, reader: &mut Reader) -> Result<Self, OpenError> {
        let filters = request.map(|request| request.filters.as_slice()).unwrap_or_default();
        let is_whole = KernelFilter::union_of(filters).is_everything();
        let readers = reader.begin_dump(is_whole, clock::now().steady);
        let dump = Dump::flows(filters, readers).inspect_err(|_| reader.end_dump(false, clock::now().steady))?;
        Ok(Self {
            id: request.map(|request| request.id),
            source: Source::Flows(dump),
            progress: SweepProgress::new(request.is_some_and(|request| request.expectations)),
        })
    }

    fn of_replica(request: &SweepRequest) -> Self {
        let source = Source::Replica(Box::new(Search::new(&request.filters)));
        Self { id: Some(request.id), source, progress: SweepProgress::new(false) }
    }

    /// Waits until a part is readable, or forever if no sweep runs.
    pub(super) async fn readable(sweep: Option<&mut Self>) {
        match sweep.map(|sweep| &mut sweep.source) {
            Some(Source::Flows(dump) | Source::Expectations(dump)) => dump.readable().await,
            Some(Source::Replica(_)) => {}
            None => std::future::pending().await,
        }
    }

    /// Whether the engine would accept a row now.
    pub(super) fn is_awaited(&self, engine: &Engine) -> bool {
        self.id.is_none() || engine.ready_for_rows()
    }

    /// Reads the next part.
    fn read(&mut self, engine: &mut Engine, reader: &mut Reader, requests: &mut Requests) -> io::Result<DumpProgress> {
        let now = clock::now();
        match (&mut self.source, self.id) {
            (Source::Flows(dump) | Source::Expectations(dump), id) => dump.read(|row| match row {
                Row::Flow(flow) => {
                    reader.handle_dump_entry(&flow, now.steady);
                    if let Some(id) = id {
                        engine.handle_row(now, id, flow);
                    }
                }
                Row::Expectation(expectation) => {
                    let event = ExpectationEvent { kind: EventKind::Row, by_us: false, expectation };
                    engine.handle_expectation(now, event);
                }
            }),
            (Source::Replica(search), Some(id)) => {
                let keys = reader.take_keys(search);
                requests.get_each(&keys, |flow| engine.handle_row(clock::now(), id, flow))?;
                Ok(if search.is_over() { DumpProgress::Done(true) } else { DumpProgress::More })
            }
            // Only the engine requests rows of the replica.
            (Source::Replica(_), None) => Ok(DumpProgress::Done(true)),
        }
    }
}

impl EventLoop {
    /// Reports to the engine the waiting selections and requested rows whose flows the replica can list.
    pub(super) fn offer_known(&mut self) -> Result<()> {
        if self.engine.awaits_selection() && !self.senses_late() {
            self.read_gathered()?;
            let known = self.reader.known_selections(&self.engine);
            self.engine.handle_known_selections(clock::now(), &known);
        }
        if self.sweeping.is_none()
            && self.reader.replica().is_some()
            && self.engine.awaits_asked()
            && !self.senses_late()
        {
            self.read_gathered()?;
            let known = self.reader.known_rows(&self.engine);
            self.engine.handle_known_rows(clock::now(), &known);
        }
        Ok(())
    }

    /// Hands found flows to the engine while the engine can carry out their verdicts.
    pub(super) fn read_selection(&mut self) {
        if !self.engine.ready_for_selected() {
            return;
        }
        let Some((id, mut search)) = self.searches.pop() else { return };
        let now = clock::now();
        let mut turn = self.reader.turn(&mut search);
        while let Some(flow) = turn.next() {
            if !self.engine.handle_known(now, id, &flow) {
                turn.read(flow.key());
            }
        }
        let engine = &mut self.engine;
        let read = self.flows.get_each(&turn.into_reads(), |flow| engine.handle_row(clock::now(), id, flow));
        if let Err(error) = &read {
            crate::log::say(&format!("a selection was interrupted: {error}"));
        } else if !search.is_over() {
            self.searches.push(id, search);
            return;
        }
        self.engine.handle_sweep_end(clock::now(), id, read.is_ok());
    }

    /// Whether a sweep can begin now.
    pub(super) fn can_read_table(&mut self) -> bool {
        self.sweeping.is_none() && !(self.engine.awaits_table() && self.senses_late())
    }

    /// Starts the sweep that the engine requests.
    pub(super) fn start_sweep(&mut self, request: &SweepRequest) -> Result<()> {
        // Only the replica needs the gathered events, and the replica does not answer a request for all entries.
        if !request.filters.is_empty() {
            self.read_gathered()?;
        }
        let is_known = request.source == SweepSource::Known
            || self.reader.can_answer_sweep(&request.filters, request.expectations);
        if is_known {
            self.sweeping = Some(Sweeping::of_replica(request));
        } else {
            self.start_dump(Some(request));
        }
        Ok(())
    }

    /// Starts a dump for the replica alone if one is due and no sweep runs.
    pub(super) fn resync(&mut self) {
        let is_due = self.reader.resync_at().is_some_and(|at| at <= clock::now().steady);
        if is_due && self.can_read_table() {
            self.start_dump(None);
        }
    }

    fn start_dump(&mut self, request: Option<&SweepRequest>) {
        match Sweeping::of_dump(request, &mut self.reader) {
            Ok(sweeping) => self.sweeping = Some(sweeping),
            Err(error) => {
                crate::log::say(&format!("a sweep could not start: {:#}", anyhow::Error::from(error)));
                if let Some(request) = request {
                    self.engine.handle_sweep_end(clock::now(), request.id, false);
                }
            }
        }
    }

    /// Reads a part of the running sweep while plugins keep up.
    pub(super) fn read_sweep(&mut self) {
        let Some(sweeping) = self.sweeping.as_mut().filter(|sweeping| sweeping.is_awaited(&self.engine)) else {
            return;
        };
        match sweeping.read(&mut self.engine, &mut self.reader, &mut self.flows) {
            Ok(DumpProgress::Nothing | DumpProgress::More) => {}
            Ok(DumpProgress::Done(is_complete)) => self.end_part(is_complete),
            Err(error) => {
                crate::log::say(&format!("a sweep was interrupted: {error}"));
                self.end_part(false);
            }
        }
    }

    /// Ends the part of the flows, or the part of the expectations that follows it.
    fn end_part(&mut self, is_complete: bool) {
        let Some(mut sweeping) = self.sweeping.take() else { return };
        if let Source::Flows(dump) = &sweeping.source {
            if dump.is_resized() {
                crate::log::say("a sweep was interrupted: the hash table was resized while it was read");
            }
            self.reader.end_dump(is_complete, clock::now().steady);
        }
        let mut step = sweeping.progress.end_part(is_complete);
        if step == SweepStep::Expectations {
            match Dump::expectations() {
                Ok(dump) => {
                    sweeping.source = Source::Expectations(dump);
                    self.sweeping = Some(sweeping);
                    return;
                }
                Err(_) => step = sweeping.progress.end_part(false),
            }
        }
        if let (Some(id), SweepStep::End { is_complete }) = (sweeping.id, step) {
            self.engine.handle_sweep_end(clock::now(), id, is_complete);
        }
    }
}
