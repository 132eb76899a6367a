//! Verdicts during the merge: which change each verdict wants for which flow.

use alloc::vec::Vec;

use ctwarden_model::{Action, ExpectationKey, FlowKey, LabelChange, Masked, Truth, Tuple};
use hashbrown::HashMap;

use crate::PluginId;
use crate::ids::{GateId, RoundId, VerdictId};
use crate::verdicts::guard::{Allowed, Cost};
use crate::verdicts::sight::Sight;

/// A verdict that passed the first check.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) verdict: VerdictId,
    pub(crate) plugin: PluginId,
    pub(crate) allowed: Allowed,
    pub(crate) subject: Subject,
}

/// The subject of a candidate.
#[derive(Debug)]
pub(crate) enum Subject {
    Flow {
        key: FlowKey,
        /// What is known of the flow.
        sight: Sight,
        /// Whether the entry that the plugin received is the end of the flow.
        gone: bool,
        /// Whether the flow has ended since the plugin last received an entry of it.
        ended: bool,
        change: Change,
    },
    /// One expectation to delete.
    Expectation(Expected),
    /// A network to put into a set or to take out of a set.
    Network,
    /// Every flow that matches a filter.
    Selection,
}

/// A change of one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Delete,
    Kill,
    Mark(Masked),
    Labels(LabelChange),
    Timeout(u32),
    Protect(u32),
}

impl Change {
    /// The change that an action makes to a flow. Returns `None` for an action that changes no flow.
    pub(crate) const fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Mark(mark) => Some(Self::Mark(*mark)),
            Action::Labels(labels) => Some(Self::Labels(*labels)),
            // A timeout of 0 ends the flow. Use a delete instead, because only a delete is carried out by id.
            Action::Delete | Action::Timeout(0) => Some(Self::Delete),
            Action::Kill => Some(Self::Kill),
            Action::Timeout(seconds) => Some(Self::Timeout(*seconds)),
            Action::Protect(seconds) => Some(Self::Protect(*seconds)),
            Action::Alert(_)
            | Action::Log(_)
            | Action::Block(_)
            | Action::Unblock(_)
            | Action::Sweep
            | Action::Malformed(..) => None,
        }
    }

    pub(crate) const fn cost(self) -> Cost {
        match self {
            Self::Delete | Self::Kill => Cost::End,
            Self::Timeout(seconds) => Cost::Timeout(seconds),
            Self::Mark(_) | Self::Labels(_) => Cost::Change,
            Self::Protect(_) => Cost::None,
        }
    }

    /// Whether a later change of the same plugin leaves nothing of this change.
    pub(crate) const fn is_undone_by(self, later: Self) -> bool {
        match (self, later) {
            (Self::Mark(mark), Self::Mark(over)) => mark.mask() & !over.mask() == 0,
            (Self::Labels(labels), Self::Labels(over)) => labels.mask() & !over.mask() == 0,
            (Self::Timeout(_), Self::Timeout(_)) | (Self::Delete, Self::Delete) | (Self::Kill, Self::Kill) => true,
            (Self::Delete | Self::Kill | Self::Mark(_) | Self::Labels(_) | Self::Timeout(_) | Self::Protect(_), _) => {
                false
            }
        }
    }

    /// Whether the change ends the flow.
    pub(crate) const fn ends_flow(self) -> bool {
        match self {
            Self::Delete | Self::Kill => true,
            Self::Mark(_) | Self::Labels(_) | Self::Timeout(_) | Self::Protect(_) => false,
        }
    }
}

/// One verdict on a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) verdict: VerdictId,
    pub(crate) plugin: PluginId,
    pub(crate) allowed: Allowed,
    pub(crate) change: Change,
    /// Whether the flow has ended since the plugin last received an entry of it. An entry that has its key now is
    /// another flow.
    pub(crate) ended: bool,
}

/// All verdicts on one flow that are merged.
#[derive(Debug)]
pub(crate) struct FlowGroup {
    pub(crate) key: FlowKey,
    pub(crate) sight: Sight,
    pub(crate) gone: bool,
    pub(crate) claims: Vec<Claim>,
    pub(crate) round: Option<RoundId>,
    /// Gates of the blocks that must be in place before the flow is deleted. No gate is in the list twice.
    pub(crate) gates: Vec<GateId>,
}

/// An expectation to delete, as the kernel reported it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) key: ExpectationKey,
    /// Original tuple of the master.
    pub(crate) master: Tuple,
    /// Whether the master or the expected flow is protected. If this is unknown, the master's entry decides.
    pub(crate) protected: Truth,
}

impl Expected {
    /// Key for the lookup of the master's entry. An expectation does not carry the id of its master.
    pub(crate) fn master_key(&self) -> FlowKey {
        FlowKey { id: ctwarden_model::FlowId::default(), zone: self.key.zone, original: self.master }
    }
}

/// All verdicts on one expectation that are merged.
#[derive(Debug)]
pub(crate) struct ExpectationGroup {
    pub(crate) expected: Expected,
    pub(crate) claims: Vec<Candidate>,
    /// Gate of the blocks that must be in place before the expectation is deleted.
    pub(crate) gate: GateId,
}

/// Claims by flow, in the order in which the flows were first named.
pub(crate) struct FlowGroups {
    groups: Vec<(FlowKey, Sight, bool, Vec<Claim>)>,
    places: HashMap<FlowKey, usize>,
}

impl FlowGroups {
    pub(crate) fn with_room_for(flows: usize) -> Self {
        Self { groups: Vec::with_capacity(flows), places: HashMap::with_capacity(flows) }
    }

    pub(crate) fn into_groups(self) -> Vec<(FlowKey, Sight, bool, Vec<Claim>)> {
        self.groups
    }

    pub(crate) fn add(&mut self, key: FlowKey, sight: Sight, gone: bool, claim: Claim) {
        let place = *self.places.entry(key).or_insert(self.groups.len());
        match self.groups.get_mut(place) {
            Some((_, known, ended, claims)) => {
                *known = known.with_another_look(sight);
                *ended |= gone;
                claims.push(claim);
            }
            None => {
                // Room for a few claims, because several plugins may name the flow.
                let mut claims = Vec::with_capacity(4);
                claims.push(claim);
                self.groups.push((key, sight, gone, claims));
            }
        }
    }
}
