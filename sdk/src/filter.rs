//! Which flows: what a plugin subscribes to, and what a verdict about many flows is about.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use crate::address::halves;
use crate::bindings::ctwarden::policy::types as wit;
use crate::verdict::Target;
use crate::{Family, Flow, Labels, Masked, Ports, Prefix, Protocol, Status};

/// A conjunction of parts; each part holds where any of its values does, and a part that is not given always holds.
///
/// ```
/// use ctwarden_sdk::{Filter, Status};
///
/// let old_web = Filter::new().tcp().dst_port(80).dst_port(8000..=8999).status(Status::ASSURED);
/// ```
///
/// A part whose field an entry lacks does not hold: a filter on the mark misses events that leave the mark out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    family: Option<Family>,
    protocols: Vec<Protocol>,
    zones: Vec<u16>,
    original_src: Vec<Prefix>,
    original_dst: Vec<Prefix>,
    reply_src: Vec<Prefix>,
    reply_dst: Vec<Prefix>,
    either: Vec<Prefix>,
    sets: Vec<String>,
    src_ports: Vec<Ports>,
    dst_ports: Vec<Ports>,
    reply_src_ports: Vec<Ports>,
    reply_dst_ports: Vec<Ports>,
    states: Vec<u8>,
    mark: Option<Masked>,
    status: Option<Masked>,
    timeout: Option<(u32, u32)>,
    labels: u128,
}

impl Filter {
    /// Every flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this family.
    #[must_use]
    pub const fn family(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }

    /// Of this protocol, or of another that was given.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocols.push(protocol);
        self
    }

    /// TCP.
    #[must_use]
    pub fn tcp(self) -> Self {
        self.protocol(Protocol::TCP)
    }

    /// UDP.
    #[must_use]
    pub fn udp(self) -> Self {
        self.protocol(Protocol::UDP)
    }

    /// In this zone.
    #[must_use]
    pub fn zone(mut self, zone: u16) -> Self {
        self.zones.push(zone);
        self
    }

    /// Begun by this network.
    #[must_use]
    pub fn from(mut self, network: impl Into<Prefix>) -> Self {
        self.original_src.push(network.into());
        self
    }

    /// Begun towards this network, before NAT.
    #[must_use]
    pub fn to(mut self, network: impl Into<Prefix>) -> Self {
        self.original_dst.push(network.into());
        self
    }

    /// Answered by this network: who really serves, after NAT.
    #[must_use]
    pub fn reply_from(mut self, network: impl Into<Prefix>) -> Self {
        self.reply_src.push(network.into());
        self
    }

    /// Answered to this network: the address that source NAT gave.
    #[must_use]
    pub fn reply_to(mut self, network: impl Into<Prefix>) -> Self {
        self.reply_dst.push(network.into());
        self
    }

    /// With this network at either end, before or after NAT.
    #[must_use]
    pub fn either(mut self, network: impl Into<Prefix>) -> Self {
        self.either.push(network.into());
        self
    }

    /// With an address of this operator-named [set](crate::sets) at either end, before or after NAT; of this one or of
    /// another that was given.
    ///
    /// ```
    /// use ctwarden_sdk::{Filter, delete};
    ///
    /// let verdict = delete().on(Filter::new().tcp().in_set("banned")).because("banned", "listed");
    /// ```
    ///
    /// The host takes the set as it is when it takes the verdict, however long the list is, and refuses a set that the
    /// operator did not grant (`read-sets`). It is for verdicts: a subscription with such a filter is refused, because it
    /// would not follow the set. [`Subscription::set`](crate::Subscription::set) tells of changes.
    #[must_use]
    pub fn in_set(mut self, name: impl Into<String>) -> Self {
        self.sets.push(name.into());
        self
    }

    /// Names of the sets that were given.
    pub(crate) fn sets(&self) -> &[String] {
        &self.sets
    }

    /// From these ports, as the first packet was sent.
    #[must_use]
    pub fn src_port(mut self, ports: impl Into<Ports>) -> Self {
        self.src_ports.push(ports.into());
        self
    }

    /// To these ports, as the first packet was sent: a service.
    #[must_use]
    pub fn dst_port(mut self, ports: impl Into<Ports>) -> Self {
        self.dst_ports.push(ports.into());
        self
    }

    /// Answered from these ports: what really serves, after NAT.
    #[must_use]
    pub fn reply_src_port(mut self, ports: impl Into<Ports>) -> Self {
        self.reply_src_ports.push(ports.into());
        self
    }

    /// Answered to these ports: those that source NAT gave.
    #[must_use]
    pub fn reply_dst_port(mut self, ports: impl Into<Ports>) -> Self {
        self.reply_dst_ports.push(ports.into());
        self
    }

    /// In this state of its protocol.
    #[must_use]
    pub fn state(mut self, state: impl Into<u8>) -> Self {
        self.states.push(state.into());
        self
    }

    /// With this mark.
    #[must_use]
    pub fn mark(mut self, mark: impl Into<Masked>) -> Self {
        self.mark = Some(mark.into());
        self
    }

    /// With all of these status bits set.
    #[must_use]
    pub const fn status(self, set: Status) -> Self {
        self.status_bits(set, Status(0))
    }

    /// With all of the first status bits set and all of the second clear; a bit that is in both is to be set.
    #[must_use]
    pub const fn status_bits(mut self, set: Status, clear: Status) -> Self {
        self.status = Some(Masked::within(set.0, set.0 | clear.0));
        self
    }

    /// With so many seconds left.
    #[must_use]
    pub const fn timeout(mut self, seconds: RangeInclusive<u32>) -> Self {
        self.timeout = Some((*seconds.start(), *seconds.end()));
        self
    }

    /// With this label bit set, and every other that was given; numbers above 127 name no bit.
    #[must_use]
    pub fn label(mut self, bit: u8) -> Self {
        self.labels |= 1_u128.checked_shl(bit.into()).unwrap_or(0);
        self
    }

    /// So many of the flows at most, as the target of a verdict.
    #[must_use]
    pub fn at_most(self, flows: NonZeroU32) -> Target {
        Target::Matching { filter: Box::new(self), limit: flows.get() }
    }

    /// Whether the flow matches, exactly as the host decides it. Sets are asked as they are now; one that cannot be asked holds
    /// no address.
    #[must_use]
    pub fn matches(&self, flow: &Flow<'_>) -> bool {
        let (original, reply) = (flow.original(), flow.reply());
        let among = |networks: &[Prefix], address| networks.is_empty() || networks.iter().any(|n| n.contains(address));
        let ports = |ranges: &[Ports], port: Option<u16>| {
            ranges.is_empty() || port.is_some_and(|port| ranges.iter().any(|range| range.contains(port)))
        };
        let has_ports = flow.protocol().has_ports();
        self.family.is_none_or(|family| family == flow.family())
            && (self.protocols.is_empty() || self.protocols.contains(&flow.protocol()))
            && (self.zones.is_empty() || self.zones.contains(&flow.zone()))
            && among(&self.original_src, original.src)
            && among(&self.original_dst, original.dst)
            && among(&self.reply_src, reply.src)
            && among(&self.reply_dst, reply.dst)
            && (self.either.is_empty() || flow.addresses().into_iter().any(|address| among(&self.either, address)))
            && (self.sets.is_empty() || self.sets.iter().any(|set| crate::sets::holds_any(set, &flow.addresses())))
            && ports(&self.src_ports, flow.src_port())
            && ports(&self.dst_ports, flow.dst_port())
            && ports(&self.reply_src_ports, has_ports.then_some(reply.src_port))
            && ports(&self.reply_dst_ports, has_ports.then_some(reply.dst_port))
            && (self.states.is_empty() || flow.state().is_some_and(|state| self.states.contains(&state)))
            && self.mark.is_none_or(|wanted| flow.mark().is_some_and(|mark| wanted.matches(mark)))
            && self.status.is_none_or(|wanted| flow.status().is_some_and(|status| wanted.matches(status.0)))
            && self.timeout.is_none_or(|(first, last)| flow.timeout().is_some_and(|t| first <= t && t <= last))
            && (self.labels == 0 || flow.labels().is_some_and(|Labels(bits)| bits & self.labels == self.labels))
    }
}

