//! A flow as the host's filter reads it, so that a policy and its tests match flows by the host's rules.

use ctwarden_model::{Fact, Facts, Labels, Layer4, Mark, Status, Tuple, Zone};

use crate::{Endpoints, Flow, Protocol};

/// An entry of a batch. A field that the entry lacks is not set, as in the host's subscriptions.
pub(crate) struct FlowFacts<'a> {
    flow: &'a Flow<'a>,
    original: Tuple,
    reply: Tuple,
}

impl<'a> FlowFacts<'a> {
    pub(crate) fn new(flow: &'a Flow<'a>) -> Self {
        let protocol = flow.protocol();
        Self { flow, original: tuple(flow.original(), protocol), reply: tuple(flow.reply(), protocol) }
    }
}

/// Converts one direction. ICMP fields and GRE keys are left out, because no filter of a policy can test them.
const fn tuple(ends: Endpoints, protocol: Protocol) -> Tuple {
    let Endpoints { src, dst, src_port, dst_port } = ends;
    let layer4 = if protocol.has_ports() { Layer4::Ports { src: src_port, dst: dst_port } } else { Layer4::None };
    Tuple { src, dst, protocol, layer4 }
}

impl Facts for FlowFacts<'_> {
    fn zone(&self) -> Zone {
        Zone(self.flow.zone())
    }

    fn original(&self) -> &Tuple {
        &self.original
    }

    fn reply(&self) -> Option<&Tuple> {
        Some(&self.reply)
    }

    fn state(&self) -> Fact<u8> {
        Fact::of_entry(self.flow.state())
    }

    fn mark(&self) -> Fact<Mark> {
        Fact::of_entry(self.flow.mark().map(Mark))
    }

    fn status(&self) -> Fact<Status> {
        Fact::of_entry(self.flow.status().map(|status| Status(status.0)))
    }

    fn timeout(&self) -> Fact<u32> {
        Fact::of_entry(self.flow.timeout())
    }

    fn labels(&self) -> Fact<Labels> {
        Fact::of_entry(self.flow.labels().map(|labels| Labels(labels.0)))
    }
}
