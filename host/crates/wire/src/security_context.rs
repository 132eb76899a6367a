//! Security context of an entry (`CTA_SECCTX`), present if a security module labels packets.
//!
//! `CTA_SECMARK`, the bare number that older kernels sent instead, needs no module of its own.

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::nfnetlink_conntrack::{cta, cta_secctx};
use crate::report::{Report, Within, heard};

pub(crate) fn read<'a, R: Report>(attribute: Attribute<'a>, naming: Naming, report: &mut R) -> Option<&'a str> {
    let mut report = Within { parent: naming(attribute.number), to: report };
    let mut context = None;
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        if part.number == cta_secctx::NAME {
            context = heard(part.text(cta_secctx::name), &mut report);
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    context
}

pub(crate) fn write(message: &mut Emit<'_>, context: &str) {
    message.nest(cta::SECCTX, |message| message.text(cta_secctx::NAME, context));
}
