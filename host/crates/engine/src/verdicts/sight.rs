//! What the engine knows of the flow that a verdict names.
//!
//! An entry of the answered batch came from the kernel. A key came from the plugin. The kernel finds an entry by either
//! of its tuples, so a key proves neither the direction nor that such a flow exists.

use alloc::boxed::Box;

use ctwarden_model::{FlowId, FlowKey, Steady, Timestamp, Truth};
use hashbrown::HashMap;

use crate::verdicts::call_context::CallContext;

/// Knowledge of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The kernel reported the flow.
    Told {
        /// Whether the `protect` filters of the configuration match the reported flow.
        protected: Truth,
        /// When the kernel reported the flow, or an earlier time.
        at: Steady,
        /// Number of ends of flows that had been received when the flow was known to live.
        ends: u64,
    },
    /// Only the key is known. The entry must be looked up before any decision.
    Named {
        /// The plugin knew the flow at this time. An entry that began later is another flow.
        before: Timestamp,
    },
}

impl Sight {
    /// Combines the knowledge of two reports of one flow.
    pub(crate) fn with_another_look(self, other: Self) -> Self {
        match (self, other) {
            (Self::Told { protected, at, ends }, Self::Told { protected: other, at: at_other, ends: ends_by_then }) => {
                Self::Told {
                    protected: protected.with_another_look(other),
                    at: at.max(at_other),
                    ends: ends.max(ends_by_then),
                }
            }
            (told @ Self::Told { .. }, Self::Named { .. }) | (Self::Named { .. }, told @ Self::Told { .. }) => told,
            (Self::Named { before }, Self::Named { before: other }) => Self::Named { before: before.max(other) },
        }
    }

    /// When the kernel reported the flow. `None` if only the key is known.
    pub(crate) const fn at(self) -> Option<Steady> {
        match self {
            Self::Told { at, .. } => Some(at),
            Self::Named { .. } => None,
        }
    }

    /// Whether the `protect` filters match the flow. Unknown if only the key is known.
    pub(crate) const fn protected(self) -> Truth {
        match self {
            Self::Told { protected, .. } => protected,
            Self::Named { .. } => Truth::Unknown,
        }
    }
}

/// Finds the entry of the answered batch that a key names. The flow of such a key is known as well as the entry. The
/// index is built at the first key of an answer, because most answers have no key.
pub(crate) struct Named<'a> {
    context: &'a CallContext,
    /// When the plugin received the batch.
    delivered: Timestamp,
    by_id: Option<Box<HashMap<FlowId, u32>>>,
}

impl<'a> Named<'a> {
    pub(crate) const fn of(context: &'a CallContext, delivered: Timestamp) -> Self {
        Self { context, delivered, by_id: None }
    }

    /// When the plugin received the batch.
    pub(crate) const fn delivered(&self) -> Timestamp {
        self.delivered
    }

    pub(crate) const fn context(&self) -> &'a CallContext {
        self.context
    }

    /// Index of the last entry that the key names.
    pub(crate) fn index(&mut self, key: &FlowKey) -> Option<u32> {
        let CallContext::Entries { entries, .. } = self.context else { return None };
        let by_id = self.by_id.get_or_insert_with(|| {
            let ids = (0..).zip(entries.iter()).filter_map(|(index, event)| Some((event.flow.id?, index)));
            Box::new(ids.collect())
        });
        let index = *by_id.get(&key.id)?;
        entries.get(index).filter(|event| event.flow.is_named_by(key)).map(|_| index)
    }
}
