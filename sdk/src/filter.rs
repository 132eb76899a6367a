//! Filters: the condition on flows in subscriptions and in verdicts about many flows.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use ctwarden_model::{SecondsRange, Truth, Zone};

use crate::address::halves;
use crate::bindings::ctwarden::conntrack::types as wit;
use crate::flow_facts::FlowFacts;
use crate::verdict::Target;
use crate::{Family, Flow, Masked, Ports, Prefix, Protocol, Status};

/// A condition on flows. Every part that is given must hold.
///
/// ```
/// use ctwarden_sdk::{Filter, Status};
///
/// let old_web = Filter::new().tcp().dst_port(80).dst_port(8000..=8999).status(Status::ASSURED);
/// ```
///
/// Protocols, zones, networks, sets, ports and states are lists: each call of the method adds a value, and the part
/// holds if any of its values matches. Each call of [`label`](Self::label) adds a bit, and all bits must be set. The
/// other methods replace the value of an earlier call.
///
/// A part whose field the entry lacks does not hold. For example, a filter on the mark misses events that leave out the
/// mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    family: Option<Family>,
    lists: Lists,
    sets: Vec<String>,
    mark: Option<Masked>,
    status: Option<Masked>,
    timeout: Option<(u32, u32)>,
    labels: u128,
}

/// The parts that hold if any one of their values matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lists {
    protocols: Vec<Protocol>,
    zones: Vec<u16>,
    original_src: Vec<Prefix>,
    original_dst: Vec<Prefix>,
    reply_src: Vec<Prefix>,
    reply_dst: Vec<Prefix>,
    either: Vec<Prefix>,
    src_ports: Vec<Ports>,
    dst_ports: Vec<Ports>,
    reply_src_ports: Vec<Ports>,
    reply_dst_ports: Vec<Ports>,
    states: Vec<u8>,
    compiled: Compiled,
}

/// The lists in the host's form, once they were needed. The lists determine it, so it does not count in comparisons.
#[derive(Debug, Default)]
struct Compiled(OnceLock<ctwarden_model::Filter>);

impl Clone for Compiled {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Compiled {}

impl Filter {
    /// Returns a filter that matches every flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, change: impl FnOnce(&mut Lists)) -> Self {
        self.lists.compiled = Compiled::default();
        change(&mut self.lists);
        self
    }

    /// Matches flows of this address family.
    #[must_use]
    pub const fn family(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }

