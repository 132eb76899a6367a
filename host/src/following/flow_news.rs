//! The begin or the end of a flow, for followers.

use ctwarden_model::{Event, EventKind, Flow, FlowKey, Prefix};

#[derive(Clone, Debug)]
pub(crate) enum FlowNews {
    Begin(Box<Flow>),
    /// The end, with everything that the kernel said.
    WholeEnd(Box<Flow>),
    /// The end of a flow of which only the key was read.
    End(FlowKey),
}

impl FlowNews {
    /// Memory of one that waits, without the rare parts of a flow.
    pub(super) const BYTES: usize = size_of::<Self>() + size_of::<Flow>();

    /// `None` if the event is neither a begin nor an end.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        // The rare parts are not shown.
        let flow = || Box::new(Flow { rare: None, ..event.flow.clone() });
        match event.kind {
            EventKind::New => Some(Self::Begin(flow())),
            EventKind::Destroy => Some(Self::WholeEnd(flow())),
            EventKind::Row | EventKind::Update => None,
        }
    }

    /// The addresses of the flow, in both directions as far as they are known.
    pub(super) fn networks(&self) -> Vec<Prefix> {
        let tuples = match self {
            Self::Begin(flow) | Self::WholeEnd(flow) => vec![flow.tuples.original, flow.tuples.reply],
            Self::End(key) => vec![key.original],
        };
        tuples.iter().flat_map(|tuple| [Prefix::host(tuple.src), Prefix::host(tuple.dst)]).collect()
    }
}
