//! nftables over netlink: one transaction with the few object types of the gateway's rule set.

mod rule;
mod schema;

use ctwarden_netlink::Protocol;
use netlink_packet_core::NLM_F_ACK;
use netlink_packet_netfilter::nftables::NfTablesMessage;
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};

pub(crate) use rule::{Direction, Rule};
pub(crate) use schema::{add_base_chain, add_chain, add_rule, add_set, add_table};

use crate::requests::{Request, RequestError, carry_out};

/// Subsystem of the batch: `NFNL_SUBSYS_NFTABLES` (linux/netfilter/nfnetlink.h).
const SUBSYSTEM: u16 = 10;

/// One change of a transaction, in the family `inet`.
pub(crate) struct RuleChange {
    message: NfTablesMessage,
    flags: u16,
}

/// Applies all changes or none, in the network namespace of the calling thread.
pub(crate) fn commit(changes: Vec<RuleChange>) -> Result<(), RequestError> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
    let mut requests = vec![bracket(ControlMessage::BatchBegin)];
    requests.extend(changes.into_iter().map(|change| Request {
        message: NetfilterMessage::new(header.clone(), change.message),
        flags: change.flags | NLM_F_ACK,
    }));
    requests.push(bracket(ControlMessage::BatchEnd));
    carry_out::<_, NetfilterMessage>(Protocol::Netfilter, requests).map(drop)
}

/// The message that begins or ends a transaction. Not every kernel acknowledges it, so the request asks for no
/// acknowledgement.
fn bracket(message: ControlMessage) -> Request<NetfilterMessage> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM);
    Request { message: NetfilterMessage::new(header, message), flags: 0 }
}
