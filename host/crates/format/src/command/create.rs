//! What `-I` and `-A` create.

use ctwarden_model::{Flow, Layer4, NatTo, PerDirection, Protocol, Status, Tuple};

/// An entry to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// The requested entry, with its reply tuple translated (`-n`, `-g`). If one tuple was not given, it is the other one
    /// reversed. Mark, labels, status and helper are present if they were given.
    pub flow: Flow,
    /// The requested translation. Without one, a reply tuple that is not the reversed original is used as it is.
    pub nat: Nat,
    /// Fail if the tuple is in use (`-I`); else change the entry that has it (`-A`).
    pub exclusive: bool,
}

impl Create {
    /// The entry as the kernel reports it after creation: with the status bits of its translation, which only the kernel
    /// sets.
    pub(super) fn translated(self) -> Flow {
        let mut flow = self.flow;
        let source = self.nat.source.map(|_| Status::SRC_NAT | Status::SRC_NAT_DONE);
        let destination = self.nat.destination.map(|_| Status::DST_NAT | Status::DST_NAT_DONE);
        flow.status =
            flow.status.map(|status| [source, destination].into_iter().flatten().fold(status, |all, bits| all | bits));
        flow
    }
}

/// Address translation of an entry to create (`CTA_NAT_SRC`, `CTA_NAT_DST`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// New source of the original direction (`-n`).
    pub source: Option<NatTo>,
    /// New destination of the original direction (`-g`).
    pub destination: Option<NatTo>,
}

impl Nat {
    /// Whether any translation is requested.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.source.is_some() || self.destination.is_some()
    }

    /// The tuples with the reply tuple that the kernel will set.
    pub(super) fn applied(&self, tuples: PerDirection<Tuple>) -> PerDirection<Tuple> {
        let mut reply = tuples.reply;
        // The command sends ports to the kernel only for these two protocols.
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
