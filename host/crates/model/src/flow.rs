//! One entry of the connection tracking table.
//!
//! What the kernel leaves out is `None`, never zero. Attributes that few entries have are behind one box, so that the
//! common entry is flat and copied without an allocation.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{DccpState, Family, PerDirection, Protocol, SctpState, Status, TcpState, Timestamp, Tuple};

/// The kernel's id of an entry (`CTA_ID`): unique among the entries that live. An entry that comes later may have it again,
/// with the same tuple (`nf_ct_get_id` in nf_conntrack_core.c).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u32);

/// Conntrack zone (`CTA_ZONE`); 0 where none was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(pub u16);

/// Connection mark (`CTA_MARK`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u32);

/// The 128 connection label bits (`CTA_LABELS`), bit 0 lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(pub u128);

/// Accounting of one direction (`CTA_COUNTERS_ORIG`, `CTA_COUNTERS_REPLY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counters {
    pub packets: u64,
    /// Bytes at layer 3.
    pub bytes: u64,
}

/// TCP flags of one direction and the mask they are known under (`struct nf_ct_tcp_flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags {
    /// `IP_CT_TCP_FLAG_*`.
    pub flags: u8,
    pub mask: u8,
}

/// What conntrack keeps for the protocol (`CTA_PROTOINFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolInfo {
    /// `CTA_PROTOINFO_TCP`.
    Tcp {
        state: Option<TcpState>,
        /// Window scale of each direction, where given.
        window_scale: PerDirection<Option<u8>>,
        /// Flags of each direction, where given.
        flags: PerDirection<Option<TcpFlags>>,
    },
    /// `CTA_PROTOINFO_SCTP`.
    Sctp {
        state: Option<SctpState>,
        /// Verification tag of each direction, where given.
        vtag: PerDirection<Option<u32>>,
    },
    /// `CTA_PROTOINFO_DCCP`.
    Dccp {
        state: Option<DccpState>,
        /// Role of the original direction (`CT_DCCP_ROLE_*`: 0 client, 1 server).
        role: Option<u8>,
        handshake_seq: Option<u64>,
    },
}

impl ProtocolInfo {
    /// The state's number, whatever the protocol.
    #[must_use]
    pub fn state(&self) -> Option<u8> {
        match self {
            Self::Tcp { state, .. } => state.map(|s| s.0),
            Self::Sctp { state, .. } => state.map(|s| s.0),
            Self::Dccp { state, .. } => state.map(|s| s.0),
        }
    }
}

/// Sequence number adjustment of one direction (`CTA_SEQ_ADJ_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceAdjustment {
    /// Sequence number from which on the later offset holds.
    pub correction_pos: Option<u32>,
    pub offset_before: Option<i32>,
    pub offset_after: Option<i32>,
}

/// SYN proxy state (`CTA_SYNPROXY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynProxy {
    /// Initial sequence number of the proxy.
    pub isn: Option<u32>,
    pub its: Option<u32>,
    pub tsoff: Option<u32>,
}

impl SynProxy {
    /// Whether no proxy is at work. Every entry that a request made is told with such a state (`ctnetlink_create_conntrack` in
    /// nf_conntrack_netlink.c), so that after a failover or a restore all of a table are.
    #[must_use]
    pub const fn is_unused(&self) -> bool {
        matches!(self, Self { isn: Some(0), its: Some(0), tsoff: Some(0) })
    }
}

/// Longest helper name with its closing zero (`NF_CT_HELPER_NAME_LEN`).
pub const HELPER_NAME_MAX: usize = 16;

/// A top-level attribute without a name here: number (`CTA_*`) and payload as the kernel sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Number, without `NLA_F_*` bits.
    pub number: u16,
    pub payload: Vec<u8>,
}

/// Attributes that few entries have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rare {
    /// Name of the helper (`CTA_HELP_NAME`).
    pub helper: Option<String>,
    /// Private data of the helper (`CTA_HELP_INFO`), in the helper's own form.
    pub helper_info: Option<Vec<u8>>,
    /// Security context (`CTA_SECCTX_NAME`).
    pub security_context: Option<String>,
    /// Old form of the context (`CTA_SECMARK`).
    pub secmark: Option<u32>,
    /// Original tuple of the flow that this one was expected by (`CTA_TUPLE_MASTER`).
    pub master: Option<Tuple>,
    /// Zones that hold for one direction only (`CTA_TUPLE_ZONE`).
    pub zones: PerDirection<Option<Zone>>,
    /// Sequence adjustment (`CTA_SEQ_ADJ_ORIG`, `CTA_SEQ_ADJ_REPLY`).
    pub sequence: PerDirection<Option<SequenceAdjustment>>,
    /// SYN proxy (`CTA_SYNPROXY`).
    pub synproxy: Option<SynProxy>,
    /// What has no name here.
    pub unknown: Vec<Attribute>,
}

