//! Settles blocks and unblocks. Each plugin claims networks for itself, so the verdicts of several plugins on one network
//! do not merge: the network stays in the set while any plugin claims it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ctwarden_model::{Action, Block, Effect, Member, Outcome, PolicyBlock, PolicyUnblock, SetName, Unblock, Verdict};

use crate::PluginId;
use crate::ids::{GateId, VerdictId};
use crate::verdicts::Verdicts;
use crate::verdicts::accounts::PLUGIN_GONE;
use crate::verdicts::guard::{Admission, Allowed, Granted, Harmless, Protection, Unprotected};

/// A verdict on a network, after the first check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkClaim {
    pub(crate) verdict: VerdictId,
    pub(crate) plugin: PluginId,
    pub(crate) allowed: Allowed,
}

/// The change that a verdict makes to a network, after the second check.
enum NetworkChange {
    Block(Block, Unprotected),
    Unblock(Unblock),
}

impl NetworkChange {
    fn about(&self) -> (SetName, Member) {
        match self {
            Self::Block(Block { set, network, service, .. }, _) | Self::Unblock(Unblock { set, network, service }) => {
                (set.clone(), Member::with(*network, *service))
            }
        }
    }
}

impl Verdicts {
    pub(crate) fn settle_networks(&mut self, claims: Vec<NetworkClaim>, gate: GateId) {
        if claims.is_empty() {
            return;
        }
        let mut last_changes: BTreeMap<(SetName, Member, PluginId), VerdictId> = BTreeMap::new();
        let mut changes = Vec::new();
        for claim in claims {
            let Some(change) = self.network_change(claim.verdict) else {
                self.finish(claim.verdict, Outcome::Protected);
                continue;
            };
            let (set, member) = change.about();
            last_changes.insert((set, member, claim.plugin), claim.verdict);
            changes.push((claim, change));
        }
        for (claim, change) in changes {
            let (set, member) = change.about();
            if last_changes.get(&(set, member, claim.plugin)) != Some(&claim.verdict) {
                self.finish(claim.verdict, Outcome::Superseded);
                continue;
            }
            match change {
                NetworkChange::Block(block, unprotected) => self.settle_block(claim, unprotected, block, gate),
                NetworkChange::Unblock(unblock) => self.settle_unblock(claim, unblock),
            }
        }
    }

    /// The change that a verdict makes to its network. Returns `None` if the network is protected. An unblock needs no
    /// check, because it cuts nobody off.
    fn network_change(&self, verdict: VerdictId) -> Option<NetworkChange> {
        match &self.open.get(verdict)?.record.verdict.action {
            Action::Block(block) => match self.guard.block_protection(block) {
                Protection::Free(unprotected) => Some(NetworkChange::Block(block.clone(), unprotected)),
                Protection::Protected | Protection::Unknown => None,
            },
            Action::Unblock(unblock) => Some(NetworkChange::Unblock(unblock.clone())),
            Action::Delete
            | Action::Kill
            | Action::Mark(_)
            | Action::Labels(_)
            | Action::Timeout(_)
            | Action::Alert(_)
            | Action::Log(_)
            | Action::Protect(_)
            | Action::Sweep
            | Action::Malformed(..) => None,
        }
    }

    fn settle_block(&mut self, claim: NetworkClaim, unprotected: Unprotected, block: Block, gate: GateId) {
        let proofs = (claim.allowed, unprotected);
        match self.guard.admit_block(claim.plugin, &block, proofs, self.clock, &mut self.records) {
            Admission::Refuse(outcome) => self.finish(claim.verdict, outcome),
            Admission::Observe => self.finish(claim.verdict, Outcome::Observed),
            Admission::Enforce(pass) => {
                let Some(policy) = self.guard.account(claim.plugin).map(|account| account.name().clone()) else {
                    return self.finish(claim.verdict, PLUGIN_GONE);
                };
                let reason = self.open.get(claim.verdict).map(|open| reason(&open.record.verdict)).unwrap_or_default();
                let effect = Effect::Block(PolicyBlock { policy, block, reason });
                if let Some(effect) = Granted::new(effect, Some(&pass)) {
                    self.effects.add(effect, vec![claim.verdict], &[gate]);
                }
            }
        }
    }

    fn settle_unblock(&mut self, claim: NetworkClaim, unblock: Unblock) {
        let what = Harmless::Unblock(unblock.network);
        match self.guard.admit_harmless(claim.plugin, what, claim.allowed, self.clock, &mut self.records) {
            Admission::Refuse(outcome) => self.finish(claim.verdict, outcome),
            Admission::Observe => self.finish(claim.verdict, Outcome::Observed),
            Admission::Enforce(pass) => {
                let Some(policy) = self.guard.account(claim.plugin).map(|account| account.name().clone()) else {
                    return self.finish(claim.verdict, PLUGIN_GONE);
                };
                let effect = Effect::Unblock(PolicyUnblock { policy, unblock });
                if let Some(effect) = Granted::new(effect, Some(&pass)) {
                    self.effects.add(effect, vec![claim.verdict], &[]);
                }
            }
        }
    }
}

/// Why a policy blocks: the reason of its verdict, or the code if the verdict gives none.
fn reason(verdict: &Verdict) -> String {
    if verdict.reason.is_empty() { verdict.code.clone() } else { verdict.reason.clone() }
}
