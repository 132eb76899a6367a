//! Which flows NAT translates, and to what.
//!
//! The kernel does not report translation as such. A translated flow has a reply tuple that is not the reversed
//! original tuple, and two status bits tell that the mapping is set up.

use core::net::IpAddr;

use crate::{Fact, Facts, Layer4, Status, Truth, Tuple};

/// The translation that a flow must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatFilter {
    Source(NatTo),
    Destination(NatTo),
    Both {
        source: NatTo,
        destination: NatTo,
    },
    /// Source or destination NAT, to the same address and port.
    Either(NatTo),
}

/// The address and port to which an end is translated. If both are absent, any other address or port counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatTo {
    pub address: Option<IpAddr>,
    /// Port, or key of GRE.
    pub port: Option<u16>,
}

/// One end of a flow before and after translation.
struct End {
    /// Whether the kernel's status bit says that the mapping is set up.
    settled: bool,
    address: (IpAddr, IpAddr),
    /// The 16 bits that the kernel keeps in the place of the port, for every protocol.
    place: (u16, u16),
    port: u16,
}

impl NatTo {
    fn holds(self, end: &End) -> bool {
        let address = end.settled && end.address.0 != end.address.1;
        let port = end.settled && end.place.0 != end.place.1;
        match self {
            Self { address: None, port: None } => address || port,
            Self { address: wanted, port: wanted_port } => {
                wanted.is_none_or(|wanted| address && wanted == end.address.1)
                    && wanted_port.is_none_or(|wanted| port && wanted == end.port)
            }
        }
    }
}

impl NatFilter {
    /// Whether NAT translates the flow this way, judged by the facts that are known. An entry without a status is
    /// judged by its tuples alone.
    #[must_use]
    pub fn evaluate(self, facts: &impl Facts) -> Truth {
        let Some(reply) = facts.reply() else { return Truth::Unknown };
        match facts.status() {
            Fact::Is(status) => self.holds(facts.original(), reply, Some(status)).into(),
            Fact::Absent => self.holds(facts.original(), reply, None).into(),
            Fact::Unknown => Truth::Unknown,
        }
    }

    fn holds(self, original: &Tuple, reply: &Tuple, status: Option<Status>) -> bool {
        let settled = |bit| status.is_none_or(|status| status.contains(bit));
        let (original_src, original_dst) = places(original);
        let (reply_src, reply_dst) = places(reply);
        let (port_src, port_dst) = ports(reply);
        let source = End {
            settled: settled(Status::SRC_NAT_DONE),
            address: (original.src, reply.dst),
            place: (original_src, reply_dst),
            port: port_dst,
        };
        let destination = End {
            settled: settled(Status::DST_NAT_DONE),
            address: (original.dst, reply.src),
            place: (original_dst, reply_src),
            port: port_src,
        };
        match self {
            Self::Source(to) => to.holds(&source),
            Self::Destination(to) => to.holds(&destination),
            Self::Both { source: to_source, destination: to } => to_source.holds(&source) && to.holds(&destination),
            Self::Either(to) => to.holds(&source) || to.holds(&destination),
        }
    }
}

/// The fields of `union nf_conntrack_man_proto` and of its counterpart (linux/netfilter/nf_conntrack_tuple.h), 16 bits
/// each.
///
/// An ICMP identifier takes the place of the source port, and type and code take the place of the destination port. So
/// an ICMP flow with a mapping counts as translated, as it does for the conntrack command.
const fn places(tuple: &Tuple) -> (u16, u16) {
    match tuple.layer4 {
        Layer4::None => (0, 0),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (src, dst),
        Layer4::Icmp { id, kind, code } => (id, u16::from_be_bytes([kind, code])),
    }
}

/// Source and destination port or key, and zeros for protocols without them.
const fn ports(tuple: &Tuple) -> (u16, u16) {
    match tuple.layer4 {
        Layer4::None | Layer4::Icmp { .. } => (0, 0),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (src, dst),
    }
}
