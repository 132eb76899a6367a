//! Merges the verdicts of several plugins on one flow into at most one effect of a kind.
//!
//! Protect wins over kill, kill over delete, and delete over the rest. Marks and labels merge by mask; a later change of one
//! plugin wins over its earlier change. A verdict that is not allowed, over budget or only observed never wins over a
//! verdict of another plugin. Equal deletes and blocks of several plugins share one effect and its outcome. A kill and the
//! deletes of other plugins also share one effect, because a kill deletes the entry. A verdict that loses, or that
//! repeats a verdict of the same plugin, ends superseded.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{Effect, ExpectationKey, FlowKey, Mode, Outcome, Refusal, Update};

use crate::PluginId;
use crate::ids::{GateId, RoundId, VerdictId};
use crate::verdicts::Verdicts;
use crate::verdicts::claim::{Candidate, Change, Claim, ExpectationGroup, FlowGroup, FlowGroups, Subject};
use crate::verdicts::guard::{Admission, Admitted, Asked, Granted, Harmless, Pass, Protection, Request, Unprotected};
use crate::verdicts::networks::NetworkClaim;
use crate::verdicts::rounds::Answers;
use crate::verdicts::sight::Sight;

/// A claim that passed all checks. Without a pass it is only observed.
struct AdmittedClaim<'a> {
    claim: Claim,
    pass: Option<Pass<'a>>,
}

/// The plugins that have ended a flow.
struct EndedBy {
    /// Plugins whose delete or kill passed all checks, observing plugins included. Their other verdicts on the flow end
    /// superseded.
    by: Vec<PluginId>,
    /// Whether an effect deletes the flow.
    by_effect: bool,
}

impl Verdicts {
    /// Merges verdicts that belong together and carries out the result.
    pub(crate) fn merge(&mut self, round: Option<RoundId>, answers: Answers) {
        let gate = self.effects.gate();
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
        // Verdicts of an answer without a round also belong together.
        let round = Some(round.unwrap_or_else(|| self.rounds.name()));
        // Blocks come first, because they shut the gate for the deletes that follow.
        self.settle_networks(networks, gate);
        for (key, sight, gone, claims) in flows.into_groups() {
            let gates = if self.effects.is_shut(gate) { Vec::from([gate]) } else { Vec::new() };
            self.settle(FlowGroup { key, sight, gone, claims, round, gates });
        }
        for group in expectations.into_values() {
            self.settle_expectation(group);
        }
        for selection in selections {
            self.begin_selection(selection, gate);
        }
    }

    /// Settles all verdicts on one flow.
    pub(crate) fn settle(&mut self, mut group: FlowGroup) {
        let Sight::Told { ends, .. } = group.sight else {
            self.look_up(group);
            return;
        };
        let key = group.key;
        self.rejoin(&mut group, key);
        // The flow has ended since it was last known to live. Another flow may have its key now.
        if self.ends.ended_after(&key, ends) && !group.gone && !self.is_ending(group.round, &key) {
            self.look_up_ended(group);
            return;
        }
        // If a delete of our own ends or has ended the flow, its verdicts share the outcome of that delete.
        if !self.is_ending(group.round, &key) {
            self.settle_ended(&mut group);
        }
        self.settle_protects(&mut group);
        let on_its_way = self.effects.is_deleting(&group.key);
        let ended_before = group.round.is_some_and(|round| self.rounds.has_deleted(round, &group.key));
        let mut unknown = Vec::new();
        let check = |claim: Claim| {
            let held = group.sight.protected();
            let outcome = match self.guard.protection(&group.key, held, claim.plugin, self.clock.steady) {
                Protection::Protected => Outcome::Protected,
                Protection::Free(_) | Protection::Unknown if group.gone => Outcome::Gone,
                // A delete that has ended the flow is not as strong as a kill.
                Protection::Free(_) | Protection::Unknown if ended_before && !on_its_way => match claim.change {
                    Change::Kill => Outcome::Gone,
                    Change::Delete | Change::Mark(_) | Change::Labels(_) | Change::Timeout(_) | Change::Protect(_) => {
                        Outcome::Superseded
                    }
                },
                Protection::Free(unprotected) => return Some((claim, unprotected)),
                Protection::Unknown => {
                    unknown.push(claim);
                    return None;
                }
            };
            self.conclude(claim.verdict, outcome);
            None
        };
        // `collect` reuses the allocation of the claims, because a proof has no size.
        let free: Vec<(Claim, Unprotected)> = group.claims.into_iter().filter_map(check).collect();
        if !unknown.is_empty() {
            self.look_up(FlowGroup { claims: unknown, ..group });
            return;
        }
        let ended = self.settle_ends(&group.key, &free, group.round, &group.gates);
        let mut admitted = Vec::with_capacity(free.len());
        for (claim, unprotected) in free.into_iter().filter(|(claim, _)| !claim.change.ends_flow()) {
            if on_its_way || ended.by_effect || ended.by.contains(&claim.plugin) {
                self.conclude(claim.verdict, Outcome::Superseded);
                continue;
            }
            match self.admit(&claim, Admitted::Update(&group.key), unprotected) {
                Admission::Refuse(outcome) => self.conclude(claim.verdict, outcome),
                Admission::Observe => admitted.push(AdmittedClaim { claim, pass: None }),
                Admission::Enforce(pass) => admitted.push(AdmittedClaim { claim, pass: Some(pass) }),
            }
        }
        self.update(group.key, group.sight, admitted);
    }

