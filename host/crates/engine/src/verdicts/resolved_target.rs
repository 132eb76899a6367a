//! What the target of a verdict turns out to be.

use ctwarden_model::{Cause, EventKind, Expectation, FlowKey, Target};

use crate::PluginId;
use crate::engine::Engine;
use crate::intake::delivery::About;
use crate::verdicts::expectations::Expected;
use crate::verdicts::protected_flows::Known;
use crate::verdicts::sight::{Named, Sight};

/// What the target of a verdict turned out to be.
pub(crate) enum Aim {
    Flow {
        key: FlowKey,
        /// What is known of it.
        sight: Sight,
        /// Whether what the plugin was shown is its end.
        gone: bool,
        /// Whether it has ended since the plugin was last told of it.
        ended: bool,
    },
    /// One expectation of the batch.
    Expectation(Expected),
    /// Every flow that matches.
    Selection,
    Nothing,
    /// Its entry is not there.
    Missing,
}

impl Aim {
    pub(crate) const fn flow(&self) -> Option<FlowKey> {
        match self {
            Self::Flow { key, .. } => Some(*key),
            Self::Expectation(_) | Self::Selection | Self::Nothing | Self::Missing => None,
        }
    }
}

impl Engine {
    pub(crate) fn aim(&self, plugin: PluginId, batch: &mut Named<'_>, target: &Target) -> Aim {
        match target {
            Target::None => Aim::Nothing,
            Target::Matching(_) => Aim::Selection,
            Target::Key(key) => match batch.index(key) {
                Some(index) => self.aim_at_entry(batch, index),
                None => {
                    let ended = self.ends.is_last_known_to(key.id, plugin);
                    Aim::Flow { key: *key, sight: Sight::Named { before: batch.delivered() }, gone: false, ended }
                }
            },
            Target::Entry(index) => self.aim_at_entry(batch, *index),
        }
    }

    fn aim_at_entry(&self, batch: &Named<'_>, index: u32) -> Aim {
        match batch.about() {
            About::Entries { round, cause, entries, told } => match entries.placed(index) {
                None => Aim::Missing,
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
                    let ended = !gone
                        && self.ends.ended_since(flow, told.received, place)
                        && !self.is_ending(Some(*round), &key);
                    let sight = if ended {
                        Sight::Named { before: batch.delivered() }
                    } else {
                        let protected = self.protected.holds(known);
                        Sight::Told { protected, at: told.at, ends: self.ends.count() }
                    };
                    Aim::Flow { key, sight, gone, ended }
                }
            },
            About::Expectations { events, .. } => {
                let event = usize::try_from(index).ok().and_then(|place| events.get(place));
                event.map_or(Aim::Missing, |event| self.aim_at_expectation(&event.expectation))
            }
            About::Nothing | About::Message(_) => Aim::Missing,
        }
    }

    fn aim_at_expectation(&self, expectation: &Expectation) -> Aim {
        Aim::Expectation(Expected {
            key: expectation.key(),
            master: expectation.master,
            protected: self.expectation_protection(expectation),
        })
    }
}