    /// Matches flows of this protocol, or of another one that was given.
    #[must_use]
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.with(|lists| lists.protocols.push(protocol))
    }

    /// Matches flows of TCP, or of another protocol that was given.
    #[must_use]
    pub fn tcp(self) -> Self {
        self.protocol(Protocol::TCP)
    }

    /// Matches flows of UDP, or of another protocol that was given.
    #[must_use]
    pub fn udp(self) -> Self {
        self.protocol(Protocol::UDP)
    }

    /// Matches flows in this conntrack zone.
    #[must_use]
    pub fn zone(self, zone: u16) -> Self {
        self.with(|lists| lists.zones.push(zone))
    }

    /// Matches flows whose first packet came from this network.
    #[must_use]
    pub fn from(self, network: impl Into<Prefix>) -> Self {
        self.with(|lists| lists.original_src.push(network.into()))
    }

    /// Matches flows whose first packet was sent to this network, before NAT.
    #[must_use]
    pub fn to(self, network: impl Into<Prefix>) -> Self {
        self.with(|lists| lists.original_dst.push(network.into()))
    }

    /// Matches flows whose answers come from this network: the real server, after NAT.
    #[must_use]
    pub fn reply_from(self, network: impl Into<Prefix>) -> Self {
        self.with(|lists| lists.reply_src.push(network.into()))
    }

    /// Matches flows whose answers go to this network: the address that source NAT chose.
    #[must_use]
    pub fn reply_to(self, network: impl Into<Prefix>) -> Self {
        self.with(|lists| lists.reply_dst.push(network.into()))
    }

    /// Matches flows with this network at either end, before or after NAT.
    #[must_use]
    pub fn either(self, network: impl Into<Prefix>) -> Self {
        self.with(|lists| lists.either.push(network.into()))
    }

    /// Matches flows with an address of this operator-named [set](crate::sets) at either end, before or after NAT, or
    /// of another set that was given.
    ///
    /// ```
    /// use ctwarden_sdk::{Filter, delete};
    ///
    /// let verdict = delete().on(Filter::new().tcp().in_set("banned")).because("banned", "listed");
    /// ```
    ///
    /// The host takes the set as it is when it receives the verdict, however long the list is. It refuses a set that
    /// the operator did not grant (`read-sets`). Sets are for verdicts only. The host refuses a subscription with such
    /// a filter, because the filter would not follow the set. [`Subscription::set`](crate::Subscription::set) reports
    /// changes.
    #[must_use]
    pub fn in_set(mut self, name: impl Into<String>) -> Self {
        self.sets.push(name.into());
        self
    }

    /// Returns the names of the sets.
    pub(crate) fn sets(&self) -> &[String] {
        &self.sets
    }

    /// Matches source ports of the first packet.
    #[must_use]
    pub fn src_port(self, ports: impl Into<Ports>) -> Self {
        self.with(|lists| lists.src_ports.push(ports.into()))
    }

    /// Matches destination ports of the first packet: a service.
    #[must_use]
    pub fn dst_port(self, ports: impl Into<Ports>) -> Self {
        self.with(|lists| lists.dst_ports.push(ports.into()))
    }

    /// Matches source ports of the answers: the port of the real server, after NAT.
    #[must_use]
    pub fn reply_src_port(self, ports: impl Into<Ports>) -> Self {
        self.with(|lists| lists.reply_src_ports.push(ports.into()))
    }

    /// Matches destination ports of the answers: the port that source NAT chose.
    #[must_use]
    pub fn reply_dst_port(self, ports: impl Into<Ports>) -> Self {
        self.with(|lists| lists.reply_dst_ports.push(ports.into()))
    }

    /// Matches flows in this state of their protocol.
    #[must_use]
    pub fn state(self, state: impl Into<u8>) -> Self {
        self.with(|lists| lists.states.push(state.into()))
    }

    /// Matches flows with this mark. A plain number is the whole mark.
    #[must_use]
    pub fn mark(mut self, mark: impl Into<Masked>) -> Self {
        self.mark = Some(mark.into());
        self
    }

    /// Matches flows with all of these status bits set.
    #[must_use]
    pub const fn status(self, set: Status) -> Self {
        self.status_bits(set, Status(0))
    }

    /// Matches flows with all bits of `set` set and all bits of `clear` clear. A bit in both must be set.
    #[must_use]
    pub const fn status_bits(mut self, set: Status, clear: Status) -> Self {
        self.status = Some(Masked::within(set.0, set.0 | clear.0));
        self
    }

    /// Matches flows that expire in this many seconds.
    #[must_use]
    pub const fn timeout(mut self, seconds: RangeInclusive<u32>) -> Self {
        self.timeout = Some((*seconds.start(), *seconds.end()));
        self
    }

    /// Matches flows with this label bit set, and every other label bit that was given. Numbers above 127 name no bit
    /// and are ignored.
    #[must_use]
    pub fn label(mut self, bit: u8) -> Self {
        self.labels |= 1_u128.checked_shl(bit.into()).unwrap_or(0);
        self
    }

    /// Returns a target of at most this many matching flows.
    #[must_use]
    pub fn at_most(self, flows: NonZeroU32) -> Target {
        Target::Matching { filter: Box::new(self), limit: flows.get() }
    }

    /// Whether the flow matches, by the same rules as in the host. Sets are looked up as they are now. A set that
    /// cannot be looked up contains no address.
    #[must_use]
    pub fn matches(&self, flow: &Flow<'_>) -> bool {
        let facts = FlowFacts::new(flow);
        let in_any = |sets: &[String]| sets.iter().any(|set| crate::sets::holds_any(set, &flow.addresses()));
        self.lists.compiled().evaluate(&facts).and(|| self.fields().evaluate(&facts)) == Truth::Yes
            && (self.sets.is_empty() || in_any(&self.sets))
    }

    /// Returns the parts that are not lists.
    fn fields(&self) -> ctwarden_model::Filter {
        ctwarden_model::Filter {
            family: self.family,
            mark: self.mark,
            status: self.status,
            timeout: self.timeout.map(|(first, last)| SecondsRange { first, last }),
            labels: self.labels,
            ..ctwarden_model::Filter::default()
        }
    }
}

