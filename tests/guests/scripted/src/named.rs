//! A remembered flow and the keys made from it: the right one, and those that an attacker would try.

use ctwarden_sdk::prelude::*;

/// The keys of one flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// The key with the original tuple, as the kernel has it.
    pub(crate) key: FlowKey,
    /// The key with the reply tuple.
    pub(crate) reply: FlowKey,
}

impl Named {
    pub(crate) fn of(flow: &Flow<'_>) -> Self {
        let key = flow.key();
        let zone = flow.zones().map_or(flow.zone(), |(_, reply)| reply);
        Self { key, reply: FlowKey { zone, original: flow.reply(), ..key } }
    }

    /// A key with an id that the flow does not have.
    pub(crate) const fn forged(self) -> FlowKey {
        FlowKey { id: self.key.id ^ 1, ..self.key }
    }
}
