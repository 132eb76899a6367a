//! The kernel sets of services: keys of an address, a protocol and a port, each a range.

use ctwarden_model::{Family, PortRange, Protocol};
use netlink_packet_core::{DecodeError, DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NlasIterator};
use netlink_packet_netfilter::nftables::{
    DataAttribute, ListAttribute, NfTablesMessage, SetElementAttribute, SetElementList, SetElementMessage,
};

use super::{TABLE, table};
use crate::netlink::nftables::element::{
    ELEMENT_EXPIRATION, ELEMENT_KEY, ELEMENT_TIMEOUT, LIST_ELEMENTS, milliseconds, number,
};
use crate::netlink::nftables::interval::{Lifetime, Range};
use crate::netlink::nftables::{Change, RawMessage};

/// `NFTA_SET_ELEM_KEY_END` and `NFTA_DATA_VALUE` (linux/netfilter/nf_tables.h).
const ELEMENT_KEY_END: u16 = 10;
const DATA_VALUE: u16 = 1;

/// Most elements of one message, which has at most 64 KiB.
const MOST_ELEMENTS: usize = 300;

/// Bytes of the protocol and the port in a key, each filled up to four bytes.
const SERVICE_BYTES: usize = 8;

/// A kernel set of services.
#[derive(Clone, Debug)]
pub(crate) struct ServiceSet {
    pub(crate) name: String,
    pub(crate) family: Family,
}

/// Addresses and ports of one protocol, with a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceRange {
    pub(crate) addresses: Range,
    pub(crate) protocol: Protocol,
    pub(crate) ports: PortRange,
    pub(crate) lifetime: Lifetime,
}

impl ServiceRange {
    /// Everything but the lifetime.
    pub(crate) const fn key(&self) -> (Range, Protocol, PortRange) {
        (self.addresses, self.protocol, self.ports)
    }
}

impl ServiceSet {
    /// Number of the key's type in `nft`: `inet_proto` is 12, `inet_service` is 13, and each takes six bits.
    pub(super) const fn key_type(&self) -> u32 {
        let address = match self.family {
            Family::Ipv4 => 7,
            Family::Ipv6 => 8,
        };
        (address << 12) | (12 << 6) | 13
    }

    /// Returns the changes of an `add element`. An element that exists or overlaps is an error.
    pub(crate) fn add(&self, ranges: &[ServiceRange]) -> Vec<Change> {
        self.changes(ranges, NfTablesMessage::NewSetElement, NLM_F_CREATE | NLM_F_EXCL, true)
    }

    /// Returns the changes of a `delete element`.
    pub(crate) fn delete(&self, ranges: &[ServiceRange]) -> Vec<Change> {
        self.changes(ranges, NfTablesMessage::DeleteSetElement, 0, false)
    }

    /// Returns the request for a dump of all elements.
    pub(crate) fn get_all(&self) -> NfTablesMessage {
        NfTablesMessage::GetSetElement(SetElementMessage { attributes: self.named() })
    }

    fn named(&self) -> Vec<SetElementList> {
        vec![SetElementList::Table(TABLE.to_owned()), SetElementList::Set(self.name.clone())]
    }

    fn changes(
        &self,
        ranges: &[ServiceRange],
        verb: fn(SetElementMessage) -> NfTablesMessage,
        flags: u16,
        with_lifetime: bool,
    ) -> Vec<Change> {
        let change = |chunk: &[ServiceRange]| {
            let elements = chunk.iter().map(|range| self.element(range, with_lifetime)).collect();
            let mut attributes = self.named();
            attributes.push(SetElementList::Elements(elements));
            Change { family: table().family, message: verb(SetElementMessage { attributes }), flags }
        };
        ranges.chunks(MOST_ELEMENTS).map(change).collect()
    }

    fn element(&self, range: &ServiceRange, with_lifetime: bool) -> ListAttribute<SetElementAttribute> {
        let first = self.key(range.addresses.first, range.protocol, range.ports.first);
        let last = self.key(range.addresses.last, range.protocol, range.ports.last);
        let mut attributes = vec![
            SetElementAttribute::Key(DataAttribute::Value(first)),
            SetElementAttribute::KeyEnd(vec![DefaultNla::new(DATA_VALUE, last)]),
        ];
        if with_lifetime {
            attributes.extend(range.lifetime.whole.map(SetElementAttribute::Timeout));
        }
        ListAttribute::Element(attributes)
    }

    fn key(&self, address: u128, protocol: Protocol, port: u16) -> Vec<u8> {
        let bytes = address.to_be_bytes();
        let mut key = bytes.get(16 - self.address_bytes()..).unwrap_or_default().to_vec();
        let [high, low] = port.to_be_bytes();
        key.extend([protocol.0, 0, 0, 0, high, low, 0, 0]);
        key
    }

    const fn address_bytes(&self) -> usize {
        match self.family {
            Family::Ipv4 => 4,
            Family::Ipv6 => 16,
        }
    }

    /// Decodes the elements of a message. An element of another shape, which another program added, has no meaning here
    /// and is given as `None`.
    pub(crate) fn read_all(&self, told: &RawMessage) -> Result<Vec<Option<ServiceRange>>, DecodeError> {
        let mut ranges = Vec::new();
        for list in NlasIterator::new(told.attributes()) {
            let list = list?;
            if list.kind() == LIST_ELEMENTS {
                for element in NlasIterator::new(list.value()) {
                    ranges.push(self.read(element?.value())?);
                }
            }
        }
        Ok(ranges)
    }

    fn read(&self, attributes: &[u8]) -> Result<Option<ServiceRange>, DecodeError> {
        let (mut first, mut last, mut lifetime) = (None, None, Lifetime::FOREVER);
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                ELEMENT_KEY => first = self.parts(value)?,
                ELEMENT_KEY_END => last = self.parts(value)?,
                ELEMENT_TIMEOUT => lifetime.whole = milliseconds(value),
                ELEMENT_EXPIRATION => lifetime.left = milliseconds(value),
                _ => {}
            }
        }
        let Some((low, protocol, first_port)) = first else { return Ok(None) };
        let (high, _, last_port) = last.unwrap_or((low, protocol, first_port));
        Ok(Some(ServiceRange {
            addresses: Range { first: low, last: high },
            protocol,
            ports: PortRange { first: first_port, last: last_port },
            lifetime,
        }))
    }

    /// The address, protocol and port of a key.
    fn parts(&self, data: &[u8]) -> Result<Option<(u128, Protocol, u16)>, DecodeError> {
        let mut parts = None;
        for value in NlasIterator::new(data) {
            let value = value?;
            let key = value.value();
            if value.kind() != DATA_VALUE || key.len() != self.address_bytes() + SERVICE_BYTES {
                continue;
            }
            if let (address, &[protocol, _, _, _, high, low, _, _]) = key.split_at(self.address_bytes()) {
                parts = Some((number(address), Protocol(protocol), u16::from_be_bytes([high, low])));
            }
        }
        Ok(parts)
    }
}
