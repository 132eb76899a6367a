//! The replica: kept up from events and sweeps, and asked where verdicts name flows by their addresses.
//!
//! It says *which* flows there are, and of each what never changes: name and tuples, which is all that most verdicts over a
//! selection need. Whatever asks for more gets the flow read from the kernel, whole and as it is now, so that a row means
//! the same whether it came from here or from a sweep.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use ctwarden_engine::{Detail, Knows};
use ctwarden_model::{Event, Family, Filter, Flow, FlowKey, PerDirection, Steady, Tuple};
use ctwarden_replica::{Knowledge, Replica, Seed, Selected, Slice, SweepEnd, SweepToken, Walk};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::clock;
use crate::netlink::{OpenError, Requests};

/// Flows of the replica that are looked at in one step: a fraction of a millisecond.
const FLOWS_IN_ONE_STEP: usize = 4096;
/// Found flows that are judged in one turn, of which no more is read: the same.
const FLOWS_IN_ONE_TURN: usize = 256;
/// Comparisons of found flows with the filters of their selections in one turn: many selections at once have fewer flows each.
const COMPARISONS_IN_ONE_TURN: usize = 4096;
/// Flows that are read one by one, however small the table is.
const FEW: usize = 1024;
/// The part of the table up to which flows are read one by one: it costs twice what a row of a dump does, and a dump of the
/// flows of a network has all rows.
const SHARE_TO_READ: usize = 4;
/// Flows that are read from the kernel in one step: their answers fit into the request socket's buffer many times over, and
/// reading them takes less than a millisecond.
const FLOWS_IN_ONE_READ: usize = 64;
/// Records that are settled after a sweep in one turn; to take one out costs up to three microseconds.
const SETTLED_IN_ONE_TURN: usize = 256;
/// Least time between two sweeps for the replica alone.
const REST: Duration = Duration::from_secs(1);

/// The copy, where it is kept.
pub(super) struct Following {
    replica: Option<Replica>,
    requests: Requests,
    settled: bool,
    /// Whether all events that the socket had were handed over.
    drained: bool,
    /// The earliest next sweep for the replica alone.
    next_sweep: Steady,
    /// When the running sweep began, if it is of the whole table.
    began: Option<Steady>,
    /// Whether every flow that begins or ends says so; while it does not, the replica is not asked.
    hears: bool,
}

/// Flows that are being found.
pub(super) struct Found {
    walk: Walk,
    /// How many are taken in one turn.
    in_one_turn: usize,
    /// Whether the walk goes on.
    more: bool,
    /// Those that it came past and that were not taken yet.
    flows: VecDeque<Constant>,
}

/// What never changes of a flow.
struct Constant {
    key: FlowKey,
    /// Its reply tuple where that is not the replica of the original one; few flows are translated.
    translated: Option<Box<Tuple>>,
}

impl Constant {
    fn flow(&self) -> Flow {
        let original = self.key.original;
        let reply = self.translated.as_deref().copied().unwrap_or_else(|| original.reversed());
        let mut flow = Flow::new(PerDirection { original, reply });
        flow.id = Some(self.key.id);
        flow.zone = self.key.zone;
        flow
    }
}

impl From<Selected> for Constant {
    fn from(selected: Selected) -> Self {
        let Selected { key, reply } = selected;
        Self { key, translated: (reply != key.original.reversed()).then(|| Box::new(reply)) }
    }
}

impl Found {
    /// Whether there are no more.
    pub(super) fn is_empty(&self) -> bool {
        !self.more && self.flows.is_empty()
    }
}

impl Following {
    pub(super) fn new() -> Result<Self, OpenError> {
        let now = clock::now().steady;
        Ok(Self {
            replica: None,
            requests: Requests::open()?,
            settled: true,
            drained: false,
            next_sweep: now,
            began: None,
            hears: true,
        })
    }

