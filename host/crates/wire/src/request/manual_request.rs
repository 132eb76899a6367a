//! Requests as a person words them: what was said is sent, nothing is filled in.
//!
//! Kept apart from the daemon's requests because those protect what they mean (a translation is set up as one, an entry is
//! named by id), while a command line may say less, and odd things, and the kernel answers.

use alloc::vec::Vec;

use ctwarden_model::{Flow, FlowId, FlowKey, LabelChange, ProtocolInfo, Status};

use crate::emit::Emit;
use crate::message::{CONNTRACK, Flags};
use crate::nat::{self, NatRange};
use crate::nfnetlink_conntrack::{cta, ctnl};
use crate::{helper, labels, protocol_info};

use super::{NONE, acked, request};

/// An entry is made where there is none; what to do where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhereItIs {
    /// Refuse (`EEXIST`).
    Refuse,
    /// Change it, as far as it can be changed.
    Change,
}

/// An entry to be made.
#[derive(Clone, Copy, Debug)]
pub struct Creation<'a> {
    /// The entry; its reply tuple as it is before it is translated.
    pub flow: &'a Flow,
    pub source_nat: Option<NatRange>,
    pub destination_nat: Option<NatRange>,
}

/// Makes an entry with exactly that reply tuple: one that is not the reversed original, without a translation beside
/// it, makes an entry that says it was translated and whose packets are not.
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

/// What is to be changed at an entry. What is none stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change<'a> {
    /// Seconds left.
    pub timeout: Option<u32>,
    /// All bits that it shall have; the kernel takes none away.
    pub status: Option<Status>,
    /// Value and mask: the mark becomes `mark & !mask ^ value`, inside the kernel.
    pub mark: Option<(u32, u32)>,
    pub labels: Option<LabelChange>,
    pub info: Option<ProtocolInfo>,
    /// Name of the helper; empty takes it away.
    pub helper: Option<&'a str>,
}

/// Changes one entry, found by tuple and zone. The id goes along, but the kernel does not compare it.
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
