//! State of a SYN proxy (`CTA_SYNPROXY`).
//!
//! It is present while a rule with `synproxy` answers handshakes in place of the server.

use ctwarden_model::SynProxy;

use crate::attribute::{Attribute, Naming};
use crate::emit::Emit;
use crate::nfnetlink_conntrack::{cta, cta_synproxy};
use crate::report::{Report, Within, heard};

pub(crate) fn read<R: Report>(attribute: Attribute<'_>, naming: Naming, report: &mut R) -> SynProxy {
    let names: Naming = cta_synproxy::name;
    let mut report = Within { parent: naming(attribute.number), to: report };
    let mut proxy = SynProxy::default();
    let mut parts = attribute.nested();
    for part in parts.by_ref() {
        match part.number {
            cta_synproxy::ISN => proxy.isn = heard(part.be32(names), &mut report),
            cta_synproxy::ITS => proxy.its = heard(part.be32(names), &mut report),
            cta_synproxy::TSOFF => proxy.tsoff = heard(part.be32(names), &mut report),
            _ => {}
        }
    }
    if let Some(error) = parts.broken() {
        report.odd(error);
    }
    proxy
}

pub(crate) fn write(message: &mut Emit<'_>, proxy: SynProxy) {
    message.nest(cta::SYNPROXY, |message| {
        if let Some(isn) = proxy.isn {
            message.be32(cta_synproxy::ISN, isn);
        }
        if let Some(its) = proxy.its {
            message.be32(cta_synproxy::ITS, its);
        }
        if let Some(tsoff) = proxy.tsoff {
            message.be32(cta_synproxy::TSOFF, tsoff);
        }
    });
}
