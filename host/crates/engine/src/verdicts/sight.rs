//! What is known of the flow that a verdict names.
//!
//! An entry of the answered batch came from the kernel. A key came from the plugin: the kernel finds an entry by either of its
//! tuples, so that a key proves neither the direction nor that such a flow lives.

use alloc::boxed::Box;

use ctwarden_model::{FlowId, FlowKey, Steady, Timestamp, Truth};
use hashbrown::HashMap;

use crate::verdicts::call_context::CallContext;

/// What is known of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The kernel told of the flow.
    Told {
        /// What the filters of the configuration say, by what the kernel told.
        protected: Truth,
        /// When the kernel told it, or earlier.
        at: Steady,
        /// How many ends of flows had been received when it was known to live.
        ends: u64,
    },
    /// Only its name is known. The entry has to be looked up before anything is decided.
    Named {
        /// The plugin knew the flow by then. An entry that began later is another one.
        before: Timestamp,
    },
}

impl Sight {
    /// Of two looks at one flow, what is known by both.
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

    /// When the kernel told of the flow, if it did.
    pub(crate) const fn at(self) -> Option<Steady> {
        match self {
            Self::Told { at, .. } => Some(at),
            Self::Named { .. } => None,
        }
    }

    /// What the filters of the configuration say; unknown of a flow that is only named.
    pub(crate) const fn protected(self) -> Truth {
        match self {
            Self::Told { protected, .. } => protected,
            Self::Named { .. } => Truth::Unknown,
        }
    }
}

/// Which entry of the answered batch a key names: such a key is known as well as the entry. The batch is indexed at the
/// first key of an answer, because most answers have none.
pub(crate) struct Named<'a> {
    context: &'a CallContext,
    /// When the batch was handed over.
    delivered: Timestamp,
    by_id: Option<Box<HashMap<FlowId, u32>>>,
}

impl<'a> Named<'a> {
    pub(crate) const fn of(context: &'a CallContext, delivered: Timestamp) -> Self {
        Self { context, delivered, by_id: None }
    }

    /// When it was handed over.
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
