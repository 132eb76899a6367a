//! A condition on flows. Subscriptions, protections, selections and the command line share this one type.

use alloc::boxed::Box;
use core::net::IpAddr;

use crate::{
    AnyOf, Facts, Family, FilterPart, Flow, Labels, Mark, Masked, PortRanges, PrefixSet, Protocol, RareFilter, Status,
    Truth, Tuple, Zone,
};

/// Seconds from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecondsRange {
    /// Fewest seconds that match.
    pub first: u32,
    /// Most seconds that match.
    pub last: u32,
}

/// A condition on flows. Every given part must hold. An absent part or an empty list holds for every flow.
///
/// Within a list any one value suffices. A part does not hold if the entry lacks its field. The lists are sorted,
/// merged and shared: a match takes about sixteen steps for each list at most, and a copy takes no step for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub family: Option<Family>,
    pub protocols: AnyOf<Protocol>,
    pub zones: AnyOf<Zone>,
    /// Source address of the original direction.
    pub original_src: PrefixSet,
    /// Destination address of the original direction.
    pub original_dst: PrefixSet,
    /// Source address of the reply direction.
    pub reply_src: PrefixSet,
    /// Destination address of the reply direction.
    pub reply_dst: PrefixSet,
    /// Any of the four addresses of the flow.
    pub either: PrefixSet,
    /// Source port of the original direction.
    pub src_ports: PortRanges,
    /// Destination port of the original direction.
    pub dst_ports: PortRanges,
    pub states: AnyOf<u8>,
    pub mark: Option<Masked>,
    pub status: Option<Masked>,
    /// Seconds until the entry expires.
    pub timeout: Option<SecondsRange>,
    /// Label bits that must all be set.
    pub labels: u128,
    /// Conditions that few filters have.
    pub rare: Option<Box<RareFilter>>,
}

impl Filter {
    /// Whether the filter matches a whole entry.
    #[must_use]
    pub fn matches(&self, flow: &Flow) -> bool {
        self.evaluate(flow) == Truth::Yes
    }

    /// Whether the filter matches, judged by the facts that are known.
    ///
    /// The parts that a key answers come first. A key is always known, and rejects most flows alone.
    #[inline]
    #[must_use]
    pub fn evaluate(&self, facts: &impl Facts) -> Truth {
        self.by_key(facts)
            .and(|| self.by_addresses(facts))
            .and(|| self.by_fields(facts))
            .and(|| self.rare.as_ref().map_or(Truth::Yes, |rare| rare.evaluate(facts)))
    }

    #[inline(always)]
    fn by_key(&self, facts: &impl Facts) -> Truth {
        let original = facts.original();
        let ports = original.ports();
        let holds = self.family.is_none_or(|family| family == original.family())
            && self.protocols.holds(&original.protocol)
            && self.zones.holds(&facts.zone())
            && self.src_ports.hold(ports.map(|(src, _)| src))
            && self.dst_ports.hold(ports.map(|(_, dst)| dst))
            && (self.original_src.is_empty()
                || facts.was_found_by(FilterPart::OriginalSrc)
                || self.original_src.contains(original.src))
            && (self.original_dst.is_empty()
                || facts.was_found_by(FilterPart::OriginalDst)
                || self.original_dst.contains(original.dst));
        holds.into()
    }

    /// The addresses of the reply direction, which a key lacks.
    #[inline(always)]
    fn by_addresses(&self, facts: &impl Facts) -> Truth {
        let asked = |networks: &PrefixSet, part| !networks.is_empty() && !facts.was_found_by(part);
        let of_reply = |networks: &PrefixSet, address: fn(&Tuple) -> IpAddr| {
            facts.reply().map_or(Truth::Unknown, |reply| networks.contains(address(reply)).into())
        };
        given(asked(&self.reply_src, FilterPart::ReplySrc), || of_reply(&self.reply_src, |reply| reply.src))
            .and(|| {
                given(asked(&self.reply_dst, FilterPart::ReplyDst), || of_reply(&self.reply_dst, |reply| reply.dst))
            })
            .and(|| given(asked(&self.either, FilterPart::Either), || any_address(facts, |a| self.either.contains(a))))
    }

