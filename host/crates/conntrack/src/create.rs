//! `-I` and `-A`: creates an entry.

use ctwarden_format::command::Create;
use ctwarden_model::{Flow, Layer4, NatTo, Protocol};
use ctwarden_wire::NatRange;
use ctwarden_wire::request::manual_request::{self, Creation, WhereItIs};

use super::failure::Failure;
use super::kernel;

pub(super) fn flow(create: &Create) -> Result<(), Failure> {
    let otherwise = if create.exclusive { WhereItIs::Refuse } else { WhereItIs::Change };
    kernel::open()?.ask(|buffer, sequence| write(buffer, sequence, true, otherwise, create), |_| ())?;
    Ok(())
}

/// Appends the request; `otherwise` says what to do if the entry exists already.
pub(super) fn write(buffer: &mut Vec<u8>, sequence: u32, ack: bool, otherwise: WhereItIs, create: &Create) {
    let untranslated;
    let flow = if create.nat.is_some() {
        untranslated = untranslated_flow(create);
        &untranslated
    } else {
        &create.flow
    };
    let range = |to: Option<NatTo>| to.map(|to| range(to, flow.protocol()));
    let creation =
        Creation { flow, source_nat: range(create.nat.source), destination_nat: range(create.nat.destination) };
    manual_request::create(buffer, sequence, ack, otherwise, &creation);
}

/// The kernel translates the reply tuple itself, and accepts only one that is not translated yet.
fn untranslated_flow(create: &Create) -> Flow {
    let mut flow = create.flow.clone();
    let reversed = flow.tuples.original.reversed();
    let reply = &mut flow.tuples.reply;
    if let Some(source) = create.nat.source {
        if source.address.is_some() {
            reply.dst = reversed.dst;
        }
        if source.port.is_some() {
            reply.layer4 = with_ports(reply.layer4, None, reversed.ports().map(|(_, dst)| dst));
        }
    }
    if let Some(destination) = create.nat.destination {
        if destination.address.is_some() {
            reply.src = reversed.src;
        }
        if destination.port.is_some() {
            reply.layer4 = with_ports(reply.layer4, reversed.ports().map(|(src, _)| src), None);
        }
    }
    flow
}

fn with_ports(layer4: Layer4, new_src: Option<u16>, new_dst: Option<u16>) -> Layer4 {
    match layer4 {
        Layer4::Ports { src, dst } => Layer4::Ports { src: new_src.unwrap_or(src), dst: new_dst.unwrap_or(dst) },
        Layer4::None | Layer4::Icmp { .. } | Layer4::Keys { .. } => layer4,
    }
}

/// Ports are included for the protocols for which the command accepts them.
fn range(to: NatTo, protocol: Protocol) -> NatRange {
    let port = to.port.filter(|_| matches!(protocol, Protocol::TCP | Protocol::UDP));
    NatRange { addresses: (to.address, None), ports: (port, port) }
}

#[cfg(test)]
mod tests {
    use ctwarden_format::command::Nat;
    use ctwarden_model::{PerDirection, Tuple};

    use super::*;

    #[test]
    fn only_what_is_translated_is_put_back() {
        let tuple = |src: [u8; 4], dst: [u8; 4], sport, dport| Tuple {
            src: src.into(),
            dst: dst.into(),
            protocol: Protocol::TCP,
            layer4: Layer4::Ports { src: sport, dst: dport },
        };
        let original = tuple([10, 0, 0, 1], [10, 0, 0, 2], 1000, 80);
        let reply = tuple([10, 0, 0, 2], [192, 0, 2, 1], 80, 5000);
        let source = NatTo { address: Some([192, 0, 2, 1].into()), port: None };
        let create = Create {
            flow: Flow::new(PerDirection { original, reply }),
            nat: Nat { source: Some(source), destination: None },
            exclusive: true,
        };
        assert_eq!(untranslated_flow(&create).tuples.reply, tuple([10, 0, 0, 2], [10, 0, 0, 1], 80, 5000));
    }
}
