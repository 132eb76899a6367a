//! Requests with exactly the content that an operator gave; nothing is filled in.
//!
//! They are separate from the daemon's requests, which always state the full intent: they set up translation
//! explicitly, and name an entry by id. A command line may say less, or odd things, and the kernel decides.

use alloc::vec::Vec;

use ctwarden_model::{Flow, FlowId, FlowKey, LabelChange, ProtocolInfo, Status};

use crate::emit::Emit;
use crate::message::{CONNTRACK, Flags};
use crate::nat::{self, NatRange};
use crate::nfnetlink_conntrack::{cta, ctnl};
use crate::{helper, labels, protocol_info};

use super::{NONE, acked, request};

/// What a creation does if the entry exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhereItIs {
    /// Refuses the request (`EEXIST`).
    Refuse,
    /// Changes the entry, as far as the kernel allows.
    Change,
}

/// An entry to create, with exactly the given content.
#[derive(Clone, Copy, Debug)]
pub struct Creation<'a> {
    /// The entry, with its reply tuple before translation.
    pub flow: &'a Flow,
    pub source_nat: Option<NatRange>,
    pub destination_nat: Option<NatRange>,
}

/// Creates an entry with exactly this reply tuple. If the tuple is not the reversed original and there is no
/// translation, the entry claims to be translated, but its packets are not.
pub fn create(buffer: &mut Vec<u8>, sequence: u32, ack: bool, otherwise: WhereItIs, creation: &Creation<'_>) {
    let exclusive = match otherwise {
        WhereItIs::Refuse => Flags::EXCLUSIVE,
        WhereItIs::Change => NONE,
    };
    let flow = creation.flow;
    let flags = Flags::CREATE.with(exclusive).with(acked(ack));
    let head = request(CONNTRACK | ctnl::NEW, flags, sequence, Some(flow.family()));
    Emit::message(buffer, head, |message| {
        super::write_new(message, flow, &flow.tuples.reply, |message| {
            let translations = [(cta::NAT_SRC, creation.source_nat), (cta::NAT_DST, creation.destination_nat)];
            for (number, range) in translations {
                if let Some(range) = range {
                    nat::write_as_said(message, number, &range);
                }
            }
        });
    });
}

/// A change of an entry. A part that is `None` stays unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change<'a> {
    /// Seconds left until the entry expires.
    pub timeout: Option<u32>,
    /// All bits that the entry shall have. The kernel clears none.
    pub status: Option<Status>,
    /// Value and mask: the mark becomes `mark & !mask ^ value`, inside the kernel.
    pub mark: Option<(u32, u32)>,
    pub labels: Option<LabelChange>,
    pub info: Option<ProtocolInfo>,
    /// Name of the helper. An empty name removes the helper.
    pub helper: Option<&'a str>,
}

/// Changes one entry, found by tuple and zone. The request carries the id, but the kernel does not compare it.
pub fn change(buffer: &mut Vec<u8>, sequence: u32, ack: bool, key: &FlowKey, change: &Change<'_>) {
    let head = request(CONNTRACK | ctnl::NEW, acked(ack), sequence, Some(key.original.family()));
    let FlowId(id) = key.id;
    Emit::message(buffer, head, |message| {
        super::write_place(message, &key.original, key.zone);
        message.be32(cta::ID, id);
        if let Some(status) = change.status {
            message.be32(cta::STATUS, (status | Status::CONFIRMED).0);
        }
        if let Some(seconds) = change.timeout {
            message.be32(cta::TIMEOUT, seconds);
        }
        if let Some((value, mask)) = change.mark {
            message.be32(cta::MARK, value);
            message.be32(cta::MARK_MASK, mask);
        }
        if let Some(info) = &change.info {
            protocol_info::write(message, info);
        }
        if let Some(change) = change.labels {
            labels::write(message, cta::LABELS, change.set);
            labels::write(message, cta::LABELS_MASK, change.mask());
        }
        helper::write(message, change.helper, None);
    });
}
