//! Questions: the flows that match a filter, through the index that promises the fewest.

use alloc::vec::Vec;

use ctwarden_model::{
    DccpState, Family, Filter, Flow, FlowKey, Mark, PerDirection, Protocol, ProtocolInfo, SctpState, Status, TcpState,
    Tuple,
};

use crate::address::{Address, Long};
use crate::address_index::Cursor;
use crate::flags::Flags;
use crate::judge::{Networks, Part, Parts, judge};
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

/// The flows that match a filter; each comes once. Asking it for its knowledge alone costs nothing, however many networks the
/// filter has.
#[derive(Debug)]
pub struct Selection<'a> {
    filter: &'a Filter,
    state: &'a State,
    /// Of the filter.
    parts: Parts,
    ipv4: (&'a Shelf<u32>, Option<Walk<u32>>),
    ipv6: (&'a Shelf<Long>, Option<Walk<Long>>),
}

impl<'a> Selection<'a> {
    pub(crate) fn new(ipv4: &'a Shelf<u32>, ipv6: &'a Shelf<Long>, state: &'a State, filter: &'a Filter) -> Self {
        Self { filter, state, parts: Parts::of(filter), ipv4: (ipv4, None), ipv6: (ipv6, None) }
    }

    /// How far the families that can match are all there.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        let (ipv4, ipv6) = (self.state.knowledge(Family::Ipv4), self.state.knowledge(Family::Ipv6));
        match (can_match(self.filter, self.parts, Family::Ipv4), can_match(self.filter, self.parts, Family::Ipv6)) {
            (false, _) => ipv6,
            (true, false) => ipv4,
            (true, true) => ipv4.weaker(ipv6),
        }
    }
}

impl Iterator for Selection<'_> {
    type Item = Selected;

    fn next(&mut self) -> Option<Selected> {
        let (filter, state, parts) = (self.filter, self.state, self.parts);
        let (shelf, walk) = &mut self.ipv4;
        let walk = walk.get_or_insert_with(|| Walk::new(shelf, filter, parts));
        let open = walk.part().map_or(parts, |met| parts.without(met));
        while let Some(handle) = walk.next(shelf) {
            if let Some(selected) = judged(shelf, state, filter, open, handle) {
                return Some(selected);
            }
        }
        let (shelf, walk) = &mut self.ipv6;
        let walk = walk.get_or_insert_with(|| Walk::new(shelf, filter, parts));
        let open = walk.part().map_or(parts, |met| parts.without(met));
        while let Some(handle) = walk.next(shelf) {
            if let Some(selected) = judged(shelf, state, filter, open, handle) {
                return Some(selected);
            }
        }
        None
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
    fn new(shelf: &Shelf<A>, filter: &Filter, parts: Parts) -> Self {
        if !can_match(filter, parts, A::FAMILY) {
            return Self::Nothing;
        }
        let given = parts.iter().map(|part| (part, ranges(part.networks(filter))));
        let mut given: Vec<(Part, Vec<(A, A)>)> = given.collect();
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
                let (address, handle) = A::parts(shelf.addresses.next(place)?);
                if last < address {
                    // On to the next range that this address does not lie behind. Either side leaps over what the other lacks,
                    // so that a walk takes no more steps than the shorter of the two has.
                    let behind = ranges.get(*at..).unwrap_or_default().partition_point(|(_, last)| *last < address);
                    *at += behind;
                    if ranges.get(*at).is_none_or(|(first, _)| address < *first) {
                        *cursor = None;
                        continue;
                    }
                }
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
            Self::Either | Self::Sets => {
                let mut earlier = [src, dst, reply_src, reply_dst].into_iter().take_while(|other| *other != address);
                !earlier.any(held)
            }
        }
    }
}

/// Whether any flow of the family can match: it is asked for, and each part has networks of it.
fn can_match(filter: &Filter, parts: Parts, family: Family) -> bool {
    filter.family.is_none_or(|wanted| wanted == family) && parts.iter().all(|part| part.networks(filter).have(family))
}

/// The networks of one family as ranges, in order, without overlaps.
fn ranges<A: Address>(networks: Networks<'_>) -> Vec<(A, A)> {
    let mut ranges: Vec<(A, A)> = Vec::new();
    networks.each(A::FAMILY, &mut |network| {
        ranges.extend(A::from_ip(network.address()).zip(A::from_ip(network.last())));
    });
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