    /// Begins or ends to keep the replica, or goes on, with so much memory at most.
    pub(super) fn keep(&mut self, limit: Option<u64>, now: Steady) -> io::Result<()> {
        let limit = limit.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        match (&mut self.replica, limit) {
            (Some(replica), Some(limit)) if replica.limit() != limit => replica.set_limit(limit, now),
            (None, Some(limit)) => {
                self.replica = Some(Replica::new(seed()?, limit));
                self.settled = true;
            }
            (Some(_), None) => {
                self.replica = None;
                self.settled = true;
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        Ok(())
    }

    /// Whether the replica lacks flows for want of memory.
    pub(super) fn is_over_limit(&self) -> bool {
        let over = |replica: &Replica| {
            [Family::Ipv4, Family::Ipv6].iter().any(|f| matches!(replica.knowledge(*f), Knowledge::OverLimit { .. }))
        };
        self.replica.as_ref().is_some_and(over)
    }

    /// Whether the replica is kept, so that it has to hear of every flow that begins or ends.
    pub(super) const fn is_kept(&self) -> bool {
        self.replica.is_some()
    }

    pub(super) const fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    pub(super) fn hear(&mut self, event: &Event, now: Steady) {
        if let Some(replica) = &mut self.replica {
            replica.handle_event(event, now);
        }
    }

    pub(super) fn hear_of_end(&mut self, key: &FlowKey) {
        if let Some(replica) = &mut self.replica {
            replica.handle_end(key);
        }
    }

    /// Whether every flow that begins or ends says so from now on. What was missed is in the table that is swept next, or gone.
    pub(super) fn hear_every_flow(&mut self, hears: bool, now: Steady) {
        if self.hears == hears {
            return;
        }
        self.hears = hears;
        self.drained = false;
        self.lose(now);
    }

    /// Whether the replica has every flow that lives, so that it is asked.
    pub(super) fn is_complete(&self) -> bool {
        let whole =
            |replica: &Replica| [Family::Ipv4, Family::Ipv6].iter().all(|f| replica.knowledge(*f).is_complete());
        self.hears && self.replica.as_ref().is_some_and(whole)
    }

    pub(super) fn lose(&mut self, now: Steady) {
        if let Some(replica) = &mut self.replica {
            replica.handle_overrun(now);
        }
    }

    /// Whether the event socket was read empty in this turn.
    pub(super) const fn read_events(&mut self, to_the_end: bool) {
        self.drained = to_the_end;
        if to_the_end && let Some(replica) = &mut self.replica {
            replica.handle_drained();
        }
    }

    /// How many of the flows that match the replica can name: all while it is whole and up to date. Where each flow has to be read
    /// from the kernel, for the filter or for what is to be done with it, there are few.
    pub(super) fn knows(&self, filter: &Filter, detail: Detail) -> Knows {
        self.names(filter, |lasting| match detail {
            Detail::Name => lasting == filter,
            Detail::Entry => false,
        })
    }

    /// Whether it can name all of them where each flow has to be read from the kernel in any case.
    pub(super) fn knows_all_rows(&self, filter: &Filter) -> bool {
        self.names(filter, |_| false) == Knows::All
    }

    fn names(&self, filter: &Filter, is_enough: impl FnOnce(&Filter) -> bool) -> Knows {
        let replica = self.replica.as_ref().filter(|_| self.hears);
        let (Some(replica), Some(lasting)) = (replica, filter.lasting()) else { return Knows::Nothing };
        let few = || replica.estimate(&lasting) <= FEW.max(replica.len() / SHARE_TO_READ);
        if !is_enough(&lasting) && !few() {
            Knows::Nothing
        } else if self.drained && replica.select(&lasting).knowledge().is_complete() {
            Knows::All
        } else {
            Knows::Some
        }
    }

    /// Every flow that may match any of the filters.
    pub(super) fn find(filters: &[Filter]) -> Found {
        let walk = Walk::new(filters.iter().filter_map(Filter::lasting).collect());
        let in_one_turn = in_one_turn(filters.len());
        Found { walk, in_one_turn, more: true, flows: VecDeque::new() }
    }

    /// Goes on finding, until there are flows to be taken or a step is over.
    fn go_on(&self, found: &mut Found) {
        if !found.flows.is_empty() || !found.more {
            return;
        }
        let Found { walk, more, flows, .. } = found;
        // Without the replica, which a reload has given up, nobody waits for the flows any more.
        *more = self.replica.as_ref().is_some_and(|replica| {
            replica.step(walk, FLOWS_IN_ONE_STEP, |selected| flows.push_back(Constant::from(selected)))
        });
    }

    /// Offers the next found flows as they are known, and gives those back of which more has to be known.
    pub(super) fn offer(&self, found: &mut Found, mut is_enough: impl FnMut(&Flow) -> bool) -> Vec<FlowKey> {
        self.go_on(found);
        let mut doubtful = Vec::new();
        for _ in 0..found.in_one_turn {
            let Some(constant) = found.flows.pop_front() else { break };
            if !is_enough(&constant.flow()) {
                doubtful.push(constant.key);
                if doubtful.len() == FLOWS_IN_ONE_READ {
                    break;
                }
            }
        }
        doubtful
    }

    /// Reads the next found flows from the kernel; false where there is no more.
    pub(super) fn read(&mut self, found: &mut Found, row: impl FnMut(Flow)) -> io::Result<bool> {
        self.go_on(found);
        let many = found.flows.len().min(FLOWS_IN_ONE_READ).min(found.in_one_turn);
        let keys: Vec<FlowKey> = found.flows.drain(..many).map(|flow| flow.key).collect();
        self.read_each(&keys, row)?;
        Ok(!found.is_empty())
    }

    /// Reads flows from the kernel, few at a time. Who is gone or was replaced is left out.
    pub(super) fn read_each(&mut self, keys: &[FlowKey], row: impl FnMut(Flow)) -> io::Result<()> {
        self.requests.get_each(keys, row)
    }

    /// When a sweep is wanted for the replica alone; none where it is whole, or where there is no room for it to become so. It
    /// begins with an empty socket: until then the kernel may still drop events.
    pub(super) fn sweep_due(&self) -> Option<Steady> {
        let replica = self.replica.as_ref().filter(|_| self.drained && self.hears)?;
        let wanted = [Family::Ipv4, Family::Ipv6].into_iter().any(|family| match replica.knowledge(family) {
            Knowledge::NeverSwept | Knowledge::Overrun { .. } => true,
            Knowledge::Complete { .. } | Knowledge::OverLimit { .. } => false,
        });
        wanted.then_some(self.next_sweep)
    }

    /// A dump will be asked for, of the whole table or of a part of it.
    pub(super) fn begin_sweep(&mut self, whole: bool) -> Option<SweepToken> {
        self.began = whole.then(|| clock::now().steady);
        let slice = Slice { partial: !whole, ..Slice::ALL };
        self.replica.as_mut().map(|replica| replica.begin_sweep(slice))
    }

    pub(super) fn row(&mut self, token: Option<SweepToken>, flow: &Flow, now: Steady) {
        if let (Some(replica), Some(token)) = (&mut self.replica, token) {
            replica.handle_row(token, flow, now);
        }
    }

    pub(super) fn end_sweep(&mut self, token: Option<SweepToken>, complete: bool) {
        let now = clock::now().steady;
        // A table that is too busy to be read in one piece must not be read all the time. Sweeps of a part do not help the replica
        // and do not hold up its own.
        if let Some(began) = self.began.take() {
            self.next_sweep = now.plus(REST.max(now.since(began).saturating_mul(4)));
        }
        if let (Some(replica), Some(token)) = (&mut self.replica, token) {
            replica.end_sweep(token, if complete { SweepEnd::Complete } else { SweepEnd::Interrupted }, now);
            self.settled = false;
        }
    }

    /// Goes on taking out what the last sweep has proved absent; whether that is done.
    pub(super) fn settle(&mut self) -> bool {
        self.settled = self.settled || self.replica.as_mut().is_none_or(|replica| replica.settle(SETTLED_IN_ONE_TURN));
        self.settled
    }

    /// Whether something is left to be settled.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled
    }
}

/// Found flows that are judged in one turn where each is compared with so many filters.
fn in_one_turn(filters: usize) -> usize {
    COMPARISONS_IN_ONE_TURN.checked_div(filters).unwrap_or(FLOWS_IN_ONE_TURN).clamp(1, FLOWS_IN_ONE_TURN)
}

/// Addresses and ports are chosen by whoever sends, so that the places of flows must not be foreseen.
fn seed() -> io::Result<Seed> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    let (low, high) = bytes.split_at(8);
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    Ok(Seed([word(low), word(high)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_its_bound_however_many_selections_share_a_request() {
        for filters in 0..10_000 {
            let flows = in_one_turn(filters);
            assert!((1..=FLOWS_IN_ONE_TURN).contains(&flows));
            assert!(flows == 1 || flows * filters <= COMPARISONS_IN_ONE_TURN, "{flows} flows of {filters} filters");
        }
    }
}
