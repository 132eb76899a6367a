//! Questions: the flows that match a filter, through the index that promises the fewest.

use alloc::vec::Vec;

use ctwarden_model::{
    DccpState, Family, Filter, Flow, FlowKey, Mark, PerDirection, PrefixSet, Protocol, ProtocolInfo, SctpState, Status,
    TcpState, Tuple,
};

use crate::address::{Address, Long};
use crate::address_index::Cursor;
use crate::flags::Flags;
use crate::judge::{Part, judge};
use crate::knowledge::{Certainty, Evidence, Knowledge};
use crate::shelf::Shelf;
use crate::slab::{Handle, NONE};
use crate::state::State;

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

/// The flows that match a filter; each comes once.
#[derive(Debug)]
pub struct Selection<'a> {
    filter: &'a Filter,
    state: &'a State,
    ipv4: (&'a Shelf<u32>, Walk<u32>),
    ipv6: (&'a Shelf<Long>, Walk<Long>),
}

impl<'a> Selection<'a> {
    pub(crate) fn new(ipv4: &'a Shelf<u32>, ipv6: &'a Shelf<Long>, state: &'a State, filter: &'a Filter) -> Self {
        Self { filter, state, ipv4: (ipv4, Walk::new(ipv4, filter)), ipv6: (ipv6, Walk::new(ipv6, filter)) }
    }

    /// How far the families that can match are all there.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        let (ipv4, ipv6) = (self.state.knowledge(Family::Ipv4), self.state.knowledge(Family::Ipv6));
        match (&self.ipv4.1, &self.ipv6.1) {
            (Walk::Nothing, _) => ipv6,
            (_, Walk::Nothing) => ipv4,
            (Walk::All(_) | Walk::Ranges { .. }, Walk::All(_) | Walk::Ranges { .. }) => ipv4.weaker(ipv6),
        }
    }
}

impl Iterator for Selection<'_> {
    type Item = Selected;

    fn next(&mut self) -> Option<Selected> {
        let (filter, state) = (self.filter, self.state);
        let (shelf, walk) = &mut self.ipv4;
        while let Some(handle) = walk.next(shelf) {
            if let Some(selected) = judged(shelf, state, filter, walk.part(), handle) {
                return Some(selected);
            }
        }
        let (shelf, walk) = &mut self.ipv6;
        while let Some(handle) = walk.next(shelf) {
            if let Some(selected) = judged(shelf, state, filter, walk.part(), handle) {
                return Some(selected);
            }
        }
        None
    }
}

/// The flow of a record, where it lives and may match; `met` is a part of the filter that it is known to meet.
pub(crate) fn judged<A: Address>(
    shelf: &Shelf<A>,
    state: &State,
    filter: &Filter,
    met: Option<Part>,
    handle: Handle,
) -> Option<Selected> {
    let record = shelf.get(handle).filter(|record| !record.is_dead())?;
    let (original, reply) = shelf.directions(record);
    let (original, reply) = (original.tuple(), reply.tuple());
    let fresh = state.is_fresh(record);
    let certainty = judge(filter, met, record, &original, &reply, fresh, state.marks)?;
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

/// How the flows of a family that may match are found.
#[derive(Debug)]
enum Walk<A> {
    /// None can match.
    Nothing,
    /// One after the other, from this place on.
    All(Handle),
    /// Those with an address in ranges, which are in order and apart.
    Ranges { part: Part, ranges: Vec<(A, A)>, at: usize, cursor: Option<Cursor> },
}

impl<A: Address> Walk<A> {
    fn new(shelf: &Shelf<A>, filter: &Filter) -> Self {
        if filter.family.is_some_and(|family| family != A::FAMILY) {
            return Self::Nothing;
        }
        let given = Part::ALL.into_iter().map(|part| (part, part.networks(filter)));
        let given = given.filter(|(_, networks)| !networks.is_empty()).map(|(part, networks)| (part, ranges(networks)));
        let mut given: Vec<(Part, Vec<(A, A)>)> = given.collect();
        if given.iter().any(|(_, ranges)| ranges.is_empty()) {
            return Self::Nothing;
        }
        let best = match given.len() {
            0 | 1 => given.pop(),
            _ => given.into_iter().min_by_key(|(_, ranges)| estimate(shelf, ranges)),
        };
        best.map_or(Self::All(0), |(part, ranges)| Self::Ranges { part, ranges, at: 0, cursor: None })
    }

    /// The part that all flows of this walk meet.
    const fn part(&self) -> Option<Part> {
        match self {
            Self::Nothing | Self::All(_) => None,
            Self::Ranges { part, .. } => Some(*part),
        }
    }

    /// The next one; each comes once.
    fn next(&mut self, shelf: &Shelf<A>) -> Option<Handle> {
        match self {
            Self::Nothing => None,
            Self::All(next) => {
                let end = shelf.records.end();
                while *next < end {
                    *next += 1;
                    if shelf.get(*next - 1).is_some() {
                        return Some(*next - 1);
                    }
                }
                None
            }
            Self::Ranges { part, ranges, at, cursor } => loop {
                let (first, last) = *ranges.get(*at)?;
                let place = cursor.get_or_insert_with(|| shelf.addresses.seek(first.key(0)));
                let found = shelf.addresses.next(place).map(A::parts).filter(|(address, _)| *address <= last);
                let Some((address, handle)) = found else {
                    *at += 1;
                    *cursor = None;
                    continue;
                };
                if shelf.get(handle).is_some_and(|record| part.is_met_at(address, shelf.addresses_of(record), ranges)) {
                    return Some(handle);
                }
            },
        }
    }
}

impl Part {
    /// Whether a flow that was found at this address, which lies in the ranges, meets the part there, and nowhere earlier in
    /// its tuples: a flow with several addresses is taken at one of them.
    fn is_met_at<A: Address>(self, address: A, [src, dst, reply_src, reply_dst]: [A; 4], ranges: &[(A, A)]) -> bool {
        let held = |address: A| {
            let behind = ranges.partition_point(|(first, _)| *first <= address);
            behind.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|(_, last)| address <= *last)
        };
        match self {
            Self::OriginalSrc => address == src,
            Self::OriginalDst => address == dst,
            Self::ReplySrc => address == reply_src,
            Self::ReplyDst => address == reply_dst,
            Self::Either => {
                let mut earlier = [src, dst, reply_src, reply_dst].into_iter().take_while(|other| *other != address);
                !earlier.any(held)
            }
        }
    }
}

/// The networks of one family as ranges, in order, without overlaps.
fn ranges<A: Address>(networks: &PrefixSet) -> Vec<(A, A)> {
    let of_family = networks.iter().filter(|(network, ())| network.family() == A::FAMILY);
    let mut ranges: Vec<(A, A)> = of_family
        .filter_map(|(network, ())| Some((A::from_ip(network.address())?, A::from_ip(network.last())?)))
        .collect();
    ranges.sort_unstable();
    // Networks nest or are apart, so that of two that meet the one that begins first, and is longer, holds the other.
    ranges.dedup_by(|later, kept| {
        later.0 <= kept.1 && {
            kept.1 = kept.1.max(later.1);
            true
        }
    });
    ranges
}

fn estimate<A: Address>(shelf: &Shelf<A>, ranges: &[(A, A)]) -> usize {
    ranges.iter().map(|(first, last)| shelf.addresses.estimate(first.key(0), last.key(NONE))).sum()
}
