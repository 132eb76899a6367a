//! Adjustment of TCP sequence numbers if a NAT helper changed lengths (`CTA_SEQ_ADJ_ORIG`, `CTA_SEQ_ADJ_REPLY`).
//!
//! The kernel's offsets are signed, and the attribute's numbers are not. Both are the same 32 bits.

use ctwarden_model::SequenceAdjustment;

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::nfnetlink_conntrack::cta_seqadj;
use crate::report::{Report, Within, heard};

pub(crate) fn read<R: Report>(attribute: Attribute<'_>, naming: Naming, report: &mut R) -> SequenceAdjustment {
    let names: Naming = cta_seqadj::name;
    let mut report = Within { parent: naming(attribute.number), to: report };
    let mut adjustment = SequenceAdjustment::default();
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        let signed = || part.be32(names).map(u32::cast_signed);
        match part.number {
            cta_seqadj::CORRECTION_POS => adjustment.correction_pos = heard(part.be32(names), &mut report),
            cta_seqadj::OFFSET_BEFORE => adjustment.offset_before = heard(signed(), &mut report),
            cta_seqadj::OFFSET_AFTER => adjustment.offset_after = heard(signed(), &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    adjustment
}

pub(crate) fn write(message: &mut Emit<'_>, number: u16, adjustment: SequenceAdjustment) {
    message.nest(number, |message| {
        if let Some(position) = adjustment.correction_pos {
            message.be32(cta_seqadj::CORRECTION_POS, position);
        }
        if let Some(offset) = adjustment.offset_before {
            message.be32(cta_seqadj::OFFSET_BEFORE, offset.cast_unsigned());
        }
        if let Some(offset) = adjustment.offset_after {
            message.be32(cta_seqadj::OFFSET_AFTER, offset.cast_unsigned());
        }
    });
}
