//! Many verdicts, one change: what several plugins want of one flow is merged into at most one effect of a kind.
//!
//! Protect beats delete, delete beats the rest; marks and labels merge by mask, the later of one plugin over its earlier.
//! A verdict that is not allowed, over budget or only observed never beats another plugin's. Equal deletes and blocks of
//! several plugins share one effect and its outcome; what is beaten, or said twice by one plugin, ends superseded.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ctwarden_model::{
    Action, Effect, ExpectationKey, FlowKey, LabelChange, Masked, Outcome, PluginName, Refusal, Update,
};
use hashbrown::HashMap;

use crate::PluginId;
use crate::engine::Engine;
use crate::ids::{GateId, RoundId, VerdictId};
use crate::verdicts::expectations::{ExpectationGroup, Expected};
use crate::verdicts::guard::{Admission, Allowed, Asked, Cost, Granted, Pass, Protection, Unprotected};
use crate::verdicts::networks::NetworkClaim;
use crate::verdicts::protected_flows::Held;
use crate::verdicts::rounds::Answers;
use crate::verdicts::sight::Sight;

/// A verdict that passed the first check.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) verdict: VerdictId,
    pub(crate) plugin: PluginId,
    pub(crate) allowed: Allowed,
    pub(crate) subject: Subject,
}

/// What a candidate is about.
#[derive(Debug)]
pub(crate) enum Subject {
    Flow {
        key: FlowKey,
        /// What is known of it.
        sight: Sight,
        /// Whether what it was shown is the flow's end.
        gone: bool,
        /// Whether it has ended since the plugin was last told of it.
        ended: bool,
        /// What is to be done with it.
        change: Change,
    },
    /// One expectation, to be deleted.
    Expectation(Expected),
    /// A network, into a set or out of it.
    Network,
    /// Every flow that matches.
    Selection,
}

/// What is to be done with a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Delete,
    Mark(Masked),
    Labels(LabelChange),
    Timeout(u32),
    Protect(u32),
}

impl Change {
    /// Of an action on a flow; none for the others.
    pub(crate) const fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Mark(mark) => Some(Self::Mark(*mark)),
            Action::Labels(labels) => Some(Self::Labels(*labels)),
            // A timeout of 0 ends the flow, and only a delete is carried out by id.
            Action::Delete | Action::Timeout(0) => Some(Self::Delete),
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

    const fn cost(self) -> Cost {
        match self {
            Self::Delete => Cost::End,
            Self::Timeout(seconds) => Cost::Timeout(seconds),
            Self::Mark(_) | Self::Labels(_) => Cost::Change,
            Self::Protect(_) => Cost::None,
        }
    }