/// One entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Id, where the kernel gave one.
    pub id: Option<FlowId>,
    pub zone: Zone,
    /// Both tuples; where the kernel sent one only, the reply is the reversed original.
    pub tuples: PerDirection<Tuple>,
    pub status: Option<Status>,
    pub info: Option<ProtocolInfo>,
    /// Seconds left.
    pub timeout: Option<u32>,
    pub mark: Option<Mark>,
    pub labels: Option<Labels>,
    pub counters: PerDirection<Option<Counters>>,
    /// Begin of the flow.
    pub started: Option<Timestamp>,
    /// End of the flow.
    pub stopped: Option<Timestamp>,
    /// Reference count (`CTA_USE`).
    pub uses: Option<u32>,
    pub rare: Option<Box<Rare>>,
}

impl Flow {
    /// An entry of which only the tuples are known.
    #[must_use]
    pub const fn new(tuples: PerDirection<Tuple>) -> Self {
        Self {
            id: None,
            zone: Zone(0),
            tuples,
            status: None,
            info: None,
            timeout: None,
            mark: None,
            labels: None,
            counters: PerDirection { original: None, reply: None },
            started: None,
            stopped: None,
            uses: None,
            rare: None,
        }
    }

    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.tuples.original.protocol
    }

    /// Family of its addresses.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.tuples.original.family()
    }

    /// What names the flow in a request. An entry without an id (kernels always send one) is named by id 0, which no
    /// living entry has, so that a request for it ends in "gone" rather than at a wrong flow.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        FlowKey { id: self.id.unwrap_or_default(), zone: self.zone, original: self.tuples.original }
    }

    /// The key by the reply tuple. The kernel finds the entry by it as well.
    ///
    /// Where zones differ by direction, the reply tuple lives in the zone of its direction, and in zone 0 where none is told
    /// (`nf_ct_zone_id` in include/net/netfilter/nf_conntrack_zones.h).
    #[must_use]
    pub fn reply_key(&self) -> FlowKey {
        let zones = self.rare.as_deref().map(|rare| rare.zones).filter(|zones| *zones != PerDirection::default());
        let zone = zones.map_or(self.zone, |zones| zones.reply.unwrap_or_default());
        FlowKey { zone, original: self.tuples.reply, ..self.key() }
    }

    /// Whether a key names the flow, by either of its tuples.
    #[must_use]
    pub fn is_named_by(&self, key: &FlowKey) -> bool {
        *key == self.key() || *key == self.reply_key()
    }

    /// Attributes that few entries have, to be filled.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// Names one flow: tuple, zone and id. A successor with the same tuple and another id is another flow. One with the same id
/// can only be told apart by the time at which it began and by the order of what the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    pub id: FlowId,
    pub zone: Zone,
    /// Original tuple, protocol included. In a key from a plugin it may be the reply tuple.
    pub original: Tuple,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated() -> Flow {
        let tuple = |src: [u8; 4], dst: [u8; 4]| Tuple {
            src: src.into(),
            dst: dst.into(),
            protocol: Protocol::TCP,
            layer4: crate::Layer4::Ports { src: 1000, dst: 80 },
        };
        let (original, reply) = (tuple([192, 0, 2, 1], [192, 0, 2, 2]), tuple([10, 0, 0, 2], [192, 0, 2, 3]));
        Flow { id: Some(FlowId(7)), zone: Zone(5), ..Flow::new(PerDirection { original, reply }) }
    }

    #[test]
    fn both_tuples_name_a_flow_and_its_id_and_zone_do() {
        let flow = translated();
        assert!(flow.is_named_by(&flow.key()) && flow.is_named_by(&flow.reply_key()));
        assert_eq!(flow.reply_key().original, flow.tuples.reply);
        for key in [flow.key(), flow.reply_key()] {
            assert!(!flow.is_named_by(&FlowKey { id: FlowId(8), ..key }));
            assert!(!flow.is_named_by(&FlowKey { zone: Zone(0), ..key }));
            assert!(!flow.is_named_by(&FlowKey { original: key.original.reversed(), ..key }));
        }
    }

    #[test]
    fn a_zone_of_one_direction_names_the_tuple_of_that_direction() {
        for (original, reply) in [(None, Some(Zone(5))), (Some(Zone(5)), None), (Some(Zone(5)), Some(Zone(6)))] {
            let mut flow = translated();
            flow.zone = original.unwrap_or_default();
            flow.rare_mut().zones = PerDirection { original, reply };
            assert_eq!((flow.key().zone, flow.reply_key().zone), (flow.zone, reply.unwrap_or_default()));
        }
    }

    #[test]
    fn an_entry_stays_small_enough_to_move() {
        // A sweep moves a million of them; what few entries have belongs into `Rare`.
        assert!(size_of::<Flow>() <= 320, "{}", size_of::<Flow>());
    }
}
