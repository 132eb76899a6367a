//! The connection tracking helper of an entry (`CTA_HELP`).
//!
//! The private data has a different format for each helper, so it stays as bytes.

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::nfnetlink_conntrack::{cta, cta_help};
use crate::report::{Report, Within, heard};

/// A helper, borrowed from the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Helper<'a> {
    /// Name of the helper, such as `ftp` (`CTA_HELP_NAME`).
    pub name: Option<&'a str>,
    /// Private data of the helper (`CTA_HELP_INFO`).
    pub info: Option<&'a [u8]>,
}

pub(crate) fn read<'a, R: Report>(attribute: Attribute<'a>, naming: Naming, report: &mut R) -> Helper<'a> {
    let mut report = Within { parent: naming(attribute.number), to: report };
    let mut helper = Helper::default();
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        match part.number {
            cta_help::NAME => helper.name = heard(part.text(cta_help::name), &mut report),
            cta_help::INFO => helper.info = Some(part.payload),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    helper
}

/// Writes the parts that are present.
pub(crate) fn write(message: &mut Emit<'_>, name: Option<&str>, info: Option<&[u8]>) {
    if name.is_none() && info.is_none() {
        return;
    }
    message.nest(cta::HELP, |message| {
        if let Some(name) = name {
            message.text(cta_help::NAME, name);
        }
        if let Some(info) = info {
            message.bytes(cta_help::INFO, info);
        }
    });
}
