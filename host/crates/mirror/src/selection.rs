//! Questions: the flows that match a filter, and what is known of each.

use ctwarden_model::{
    DccpState, Family, Filter, Flow, FlowKey, Mark, PerDirection, Protocol, ProtocolInfo, SctpState, Status, TcpState,
    Tuple,
};

use crate::address::{Address, Long};
use crate::flags::Flags;
use crate::judge::{Parts, judge};
use crate::knowledge::{Certainty, Evidence, Knowledge};
use crate::record::Identity;
use crate::shelf::Shelf;
use crate::slab::Handle;
use crate::state::State;
use crate::way::{Ways, can_match};

/// A flow of the mirror and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Names it; with the id, so that a request never hits a successor.
    pub key: FlowKey,
    /// Its reply tuple.
    pub reply: Tuple,
    /// Whether it matches what was asked.
    pub certainty: Certainty,
    /// Whether its end would have been heard.
    pub evidence: Evidence,
    /// Whether status, mark and state are as the kernel has them, as of the last event; else they are what was heard last.
    pub fresh: bool,
    /// Status bits.
    pub status: Option<Status>,
    /// Mark.
    pub mark: Option<Mark>,
    /// Protocol state of TCP, SCTP and DCCP.
    pub state: Option<u8>,
}

impl Selected {
    /// The flow with what the mirror keeps of it, last heard.
    #[must_use]
    pub fn flow(&self) -> Flow {
        let mut flow = Flow::new(PerDirection { original: self.key.original, reply: self.reply });
        flow.id = Some(self.key.id);
        flow.zone = self.key.zone;
        flow.status = self.status;
        flow.mark = self.mark;
        flow.info = self.state.and_then(|state| match self.key.original.protocol {
            Protocol::TCP => Some(ProtocolInfo::Tcp {
                state: Some(TcpState(state)),
                window_scale: PerDirection::default(),
                flags: PerDirection::default(),
            }),
            Protocol::SCTP => Some(ProtocolInfo::Sctp { state: Some(SctpState(state)), vtag: PerDirection::default() }),
            Protocol::DCCP => {
                Some(ProtocolInfo::Dccp { state: Some(DccpState(state)), role: None, handshake_seq: None })
            }
            Protocol(_) => None,
        });
        flow
    }
}

/// What a question looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) ipv4: &'a Shelf<u32>,
    pub(crate) ipv6: &'a Shelf<Long>,
    pub(crate) state: &'a State,
}

/// The flows that match a filter; each comes once. Asking it for its knowledge alone costs nothing, however many networks the
/// filter has.
#[derive(Debug)]
pub struct Selection<'a> {
    filter: &'a Filter,
    view: View<'a>,
    ways: Option<Ways>,
}

impl<'a> Selection<'a> {
    pub(crate) const fn new(view: View<'a>, filter: &'a Filter) -> Self {
        Self { filter, view, ways: None }
    }

    /// How far the families that can match are all there.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        let state = self.view.state;
        let (ipv4, ipv6) = (state.knowledge(Family::Ipv4), state.knowledge(Family::Ipv6));
        let parts = Parts::of(self.filter);
        match (can_match(self.filter, parts, Family::Ipv4), can_match(self.filter, parts, Family::Ipv6)) {
            (false, _) => ipv6,
            (true, false) => ipv4,
            (true, true) => ipv4.weaker(ipv6),
        }
    }
}

impl Iterator for Selection<'_> {
    type Item = Selected;

    fn next(&mut self) -> Option<Selected> {
        let ways = self.ways.get_or_insert_with(|| Ways::new(self.view, self.filter));
        let mut looks = usize::MAX;
        ways.next(self.view, self.filter, &mut looks)
    }
}

/// The flow of a record, where it lives and may match; `parts` are those of the filter that it is not known to meet.
pub(crate) fn judged<A: Address>(
    shelf: &Shelf<A>,
    state: &State,
    filter: &Filter,
    parts: Parts,
    handle: Handle,
) -> Option<Selected> {
    let record = shelf.get(handle).filter(|record| !record.is_dead())?;
    let (original, reply) = shelf.directions(record);
    let (original, reply) = (original.tuple(), reply.tuple());
    let fresh = state.is_fresh(record);
    let certainty = judge(filter, parts, record, &original, &reply, fresh, state.marks)?;
    let flags = record.flags;
    Some(Selected {
        key: record.identity().key(),
        reply,
        certainty,
        evidence: if flags.has(Flags::HEARD) { Evidence::Heard } else { Evidence::RowsOnly },
        fresh: fresh && !flags.has(Flags::STATE_DOUBTFUL),
        status: flags.has(Flags::STATUS_KNOWN).then_some(Status(record.status.into())),
        mark: state.marks.then_some(Mark(record.mark)),
        state: flags.has(Flags::STATE_KNOWN).then_some(record.state),
    })
}

/// The flow of that name, where it may match.
pub(crate) fn judged_by_name(view: View<'_>, filter: &Filter, key: &FlowKey) -> Option<Selected> {
    fn of<A: Address>(shelf: &Shelf<A>, state: &State, filter: &Filter, key: &FlowKey) -> Option<Selected> {
        judged(shelf, state, filter, Parts::of(filter), shelf.find(&Identity::new(key)?)?)
    }
    match key.original.family() {
        Family::Ipv4 => of(view.ipv4, view.state, filter, key),
        Family::Ipv6 => of(view.ipv6, view.state, filter, key),
    }
}
