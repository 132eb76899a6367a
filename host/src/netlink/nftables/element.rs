//! Elements of sets as netlink has them: a start and, in an interval set, an end that lies one behind the last address.
//!
//! The end has no counterpart where a range reaches the highest address: such a range is open. `nft` marks an open start in the
//! user data, so that is done here too.

use ctwarden_model::{Family, Prefix};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_netfilter::nftables::{
    DataAttribute, ListAttribute, NfTablesMessage, SetElementAttribute, SetElementFlags, SetElementList,
    SetElementMessage,
};
use std::net::IpAddr;

use super::interval::{Element, Lifetime, Range};
use super::{Change, SetKind, Table};

/// Most elements of one message: the attribute that holds them has a length of 16 bits, and an element takes less than 100 bytes.
const MOST_ELEMENTS: usize = 400;

/// Type of the user data's part that says `NFTNL_UDATA_SET_ELEM_FLAGS`, and its flag for an open interval (libnftnl, udata.h).
const USERDATA_FLAGS: u8 = 1;
const OPEN_INTERVAL: [u8; 6] = [USERDATA_FLAGS, 4, 1, 0, 0, 0];

/// A set, as messages name it.
#[derive(Clone, Debug)]
pub(super) struct SetHandle {
    pub(super) table: Table,
    pub(super) name: String,
    pub(super) kind: SetKind,
    /// Milliseconds that the kernel gives to an element without a lifetime of its own; 0: for ever.
    pub(super) default_timeout: u64,
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
    /// `add element`; with `exclusive` an element that is there or overlaps is an error (`EEXIST`).
    pub(super) fn add(&self, elements: &[Element], exclusive: bool) -> Vec<Change> {
        let flags = if exclusive { NLM_F_CREATE | NLM_F_EXCL } else { NLM_F_CREATE };
        self.changes(elements, |element| self.entries(element, true), NfTablesMessage::NewSetElement, flags)
    }

    /// `delete element`.
    pub(super) fn delete(&self, elements: &[Element]) -> Vec<Change> {
        self.changes(elements, |element| self.entries(element, false), NfTablesMessage::DeleteSetElement, 0)
    }

    /// `get element`: for the start, or the end, of the range that holds the address.
    pub(super) fn get(&self, address: u128, end: bool) -> NfTablesMessage {
        let mut attributes = vec![self.key(address)];
        if end {
            attributes.push(SetElementAttribute::Flags(SetElementFlags::IntervalEnd));
        }
        NfTablesMessage::GetSetElement(self.message(vec![ListAttribute::Element(attributes)]))
    }

    /// All elements, by a dump.
    pub(super) fn get_all(&self) -> NfTablesMessage {
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
        if self.kind.interval && !open {
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
            // Else the set's own lifetime would hold; zero means for ever.
            (None, None) if self.default_timeout != 0 => values.push(SetElementAttribute::Timeout(0)),
            (None, _) => {}
        }
        if left != whole {
            values.extend(left.map(SetElementAttribute::Expiration));
        }
        let mut userdata = without_flags(&element.userdata);
        if open && self.kind.interval {
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

    const fn highest(&self) -> u128 {
        match self.kind.family {
            Family::Ipv4 => u32::MAX as u128,
            Family::Ipv6 => u128::MAX,
        }
    }

    /// The ranges that messages from the kernel tell of, lowest first. An end whose start is not told of belongs to a range that
    /// has expired, or is the end below the first range that `nft` puts into its sets.
    pub(super) fn elements(&self, messages: Vec<NfTablesMessage>) -> Vec<Element> {
        let mut bounds: Vec<Bound> = messages.into_iter().flat_map(entries_of).filter_map(Bound::read).collect();
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
                let last = if self.kind.interval { self.highest() } else { bound.key };
                let range = Range { first: bound.key, last };
                elements.push(Element { range, lifetime: bound.lifetime, userdata: bound.userdata });
                closed = !self.kind.interval;
            }
        }
        elements
    }
}

/// A start or an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) key: u128,
    pub(super) end: bool,
    pub(super) lifetime: Lifetime,
    pub(super) userdata: Vec<u8>,
}

impl Bound {
    /// None without a key: the catch-all element.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what an element may carry beside these is not needed")]
    fn read(attributes: Vec<SetElementAttribute>) -> Option<Self> {
        let mut key = None;
        let mut end = false;
        let mut lifetime = Lifetime::FOREVER;
        let mut userdata = Vec::new();
        for attribute in attributes {
            match attribute {
                SetElementAttribute::Key(DataAttribute::Value(bytes)) => {
                    key = Some(bytes.iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte)));
                }
                SetElementAttribute::Flags(flags) => end = flags.contains(SetElementFlags::IntervalEnd),
                // Zero is "never" of kernels that tell it apart from the set's own lifetime.
                SetElementAttribute::Timeout(whole) => lifetime.whole = (whole != 0).then_some(whole),
                SetElementAttribute::Expiration(left) => lifetime.left = (left != 0).then_some(left),
                SetElementAttribute::UserData(bytes) => userdata = bytes,
                _ => {}
            }
        }
        key.map(|key| Self { key, end, lifetime, userdata })
    }
}

fn entries_of(message: NfTablesMessage) -> Vec<Vec<SetElementAttribute>> {
    let mut entries = Vec::new();
    if let NfTablesMessage::NewSetElement(message) = message {
        for list in message.attributes {
            if let SetElementList::Elements(elements) = list {
                for element in elements {
                    if let ListAttribute::Element(attributes) = element {
                        entries.push(attributes);
                    }
                }
            }
        }
    }
    entries
}

/// User data (type, length, value, one after the other) without the part that says whether the range is open.
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
        assert_eq!(without_flags(&OPEN_INTERVAL), []);
        assert_eq!(without_flags(&[0, 9, 1]), [0, 9, 1]);
        assert_eq!(without_flags(&[7]), []);
    }
}
