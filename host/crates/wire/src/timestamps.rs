//! Begin and end of an entry (`CTA_TIMESTAMP`), present with `net.netfilter.nf_conntrack_timestamp=1`.
//!
//! Only destroy events have the end.

use ctwarden_model::Timestamp;

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::nfnetlink_conntrack::{cta, cta_timestamp};
use crate::report::{Report, Within, heard};

/// Begin and end, if present.
pub(crate) type Span = (Option<Timestamp>, Option<Timestamp>);

pub(crate) fn read<R: Report>(attribute: Attribute<'_>, naming: Naming, report: &mut R) -> Span {
    let mut report = Within { parent: naming(attribute.number), to: report };
    let mut span = (None, None);
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        match part.number {
            cta_timestamp::START => span.0 = heard(part.be64(cta_timestamp::name).map(Timestamp), &mut report),
            cta_timestamp::STOP => span.1 = heard(part.be64(cta_timestamp::name).map(Timestamp), &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    span
}

/// Writes the times that are present.
pub(crate) fn write(message: &mut Emit<'_>, (started, stopped): Span) {
    if started.is_none() && stopped.is_none() {
        return;
    }
    message.nest(cta::TIMESTAMP, |message| {
        if let Some(Timestamp(started)) = started {
            message.be64(cta_timestamp::START, started);
        }
        if let Some(Timestamp(stopped)) = stopped {
            message.be64(cta_timestamp::STOP, stopped);
        }
    });
}