    /// Settles the kills and deletes among the claims on one flow. All enforcing plugins share one effect, which is a
    /// kill if any of them may kill.
    fn settle_ends(
        &mut self,
        key: &FlowKey,
        claims: &[(Claim, Unprotected)],
        round: Option<RoundId>,
        gates: &[GateId],
    ) -> EndedBy {
        // At most as many elements as there are plugins, and usually one.
        let mut by = Vec::new();
        let (mut winners, mut passed) = (Vec::new(), None);
        // A kill does more than a delete of the same plugin, so it comes first.
        let of = |change| claims.iter().filter(move |(claim, _)| claim.change == change);
        for &(claim, unprotected) in of(Change::Kill).chain(of(Change::Delete)) {
            let kills = claim.change == Change::Kill;
            let what = if kills { Admitted::Kill(key) } else { Admitted::Delete(key) };
            if by.contains(&claim.plugin) {
                // Two selections of one plugin may have two senders. Each sender gets the outcome of the flow.
                if self.is_selection(claim.verdict) && winners.iter().any(|winner| self.is_of(*winner, claim.plugin)) {
                    winners.push(claim.verdict);
                } else {
                    self.conclude(claim.verdict, Outcome::Superseded);
                }
                continue;
            }
            if self.comes_back(&claim, key) {
                self.conclude(claim.verdict, Outcome::OverBudget);
                continue;
            }
            match self.admit(&claim, what, unprotected) {
                Admission::Refuse(outcome) => self.conclude(claim.verdict, outcome),
                Admission::Observe => {
                    by.push(claim.plugin);
                    self.conclude(claim.verdict, Outcome::Observed);
                }
                Admission::Enforce(pass) => {
                    by.push(claim.plugin);
                    winners.push(claim.verdict);
                    // The first pass is that of a kill, if there is one.
                    passed.get_or_insert((pass, kills));
                }
            }
        }
        let effect = passed.and_then(|(pass, kills)| {
            let effect = if kills { Effect::Kill(*key) } else { Effect::Delete(*key) };
            Granted::new(effect, Some(&pass))
        });
        let Some(effect) = effect else {
            return EndedBy { by, by_effect: false };
        };
        if let Some(round) = round {
            self.rounds.remember_deleted(round, *key);
        }
        if let Some((effect, winners)) = self.effects.join_end(key, effect, winners) {
            self.effects.add(effect, winners, gates);
        }
        EndedBy { by, by_effect: true }
    }

    fn is_selection(&self, verdict: VerdictId) -> bool {
        self.open.get(verdict).is_some_and(|open| open.selection.is_some())
    }

    fn is_of(&self, verdict: VerdictId, plugin: PluginId) -> bool {
        self.open.get(verdict).is_some_and(|open| open.plugin == plugin)
    }

    /// Whether a delete of our own ends the flow or has ended it. Further deletes share the outcome of that delete.
    pub(crate) fn is_ending(&self, round: Option<RoundId>, key: &FlowKey) -> bool {
        self.effects.is_deleting(key) || round.is_some_and(|round| self.rounds.has_deleted(round, key))
    }

    /// Ends the verdicts on a flow that has ended, after a lookup has shown the entry that has its key now.
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

