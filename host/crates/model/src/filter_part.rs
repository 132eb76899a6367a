//! The table of the parts of a filter, one row for each part.
//!
//! The table serves everything except the comparison: what the replica can find, what records and `explain` print, and
//! how much memory a filter takes. The comparison is [`Filter::evaluate`].

use alloc::boxed::Box;

use crate::{AnyOf, Filter, PartValue, PortRanges, PrefixSet, RareFilter};

/// A part of a [`Filter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilterPart {
    Family,
    Protocols,
    Zones,
    OriginalSrc,
    OriginalDst,
    ReplySrc,
    ReplyDst,
    Either,
    SrcPorts,
    DstPorts,
    States,
    Mark,
    Status,
    Timeout,
    Labels,
    Sets,
    ReplySrcPorts,
    ReplyDstPorts,
    Nothing,
    Id,
    SharedZone,
    OriginalZone,
    ReplyZone,
    MaskedOriginalSrc,
    MaskedOriginalDst,
    Icmp,
    Nat,
}

/// The smallest source of facts that answers a part. Each variant knows more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KnownFrom {
    /// The flow key: id, zone and original tuple.
    Key,
    /// Any event: both tuples. The replica keeps both tuples as well.
    Event,
    /// The whole entry. An event has the field only if the kernel put it in.
    Row,
}

/// What the kernel can compare for a part while it dumps the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InDump {
    Nothing,
    Family,
    /// One zone other than 0.
    Zone,
    /// One protocol over IPv4.
    Protocol,
    /// One address over IPv4.
    Address,
    /// One port of TCP or UDP over IPv4.
    Port,
    /// Bits under a mask.
    Bits,
}

/// Which of the four addresses of a flow a part compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Addresses {
    OriginalSrc,
    OriginalDst,
    ReplySrc,
    ReplyDst,
    /// All four addresses; a match of one suffices.
    Any,
}

/// The properties of a part, independent of its value.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The name in WIT and in the configuration.
    name: &'static str,
    known_from: KnownFrom,
    /// Whether the answer can change during the life of a flow.
    changes: bool,
    in_dump: InDump,
    /// Whether the event filter, the program in front of the event socket, can test the part.
    in_event_filter: bool,
    /// The addresses that the part compares. The replica has an index of addresses.
    addresses: Option<Addresses>,
}

const CHANGES: bool = true;
const LASTS: bool = false;
const IN_EVENTS: bool = true;
const NOT_IN_EVENTS: bool = false;

const fn row(
    name: &'static str,
    known_from: KnownFrom,
    changes: bool,
    in_dump: InDump,
    in_event_filter: bool,
    addresses: Option<Addresses>,
) -> Row {
    Row { name, known_from, changes, in_dump, in_event_filter, addresses }
}

impl FilterPart {
    /// Every part, in the order in which texts for people list them.
    pub const ALL: [Self; 27] = [
        Self::Family,
        Self::Protocols,
        Self::Zones,
        Self::OriginalSrc,
        Self::OriginalDst,
        Self::ReplySrc,
        Self::ReplyDst,
        Self::Either,
        Self::SrcPorts,
        Self::DstPorts,
        Self::States,
        Self::Mark,
        Self::Status,
        Self::Timeout,
        Self::Labels,
        Self::Sets,
        Self::ReplySrcPorts,
        Self::ReplyDstPorts,
        Self::Nothing,
        Self::Id,
        Self::SharedZone,
        Self::OriginalZone,
        Self::ReplyZone,
        Self::MaskedOriginalSrc,
        Self::MaskedOriginalDst,
        Self::Icmp,
        Self::Nat,
    ];

