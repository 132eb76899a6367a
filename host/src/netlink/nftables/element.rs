//! Elements of sets in their netlink form: a start and, in an interval set, an end that is one after the last address.
//!
//! A range up to the highest address has no end in this form: such a range is open. `nft` marks an open start in the
//! user data, and so does ctwarden.

use ctwarden_model::{Family, Prefix};
use netlink_packet_core::{DecodeError, NLM_F_CREATE, NLM_F_EXCL, NlasIterator};
use netlink_packet_netfilter::nftables::{
    DataAttribute, ListAttribute, NfTablesMessage, SetElementAttribute, SetElementFlags, SetElementList,
    SetElementMessage,
};
use std::net::IpAddr;

use super::interval::{Element, Lifetime, Range};
use super::{Change, RawMessage, SetKind};
use crate::table_name::TableName;

/// `NFTA_SET_ELEM_LIST_ELEMENTS` and `NFTA_SET_ELEM_*` (linux/netfilter/nf_tables.h).
pub(super) const LIST_ELEMENTS: u16 = 3;
pub(super) const ELEMENT_KEY: u16 = 1;
const ELEMENT_FLAGS: u16 = 3;
pub(super) const ELEMENT_TIMEOUT: u16 = 4;
pub(super) const ELEMENT_EXPIRATION: u16 = 5;
const ELEMENT_USERDATA: u16 = 6;

/// Most elements of one message: the attribute that holds them has a length of 16 bits, and an element takes less than
/// 100 bytes.
const MOST_ELEMENTS: usize = 400;

/// `NFTNL_UDATA_SET_ELEM_FLAGS`, the type of the part of the user data that holds flags, and that part with the flag of
/// an open interval (libnftnl, udata.h).
const USERDATA_FLAGS: u8 = 1;
const OPEN_INTERVAL: [u8; 6] = [USERDATA_FLAGS, 4, 1, 0, 0, 0];

/// A set, as messages name it.
#[derive(Clone, Debug)]
pub(crate) struct SetHandle {
    pub(crate) table: TableName,
    pub(crate) name: String,
    pub(crate) kind: SetKind,
    /// Timeout in milliseconds that the kernel gives to an element without its own. 0 means forever.
    pub(crate) default_timeout: u64,
}

/// The addresses of a network as numbers.
pub(super) fn range_of(network: Prefix) -> Range {
    Range { first: number_of(network.address()), last: number_of(network.last()) }
}

fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl SetHandle {
    /// Returns the changes of an `add element`. With `exclusive`, an element that exists or overlaps is an error
    /// (`EEXIST`).
    pub(crate) fn add(&self, elements: &[Element], exclusive: bool) -> Vec<Change> {
        let flags = if exclusive { NLM_F_CREATE | NLM_F_EXCL } else { NLM_F_CREATE };
        self.changes(elements, |element| self.entries(element, true), NfTablesMessage::NewSetElement, flags)
    }

    /// Returns the changes of a `delete element`.
    pub(crate) fn delete(&self, elements: &[Element]) -> Vec<Change> {
        self.changes(elements, |element| self.entries(element, false), NfTablesMessage::DeleteSetElement, 0)
    }

    /// Returns the request `get element`. The kernel answers with the highest start that is not above the address or,
    /// with `end`, with the lowest end that is not below the address.
    pub(super) fn get(&self, address: u128, end: bool) -> NfTablesMessage {
        let mut attributes = vec![self.key(address)];
        if end {
            attributes.push(SetElementAttribute::Flags(SetElementFlags::IntervalEnd));
        }
        NfTablesMessage::GetSetElement(self.message(vec![ListAttribute::Element(attributes)]))
    }

    /// Returns the request for a dump of all elements.
    pub(crate) fn get_all(&self) -> NfTablesMessage {
        NfTablesMessage::GetSetElement(SetElementMessage {
            attributes: vec![SetElementList::Table(self.table.name.clone()), SetElementList::Set(self.name.clone())],
        })
    }

    fn changes(
        &self,
        elements: &[Element],
        entries: impl Fn(&Element) -> Vec<ListAttribute<SetElementAttribute>>,
        verb: fn(SetElementMessage) -> NfTablesMessage,
        flags: u16,
    ) -> Vec<Change> {
        elements
            .chunks(MOST_ELEMENTS)
            .map(|chunk| Change {
                family: self.table.family,
                message: verb(self.message(chunk.iter().flat_map(&entries).collect())),
                flags,
            })
            .collect()
    }

    fn message(&self, entries: Vec<ListAttribute<SetElementAttribute>>) -> SetElementMessage {
        SetElementMessage {
            attributes: vec![
                SetElementList::Table(self.table.name.clone()),
                SetElementList::Set(self.name.clone()),
                SetElementList::Elements(entries),
            ],
        }
    }

    fn entries(&self, element: &Element, with_values: bool) -> Vec<ListAttribute<SetElementAttribute>> {
        let open = element.range.last == self.highest();
        let mut start = vec![self.key(element.range.first)];
        if with_values {
            start.extend(self.values(element, open));
        }
        let mut entries = vec![ListAttribute::Element(start)];
        if !open {
            let behind = self.key(element.range.last.saturating_add(1));
            let flags = SetElementAttribute::Flags(SetElementFlags::IntervalEnd);
            entries.push(ListAttribute::Element(vec![behind, flags]));
        }
        entries
    }

    fn values(&self, element: &Element, open: bool) -> Vec<SetElementAttribute> {
        let mut values = Vec::new();
        let Lifetime { whole, left } = element.lifetime;
        match (whole, left) {
            (Some(whole), _) => values.push(SetElementAttribute::Timeout(whole)),
            // Otherwise the set's default timeout would apply. Zero means forever.
            (None, None) if self.default_timeout != 0 => values.push(SetElementAttribute::Timeout(0)),
            (None, _) => {}
        }
        if left != whole {
            values.extend(left.map(SetElementAttribute::Expiration));
        }
        let mut userdata = without_flags(&element.userdata);
        if open {
            userdata.extend(OPEN_INTERVAL);
        }
        if !userdata.is_empty() {
            values.push(SetElementAttribute::UserData(userdata));
        }
        values
    }

    fn key(&self, address: u128) -> SetElementAttribute {
        let bytes = address.to_be_bytes();
        let from = match self.kind.family {
            Family::Ipv4 => 12,
            Family::Ipv6 => 0,
        };
        SetElementAttribute::Key(DataAttribute::Value(bytes.get(from..).unwrap_or_default().to_vec()))
    }

    pub(crate) const fn highest(&self) -> u128 {
        match self.kind.family {
            Family::Ipv4 => u32::MAX as u128,
            Family::Ipv6 => u128::MAX,
        }
    }

    /// Combines the bounds to ranges, lowest first. An end without a reported start belongs to an expired range, or is
    /// the end below the first range that `nft` puts into its sets.
    pub(crate) fn elements(&self, mut bounds: Vec<IntervalEnd>) -> Vec<Element> {
        bounds.sort_by_key(|bound| (bound.key, !bound.end));
        let mut elements: Vec<Element> = Vec::new();
        let mut closed = true;
        for bound in bounds {
            if bound.end {
                if let Some(element) = elements.last_mut().filter(|_| !closed) {
                    element.range.last = bound.key.saturating_sub(1);
                }
                closed = true;
            } else {
                elements.push(bound.up_to(self.highest()));
                closed = false;
            }
        }
        elements
    }
}

