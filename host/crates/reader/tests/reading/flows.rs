//! Flows and filters for the tests.

use ctwarden_model::{Event, EventKind, Filter, Flow, FlowId, Layer4, PerDirection, Prefix, Protocol, Tuple};

/// A flow of that client.
pub(crate) fn flow(client: u16, id: u32) -> Flow {
    let [high, low] = client.to_be_bytes();
    let original = Tuple {
        src: [10, 0, high, low].into(),
        dst: [198, 51, 100, 1].into(),
        protocol: Protocol::TCP,
        layer4: Layer4::Ports { src: 40_000, dst: 443 },
    };
    let mut flow = Flow::new(PerDirection { original, reply: original.reversed() });
    flow.id = Some(FlowId(id));
    flow
}

/// The same of IPv6.
pub(crate) fn flow6(client: u16, id: u32) -> Flow {
    let original = Tuple {
        src: [0x2001, 0xdb8, 0, 0, 0, 0, 0, client].into(),
        dst: [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1].into(),
        protocol: Protocol::TCP,
        layer4: Layer4::Ports { src: 40_000, dst: 443 },
    };
    let mut flow = Flow::new(PerDirection { original, reply: original.reversed() });
    flow.id = Some(FlowId(id));
    flow
}

pub(crate) fn event(kind: EventKind, flow: &Flow) -> Event {
    Event { kind, by_us: false, flow: flow.clone() }
}

/// Flows of the clients in that network.
pub(crate) fn of(network: &str) -> Filter {
    Filter { original_src: [network.parse::<Prefix>().unwrap()].into_iter().collect(), ..Filter::default() }
}