    /// The fields that can change and that an event may leave out.
    #[inline(always)]
    fn by_fields(&self, facts: &impl Facts) -> Truth {
        let mark = || self.mark.map_or(Truth::Yes, |bits| facts.mark().holds(|Mark(field)| bits.matches(field)));
        let status =
            || self.status.map_or(Truth::Yes, |bits| facts.status().holds(|Status(field)| bits.matches(field)));
        let within = |range: SecondsRange| facts.timeout().holds(|left| range.first <= left && left <= range.last);
        let all_set = |Labels(bits)| bits & self.labels == self.labels;
        given(!self.states.is_empty(), || facts.state().holds(|state| self.states.contains(&state)))
            .and(mark)
            .and(status)
            .and(|| self.timeout.map_or(Truth::Yes, within))
            .and(|| given(self.labels != 0, || facts.labels().holds(all_set)))
    }

    /// The conditions that few filters have, for a change in place.
    pub fn rare_mut(&mut self) -> &mut RareFilter {
        self.rare.get_or_insert_default()
    }
}

/// Evaluates a part that the filter gives. An absent part holds for every flow.
#[inline(always)]
pub(crate) fn given(is_given: bool, holds: impl FnOnce() -> Truth) -> Truth {
    if is_given { holds() } else { Truth::Yes }
}

