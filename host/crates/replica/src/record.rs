//! The stored part of a flow: 28 bytes of an IPv4 flow, 52 bytes of an IPv6 flow, and the reply tuple if it is
//! translated.
//!
//! A whole `Flow` has 300 bytes. The record holds nothing that can change, because the kernel does not report all
//! changes.

use ctwarden_hash::Seed;
use ctwarden_model::{FlowId, FlowKey, Layer4, Protocol, Tuple, Zone};

use crate::address::Address;
use crate::flags::Flags;
use crate::slab::{Handle, NONE, Place};

/// The layer-4 part of a tuple in 32 bits, and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) bits: u32,
    pub(crate) kind: u8,
}

impl Packed {
    const fn new(layer4: Layer4) -> Self {
        match layer4 {
            Layer4::None => Self { bits: 0, kind: 0 },
            Layer4::Ports { src, dst } => Self { bits: (src as u32) << 16 | dst as u32, kind: 1 },
            Layer4::Icmp { id, kind, code } => {
                Self { bits: (id as u32) << 16 | (kind as u32) << 8 | code as u32, kind: 2 }
            }
            Layer4::Keys { src, dst } => Self { bits: (src as u32) << 16 | dst as u32, kind: 3 },
        }
    }

    const fn layer4(self) -> Layer4 {
        let (high, low) = ((self.bits >> 16) as u16, self.bits as u16);
        match self.kind {
            1 => Layer4::Ports { src: high, dst: low },
            2 => Layer4::Icmp { id: high, kind: (low >> 8) as u8, code: low as u8 },
            3 => Layer4::Keys { src: high, dst: low },
            _ => Layer4::None,
        }
    }
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direction<A> {
    pub(crate) src: A,
    pub(crate) dst: A,
    pub(crate) layer4: Packed,
    pub(crate) protocol: u8,
}

impl<A: Address> Direction<A> {
    /// `None` if the tuple is of another family.
    pub(crate) fn new(tuple: &Tuple) -> Option<Self> {
        Some(Self {
            src: A::from_ip(tuple.src)?,
            dst: A::from_ip(tuple.dst)?,
            layer4: Packed::new(tuple.layer4),
            protocol: tuple.protocol.0,
        })
    }

    pub(crate) fn tuple(&self) -> Tuple {
        Tuple {
            src: self.src.to_ip(),
            dst: self.dst.to_ip(),
            protocol: Protocol(self.protocol),
            layer4: self.layer4.layer4(),
        }
    }
}

/// The identity of a flow: original tuple, zone and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity<A> {
    pub(crate) original: Direction<A>,
    pub(crate) zone: u16,
    pub(crate) id: u32,
}

impl<A: Address> Identity<A> {
    /// `None` if the flow is of another family.
    pub(crate) fn new(key: &FlowKey) -> Option<Self> {
        Some(Self { original: Direction::new(&key.original)?, zone: key.zone.0, id: key.id.0 })
    }

    pub(crate) fn key(&self) -> FlowKey {
        FlowKey { id: FlowId(self.id), zone: Zone(self.zone), original: self.original.tuple() }
    }

    pub(crate) fn hash(&self, seed: Seed) -> u32 {
        let Direction { src, dst, layer4, protocol } = self.original;
        let ends = u64::from(layer4.bits) << 32 | u64::from(self.id);
        let rest = u64::from(self.zone) << 16 | u64::from(protocol) << 8 | u64::from(layer4.kind);
        A::hash(src, dst, [ends, rest], seed)
    }
}

/// A flow, or the record of a flow that ended while a sweep runs ([`Flags::DEAD`]).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<A> {
    src: A,
    dst: A,
    layer4: u32,
    id: u32,
    /// The epoch in which an event or row last confirmed the flow.
    pub(crate) epoch: u32,
    /// The reply tuple, or [`NONE`] if it is the reversed original tuple. In a free slot, the next free slot.
    pub(crate) reply: Handle,
    zone: u16,
    protocol: u8,
    pub(crate) flags: Flags,
}

impl<A: Address> Record<A> {
    pub(crate) fn new(identity: &Identity<A>, epoch: u32, flags: Flags) -> Self {
        let Identity { original: Direction { src, dst, layer4, protocol }, zone, id } = *identity;
        Self {
            src,
            dst,
            layer4: layer4.bits,
            id,
            epoch,
            reply: NONE,
            zone,
            protocol,
            flags: flags.with_kind(layer4.kind),
        }
    }

    pub(crate) fn identity(&self) -> Identity<A> {
        let layer4 = Packed { bits: self.layer4, kind: self.flags.kind() };
        let original = Direction { src: self.src, dst: self.dst, layer4, protocol: self.protocol };
        Identity { original, zone: self.zone, id: self.id }
    }

    pub(crate) const fn is_dead(&self) -> bool {
        self.flags.has(Flags::DEAD)
    }
}

impl<A: Address> Place for Record<A> {
    fn free(next: Handle) -> Self {
        let nowhere = A::ZERO;
        Self {
            src: nowhere,
            dst: nowhere,
            layer4: 0,
            id: 0,
            epoch: 0,
            reply: next,
            zone: 0,
            protocol: 0,
            flags: Flags::FREE,
        }
    }

    fn next_free(&self) -> Option<Handle> {
        self.flags.has(Flags::FREE).then_some(self.reply)
    }
}

/// A reply tuple that is not the reversed original tuple, because the flow is translated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Translated<A> {
    src: A,
    dst: A,
    /// In a free slot, the next free slot.
    layer4: u32,
    kind: u8,
    protocol: u8,
}

/// Kind of a free slot.
const FREE: u8 = u8::MAX;

impl<A: Address> Translated<A> {
    pub(crate) const fn new(direction: Direction<A>) -> Self {
        let Direction { src, dst, layer4: Packed { bits, kind }, protocol } = direction;
        Self { src, dst, layer4: bits, kind, protocol }
    }

    pub(crate) const fn direction(&self) -> Direction<A> {
        let layer4 = Packed { bits: self.layer4, kind: self.kind };
        Direction { src: self.src, dst: self.dst, layer4, protocol: self.protocol }
    }
}

impl<A: Address> Place for Translated<A> {
    fn free(next: Handle) -> Self {
        Self { src: A::ZERO, dst: A::ZERO, layer4: next, kind: FREE, protocol: 0 }
    }

    fn next_free(&self) -> Option<Handle> {
        (self.kind == FREE).then_some(self.layer4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Long;

    #[test]
    fn records_are_as_small_as_promised() {
        assert_eq!((size_of::<Record<u32>>(), size_of::<Translated<u32>>()), (28, 16));
        assert_eq!((size_of::<Record<Long>>(), size_of::<Translated<Long>>()), (52, 40));
    }

    #[test]
    fn every_layer_4_part_comes_back() {
        for layer4 in [
            Layer4::None,
            Layer4::Ports { src: 1, dst: u16::MAX },
            Layer4::Icmp { id: 0x1234, kind: 8, code: 255 },
            Layer4::Keys { src: u16::MAX, dst: 2 },
        ] {
            assert_eq!(Packed::new(layer4).layer4(), layer4);
        }
    }
}
