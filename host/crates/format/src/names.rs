//! The names that libnetfilter_conntrack gives to families, protocols and states.
//!
//! These names have gaps that the model's names do not have: a protocol that the library does not know is `unknown`,
//! and an unknown state is `NONE`. The texts must have the same gaps.

use ctwarden_model::{Family, Protocol, ProtocolInfo};

/// Name and `AF_*` number of a family.
pub(crate) const fn family(family: Family) -> (&'static str, u8) {
    match family {
        Family::Ipv4 => ("ipv4", 2),
        Family::Ipv6 => ("ipv6", 10),
    }
}

/// Name of a protocol that the library knows.
pub(crate) const fn protocol(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::IPIP => None,
        known => known.name(),
    }
}

/// Name of the state, if it has one.
pub(crate) fn state(info: &ProtocolInfo) -> Option<&'static str> {
    let name = match info {
        ProtocolInfo::Tcp { state, .. } => (*state)?.name(),
        ProtocolInfo::Sctp { state, .. } => (*state)?.name(),
        ProtocolInfo::Dccp { state, .. } => (*state)?.name(),
    };
    Some(name.unwrap_or("NONE"))
}
