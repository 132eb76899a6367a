//! The running sweep: its participants, and the rows that are in no round yet.

use alloc::vec::Vec;

use ctwarden_model::{Event, ExpectationEvent, Extent, Now, Steady};

use crate::ids::VerdictId;
use crate::verdicts::ends::{Received, Told};
use crate::{PluginId, SweepId, SweepSource};

/// A plugin that takes rows of the running sweep.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) plugin: PluginId,
    /// Whether the sweep is for the plugin's subscription. Otherwise it is only for requested rows.
    pub(crate) subscribed: bool,
    /// Which rows the plugin gets.
    pub(crate) extent: Extent,
    /// Verdicts that requested rows.
    pub(crate) asked: Vec<VerdictId>,
}

#[derive(Debug)]
pub(crate) struct RunningSweep {
    pub(super) id: SweepId,
    began: Now,
    /// How many ends of flows had been received when the sweep began.
    ends: u64,
    participants: Vec<Participant>,
    selections: Vec<VerdictId>,
    source: SweepSource,
    /// Rows and expectation rows that are in no round yet. At most a batch of each.
    rows: Vec<Event>,
    /// When the first of these rows came.
    since: Steady,
    expectations: Vec<ExpectationEvent>,
    count: u64,
    /// Since when a plugin has had no room for rows.
    stalled: Option<Steady>,
}

/// A sweep that has ended.
#[derive(Debug)]
pub(super) struct EndedSweep {
    pub(super) began: Now,
    pub(super) source: SweepSource,
    pub(super) rows: u64,
    pub(super) participants: Vec<Participant>,
    pub(super) selections: Vec<VerdictId>,
}

impl RunningSweep {
    pub(super) const fn new(
        id: SweepId,
        began: Now,
        ends: u64,
        participants: Vec<Participant>,
        selections: Vec<VerdictId>,
        source: SweepSource,
    ) -> Self {
        Self {
            id,
            began,
            ends,
            participants,
            selections,
            source,
            rows: Vec::new(),
            since: began.steady,
            expectations: Vec::new(),
            count: 0,
            stalled: None,
        }
    }

    pub(super) fn participants(&self) -> &[Participant] {
        &self.participants
    }

    pub(super) fn selections(&self) -> &[VerdictId] {
        &self.selections
    }

    /// Counts a row. Returns whether the row was read from the table.
    pub(super) fn count_row(&mut self) -> bool {
        self.count += 1;
        self.source == SweepSource::Table
    }

    /// Adds a row for the participants. Returns whether a batch is full.
    pub(super) fn add_row(&mut self, row: Event, batch: usize, now: Steady) -> bool {
        if self.participants.is_empty() {
            return false;
        }
        if self.rows.is_empty() {
            // A batch is usually filled. Without the reservation, growing would copy each row twice.
            self.rows.reserve_exact(batch);
            self.since = now;
        }
        self.rows.push(row);
        self.rows.len() >= batch
    }

    /// Counts and adds an expectation. Returns whether a batch is full.
    pub(super) fn add_expectation(&mut self, event: ExpectationEvent, batch: usize) -> bool {
        self.count += 1;
        self.expectations.push(event);
        self.expectations.len() >= batch
    }

    /// Takes the rows that are in no round yet.
    pub(super) fn take_rows(&mut self) -> Option<(Vec<Event>, Told)> {
        if self.rows.is_empty() {
            return None;
        }
        let mut rows = core::mem::take(&mut self.rows);
        rows.shrink_to_fit();
        Some((rows, Told { at: self.since, received: Received::Rows(self.ends) }))
    }

    pub(super) fn take_expectations(&mut self) -> Vec<ExpectationEvent> {
        core::mem::take(&mut self.expectations)
    }

    /// Removes a plugin, which takes no more rows.
    pub(super) fn leave(&mut self, id: PluginId) -> Vec<Participant> {
        self.participants.extract_if(.., |participant| participant.plugin == id).collect()
    }

    /// Removes all participants. Returns the verdicts that requested rows, and the selections.
    pub(super) fn abandon(&mut self) -> (Vec<VerdictId>, Vec<VerdictId>) {
        self.rows.clear();
        self.expectations.clear();
        let asked = self.participants.drain(..).flat_map(|participant| participant.asked).collect();
        (asked, core::mem::take(&mut self.selections))
    }

    /// Since when the sweep has waited for a slow plugin.
    pub(super) const fn stalled(&self) -> Option<Steady> {
        self.stalled
    }

    pub(super) fn stall(&mut self, now: Steady) {
        self.stalled.get_or_insert(now);
    }

    pub(super) const fn go_on(&mut self) {
        self.stalled = None;
    }

    pub(super) fn into_ended(self) -> EndedSweep {
        let Self { began, source, count, participants, selections, .. } = self;
        EndedSweep { began, source, rows: count, participants, selections }
    }
}
