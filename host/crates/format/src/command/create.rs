//! What `-I` and `-A` make.

use ctwarden_model::{Flow, Layer4, NatTo, PerDirection, Protocol, Status, Tuple};

/// An entry to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// The entry as it shall be, with its reply tuple translated (`-n`, `-g`). A tuple that was not given is the reversed of the
    /// other one; the mark, labels, status and helper are there if they were given.
    pub flow: Flow,
    /// Translation that was asked for. Where nothing was, a reply tuple that is not the reversed is to be taken as it is.
    pub nat: Nat,
    /// Fail where the tuple is taken (`-I`); else change the entry that has it (`-A`).
    pub exclusive: bool,
}

impl Create {
    /// The entry as the kernel tells it when it is made: with the bits of its translation, which nobody but the kernel sets.
    pub(super) fn translated(self) -> Flow {
        let mut flow = self.flow;
        let source = self.nat.source.map(|_| Status::SRC_NAT | Status::SRC_NAT_DONE);
        let destination = self.nat.destination.map(|_| Status::DST_NAT | Status::DST_NAT_DONE);
        flow.status =
            flow.status.map(|status| [source, destination].into_iter().flatten().fold(status, |all, bits| all | bits));
        flow
    }
}

/// Address translation of an entry to be made (`CTA_NAT_SRC`, `CTA_NAT_DST`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// New source of the original direction (`-n`).
    pub source: Option<NatTo>,
    /// New destination of the original direction (`-g`).
    pub destination: Option<NatTo>,
}

impl Nat {
    /// Whether any is asked for.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.source.is_some() || self.destination.is_some()
    }

    /// The tuples with the reply as the kernel will have it.
    pub(super) fn applied(&self, tuples: PerDirection<Tuple>) -> PerDirection<Tuple> {
        let mut reply = tuples.reply;
        // The command gives the kernel ports of these two only.
        let ports = matches!(reply.protocol, Protocol::TCP | Protocol::UDP);
        let port = |to: &NatTo| to.port.filter(|_| ports);
        if let Some(to) = &self.source {
            reply.dst = to.address.unwrap_or(reply.dst);
            if let (Layer4::Ports { dst, .. }, Some(port)) = (&mut reply.layer4, port(to)) {
                *dst = port;
            }
        }
        if let Some(to) = &self.destination {
            reply.src = to.address.unwrap_or(reply.src);
            if let (Layer4::Ports { src, .. }, Some(port)) = (&mut reply.layer4, port(to)) {
                *src = port;
            }
        }
        PerDirection { original: tuples.original, reply }
    }
}