    /// Settles the protections of the group first, because they hold before anything else of the group is checked.
    fn settle_protects(&mut self, group: &mut FlowGroup) {
        let key = group.key;
        let now = self.clock.steady;
        let protects: Vec<(Claim, u32)> = group
            .claims
            .extract_if(.., |claim| matches!(claim.change, Change::Protect(_)))
            .filter_map(|claim| match claim.change {
                Change::Protect(seconds) => Some((claim, seconds)),
                Change::Delete | Change::Kill | Change::Mark(_) | Change::Labels(_) | Change::Timeout(_) => None,
            })
            .collect();
        for (claim, seconds) in protects {
            let what = Harmless::Protect(&key);
            let admission = self.guard.admit_harmless(claim.plugin, what, claim.allowed, self.clock, &mut self.records);
            let (observed, done) = match admission {
                Admission::Refuse(outcome) => {
                    self.conclude(claim.verdict, outcome);
                    continue;
                }
                Admission::Observe => (true, Outcome::Observed),
                Admission::Enforce(_) => (false, Outcome::Applied),
            };
            let until = now.plus(Duration::from_secs(seconds.into()));
            let added = self.guard.protect(key, claim.plugin, until, observed, now);
            self.conclude(claim.verdict, if added { done } else { Outcome::OverBudget });
        }
    }

    fn asked(&self, claim: &Claim) -> Asked {
        let selection = self.open.get(claim.verdict).and_then(|open| open.selection.as_ref());
        if selection.is_some_and(|progress| progress.was_resumed()) { Asked::Again } else { Asked::First }
    }

    /// Third to fifth check of a claim.
    fn admit<'a>(&mut self, claim: &Claim, what: Admitted<'a>, unprotected: Unprotected) -> Admission<'a> {
        let &Claim { plugin, allowed, change, .. } = claim;
        let request = Request { plugin, what, cost: change.cost(), asked: self.asked(claim), allowed, unprotected };
        self.guard.admit(request, self.clock, &mut self.records)
    }

    /// Whether a flow that an event reported comes back too often to be deleted again. Reports this once a minute.
    fn comes_back(&mut self, claim: &Claim, key: &FlowKey) -> bool {
        if self.open.get(claim.verdict).is_none_or(|open| !open.answers_event) {
            return false;
        }
        let (now, entries) = (self.clock, self.guard.table_entries());
        let account = self.guard.account_mut(claim.plugin);
        let Some(account) = account.filter(|account| account.mode(now.steady) == Mode::Enforce) else {
            return false;
        };
        let (is_too_often, notice) = account.delete_again(key, entries, now.steady);
        if let Some(notice) = notice {
            self.records.notice(now.wall, notice);
        }
        is_too_often
    }

    /// Merges marks, labels and timeouts of one flow into one update. The longest timeout wins, because it does the
    /// least harm.
    fn update(&mut self, key: FlowKey, sight: Sight, admitted: Vec<AdmittedClaim<'_>>) {
        let timeout = longest_timeout(&admitted);
        let mut update = Update { key, mark: None, labels: None, timeout };
        let mut winners = Vec::with_capacity(admitted.len());
        let mut passed = None;
        for (index, AdmittedClaim { claim, pass }) in admitted.iter().enumerate() {
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
                Change::Timeout(_) | Change::Delete | Change::Kill | Change::Protect(_) => {}
            }
            winners.push(claim.verdict);
            passed = Some(pass);
        }
        if let Some(effect) = Granted::new(Effect::Update(update), passed) {
            self.effects.add(effect.seen_at(sight.at()), winners, &[]);
        }
    }

    /// Ends the verdicts of candidates whose plugin is gone before the merge.
    pub(crate) fn void(&mut self, claims: Vec<Claim>) {
        for claim in claims {
            self.conclude(claim.verdict, Outcome::Refused(Refusal::PluginGone));
        }
    }
}

/// Whether a later change of the same plugin leaves nothing of this change.
fn is_undone(admitted: &[AdmittedClaim<'_>], index: usize, claim: &Claim) -> bool {
    let later = admitted.iter().skip(index + 1).map(|later| &later.claim);
    later.filter(|later| later.plugin == claim.plugin).any(|later| claim.change.is_undone_by(later.change))
}

/// The longest timeout to carry out.
fn longest_timeout(admitted: &[AdmittedClaim<'_>]) -> Option<u32> {
    let of = |(index, AdmittedClaim { claim, pass }): (usize, &AdmittedClaim<'_>)| match claim.change {
        Change::Timeout(seconds) if pass.is_some() && !is_undone(admitted, index, claim) => Some(seconds),
        Change::Timeout(_)
        | Change::Delete
        | Change::Kill
        | Change::Mark(_)
        | Change::Labels(_)
        | Change::Protect(_) => None,
    };
    admitted.iter().enumerate().filter_map(of).max()
}
