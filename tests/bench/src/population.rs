//! The contents of a table: numbered flows of several kinds. Every run therefore has the same table, and each line
//! knows which entries it must find.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_model::{Flow, Layer4, Mark, PerDirection, Protocol, ProtocolInfo, Status, TcpState, Tuple, Zone};

/// A number of flows of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) kind: Kind,
    pub(crate) count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Established connections, each of another client.
    Ipv4,
    /// Established IPv6 connections, each of another client.
    Ipv6,
    /// Connections of clients in a separate network (10.64.0.0/10), all with the mark [`Kind::VICTIMS_MARK`].
    Victim,
    /// Connections of one client, [`Kind::client4`].
    OneClient4,
    /// IPv6 connections of one client, [`Kind::client6`].
    OneClient6,
    /// Connections with the mark [`Kind::MARK`].
    Marked,
    /// Connections in the zone [`Kind::ZONE`].
    Zoned,
    /// DNS over UDP. Only these flows have a fixed timeout (`IPS_FIXED_TIMEOUT`).
    Fixed,
    /// Three flows of each banned address.
    Banned {
        /// Whether the address is IPv6.
        six: bool,
        /// Whether the address is the source of its flows. Otherwise it is the destination.
        source: bool,
    },
    /// One flow of each listed network.
    Listed,
}

impl Kind {
    /// The mark of [`Kind::Marked`].
    pub(crate) const MARK: u32 = 0x1234;
    /// The mark of [`Kind::Victim`].
    pub(crate) const VICTIMS_MARK: u32 = 0x77;
    /// The zone of [`Kind::Zoned`].
    pub(crate) const ZONE: u16 = 7;
    /// The number of flows of each banned address.
    pub(crate) const FLOWS_OF_A_BAN: u64 = 3;
    /// The network of the victims, as the argument of an option.
    pub(crate) const VICTIMS: &str = "10.64.0.0/10";

    /// The client of [`Kind::OneClient4`].
    pub(crate) const fn client4() -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, 9)
    }

    /// The client of [`Kind::OneClient6`].
    pub(crate) const fn client6() -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 9)
    }

    /// The banned address with this number.
    pub(crate) fn banned(six: bool, source: bool, number: u64) -> IpAddr {
        let number = low(number);
        let side = u16::from(source);
        if six {
            let [high, low] = halves(number);
            Ipv6Addr::new(0x2001, 0xdb8, 0xbad0 | side, 0, 0, 0, high, low).into()
        } else {
            Ipv4Addr::from_bits(Ipv4Addr::new(172, 16 | (low(side.into()) as u8), 0, 0).to_bits() | number & 0xffff)
                .into()
        }
    }

    /// The listed network with this number: every other /25 from 100.0.0.0 on.
    pub(crate) fn listed(number: u64) -> String {
        format!("{}/25", Ipv4Addr::from_bits(Ipv4Addr::new(100, 0, 0, 0).to_bits() + (low(number) << 8)))
    }

    /// The flow with this number.
    pub(crate) fn flow(self, number: u64) -> Flow {
        let n = low(number);
        // Ports change with the number, so that flows of one pair of addresses differ. There are few services.
        let port = 1_024 + (n % 60_000) as u16;
        let service = if n.is_multiple_of(3) { 80 } else { 443 };
        let tcp = |src: IpAddr, dst: IpAddr| established(src, dst, Layer4::Ports { src: port, dst: service });
        let v4 = |net: [u8; 4], bits: u32| IpAddr::from(Ipv4Addr::from_bits(Ipv4Addr::from(net).to_bits() | bits));
        let server = v4([198, 18, 0, 0], n % 65_000);
        let server6: IpAddr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, (n % 65_000) as u16).into();
        match self {
            Self::Ipv4 => tcp(v4([10, 0, 0, 0], n & 0x3f_ffff), server),
            Self::Ipv6 => {
                let [high, low] = halves(n);
                tcp(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, high, low).into(), server6)
            }
            Self::Victim => {
                let mut flow = tcp(v4([10, 64, 0, 0], n & 0x3f_ffff), server);
                flow.mark = Some(Mark(Self::VICTIMS_MARK));
                flow
            }
            Self::OneClient4 => tcp(Self::client4().into(), server),
            Self::OneClient6 => tcp(Self::client6().into(), server6),
            Self::Marked => {
                let mut flow = tcp(v4([10, 128, 0, 0], n), server);
                flow.mark = Some(Mark(Self::MARK));
                flow
            }
            Self::Zoned => {
                let mut flow = tcp(v4([10, 144, 0, 0], n), server);
                flow.zone = Zone(Self::ZONE);
                flow
            }
            Self::Fixed => {
                let layer4 = Layer4::Ports { src: port, dst: 53 };
                let original = Tuple { src: v4([10, 160, 0, 0], n), dst: server, protocol: Protocol::UDP, layer4 };
                Flow {
                    status: Some(Status::CONFIRMED | Status::SEEN_REPLY | Status::FIXED_TIMEOUT),
                    timeout: Some(LONG),
                    ..Flow::new(PerDirection { original, reply: original.reversed() })
                }
            }
            Self::Banned { six, source } => {
                let address = Self::banned(six, source, number / Self::FLOWS_OF_A_BAN);
                let other = if six { server6 } else { server };
                if source { tcp(address, other) } else { tcp(other, address) }
            }
            Self::Listed => tcp(v4([100, 0, 0, 0], (n << 8) + 1 + n % 120), server),
        }
    }
}

