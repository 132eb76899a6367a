//! The flows of the simulation: few, so that they meet, and with fixed tuples, so that tuples recur.

use std::net::{IpAddr, Ipv4Addr};

use ctwarden_model::{
    Filter, Flow, FlowId, Labels, Layer4, Mark, Masked, PerDirection, Prefix, Protocol, Status, Tuple, Zone,
};

/// Places in the table. Each has one tuple.
pub(crate) const PLACES: usize = 24;
/// Addresses that begin flows.
pub(crate) const CLIENTS: usize = 8;
/// The client whose flows the configuration protects.
pub(crate) const PROTECTED_CLIENT: usize = 0;
/// Flows with this bit of the mark are protected, too: those at [`MARKED_PLACE`].
pub(crate) const PROTECTED_BIT: u32 = 1 << 31;
pub(crate) const MARKED_PLACE: usize = 9;

/// One entry from its begin to its end. An id may recur, this number never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life(pub(crate) u64);

pub(crate) fn client(n: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(n % CLIENTS).unwrap_or(0)).into()
}

/// The entry at a place. The labels carry the life, so that the simulation knows an entry whatever its id; nothing under test
/// goes by labels here.
pub(crate) fn entry(place: usize, id: u32, life: Life) -> Flow {
    let port = 1000 + u16::try_from(place).unwrap_or(0);
    let layer4 = Layer4::Ports { src: port, dst: 80 };
    let dst = Ipv4Addr::new(192, 0, 2, 1).into();
    let original = Tuple { src: client(place), dst, protocol: Protocol::TCP, layer4 };
    Flow {
        id: Some(FlowId(id)),
        zone: Zone(0),
        status: Some(Status::CONFIRMED),
        timeout: Some(600),
        mark: Some(Mark(if place == MARKED_PLACE { PROTECTED_BIT } else { 0 })),
        labels: Some(Labels(life.0.into())),
        ..Flow::new(PerDirection { original, reply: original.reversed() })
    }
}

pub(crate) fn life_of(flow: &Flow) -> Option<Life> {
    flow.labels.and_then(|Labels(bits)| u64::try_from(bits).ok()).map(Life)
}

pub(crate) const fn is_protected(place: usize) -> bool {
    place % CLIENTS == PROTECTED_CLIENT || place == MARKED_PLACE
}

pub(crate) fn from_client(n: usize) -> Filter {
    Filter { original_src: [Prefix::host(client(n))].into_iter().collect(), ..Filter::default() }
}

pub(crate) fn with_protected_mark() -> Filter {
    Filter { mark: Masked::new(PROTECTED_BIT, PROTECTED_BIT).ok(), ..Filter::default() }
}