    #[rustfmt::skip]
    const fn row(self) -> Row {
        use Addresses::{Any, OriginalDst, OriginalSrc, ReplyDst, ReplySrc};
        use KnownFrom::{Event, Key};
        match self {
            // name, known from, whether the answer changes, in a dump, in the event filter, addresses
            Self::Family => row("family", Key, LASTS, InDump::Family, IN_EVENTS, None),
            Self::Protocols => row("protocols", Key, LASTS, InDump::Protocol, IN_EVENTS, None),
            Self::Zones => row("zones", Key, LASTS, InDump::Zone, IN_EVENTS, None),
            Self::OriginalSrc => row("original-src", Key, LASTS, InDump::Address, IN_EVENTS, Some(OriginalSrc)),
            Self::OriginalDst => row("original-dst", Key, LASTS, InDump::Address, IN_EVENTS, Some(OriginalDst)),
            Self::ReplySrc => row("reply-src", Event, LASTS, InDump::Address, IN_EVENTS, Some(ReplySrc)),
            Self::ReplyDst => row("reply-dst", Event, LASTS, InDump::Address, IN_EVENTS, Some(ReplyDst)),
            Self::Either => row("either", Event, LASTS, InDump::Nothing, IN_EVENTS, Some(Any)),
            Self::SrcPorts => row("src-ports", Key, LASTS, InDump::Port, IN_EVENTS, None),
            Self::DstPorts => row("dst-ports", Key, LASTS, InDump::Port, IN_EVENTS, None),
            Self::States => row("states", KnownFrom::Row, CHANGES, InDump::Nothing, IN_EVENTS, None),
            Self::Mark => row("mark", KnownFrom::Row, CHANGES, InDump::Bits, IN_EVENTS, None),
            Self::Status => row("status", KnownFrom::Row, CHANGES, InDump::Bits, IN_EVENTS, None),
            Self::Timeout => row("timeout", KnownFrom::Row, CHANGES, InDump::Nothing, IN_EVENTS, None),
            Self::Labels => row("labels", KnownFrom::Row, CHANGES, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::Sets => row("sets", Event, LASTS, InDump::Nothing, NOT_IN_EVENTS, Some(Any)),
            Self::ReplySrcPorts => row("reply-src-ports", Event, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::ReplyDstPorts => row("reply-dst-ports", Event, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::Nothing => row("nothing", Key, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::Id => row("id", Key, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::SharedZone => row("shared-zone", KnownFrom::Row, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::OriginalZone => row("original-zone", KnownFrom::Row, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::ReplyZone => row("reply-zone", KnownFrom::Row, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::MaskedOriginalSrc => row("masked-original-src", Key, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::MaskedOriginalDst => row("masked-original-dst", Key, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            Self::Icmp => row("icmp", Key, LASTS, InDump::Nothing, NOT_IN_EVENTS, None),
            // NAT depends on status bits, which say whether a translation is set up.
            Self::Nat => row("nat", KnownFrom::Row, CHANGES, InDump::Nothing, NOT_IN_EVENTS, None),
        }
    }

    /// The name in WIT and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The smallest source of facts that answers the part.
    #[must_use]
    pub const fn known_from(self) -> KnownFrom {
        self.row().known_from
    }

    /// Whether the answer can change during the life of a flow.
    #[must_use]
    pub const fn changes(self) -> bool {
        self.row().changes
    }

    /// What the kernel can compare for the part while it dumps the table.
    #[must_use]
    pub const fn in_dump(self) -> InDump {
        self.row().in_dump
    }

    /// Whether the event filter, the program in front of the event socket, can test the part.
    #[must_use]
    pub const fn is_in_event_filter(self) -> bool {
        self.row().in_event_filter
    }

    /// The addresses that the part compares. The replica finds flows by them.
    #[must_use]
    pub const fn addresses(self) -> Option<Addresses> {
        self.row().addresses
    }

    /// Whether the replica can answer the part. The replica keeps what every event carries and what never changes.
    #[must_use]
    pub const fn is_in_replica(self) -> bool {
        let row = self.row();
        match row.known_from {
            KnownFrom::Key | KnownFrom::Event => !row.changes,
            KnownFrom::Row => false,
        }
    }
}

impl Filter {
    /// The value of the part. `None` if the filter does not give the part.
    #[must_use]
    pub fn value(&self, part: FilterPart) -> Option<PartValue<'_>> {
        // The fields are named here, so that a new field does not compile without a part.
        let Self {
            family,
            protocols,
            zones,
            original_src,
            original_dst,
            reply_src,
            reply_dst,
            either,
            src_ports,
            dst_ports,
            states,
            mark,
            status,
            timeout,
            labels,
            rare,
        } = self;
        let rare = |value: fn(&RareFilter) -> Option<PartValue<'_>>| rare.as_deref().and_then(value);
        match part {
            FilterPart::Family => family.map(PartValue::Family),
            FilterPart::Protocols => PartValue::protocols(protocols),
            FilterPart::Zones => PartValue::zones(zones),
            FilterPart::OriginalSrc => PartValue::networks(original_src),
            FilterPart::OriginalDst => PartValue::networks(original_dst),
            FilterPart::ReplySrc => PartValue::networks(reply_src),
            FilterPart::ReplyDst => PartValue::networks(reply_dst),
            FilterPart::Either => PartValue::networks(either),
            FilterPart::SrcPorts => PartValue::ports(src_ports),
            FilterPart::DstPorts => PartValue::ports(dst_ports),
            FilterPart::States => PartValue::states(states),
            FilterPart::Mark => mark.map(PartValue::Bits),
            FilterPart::Status => status.map(PartValue::Bits),
            FilterPart::Timeout => timeout.map(PartValue::Seconds),
            FilterPart::Labels => (*labels != 0).then_some(PartValue::Labels(*labels)),
            FilterPart::Sets => rare(|rare| PartValue::sets(&rare.sets)),
            FilterPart::ReplySrcPorts => rare(|rare| PartValue::ports(&rare.reply_src_ports)),
            FilterPart::ReplyDstPorts => rare(|rare| PartValue::ports(&rare.reply_dst_ports)),
            FilterPart::Nothing => rare(|rare| rare.nothing.then_some(PartValue::Nothing)),
            FilterPart::Id => rare(|rare| rare.id.map(PartValue::Id)),
            FilterPart::SharedZone => rare(|rare| rare.shared_zone.map(PartValue::Zone)),
            FilterPart::OriginalZone => rare(|rare| rare.zones.original.map(PartValue::Zone)),
            FilterPart::ReplyZone => rare(|rare| rare.zones.reply.map(PartValue::Zone)),
            FilterPart::MaskedOriginalSrc => rare(|rare| rare.original_src.map(PartValue::MaskedAddress)),
            FilterPart::MaskedOriginalDst => rare(|rare| rare.original_dst.map(PartValue::MaskedAddress)),
            FilterPart::Icmp => rare(|rare| PartValue::icmp(rare.icmp)),
            FilterPart::Nat => rare(|rare| rare.nat.map(PartValue::Nat)),
        }
    }

    /// Whether the filter gives the part.
    #[must_use]
    pub fn has(&self, part: FilterPart) -> bool {
        self.value(part).is_some()
    }

    /// The parts that the filter gives, each with its value.
    pub fn parts(&self) -> impl Iterator<Item = (FilterPart, PartValue<'_>)> {
        FilterPart::ALL.into_iter().filter_map(|part| Some((part, self.value(part)?)))
    }

    /// Removes the part from the filter.
    pub fn clear(&mut self, part: FilterPart) {
        match part {
            FilterPart::Family => self.family = None,
            FilterPart::Protocols => self.protocols = AnyOf::NONE,
            FilterPart::Zones => self.zones = AnyOf::NONE,
            FilterPart::OriginalSrc => self.original_src = PrefixSet::new(),
            FilterPart::OriginalDst => self.original_dst = PrefixSet::new(),
            FilterPart::ReplySrc => self.reply_src = PrefixSet::new(),
            FilterPart::ReplyDst => self.reply_dst = PrefixSet::new(),
            FilterPart::Either => self.either = PrefixSet::new(),
            FilterPart::SrcPorts => self.src_ports = PortRanges::NONE,
            FilterPart::DstPorts => self.dst_ports = PortRanges::NONE,
            FilterPart::States => self.states = AnyOf::NONE,
            FilterPart::Mark => self.mark = None,
            FilterPart::Status => self.status = None,
            FilterPart::Timeout => self.timeout = None,
            FilterPart::Labels => self.labels = 0,
            FilterPart::Sets => self.clear_rare(|rare| rare.sets.clear()),
            FilterPart::ReplySrcPorts => self.clear_rare(|rare| rare.reply_src_ports = PortRanges::NONE),
            FilterPart::ReplyDstPorts => self.clear_rare(|rare| rare.reply_dst_ports = PortRanges::NONE),
            FilterPart::Nothing => self.clear_rare(|rare| rare.nothing = false),
            FilterPart::Id => self.clear_rare(|rare| rare.id = None),
            FilterPart::SharedZone => self.clear_rare(|rare| rare.shared_zone = None),
            FilterPart::OriginalZone => self.clear_rare(|rare| rare.zones.original = None),
            FilterPart::ReplyZone => self.clear_rare(|rare| rare.zones.reply = None),
            FilterPart::MaskedOriginalSrc => self.clear_rare(|rare| rare.original_src = None),
            FilterPart::MaskedOriginalDst => self.clear_rare(|rare| rare.original_dst = None),
            FilterPart::Icmp => self.clear_rare(|rare| rare.icmp = Default::default()),
            FilterPart::Nat => self.clear_rare(|rare| rare.nat = None),
        }
    }

    fn clear_rare(&mut self, clear: impl FnOnce(&mut RareFilter)) {
        self.rare = self.rare.take().and_then(|mut rare: Box<RareFilter>| {
            clear(&mut rare);
            (*rare != RareFilter::default()).then_some(rare)
        });
    }

    /// The filter, reduced to the parts that `keep` accepts.
    #[must_use]
    pub fn with_parts(&self, keep: impl Fn(FilterPart) -> bool) -> Self {
        let mut filter = self.clone();
        for part in FilterPart::ALL.into_iter().filter(|part| !keep(*part)) {
            filter.clear(part);
        }
        filter
    }

    /// The parts that the replica can answer. `None` if there are none. The other parts need the whole entry.
    #[must_use]
    pub fn lasting(&self) -> Option<Self> {
        let lasting = self.with_parts(FilterPart::is_in_replica);
        (lasting != Self::default()).then_some(lasting)
    }

    /// The filter, reduced to one part.
    #[must_use]
    pub fn only(&self, part: FilterPart) -> Self {
        self.with_parts(|other| other == part)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        Family, Flow, FlowId, FlowKey, IcmpFilter, Known, Layer4, Masked, MaskedAddress, NamedSet, NatFilter, NatTo,
        PerDirection, PortRange, Prefix, Protocol, SecondsRange, SetName, Truth, Tuple, Zone,
    };

    /// A filter that gives every part.
    fn whole() -> Filter {
        let networks = || ["192.0.2.0/24".parse::<Prefix>().unwrap()].into_iter().collect();
        let ports = || PortRanges::from([PortRange { first: 1, last: 2 }]);
        let masked = Some(MaskedAddress { address: [192, 0, 2, 1].into(), mask: [255, 0, 255, 0].into() });
        let set = NamedSet {
            name: SetName("feed".into()),
            networks: [("192.0.2.0/24".parse().unwrap(), alloc::sync::Arc::default())]
                .into_iter()
                .collect::<crate::PrefixMap<_>>()
                .into(),
        };
        Filter {
            family: Some(Family::Ipv6),
            protocols: [Protocol::UDP].into(),
            zones: [Zone(1)].into(),
            original_src: networks(),
            original_dst: networks(),
            reply_src: networks(),
            reply_dst: networks(),
            either: networks(),
            src_ports: ports(),
            dst_ports: ports(),
            states: [3].into(),
            mark: Masked::new(0, 1).ok(),
            status: Masked::new(0, 2).ok(),
            timeout: Some(SecondsRange { first: 0, last: 9 }),
            labels: 1,
            rare: Some(Box::new(RareFilter {
                nothing: true,
                id: Some(FlowId(1)),
                shared_zone: Some(Zone(1)),
                zones: PerDirection { original: Some(Zone(1)), reply: Some(Zone(2)) },
                original_src: masked,
                original_dst: masked,
                reply_src_ports: ports(),
                reply_dst_ports: ports(),
                icmp: IcmpFilter { kind: Some(8), ..IcmpFilter::default() },
                nat: Some(NatFilter::Source(NatTo::default())),
                sets: vec![set],
            })),
        }
    }

    /// A key that matches no part of [`whole`].
    fn stranger() -> FlowKey {
        let layer4 = Layer4::Ports { src: 40_000, dst: 443 };
        let original = Tuple { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), protocol: Protocol::TCP, layer4 };
        FlowKey { id: FlowId(7), zone: Zone(0), original }
    }

    #[test]
    fn every_part_is_told_from_the_others() {
        let whole = whole();
        assert_eq!(whole.parts().map(|(part, _)| part).collect::<vec::Vec<_>>(), FilterPart::ALL);
        for part in FilterPart::ALL {
            let only = whole.only(part);
            assert!(!Filter::default().has(part), "{part:?}");
            for other in FilterPart::ALL {
                assert_eq!(only.has(other), other == part, "{part:?} {other:?}");
            }
            let rest = whole.with_parts(|other| other != part);
            assert!(!rest.has(part) && rest.parts().count() == FilterPart::ALL.len() - 1, "{part:?}");
        }
        assert_eq!(whole.with_parts(|_| false), Filter::default());
        assert_eq!(whole.with_parts(|_| true), whole);
    }

    #[test]
    fn the_table_says_from_what_the_comparison_knows_a_part() {
        let (whole, key) = (whole(), stranger());
        let mut thin = Flow::new(PerDirection { original: key.original, reply: key.original.reversed() });
        thin.id = Some(key.id);
        for part in FilterPart::ALL {
            let only = whole.only(part);
            let known = [Known::Key(&key), Known::Event(&thin), Known::Whole(&thin)];
            let told = known.map(|known| only.evaluate(&known));
            let expected = match part.known_from() {
                KnownFrom::Key => [Truth::No; 3],
                KnownFrom::Event => [Truth::Unknown, Truth::No, Truth::No],
                KnownFrom::Row => [Truth::Unknown, Truth::Unknown, Truth::No],
            };
            assert_eq!(told, expected, "{part:?}");
        }
    }

    #[test]
    fn a_part_compares_the_addresses_that_the_table_says() {
        let (whole, key) = (whole(), stranger());
        for part in FilterPart::ALL {
            let only = whole.only(part);
            let met = |change: fn(&mut Flow)| {
                let mut flow = Flow::new(PerDirection { original: key.original, reply: key.original.reversed() });
                change(&mut flow);
                only.evaluate(&flow) == Truth::Yes
            };
            let met = [
                met(|flow| flow.tuples.original.src = [192, 0, 2, 9].into()),
                met(|flow| flow.tuples.original.dst = [192, 0, 2, 9].into()),
                met(|flow| flow.tuples.reply.src = [192, 0, 2, 9].into()),
                met(|flow| flow.tuples.reply.dst = [192, 0, 2, 9].into()),
            ];
            let expected = match part.addresses() {
                Some(Addresses::OriginalSrc) => [true, false, false, false],
                Some(Addresses::OriginalDst) => [false, true, false, false],
                Some(Addresses::ReplySrc) => [false, false, true, false],
                Some(Addresses::ReplyDst) => [false, false, false, true],
                Some(Addresses::Any) => [true; 4],
                None => {
                    assert_eq!(only.addressed().count(), 0, "{part:?}");
                    continue;
                }
            };
            assert_eq!(met, expected, "{part:?}");
            let addressed: vec::Vec<_> = only.addressed().map(|(part, networks)| (part, networks.len())).collect();
            assert_eq!(addressed, [(part, 1)]);
        }
    }
}