impl From<Filter> for wit::Filter {
    fn from(filter: Filter) -> Self {
        let networks = |prefixes: Vec<Prefix>| prefixes.into_iter().map(wit::Prefix::from).collect();
        let ports = |ranges: Vec<Ports>| ranges.into_iter().map(wit::PortRange::from).collect();
        Self {
            family: filter.family.map(Into::into),
            protocols: filter.protocols.into_iter().map(|protocol| protocol.0).collect(),
            zones: filter.zones,
            original_src: networks(filter.original_src),
            original_dst: networks(filter.original_dst),
            reply_src: networks(filter.reply_src),
            reply_dst: networks(filter.reply_dst),
            either: networks(filter.either),
            sets: filter.sets,
            src_ports: ports(filter.src_ports),
            dst_ports: ports(filter.dst_ports),
            reply_src_ports: ports(filter.reply_src_ports),
            reply_dst_ports: ports(filter.reply_dst_ports),
            states: filter.states,
            mark: filter.mark.map(Into::into),
            status: filter.status.map(Into::into),
            timeout: filter.timeout.map(|(first, last)| wit::SecondsRange { first, last }),
            labels: bit_numbers(filter.labels),
        }
    }
}

/// Numbers of the bits that are set, lowest first.
pub(crate) fn bit_numbers(bits: u128) -> Vec<u8> {
    let (high, low) = halves(bits);
    (0..128_u8).filter(|bit| if *bit < 64 { low >> bit & 1 == 1 } else { high >> (bit - 64) & 1 == 1 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::imports;
    use crate::testing::{FlowBuilder, Host, flow};
    use crate::{Entry, TcpState, Timestamp};

    fn matches(filter: &Filter, flow: &FlowBuilder) -> bool {
        let entry = Entry::from_wit(flow.record());
        let mut host = Host { rare: vec![flow.rare.clone()], ..Host::new() };
        host = host.set("servers", ["10.0.0.0/30"]).set("others", ["10.0.0.2"]);
        imports::on(&mut host, || filter.matches(&Flow::new(&entry, 0, Timestamp(0))))
    }

    fn network(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn every_part_decides_alone() {
        let tcp = flow().from("192.0.2.1:40000").to("198.51.100.1:443").answered_by("10.0.0.1:8443");
        let tcp = tcp.appearing_as("203.0.113.1:50000").established().zone(3).mark(0x17).labels(&[0, 127]).row();
        for (holds, fails) in [
            (Filter::new().family(Family::Ipv4), Filter::new().family(Family::Ipv6)),
            (Filter::new().udp().tcp(), Filter::new().udp()),
            (Filter::new().zone(1).zone(3), Filter::new().zone(1)),
            (Filter::new().from(network("192.0.2.0/24")), Filter::new().from(network("203.0.113.0/24"))),
            (Filter::new().to(network("198.51.100.1")), Filter::new().to(network("10.0.0.1"))),
            (Filter::new().reply_from(network("10.0.0.0/8")), Filter::new().reply_from(network("198.51.100.1"))),
            (Filter::new().reply_to(network("203.0.113.1")), Filter::new().reply_to(network("192.0.2.1"))),
            (Filter::new().either(network("10.0.0.1")), Filter::new().either(network("10.0.0.2"))),
            (Filter::new().either(network("192.0.2.1")), Filter::new().either(network("::/0"))),
            (Filter::new().in_set("others").in_set("servers"), Filter::new().in_set("others")),
            (Filter::new().in_set("servers"), Filter::new().in_set("unknown")),
            (Filter::new().src_port(40_000), Filter::new().src_port(443)),
            (Filter::new().dst_port(1).dst_port(400..=500), Filter::new().dst_port(8443)),
            (Filter::new().state(TcpState::ESTABLISHED), Filter::new().state(TcpState::CLOSE)),
            (Filter::new().mark(Masked::within(0x10, 0xf0)), Filter::new().mark(0x10)),
            (Filter::new().status(Status::ASSURED), Filter::new().status(Status::SRC_NAT)),
            (
                Filter::new().status_bits(Status::ASSURED, Status::SRC_NAT),
                Filter::new().status_bits(Status::CONFIRMED, Status::ASSURED),
            ),
            (Filter::new().timeout(0..=432_000), Filter::new().timeout(0..=60)),
            (Filter::new().label(0).label(127), Filter::new().label(0).label(1)),
        ] {
            assert!(matches(&filter_with_more(&holds), &tcp), "{holds:?}");
            assert!(!matches(&filter_with_more(&fails), &tcp), "{fails:?}");
        }
        assert!(matches(&Filter::new(), &tcp));
    }

    /// Another part that holds does not make up for one that does not.
    fn filter_with_more(filter: &Filter) -> Filter {
        if filter.protocols.is_empty() { filter.clone().tcp() } else { filter.clone() }
    }

    #[test]
    fn a_part_whose_field_is_missing_does_not_hold() {
        let ping = flow().ping(7);
        assert!(!matches(&Filter::new().dst_port(0..=65535), &ping), "no ports");
        assert!(!matches(&Filter::new().mark(0), &ping), "no mark");
        assert!(!matches(&Filter::new().state(0), &ping), "no state");
        assert!(!matches(&Filter::new().label(0), &ping), "no labels");
    }

    #[test]
    fn a_filter_crosses_the_wall_whole() {
        let filter =
            Filter::new().tcp().zone(7).from(network("192.0.2.0/24")).dst_port(1..=2).label(0).label(64).label(127);
        let filter = filter.label(128).timeout(1..=2).status_bits(Status(1), Status(3)).mark(5).family(Family::Ipv6);
        let sent = wit::Filter::from(filter.in_set("a").in_set("b"));
        assert_eq!(sent.sets, ["a", "b"]);
        assert_eq!((sent.protocols, sent.zones, sent.labels), (vec![6], vec![7], vec![0, 64, 127]));
        assert_eq!((sent.original_src.len(), sent.original_src[0].length), (1, 24));
        assert_eq!((sent.dst_ports[0].first, sent.dst_ports[0].last), (1, 2));
        assert_eq!(sent.status, Some(wit::Masked { value: 1, mask: 3 }));
        assert_eq!(sent.mark, Some(wit::Masked { value: 5, mask: u32::MAX }));
        assert_eq!(sent.timeout, Some(wit::SecondsRange { first: 1, last: 2 }));
        assert_eq!(sent.family, Some(wit::Family::Ipv6));
    }
}