impl Lists {
    /// Returns the lists in the host's form, built once, because a policy may test each flow.
    fn compiled(&self) -> &ctwarden_model::Filter {
        let networks = |given: &[Prefix]| given.iter().map(|prefix| prefix.network()).collect();
        let ports = |given: &[Ports]| given.iter().copied().collect();
        let compile = || {
            let mut filter = ctwarden_model::Filter {
                protocols: self.protocols.iter().copied().collect(),
                zones: self.zones.iter().copied().map(Zone).collect(),
                original_src: networks(&self.original_src),
                original_dst: networks(&self.original_dst),
                reply_src: networks(&self.reply_src),
                reply_dst: networks(&self.reply_dst),
                either: networks(&self.either),
                src_ports: ports(&self.src_ports),
                dst_ports: ports(&self.dst_ports),
                states: self.states.iter().copied().collect(),
                ..ctwarden_model::Filter::default()
            };
            if !self.reply_src_ports.is_empty() || !self.reply_dst_ports.is_empty() {
                filter.rare_mut().reply_src_ports = ports(&self.reply_src_ports);
                filter.rare_mut().reply_dst_ports = ports(&self.reply_dst_ports);
            }
            filter
        };
        self.compiled.0.get_or_init(compile)
    }
}

impl From<Filter> for wit::Filter {
    fn from(filter: Filter) -> Self {
        let lists = filter.lists;
        let networks = |prefixes: Vec<Prefix>| prefixes.into_iter().map(wit::Prefix::from).collect();
        let ports = |ranges: Vec<Ports>| ranges.into_iter().map(wit::PortRange::from).collect();
        Self {
            family: filter.family.map(Into::into),
            protocols: lists.protocols.into_iter().map(|protocol| protocol.0).collect(),
            zones: lists.zones,
            original_src: networks(lists.original_src),
            original_dst: networks(lists.original_dst),
            reply_src: networks(lists.reply_src),
            reply_dst: networks(lists.reply_dst),
            either: networks(lists.either),
            sets: filter.sets,
            src_ports: ports(lists.src_ports),
            dst_ports: ports(lists.dst_ports),
            reply_src_ports: ports(lists.reply_src_ports),
            reply_dst_ports: ports(lists.reply_dst_ports),
            states: lists.states,
            mark: filter.mark.map(Into::into),
            status: filter.status.map(Into::into),
            timeout: filter.timeout.map(|(first, last)| wit::SecondsRange { first, last }),
            labels: bit_numbers(filter.labels),
        }
    }
}

/// Returns the numbers of the set bits, lowest first.
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
            (Filter::new().reply_src_port(8443), Filter::new().reply_src_port(443)),
            (Filter::new().reply_dst_port(50_000), Filter::new().reply_dst_port(40_000)),
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

    /// Adds a part that holds: it must not make up for a part that does not hold.
    fn filter_with_more(filter: &Filter) -> Filter {
        if filter.lists.protocols.is_empty() { filter.clone().tcp() } else { filter.clone() }
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
    fn a_part_that_is_given_after_a_question_counts() {
        let ping = flow().ping(7);
        let any = Filter::new();
        assert!(matches(&any, &ping));
        let tcp = any.tcp();
        assert!(!matches(&tcp, &ping));
        assert!(matches(&tcp.protocol(Protocol::ICMP), &ping));
        assert_eq!(Filter::new().tcp(), Filter::new().tcp());
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
