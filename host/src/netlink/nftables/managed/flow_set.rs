//! The kernel sets of killed flows: each flow is there with the tuples of both directions, for a time.

use std::net::IpAddr;
use std::time::Duration;

use ctwarden_model::{Family, Layer4, PerDirection, Tuple};
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_netfilter::nftables::{
    DataAttribute, ListAttribute, NfTablesMessage, SetElementAttribute, SetElementList, SetElementMessage,
};

use super::{TABLE, table};
use crate::netlink::nftables::Change;

/// How long the packets of a killed flow are dropped. Both ends of a TCP connection get a reset with their next packet;
/// after this time the entries of other protocols have ended at the peers as well.
const LIFETIME: Duration = Duration::from_secs(60);

/// Name of the kernel set. No set of the configuration begins so.
pub(super) const fn name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "_killed4",
        Family::Ipv6 => "_killed6",
    }
}

/// The changes that drop the packets of flows, in both directions. Returns `None` if a flow has no ports.
pub(crate) fn drop_flows(flows: &[PerDirection<Tuple>]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let tuples = flows.iter().flat_map(|flow| [flow.original, flow.reply]);
        let of_family = tuples.filter(|tuple| Family::of(tuple.src) == family);
        let elements = of_family.map(|tuple| element(&tuple)).collect::<Option<Vec<_>>>()?;
        if !elements.is_empty() {
            let attributes = vec![
                SetElementList::Table(TABLE.to_owned()),
                SetElementList::Set(name(family).to_owned()),
                SetElementList::Elements(elements),
            ];
            let message = NfTablesMessage::NewSetElement(SetElementMessage { attributes });
            changes.push(Change { family: table().family, message, flags: NLM_F_CREATE });
        }
    }
    Some(changes)
}

fn element(tuple: &Tuple) -> Option<ListAttribute<SetElementAttribute>> {
    let Layer4::Ports { src, dst } = tuple.layer4 else { return None };
    let mut key = Vec::new();
    for address in [tuple.src, tuple.dst] {
        match address {
            IpAddr::V4(address) => key.extend(address.octets()),
            IpAddr::V6(address) => key.extend(address.octets()),
        }
    }
    key.extend([tuple.protocol.0, 0, 0, 0]);
    for port in [src, dst] {
        key.extend(port.to_be_bytes());
        key.extend([0, 0]);
    }
    let lifetime = u64::try_from(LIFETIME.as_millis()).unwrap_or(u64::MAX);
    let attributes = vec![SetElementAttribute::Key(DataAttribute::Value(key)), SetElementAttribute::Timeout(lifetime)];
    Some(ListAttribute::Element(attributes))
}
