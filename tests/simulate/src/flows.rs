//! The flows of the simulation. They are few, so that they meet, and their tuples are fixed, so that tuples recur.

use std::net::{IpAddr, Ipv4Addr};

use ctwarden_model::{
    Filter, Flow, FlowId, Labels, Layer4, Mark, Masked, PerDirection, Prefix, Protocol, Status, Tuple, Zone,
};

/// Number of places in the table. Each place has one tuple.
pub(crate) const PLACES: usize = 24;
/// Number of client addresses, which begin flows.
pub(crate) const CLIENTS: usize = 8;
/// Number of the client whose flows the configuration protects.
pub(crate) const PROTECTED_CLIENT: usize = 0;
/// Mark bit whose flows are protected too. Only the flow at [`MARKED_PLACE`] has the bit.
pub(crate) const PROTECTED_BIT: u32 = 1 << 31;
pub(crate) const MARKED_PLACE: usize = 9;

/// One entry from its beginning to its end. An id may recur, but this number never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life(pub(crate) u64);

pub(crate) fn client(n: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(n % CLIENTS).unwrap_or(0)).into()
}

/// The entry at a place. The labels carry the life, so that the simulation recognises an entry by more than its id.
/// Nothing under test uses the labels.
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
