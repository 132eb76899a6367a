//! Maintains the replica: passes events and dumps to it, and requests a dump if the replica is incomplete.

use ctwarden_engine::{Detail, Knows};
use ctwarden_model::{Event, Family, Filter, Flow, FlowKey, Steady};
use ctwarden_replica::{Knowledge, Replica, Seed, Slice, SweepEnd, SweepToken};

use crate::few::are_few;
use crate::resync_rest::ResyncRest;

/// Records that one turn settles after a dump. Removing one of them takes up to three microseconds.
const SETTLED_IN_ONE_TURN: usize = 256;

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

/// The replica, if there is one, and the state of its updates.
#[derive(Debug)]
pub(crate) struct Upkeep {
    seed: Seed,
    replica: Option<Replica>,
    /// Whether no record of the last dump is left to remove.
    is_settled: bool,
    /// Whether the last reading of the event socket left it empty.
    is_drained: bool,
    /// Whether the kernel reports every begin and end of a flow.
    hears_every_flow: bool,
    /// Token of the running dump in the replica.
    token: Option<SweepToken>,
    /// When the running dump began, if it is a dump of the whole table.
    began: Option<Steady>,
    rest: ResyncRest,
}

impl Upkeep {
    pub(crate) const fn new(seed: Seed, now: Steady) -> Self {
        Self {
            seed,
            replica: None,
            is_settled: true,
            is_drained: false,
            hears_every_flow: true,
            token: None,
            began: None,
            rest: ResyncRest::new(now),
        }
    }

    pub(crate) fn keep(&mut self, limit: Option<u64>, now: Steady) {
        let limit = limit.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        match (&mut self.replica, limit) {
            (Some(replica), Some(limit)) if replica.limit() != limit => replica.set_limit(limit, now),
            (None, Some(limit)) => {
                self.replica = Some(Replica::new(self.seed, limit));
                self.is_settled = true;
            }
            (Some(_), None) => {
                self.replica = None;
                self.is_settled = true;
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    pub(crate) const fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    pub(crate) fn is_complete(&self) -> bool {
        let is_complete = |replica: &Replica| FAMILIES.iter().all(|f| replica.knowledge(*f).is_complete());
        self.hears_every_flow && self.replica.as_ref().is_some_and(is_complete)
    }

    pub(crate) fn is_over_limit(&self) -> bool {
        let is_over =
            |replica: &Replica| FAMILIES.iter().any(|f| matches!(replica.knowledge(*f), Knowledge::OverLimit { .. }));
        self.replica.as_ref().is_some_and(is_over)
    }

    pub(crate) fn handle_event(&mut self, event: &Event, now: Steady) {
        if let Some(replica) = &mut self.replica {
            replica.handle_event(event, now);
        }
    }

    pub(crate) fn handle_end(&mut self, key: &FlowKey) {
        if let Some(replica) = &mut self.replica {
            replica.handle_end(key);
        }
    }

    pub(crate) fn handle_overrun(&mut self, now: Steady) {
        if let Some(replica) = &mut self.replica {
            replica.handle_overrun(now);
        }
    }

    pub(crate) const fn end_reading(&mut self, is_drained: bool) {
        self.is_drained = is_drained;
        if is_drained && let Some(replica) = &mut self.replica {
            replica.handle_drained();
        }
    }

    /// A flow that the kernel did not report is in the table at the next dump, or gone. Therefore a change in either
    /// direction counts as an overrun for the replica.
    pub(crate) fn handle_hearing(&mut self, hears_every_flow: bool, now: Steady) {
        if self.hears_every_flow != hears_every_flow {
            self.hears_every_flow = hears_every_flow;
            self.is_drained = false;
            self.handle_overrun(now);
        }
    }

    pub(crate) fn knows(&self, filter: &Filter, detail: Detail) -> Knows {
        let replica = self.replica.as_ref().filter(|_| self.hears_every_flow);
        let (Some(replica), Some(lasting)) = (replica, filter.lasting()) else { return Knows::Nothing };
        let reads_each = match detail {
            Detail::Name => lasting != *filter,
            Detail::Entry => true,
        };
        if reads_each && !are_few(replica, &lasting) {
            Knows::Nothing
        } else if self.is_drained && replica.select(&lasting).knowledge().is_complete() {
            Knows::All
        } else {
            Knows::Some
        }
    }

    /// When the replica needs a dump of its own. `None` if it is complete, or if its memory limit keeps it incomplete.
    /// The dump begins only after the socket was empty: until then the kernel may still drop events.
    pub(crate) fn resync_at(&self) -> Option<Steady> {
        let replica = self.replica.as_ref().filter(|_| self.is_drained && self.hears_every_flow)?;
        let is_wanted = FAMILIES.into_iter().any(|family| match replica.knowledge(family) {
            Knowledge::NeverSwept | Knowledge::Overrun { .. } => true,
            Knowledge::Complete { .. } | Knowledge::OverLimit { .. } => false,
        });
        is_wanted.then_some(self.rest.over())
    }

    /// A flow that ended before this moment is not in the dump. An event reports each later end.
    pub(crate) fn begin_dump(&mut self, is_whole: bool, now: Steady) {
        self.began = is_whole.then_some(now);
        let slice = Slice { partial: !is_whole, ..Slice::ALL };
        self.token = self.replica.as_mut().map(|replica| replica.begin_sweep(slice));
    }

    pub(crate) fn handle_dump_entry(&mut self, flow: &Flow, now: Steady) {
        if let (Some(replica), Some(token)) = (&mut self.replica, self.token) {
            replica.handle_row(token, flow, now);
        }
    }

    pub(crate) fn end_dump(&mut self, is_complete: bool, now: Steady) {
        let Some(token) = self.token.take() else { return };
        if let Some(began) = self.began.take() {
            self.rest.begin(began, now);
        }
        if let Some(replica) = &mut self.replica {
            replica.end_sweep(token, if is_complete { SweepEnd::Complete } else { SweepEnd::Interrupted }, now);
            self.is_settled = false;
        }
    }

    pub(crate) fn settle(&mut self) {
        self.is_settled =
            self.is_settled || self.replica.as_mut().is_none_or(|replica| replica.settle(SETTLED_IN_ONE_TURN));
    }

    pub(crate) const fn is_settled(&self) -> bool {
        self.is_settled
    }
}