    /// Whether nothing is left of this change after a later one of the same plugin.
    const fn is_undone_by(self, later: Self) -> bool {
        match (self, later) {
            (Self::Mark(mark), Self::Mark(over)) => mark.mask() & !over.mask() == 0,
            (Self::Labels(labels), Self::Labels(over)) => labels.mask() & !over.mask() == 0,
            (Self::Timeout(_), Self::Timeout(_)) | (Self::Delete, Self::Delete) => true,
            (Self::Delete | Self::Mark(_) | Self::Labels(_) | Self::Timeout(_) | Self::Protect(_), _) => false,
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
    /// Whether the flow has ended since the plugin was last told of it: whatever has its name now is another one.
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
    /// Blocks that have to be in place before the flow is deleted; no gate is there twice.
    pub(crate) gates: Vec<GateId>,
}

/// A claim that passed all checks; without a pass it is only observed.
struct Admitted {
    claim: Claim,
    pass: Option<Pass>,
}

/// Who has ended a flow.
struct Ended {
    /// Plugins whose delete passed all checks, observing ones included: nothing else of theirs is left to do.
    by: Vec<PluginId>,
    /// Whether it is really deleted.
    by_effect: bool,
}

impl Engine {
    /// Merges verdicts that belong together and brings about what is left of them.
    pub(crate) fn arbitrate(&mut self, round: Option<RoundId>, answers: Answers) {
        let gate = self.pending.gate();
        let mut networks = Vec::new();
        let mut selections = Vec::new();
        let mut expectations: BTreeMap<ExpectationKey, ExpectationGroup> = BTreeMap::new();
        let mut flows = FlowGroups::with_room_for(answers.iter().map(Vec::len).sum());
        for candidate in answers.into_iter().flatten() {
            let Candidate { verdict, plugin, allowed, .. } = candidate;
            match candidate.subject {
                Subject::Flow { key, sight, gone, ended, change } => {
                    flows.add(key, sight, gone, Claim { verdict, plugin, allowed, change, ended });
                }
                Subject::Expectation(expected) => {
                    let group = ExpectationGroup { expected, claims: Vec::new(), gate };
                    expectations.entry(expected.key).or_insert(group).claims.push(candidate);
                }
                Subject::Network => networks.push(NetworkClaim { verdict, plugin, allowed }),
                Subject::Selection => selections.push(verdict),
            }
        }
        // Verdicts of an answer without a round belong together, too.
        let round = Some(round.unwrap_or_else(|| self.rounds.name()));
        // Blocks first: they shut the gate for the deletes that come after.
        self.settle_networks(networks, gate);
        for (key, sight, gone, claims) in flows.groups {
            let gates = if self.pending.is_shut(gate) { Vec::from([gate]) } else { Vec::new() };
            self.settle(FlowGroup { key, sight, gone, claims, round, gates });
        }
        for group in expectations.into_values() {
            self.settle_expectation(group);
        }
        for selection in selections {
            self.begin_selection(selection, gate);
        }
    }

    /// All that is wanted of one flow.
    pub(crate) fn settle(&mut self, mut group: FlowGroup) {
        let Sight::Told { ends, .. } = group.sight else {
            self.look_up(group);
            return;
        };
        let key = group.key;
        self.rejoin(&mut group, key);
        if self.ends.ended_after(&key, ends) && !group.gone && !self.is_ending(group.round, &key) {
            self.look_up_ended(group);
            return;
        }
        self.settle_ended(&mut group);
        self.settle_protects(&mut group);
        let on_its_way = self.pending.is_deleting(&group.key);
        let ended_before = group.round.is_some_and(|round| self.rounds.has_deleted(round, &group.key));
        let mut unknown = Vec::new();
        let check = |claim: Claim| {
            let outcome = match self.claim_protection(&group.key, group.sight.protected(), claim) {
                Protection::Protected => Outcome::Protected,
                Protection::Free(_) | Protection::Unknown if group.gone => Outcome::Gone,
                Protection::Free(_) | Protection::Unknown if ended_before && !on_its_way => Outcome::Superseded,
                Protection::Free(unprotected) => return Some((claim, unprotected)),
                Protection::Unknown => {
                    unknown.push(claim);
                    return None;
                }
            };
            self.conclude(claim.verdict, outcome);
            None
        };
        // Into the list that the claims were in: a proof takes no room.
        let free: Vec<(Claim, Unprotected)> = group.claims.into_iter().filter_map(check).collect();
        if !unknown.is_empty() {
            self.look_up(FlowGroup { claims: unknown, ..group });
            return;
        }
        let ended = self.settle_deletes(&group.key, &free, group.round, &group.gates);
        let mut admitted = Vec::with_capacity(free.len());
        for (claim, unprotected) in free.into_iter().filter(|(claim, _)| claim.change != Change::Delete) {
            if on_its_way || ended.by_effect || ended.by.contains(&claim.plugin) {
                self.conclude(claim.verdict, Outcome::Superseded);
                continue;
            }
            let asked = self.asked(&claim);
            match self.admit(claim.plugin, claim.change.cost(), asked, claim.allowed, unprotected) {
                Admission::Refuse(outcome) => self.conclude(claim.verdict, outcome),
                Admission::Observe => admitted.push(Admitted { claim, pass: None }),
                Admission::Enforce(pass) => admitted.push(Admitted { claim, pass: Some(pass) }),
            }
        }
        self.update(group.key, group.sight, admitted);
    }

    /// The deletes among the claims on one flow: one effect for all who enforce.
    fn settle_deletes(
        &mut self,
        key: &FlowKey,
        claims: &[(Claim, Unprotected)],
        round: Option<RoundId>,
        gates: &[GateId],
    ) -> Ended {
        // As many as there are plugins at most, and as a rule one.
        let mut by = Vec::new();
        let (mut winners, mut passed) = (Vec::new(), None);
        for &(claim, unprotected) in claims.iter().filter(|(claim, _)| claim.change == Change::Delete) {
            if by.contains(&claim.plugin) {
                self.conclude(claim.verdict, Outcome::Superseded);
                continue;
            }
            if self.comes_back(&claim, key) {
                self.conclude(claim.verdict, Outcome::OverBudget);
                continue;
            }
            let asked = self.asked(&claim);
            match self.admit(claim.plugin, Cost::End, asked, claim.allowed, unprotected) {
                Admission::Refuse(outcome) => self.conclude(claim.verdict, outcome),
                Admission::Observe => {
                    by.push(claim.plugin);
                    self.conclude(claim.verdict, Outcome::Observed);
                }
                Admission::Enforce(pass) => {
                    by.push(claim.plugin);
                    winners.push(claim.verdict);
                    passed = Some(pass);
                }
            }
        }
        let Some(effect) = Granted::new(Effect::Delete(*key), passed.as_ref()) else {
            return Ended { by, by_effect: false };
        };
        if let Some(round) = round {
            self.rounds.remember_deleted(round, *key);
        }
        if let Some(winners) = self.pending.join_delete(key, winners) {
            self.pending.add(effect, winners, gates);
        }
        Ended { by, by_effect: true }
    }

    /// Whether a delete of ours ends the flow or has ended it: who wants the same is told what comes of that.
    pub(crate) fn is_ending(&self, round: Option<RoundId>, key: &FlowKey) -> bool {
        self.pending.is_deleting(key) || round.is_some_and(|round| self.rounds.has_deleted(round, key))
    }

    /// Verdicts on a flow that has ended, where another look has shown the one that has its name now.
    fn settle_ended(&mut self, group: &mut FlowGroup) {
        if !group.claims.iter().any(|claim| claim.ended) {
            return;
        }
        let outcome = if group.gone { Outcome::Gone } else { Outcome::Replaced };
        let ended: Vec<Claim> = group.claims.extract_if(.., |claim| claim.ended).collect();
        for claim in ended {
            self.conclude(claim.verdict, outcome);
        }
    }

    /// Protections that the group itself asks for hold before anything else of it is looked at.
    fn settle_protects(&mut self, group: &mut FlowGroup) {
        let key = group.key;
        let now = self.clock.steady;
        let protects: Vec<(Claim, u32)> = group
            .claims
            .extract_if(.., |claim| matches!(claim.change, Change::Protect(_)))
            .filter_map(|claim| match claim.change {
                Change::Protect(seconds) => Some((claim, seconds)),
                Change::Delete | Change::Mark(_) | Change::Labels(_) | Change::Timeout(_) => None,
            })
            .collect();
        for (claim, seconds) in protects {
            let admission = self.admit_harmless(claim.plugin, Cost::None, claim.allowed);
            let (observed, done) = match admission {
                Admission::Refuse(outcome) => {
                    self.conclude(claim.verdict, outcome);
                    continue;
                }
                Admission::Observe => (true, Outcome::Observed),
                Admission::Enforce(_) => (false, Outcome::Applied),
            };
            let Some((name, limit)) = self.name_and_protections(claim.plugin) else { continue };
            let until = now.plus(core::time::Duration::from_secs(seconds.into()));
            let added = self.protections.add(key, &name, until, observed, limit, now);
            self.conclude(claim.verdict, if added { done } else { Outcome::OverBudget });
        }
    }

    fn asked(&self, claim: &Claim) -> Asked {
        let run = self.audit.get(claim.verdict).and_then(|open| open.run.as_ref());
        if run.is_some_and(|run| run.was_resumed()) { Asked::Again } else { Asked::First }
    }

    fn name_and_protections(&self, plugin: PluginId) -> Option<(PluginName, usize)> {
        self.plugins.get(plugin).map(|plugin| (plugin.spec.name.clone(), plugin.spec.limits.protections))
    }

    fn claim_protection(&self, key: &FlowKey, held: Held, claim: Claim) -> Protection {
        match self.plugins.get(claim.plugin) {
            Some(plugin) => self.protection(key, held, &plugin.spec.name),
            // The third check will find that it is gone; until then nothing may be touched for it.
            None => Protection::Protected,
        }
    }

    /// Marks, labels and timeouts of one flow, as one change. Of timeouts the longest is taken: it does the least harm.
    fn update(&mut self, key: FlowKey, sight: Sight, admitted: Vec<Admitted>) {
        let timeout = longest_timeout(&admitted);
        let mut update = Update { key, mark: None, labels: None, timeout };
        let mut winners = Vec::with_capacity(admitted.len());
        let mut passed = None;
        for (index, Admitted { claim, pass }) in admitted.iter().enumerate() {
            let beaten = matches!((claim.change, timeout), (Change::Timeout(own), Some(longest)) if own < longest);
            if beaten || is_undone(&admitted, index, claim) {
                self.conclude(claim.verdict, Outcome::Superseded);
                continue;
            }
            let Some(pass) = pass else {
                self.conclude(claim.verdict, Outcome::Observed);
                continue;
            };
            match claim.change {
                Change::Mark(mark) => update.mark = Some(update.mark.map_or(mark, |before| before.then(mark))),
                Change::Labels(labels) => {
                    update.labels = Some(update.labels.map_or(labels, |before| before.then(labels)));
                }
                Change::Timeout(_) | Change::Delete | Change::Protect(_) => {}
            }
            winners.push(claim.verdict);
            passed = Some(pass);
        }
        if let Some(effect) = Granted::new(Effect::Update(update), passed) {
            self.pending.add(effect.seen_at(sight.at()), winners, &[]);
        }
    }

    /// Ends the verdicts of candidates whose plugin is gone before they could be arbitrated.
    pub(crate) fn void(&mut self, claims: Vec<Claim>) {
        for claim in claims {
            self.conclude(claim.verdict, Outcome::Refused(Refusal::PluginGone));
        }
    }
}

/// Whether a later change of the same plugin leaves nothing of this one.
fn is_undone(admitted: &[Admitted], index: usize, claim: &Claim) -> bool {
    let later = admitted.iter().skip(index + 1).map(|later| &later.claim);
    later.filter(|later| later.plugin == claim.plugin).any(|later| claim.change.is_undone_by(later.change))
}

/// The longest timeout that is to be carried out.
fn longest_timeout(admitted: &[Admitted]) -> Option<u32> {
    let of = |(index, Admitted { claim, pass }): (usize, &Admitted)| match claim.change {
        Change::Timeout(seconds) if pass.is_some() && !is_undone(admitted, index, claim) => Some(seconds),
        Change::Timeout(_) | Change::Delete | Change::Mark(_) | Change::Labels(_) | Change::Protect(_) => None,
    };
    admitted.iter().enumerate().filter_map(of).max()
}

/// Flows in the order in which they were first named.
struct FlowGroups {
    groups: Vec<(FlowKey, Sight, bool, Vec<Claim>)>,
    places: HashMap<FlowKey, usize>,
}

impl FlowGroups {
    fn with_room_for(flows: usize) -> Self {
        Self { groups: Vec::with_capacity(flows), places: HashMap::with_capacity(flows) }
    }

    fn add(&mut self, key: FlowKey, sight: Sight, gone: bool, claim: Claim) {
        let place = *self.places.entry(key).or_insert(self.groups.len());
        match self.groups.get_mut(place) {
            Some((_, known, ended, claims)) => {
                *known = known.with_another_look(sight);
                *ended |= gone;
                claims.push(claim);
            }
            None => {
                // Room for a few, as several plugins may name the flow.
                let mut claims = Vec::with_capacity(4);
                claims.push(claim);
                self.groups.push((key, sight, gone, claims));
            }
        }
    }
}
