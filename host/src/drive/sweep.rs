//! A running sweep: the table, and where somebody wants it the expectations, read no faster than plugins judge.

use std::io;

use ctwarden_engine::{Engine, SweepId, SweepRequest};
use ctwarden_model::{EventKind, ExpectationEvent};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Drive, SWEEP_READS};
use crate::clock;
use crate::netlink::{Dump, Dumped, OpenError, Row};

/// A sweep of which rows are still to come.
pub(super) struct Sweeping {
    id: SweepId,
    dump: AsyncFd<Dump>,
    /// Whether the expectations come after the flows.
    expectations: bool,
    /// Whether all that was read so far was complete.
    whole: bool,
}

impl Sweeping {
    fn begin(request: &SweepRequest) -> Result<Self, OpenError> {
        let dump = watched(Dump::flows(&request.filters)?)?;
        Ok(Self { id: request.id, dump, expectations: request.expectations, whole: true })
    }

    /// Waits until a part can be read; for ever where there is no sweep.
    pub(super) async fn readable(sweep: Option<&Self>) {
        match sweep {
            // An error shows itself at the read.
            Some(sweep) => drop(sweep.dump.readable().await),
            None => std::future::pending().await,
        }
    }

    /// Reads one part; none where nothing is there right now.
    fn read(&mut self, engine: &mut Engine) -> Option<Dumped> {
        let id = self.id;
        let read = self.dump.try_io_mut(Interest::READABLE, |dump| {
            let now = clock::now();
            let dumped = dump.read(|row| match row {
                Row::Flow(flow) => engine.handle_row(now, id, flow),
                Row::Expectation(expectation) => {
                    let event = ExpectationEvent { kind: EventKind::Row, by_us: false, expectation };
                    engine.handle_expectation(now, event);
                }
            })?;
            if dumped == Dumped::Nothing { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(dumped) }
        });
        match read {
            Ok(dumped) => Some(dumped),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => {
                crate::log::say(&format!("a sweep was interrupted: {error}"));
                Some(Dumped::Done(false))
            }
        }
    }
}

fn watched(dump: Dump) -> Result<AsyncFd<Dump>, OpenError> {
    crate::sys::watch(dump).map_err(|source| OpenError::System { what: "watch the dump on", source })
}

impl Drive {
    /// Starts the sweep that the engine asks for, if none is running.
    pub(super) fn start_sweep(&mut self) {
        if self.sweeping.is_some() {
            return;
        }
        let Some(request) = self.engine.poll_sweep() else { return };
        match Sweeping::begin(&request) {
            Ok(sweeping) => self.sweeping = Some(sweeping),
            Err(error) => {
                crate::log::say(&format!("a sweep could not start: {:#}", anyhow::Error::from(error)));
                self.engine.handle_sweep_end(clock::now(), request.id, false);
            }
        }
    }

    /// Reads parts of the running sweep while plugins keep up.
    pub(super) fn read_sweep(&mut self) {
        for _ in 0..SWEEP_READS {
            let Some(sweeping) = &mut self.sweeping else { return };
            if !self.engine.ready_for_rows() {
                return;
            }
            match sweeping.read(&mut self.engine) {
                None => return,
                Some(Dumped::Done(whole)) => self.end_part(whole),
                Some(Dumped::More | Dumped::Nothing) => {}
            }
        }
    }

    /// The flows are through, or the expectations after them.
    fn end_part(&mut self, whole: bool) {
        let Some(mut sweeping) = self.sweeping.take() else { return };
        sweeping.whole &= whole;
        if std::mem::take(&mut sweeping.expectations) {
            match Dump::expectations().and_then(watched) {
                Ok(dump) => {
                    sweeping.dump = dump;
                    self.sweeping = Some(sweeping);
                    return;
                }
                Err(_) => sweeping.whole = false,
            }
        }
        self.engine.handle_sweep_end(clock::now(), sweeping.id, sweeping.whole);
    }
}
