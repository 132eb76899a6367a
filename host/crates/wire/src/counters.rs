//! Accounting of one direction (`CTA_COUNTERS_ORIG`, `CTA_COUNTERS_REPLY`).
//!
//! Linux before 2.6.30 wrote 32-bit members. If both forms are present, the 64-bit members count.

use ctwarden_model::Counters;

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::error::{Expected, Found};
use crate::nfnetlink_conntrack::cta_counters;
use crate::report::{Report, Within, heard};

/// Reads both numbers. One number alone is odd.
pub(crate) fn read<R: Report>(attribute: Attribute<'_>, naming: Naming, report: &mut R) -> Option<Counters> {
    let names: Naming = cta_counters::name;
    let mut packets = None;
    let mut bytes = None;
    let mut narrow = (None, None);
    let mut parts = attribute.nested();
    let mut within = Within { parent: naming(attribute.number), to: &mut *report };
    for part in parts.by_ref() {
        match part.number {
            cta_counters::PACKETS => packets = heard(part.be64(names), &mut within),
            cta_counters::BYTES => bytes = heard(part.be64(names), &mut within),
            cta_counters::PACKETS32 => narrow.0 = heard(part.be32(names), &mut within),
            cta_counters::BYTES32 => narrow.1 = heard(part.be32(names), &mut within),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        within.odd(error);
    }
    let missing = |part| attribute.error(naming, Expected::Attribute(cta_counters::name(part)), Found::Nothing);
    match (packets.or(narrow.0.map(u64::from)), bytes.or(narrow.1.map(u64::from))) {
        (Some(packets), Some(bytes)) => Some(Counters { packets, bytes }),
        (None, _) => heard(Err(missing(cta_counters::PACKETS)), report),
        (Some(_), None) => heard(Err(missing(cta_counters::BYTES)), report),
    }
}

pub(crate) fn write(message: &mut Emit<'_>, number: u16, counters: Counters) {
    message.nest(number, |message| {
        message.be64(cta_counters::PACKETS, counters.packets);
        message.be64(cta_counters::BYTES, counters.bytes);
    });
}