/// Whether the condition holds for any of the four addresses.
#[inline(always)]
pub(crate) fn any_address(facts: &impl Facts, holds: impl Fn(IpAddr) -> bool) -> Truth {
    let original = facts.original();
    if holds(original.src) || holds(original.dst) {
        return Truth::Yes;
    }
    facts.reply().map_or(Truth::Unknown, |reply| (holds(reply.src) || holds(reply.dst)).into())
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        FlowId, IcmpFilter, Layer4, MaskedAddress, NamedSet, NatFilter, NatTo, PerDirection, PortRange, Prefix,
        ProtocolInfo, Rare, RareFilter, SctpState, SetName, TcpState,
    };

    // A few values for each field, so that filters and flows meet.

    fn address(ipv4: bool) -> impl Strategy<Value = IpAddr> {
        (0_u8..4, 0_u8..4).prop_map(move |(a, b)| match ipv4 {
            true => Ipv4Addr::new(10, a, 0, b).into(),
            false => Ipv6Addr::new(0xfd00, a.into(), 0, 0, 0, 0, 0, b.into()).into(),
        })
    }

    fn layer4() -> impl Strategy<Value = (Protocol, Layer4)> {
        let ports = |(src, dst)| Layer4::Ports { src, dst };
        prop_oneof![
            (0_u16..6, 0_u16..6).prop_map(move |p| (Protocol::TCP, ports(p))),
            (0_u16..6, 0_u16..6).prop_map(move |p| (Protocol::SCTP, ports(p))),
            (0_u16..4, 0_u8..3, 0_u8..2).prop_map(|(id, kind, code)| (Protocol::ICMP, Layer4::Icmp { id, kind, code })),
            (0_u16..6).prop_map(|src| (Protocol::GRE, Layer4::Keys { src, dst: 1 })),
            Just((Protocol(99), Layer4::None)),
        ]
    }

    fn tuples() -> impl Strategy<Value = PerDirection<Tuple>> {
        (any::<bool>(), layer4()).prop_flat_map(|(ipv4, (protocol, layer4))| {
            let tuple =
                move || (address(ipv4), address(ipv4)).prop_map(move |(src, dst)| Tuple { src, dst, protocol, layer4 });
            (tuple(), tuple(), any::<bool>()).prop_map(|(original, reply, is_reversed)| PerDirection {
                original,
                reply: if is_reversed { original.reversed() } else { reply },
            })
        })
    }

    fn info() -> impl Strategy<Value = ProtocolInfo> {
        let tcp =
            |state| ProtocolInfo::Tcp { state, window_scale: PerDirection::default(), flags: PerDirection::default() };
        prop_oneof![
            proptest::option::of(0_u8..4).prop_map(move |state| tcp(state.map(TcpState))),
            (0_u8..4).prop_map(|s| ProtocolInfo::Sctp { state: Some(SctpState(s)), vtag: PerDirection::default() }),
        ]
    }

    fn flow() -> impl Strategy<Value = Flow> {
        let fields = (
            proptest::option::of(0_u32..8),
            proptest::option::of(0_u32..8),
            proptest::option::of(0_u32..8),
            proptest::option::of(0_u128..8),
            proptest::option::of(info()),
        );
        let zones = (0_u16..3, proptest::option::of(0_u16..3), proptest::option::of(0_u16..3));
        (tuples(), zones, fields).prop_map(|(tuples, zones, (mark, status, timeout, labels, info))| {
            let mut flow = Flow::new(tuples);
            flow.id = Some(FlowId(1));
            let (shared, original, reply) = zones;
            flow.zone = Zone(original.unwrap_or(shared));
            if original.is_some() || reply.is_some() {
                flow.rare_mut().zones = PerDirection { original: original.map(Zone), reply: reply.map(Zone) };
            }
            flow.mark = mark.map(Mark);
            // A few bits, among them the two NAT-done bits.
            flow.status = status.map(|bits| Status(bits | (bits & 3) << 7));
            flow.timeout = timeout;
            flow.labels = labels.map(Labels);
            flow.info = info;
            flow
        })
    }

    fn networks() -> impl Strategy<Value = Vec<Prefix>> {
        let network = any::<bool>().prop_flat_map(|ipv4| {
            let lengths = if ipv4 { 0..=32_u8 } else { 0..=128_u8 };
            (address(ipv4), lengths).prop_map(|(address, length)| Prefix::new(address, length).unwrap())
        });
        prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(network, 1..4)]
    }

    fn ranges() -> impl Strategy<Value = PortRanges> {
        let range = (0_u16..6, 0_u16..6).prop_map(|(first, last)| PortRange { first, last });
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(range, 1..3)].prop_map(PortRanges::from)
    }

    fn masked() -> impl Strategy<Value = Option<Masked>> {
        proptest::option::of((0_u32..8, 0_u32..8).prop_map(|(v, m)| Masked::new(v & m, m).unwrap()))
    }

    fn seldom<T: core::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
        proptest::option::weighted(0.1, of)
    }

    fn nat_to() -> impl Strategy<Value = NatTo> {
        (proptest::option::of(any::<bool>().prop_flat_map(address)), proptest::option::of(0_u16..6))
            .prop_map(|(address, port)| NatTo { address, port })
    }

    fn nat() -> impl Strategy<Value = NatFilter> {
        prop_oneof![
            nat_to().prop_map(NatFilter::Source),
            nat_to().prop_map(NatFilter::Destination),
            (nat_to(), nat_to()).prop_map(|(source, destination)| NatFilter::Both { source, destination }),
            nat_to().prop_map(NatFilter::Either),
        ]
    }

    fn masked_address() -> impl Strategy<Value = MaskedAddress> {
        let pair = (any::<bool>(), 0..64_u8)
            .prop_flat_map(|(ipv4, odd)| (address(ipv4), address(if odd == 0 { !ipv4 } else { ipv4 })));
        pair.prop_map(|(address, mask)| MaskedAddress { address, mask })
    }

    /// Includes sets without networks, which hold for no flow.
    fn sets() -> impl Strategy<Value = Vec<NamedSet>> {
        let set = networks().prop_map(|networks| NamedSet {
            name: SetName("feed".into()),
            networks: Arc::new(networks.into_iter().map(|network| (network, Arc::default())).collect()),
        });
        prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(set, 1..3)]
    }

    fn rare() -> impl Strategy<Value = RareFilter> {
        let first = (
            proptest::bool::weighted(0.02),
            seldom((0_u32..3).prop_map(FlowId)),
            [seldom((0_u16..3).prop_map(Zone)), seldom((0_u16..3).prop_map(Zone)), seldom((0_u16..3).prop_map(Zone))],
            [seldom(masked_address()), seldom(masked_address())],
        );
        let icmp = (seldom(0_u16..4), seldom(0_u8..3), seldom(0_u8..2));
        let second = ((ranges(), ranges()), icmp, seldom(nat()), sets());
        (first, second).prop_map(|((nothing, id, zones, addresses), (ports, icmp, nat, sets))| {
            let [shared_zone, original, reply] = zones;
            let [original_src, original_dst] = addresses;
            let (reply_src_ports, reply_dst_ports) = ports;
            let icmp = IcmpFilter { id: icmp.0, kind: icmp.1, code: icmp.2 };
            RareFilter {
                nothing,
                id,
                shared_zone,
                zones: PerDirection { original, reply },
                original_src,
                original_dst,
                reply_src_ports,
                reply_dst_ports,
                icmp,
                nat,
                sets,
            }
        })
    }

    /// A filter, and its networks as plain lists.
    fn filter() -> impl Strategy<Value = (Filter, [Vec<Prefix>; 5])> {
        let protocols = [Protocol::TCP, Protocol::SCTP, Protocol::ICMP, Protocol(99)];
        let first = (
            proptest::option::of(prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]),
            prop_oneof![3 => Just(Vec::new()), 1 => prop::sample::subsequence(protocols.to_vec(), 1..3)],
            prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec((0_u16..3).prop_map(Zone), 1..3)],
            [networks(), networks(), networks(), networks(), networks()],
        );
        let second = (
            (ranges(), ranges()),
            prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(0_u8..4, 1..3)],
            (masked(), masked()),
            proptest::option::of((0_u32..8, 0_u32..8).prop_map(|(first, last)| SecondsRange { first, last })),
            prop_oneof![3 => Just(0_u128), 1 => 0_u128..8],
            proptest::option::weighted(0.2, rare().prop_map(Box::new)),
        );
        (first, second).prop_map(
            |((family, protocols, zones, lists), (ports, states, masks, timeout, labels, rare))| {
                let set = |list: &Vec<Prefix>| list.iter().copied().collect::<PrefixSet>();
                let [original_src, original_dst, reply_src, reply_dst, either] = lists.each_ref().map(set);
                let (src_ports, dst_ports) = ports;
                let (mark, status) = masks;
                let filter = Filter {
                    family,
                    protocols: protocols.into(),
                    zones: zones.into(),
                    original_src,
                    original_dst,
                    reply_src,
                    reply_dst,
                    either,
                    src_ports,
                    dst_ports,
                    states: states.into(),
                    mark,
                    status,
                    timeout,
                    labels,
                    rare,
                };
                (filter, lists)
            },
        )
    }

    /// Evaluates the filter part by part, as the interface describes the parts.
    fn naive(filter: &Filter, lists: &[Vec<Prefix>; 5], flow: &Flow) -> bool {
        let PerDirection { original, reply } = flow.tuples;
        let mut conditions: Vec<Box<dyn Fn() -> bool + '_>> = Vec::new();
        if let Some(family) = filter.family {
            conditions.push(Box::new(move || (family == Family::Ipv4) == original.src.is_ipv4()));
        }
        if !filter.protocols.is_empty() {
            conditions.push(Box::new(|| filter.protocols.iter().any(|p| p.0 == flow.tuples.original.protocol.0)));
        }
        if !filter.zones.is_empty() {
            conditions.push(Box::new(|| filter.zones.iter().any(|z| z.0 == flow.zone.0)));
        }
        let sides = [
            Vec::from([original.src]),
            Vec::from([original.dst]),
            Vec::from([reply.src]),
            Vec::from([reply.dst]),
            Vec::from([original.src, original.dst, reply.src, reply.dst]),
        ];
        for (list, addresses) in lists.iter().zip(sides) {
            if !list.is_empty() {
                conditions.push(Box::new(move || list.iter().any(|n| addresses.iter().any(|a| n.contains(*a)))));
            }
        }
        let ports = match original.layer4 {
            Layer4::Ports { src, dst } => [Some(src), Some(dst)],
            Layer4::None | Layer4::Icmp { .. } | Layer4::Keys { .. } => [None, None],
        };
        for (ranges, port) in [&filter.src_ports, &filter.dst_ports].into_iter().zip(ports) {
            if !ranges.is_empty() {
                conditions.push(Box::new(move || {
                    port.is_some_and(|p| ranges.iter().any(|r| (r.first..=r.last).contains(&p)))
                }));
            }
        }
        if !filter.states.is_empty() {
            let state = match flow.info {
                Some(ProtocolInfo::Tcp { state, .. }) => state.map(|s| s.0),
                Some(ProtocolInfo::Sctp { state, .. }) => state.map(|s| s.0),
                Some(ProtocolInfo::Dccp { state, .. }) => state.map(|s| s.0),
                None => None,
            };
            conditions.push(Box::new(move || filter.states.iter().any(|s| Some(*s) == state)));
        }
        if let Some(mark) = filter.mark {
            conditions.push(Box::new(move || flow.mark.is_some_and(|m| m.0 & mark.mask() == mark.value())));
        }
        if let Some(status) = filter.status {
            conditions.push(Box::new(move || flow.status.is_some_and(|s| s.0 & status.mask() == status.value())));
        }
        if let Some(range) = filter.timeout {
            conditions.push(Box::new(move || flow.timeout.is_some_and(|t| (range.first..=range.last).contains(&t))));
        }
        for bit in (0..128).filter(|bit| filter.labels >> bit & 1 == 1) {
            conditions.push(Box::new(move || flow.labels.is_some_and(|l| l.0 >> bit & 1 == 1)));
        }
        if let Some(rare) = &filter.rare {
            conditions.extend(naive_rare(rare, flow));
        }
        conditions.iter().all(|holds| holds())
    }

    fn naive_rare<'a>(rare: &'a RareFilter, flow: &'a Flow) -> Vec<Box<dyn Fn() -> bool + 'a>> {
        let PerDirection { original, reply } = flow.tuples;
        let zones = flow.rare.as_deref().map_or_else(PerDirection::default, |rare: &Rare| rare.zones);
        let mut conditions: Vec<Box<dyn Fn() -> bool + 'a>> = Vec::from([Box::new(|| !rare.nothing) as Box<_>]);
        if let Some(id) = rare.id {
            conditions.push(Box::new(move || flow.id.map(|id| id.0) == Some(id.0)));
        }
        if let Some(zone) = rare.shared_zone {
            conditions.push(Box::new(move || match zones.original {
                Some(_) => zone.0 == 0,
                None => zone == flow.zone,
            }));
        }
        for (wanted, found) in [(rare.zones.original, zones.original), (rare.zones.reply, zones.reply)] {
            if let Some(wanted) = wanted {
                conditions.push(Box::new(move || wanted == found.unwrap_or(Zone(0))));
            }
        }
        for (bits, address) in [(rare.original_src, original.src), (rare.original_dst, original.dst)] {
            if let Some(MaskedAddress { address: wanted, mask }) = bits {
                let octets = |address: IpAddr| match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                conditions.push(Box::new(move || {
                    let (wanted, mask, found) = (octets(wanted), octets(mask), octets(address));
                    let same_family = wanted.len() == mask.len() && mask.len() == found.len();
                    same_family && (0..mask.len()).all(|n| wanted[n] & mask[n] == found[n] & mask[n])
                }));
            }
        }
        let ports = reply.ports().map_or([None, None], |(src, dst)| [Some(src), Some(dst)]);
        for (ranges, port) in [&rare.reply_src_ports, &rare.reply_dst_ports].into_iter().zip(ports) {
            if !ranges.is_empty() {
                conditions.push(Box::new(move || {
                    port.is_some_and(|p| ranges.iter().any(|r| (r.first..=r.last).contains(&p)))
                }));
            }
        }
        let icmp = match original.layer4 {
            Layer4::Icmp { id, kind, code } => [Some(u32::from(id)), Some(kind.into()), Some(code.into())],
            Layer4::None | Layer4::Ports { .. } | Layer4::Keys { .. } => [None; 3],
        };
        let wanted = [rare.icmp.id.map(u32::from), rare.icmp.kind.map(u32::from), rare.icmp.code.map(u32::from)];
        for (wanted, found) in wanted.into_iter().zip(icmp).filter(|(wanted, _)| wanted.is_some()) {
            conditions.push(Box::new(move || wanted == found));
        }
        if let Some(nat) = rare.nat {
            conditions.push(Box::new(move || naive_nat(nat, flow)));
        }
        if !rare.sets.is_empty() {
            conditions.push(Box::new(move || {
                let networks = || rare.sets.iter().flat_map(|set| set.networks.iter().map(|(network, _)| network));
                let addresses = [original.src, original.dst, reply.src, reply.dst];
                addresses.iter().any(|address| networks().any(|network| network.contains(*address)))
            }));
        }
        conditions
    }

    fn naive_nat(nat: NatFilter, flow: &Flow) -> bool {
        let PerDirection { original, reply } = flow.tuples;
        let settled = |bit: u32| flow.status.is_none_or(|status| status.0 & bit != 0);
        // The two ends of the tuple as bytes, in the kernel's layout.
        let ends = |tuple: Tuple| match tuple.layer4 {
            Layer4::None => [[0; 2]; 2],
            Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => [src.to_be_bytes(), dst.to_be_bytes()],
            Layer4::Icmp { id, kind, code } => [id.to_be_bytes(), [kind, code]],
        };
        let port = |n: usize| match reply.layer4 {
            Layer4::Icmp { .. } => 0,
            Layer4::None | Layer4::Ports { .. } | Layer4::Keys { .. } => u16::from_be_bytes(ends(reply)[n]),
        };
        let source = |to: NatTo| {
            let moved = settled(1 << 7) && reply.dst != original.src;
            let port_moved = settled(1 << 7) && ends(reply)[1] != ends(original)[0];
            match (to.address, to.port) {
                (None, None) => moved || port_moved,
                (Some(address), None) => moved && address == reply.dst,
                (None, Some(wanted)) => port_moved && wanted == port(1),
                (Some(address), Some(wanted)) => moved && address == reply.dst && port_moved && wanted == port(1),
            }
        };
        let destination = |to: NatTo| {
            let moved = settled(1 << 8) && reply.src != original.dst;
            let port_moved = settled(1 << 8) && ends(reply)[0] != ends(original)[1];
            match (to.address, to.port) {
                (None, None) => moved || port_moved,
                (Some(address), None) => moved && address == reply.src,
                (None, Some(wanted)) => port_moved && wanted == port(0),
                (Some(address), Some(wanted)) => moved && address == reply.src && port_moved && wanted == port(0),
            }
        };
        match nat {
            NatFilter::Source(to) => source(to),
            NatFilter::Destination(to) => destination(to),
            NatFilter::Both { source: first, destination: second } => source(first) && destination(second),
            NatFilter::Either(to) => source(to) || destination(to),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_asking_part_by_part((filter, lists) in filter(), flow in flow()) {
            prop_assert_eq!(filter.matches(&flow), naive(&filter, &lists, &flow));
        }

        #[test]
        fn rare_conditions_agree_with_asking_part_by_part(rare in rare(), flow in flow()) {
            let expected = naive_rare(&rare, &flow).iter().all(|holds| holds());
            prop_assert_eq!(rare.evaluate(&flow) == Truth::Yes, expected);
        }

        #[test]
        fn the_empty_filter_matches_every_flow(flow in flow()) {
            prop_assert!(Filter::default().matches(&flow));
        }
    }

    /// The properties prove little if the random filters never match.
    #[test]
    fn random_filters_and_flows_do_meet() {
        use proptest::strategy::ValueTree;
        use proptest::test_runner::TestRunner;

        let mut runner = TestRunner::deterministic();
        let (mut met, mut rarely) = (0, 0);
        for _ in 0..5_000 {
            let (filter, _) = filter().new_tree(&mut runner).unwrap().current();
            let rare = rare().new_tree(&mut runner).unwrap().current();
            let flow = flow().new_tree(&mut runner).unwrap().current();
            met += u32::from(filter != Filter::default() && filter.matches(&flow));
            rarely += u32::from(rare != RareFilter::default() && (rare.evaluate(&flow) == Truth::Yes));
        }
        assert!(rarely > 100, "{rarely} of 5000 met");
        assert!(met > 20, "{met} of 5000 met");
    }

    fn web() -> Flow {
        let original = Tuple {
            src: [192, 0, 2, 1].into(),
            dst: [198, 51, 100, 2].into(),
            protocol: Protocol::TCP,
            layer4: Layer4::Ports { src: 40_000, dst: 443 },
        };
        Flow::new(PerDirection { original, reply: original.reversed() })
    }

    fn with(change: impl FnOnce(&mut Filter)) -> Filter {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    }

    #[test]
    fn the_common_filter_stays_small() {
        // Conditions that few filters have belong in `RareFilter`.
        assert!(size_of::<Filter>() <= 464, "{}", size_of::<Filter>());
    }

    #[test]
    fn a_part_whose_field_the_entry_lacks_does_not_hold() {
        let everything = Masked::new(0, 0).unwrap();
        for filter in [
            with(|f| f.mark = Some(everything)),
            with(|f| f.status = Some(everything)),
            with(|f| f.timeout = Some(SecondsRange { first: 0, last: u32::MAX })),
            with(|f| f.states = (0..=u8::MAX).collect()),
            with(|f| f.labels = 1),
        ] {
            assert!(!filter.matches(&web()), "{filter:?}");
        }
    }

    #[test]
    fn ports_are_those_of_the_original_direction_with_both_ends() {
        for (first, last, matches) in
            [(443, 443, true), (1, 443, true), (443, 500, true), (444, 442, false), (80, 80, false)]
        {
            let filter = with(|f| f.dst_ports = [PortRange { first, last }].into());
            assert_eq!(filter.matches(&web()), matches, "{first}-{last}");
        }
        assert!(!with(|f| f.src_ports = [PortRange { first: 443, last: 443 }].into()).matches(&web()));
    }
}
