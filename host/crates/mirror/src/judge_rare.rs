//! The conditions that few filters have, judged of a record.
//!
//! Most are about the tuples and the id, which are kept; zones of single directions are not, and that a translation is
//! settled may be set late without a word.

use alloc::vec::Vec;

use ctwarden_model::{Flow, FlowKey, PerDirection, RareFilter, Status, Tuple};

use crate::judge::Finding;

/// Bits that say that a translation is settled; once set they stay (`IPS_NAT_DONE_MASK` is in `IPS_UNCHANGEABLE_MASK`).
const SETTLED: Status = Status(Status::SRC_NAT_DONE.0 | Status::DST_NAT_DONE.0);

/// What the rare part of a filter says of a flow. `status`: bits that were heard of it at some time.
pub(crate) fn rare(filter: &RareFilter, key: &FlowKey, reply: Tuple, status: Status) -> Finding {
    // By name, so that a condition that is added later is decided about here.
    let RareFilter {
        nothing,
        id,
        shared_zone,
        zones,
        original_src,
        original_dst,
        reply_src_ports,
        reply_dst_ports,
        icmp,
        nat,
        // An address part, judged with the others.
        sets: _,
    } = filter;
    let kept = RareFilter {
        nothing: *nothing,
        id: *id,
        shared_zone: None,
        zones: PerDirection::default(),
        original_src: *original_src,
        original_dst: *original_dst,
        reply_src_ports: reply_src_ports.clone(),
        reply_dst_ports: reply_dst_ports.clone(),
        icmp: *icmp,
        nat: *nat,
        sets: Vec::new(),
    };
    let mut flow = Flow::new(PerDirection { original: key.original, reply });
    flow.id = Some(key.id);
    flow.zone = key.zone;
    flow.status = Some(status | SETTLED);
    if !kept.matches(&flow) {
        return Finding::Fails;
    }
    if shared_zone.is_some() || zones.original.is_some() || zones.reply.is_some() {
        return Finding::Open;
    }
    flow.status = Some(status);
    kept.matches(&flow).into()
}