/// The timeout in seconds, longer than any line takes.
const LONG: u32 = 86_400;

fn established(src: IpAddr, dst: IpAddr, layer4: Layer4) -> Flow {
    let original = Tuple { src, dst, protocol: Protocol::TCP, layer4 };
    let (unknown, none) = (PerDirection { original: None, reply: None }, PerDirection { original: None, reply: None });
    Flow {
        status: Some(Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED),
        timeout: Some(LONG),
        info: Some(ProtocolInfo::Tcp { state: Some(TcpState::ESTABLISHED), window_scale: unknown, flags: none }),
        ..Flow::new(PerDirection { original, reply: original.reversed() })
    }
}

/// All numbers here are far below 2^32.
fn low(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const fn halves(number: u32) -> [u16; 2] {
    [(number >> 16) as u16, (number & 0xffff) as u16]
}

/// The flows of the groups, one group after the other.
pub(crate) fn flows(groups: &[Group]) -> impl Iterator<Item = Flow> + '_ {
    groups.iter().flat_map(|group| (0..group.count).map(|number| group.kind.flow(number)))
}

/// A table with the mixture of many hosts: three of four flows are IPv4, the rest IPv6. One flow of a thousand is of
/// each kind that a selective sweep looks for.
pub(crate) fn mixed(entries: u64) -> Vec<Group> {
    let few = (entries / 1000).max(10);
    let special = [Kind::OneClient4, Kind::OneClient6, Kind::Marked, Kind::Zoned, Kind::Fixed];
    let rest = entries.saturating_sub(few * special.len() as u64);
    let six = rest / 4;
    let mut groups = vec![Group { kind: Kind::Ipv4, count: rest - six }, Group { kind: Kind::Ipv6, count: six }];
    groups.extend(special.map(|kind| Group { kind, count: few }));
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ctwarden_model::Prefix;

    use super::*;

    #[test]
    fn no_two_flows_of_a_table_have_the_same_tuple() {
        let mut groups = mixed(200_000);
        groups.push(Group { kind: Kind::Victim, count: 20_000 });
        groups.push(Group { kind: Kind::Listed, count: 20_000 });
        for (six, source) in [(false, false), (false, true), (true, false), (true, true)] {
            groups.push(Group { kind: Kind::Banned { six, source }, count: 3_000 });
        }
        let places: BTreeSet<_> = flows(&groups)
            .flat_map(|flow| [(flow.zone, flow.tuples.original), (flow.zone, flow.tuples.reply)])
            .collect();
        assert_eq!(places.len() as u64, 2 * groups.iter().map(|group| group.count).sum::<u64>());
    }

    #[test]
    fn a_mixed_table_has_the_size_that_was_asked_for() {
        for entries in [1_000, 50_000, 1_000_000] {
            assert_eq!(mixed(entries).iter().map(|group| group.count).sum::<u64>(), entries);
        }
    }

    #[test]
    fn listed_networks_hold_their_flow_and_victims_are_where_they_are_said_to_be() {
        for number in [0, 1, 119, 120, 99_999] {
            let network: Prefix = Kind::listed(number).parse().unwrap();
            assert!(network.contains(Kind::Listed.flow(number).tuples.original.src), "{network}");
            let victims: Prefix = Kind::VICTIMS.parse().unwrap();
            assert!(victims.contains(Kind::Victim.flow(number).tuples.original.src));
        }
    }
}
