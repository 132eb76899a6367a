//! Resolves the target of a verdict against the answered batch.

use ctwarden_model::{Cause, EventKind, Expectation, FlowKey, Known, Target};

use crate::PluginId;
use crate::verdicts::Verdicts;
use crate::verdicts::call_context::CallContext;
use crate::verdicts::claim::Expected;
use crate::verdicts::sight::{Named, Sight};

/// The subject of a verdict, after its target was resolved.
pub(crate) enum ResolvedTarget {
    Flow {
        key: FlowKey,
        /// What is known of the flow.
        sight: Sight,
        /// Whether the entry that the plugin received is the end of the flow.
        gone: bool,
        /// Whether the flow has ended since the plugin last received an entry of it.
        ended: bool,
    },
    /// One expectation of the batch.
    Expectation(Expected),
    /// Every flow that matches a filter.
    Selection,
    Nothing,
    /// There is no entry with this index.
    Missing,
}

impl ResolvedTarget {
    pub(crate) const fn flow(&self) -> Option<FlowKey> {
        match self {
            Self::Flow { key, .. } => Some(*key),
            Self::Expectation(_) | Self::Selection | Self::Nothing | Self::Missing => None,
        }
    }
}

impl Verdicts {
    pub(crate) fn resolve(&self, plugin: PluginId, batch: &mut Named<'_>, target: &Target) -> ResolvedTarget {
        match target {
            Target::None => ResolvedTarget::Nothing,
            Target::Matching(_) => ResolvedTarget::Selection,
            Target::Key(key) => match batch.index(key) {
                Some(index) => self.resolve_entry(batch, index),
                None => {
                    let ended = self.ends.is_last_known_to(key.id, plugin);
                    ResolvedTarget::Flow {
                        key: *key,
                        sight: Sight::Named { before: batch.delivered() },
                        gone: false,
                        ended,
                    }
                }
            },
            Target::Entry(index) => self.resolve_entry(batch, *index),
        }
    }

    fn resolve_entry(&self, batch: &Named<'_>, index: u32) -> ResolvedTarget {
        match batch.context() {
            CallContext::Entries { round, cause, entries, told } => match entries.placed(index) {
                None => ResolvedTarget::Missing,
                Some((place, event)) => {
                    let flow = &event.flow;
                    let (key, gone) = (flow.key(), event.kind == EventKind::Destroy);
                    let known = match cause {
                        Cause::SweepRows => Known::Whole(flow),
                        Cause::Events
                        | Cause::SweepBegin(_)
                        | Cause::SweepComplete
                        | Cause::SweepInterrupted
                        | Cause::Overrun
                        | Cause::SetsChanged(_) => Known::Event(flow),
                    };
                    let ended = !gone && self.ends.ended_since(flow, told.received, place);
                    let sight = if ended && !self.is_ending(Some(*round), &key) {
                        Sight::Named { before: batch.delivered() }
                    } else {
                        let protected = self.guard.holds(known);
                        Sight::Told { protected, at: told.at, ends: self.ends.count() }
                    };
                    ResolvedTarget::Flow { key, sight, gone, ended }
                }
            },
            CallContext::Expectations { events, .. } => {
                let event = usize::try_from(index).ok().and_then(|place| events.get(place));
                event.map_or(ResolvedTarget::Missing, |event| self.resolve_expectation(&event.expectation))
            }
            CallContext::Nothing | CallContext::Message(_) => ResolvedTarget::Missing,
        }
    }

    fn resolve_expectation(&self, expectation: &Expectation) -> ResolvedTarget {
        ResolvedTarget::Expectation(Expected {
            key: expectation.key(),
            master: expectation.master,
            protected: self.expectation_protection(expectation),
        })
    }
}