/// A start or an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IntervalEnd {
    pub(super) key: u128,
    pub(super) end: bool,
    lifetime: Lifetime,
    userdata: Vec<u8>,
}

impl IntervalEnd {
    /// The element that starts here and ends at `last`.
    pub(super) fn up_to(self, last: u128) -> Element {
        let range = Range { first: self.key, last };
        Element { range, lifetime: self.lifetime, userdata: self.userdata }
    }

    /// Decodes the bounds in a message of set elements. Everything else in the message is skipped, and so is the
    /// catch-all element, which has no key.
    pub(crate) fn read_all(told: &RawMessage) -> Result<Vec<Self>, DecodeError> {
        let mut bounds = Vec::new();
        for list in NlasIterator::new(told.attributes()) {
            let list = list?;
            if list.kind() == LIST_ELEMENTS {
                for element in NlasIterator::new(list.value()) {
                    bounds.extend(Self::read(element?.value())?);
                }
            }
        }
        Ok(bounds)
    }

    fn read(attributes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut key = None;
        let mut end = false;
        let mut lifetime = Lifetime::FOREVER;
        let mut userdata = Vec::new();
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                ELEMENT_KEY => {
                    for data in NlasIterator::new(value) {
                        key = Some(number(data?.value()));
                    }
                }
                ELEMENT_FLAGS => end = number(value) & u128::from(SetElementFlags::IntervalEnd.bits()) != 0,
                // Kernels that distinguish "never" from the set's default timeout report it as zero.
                ELEMENT_TIMEOUT => lifetime.whole = milliseconds(value),
                ELEMENT_EXPIRATION => lifetime.left = milliseconds(value),
                ELEMENT_USERDATA => userdata = value.to_vec(),
                _ => {}
            }
        }
        Ok(key.map(|key| Self { key, end, lifetime, userdata }))
    }
}

/// All numbers here are big-endian.
pub(super) fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

pub(super) fn milliseconds(bytes: &[u8]) -> Option<u64> {
    u64::try_from(number(bytes)).ok().filter(|milliseconds| *milliseconds != 0)
}

/// Returns the user data (a list of type, length, value) without the part that marks an open range.
fn without_flags(mut userdata: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    while let [kind, length, rest @ ..] = userdata {
        let (value, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        if *kind != USERDATA_FLAGS {
            kept.extend([*kind, *length]);
            kept.extend_from_slice(value);
        }
        userdata = behind;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_kept_and_the_flags_are_not() {
        let comment = [0, 3, b'h', b'i', 0];
        let both = [comment.as_slice(), &OPEN_INTERVAL].concat();
        assert_eq!(without_flags(&both), comment);
        assert!(without_flags(&OPEN_INTERVAL).is_empty());
        assert_eq!(without_flags(&[0, 9, 1]), [0, 9, 1]);
        assert!(without_flags(&[7]).is_empty());
    }
}
