//! Settles blocks and unblocks. The verdicts of several plugins on one network of one set merge into one effect.
//!
//! A block wins over an unblock, and the longest block holds for all plugins that block the network. A lost unblock
//! costs a wait until the block ends; a lost block would expose the host at once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ctwarden_model::{Action, Block, Effect, Outcome, Prefix, SetName, Unblock};

use crate::PluginId;
use crate::ids::{GateId, VerdictId};
use crate::verdicts::Verdicts;
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
    fn about(&self) -> (SetName, Prefix) {
        match self {
            Self::Block(Block { set, network, .. }, _) | Self::Unblock(Unblock { set, network }) => {
                (set.clone(), *network)
            }
        }
    }
}

/// All verdicts on one network of one set.
#[derive(Default)]
struct NetworkClaims {
    blocks: Vec<(NetworkClaim, Unprotected, Block)>,
    unblocks: Vec<(NetworkClaim, Unblock)>,
}

impl Verdicts {
    pub(crate) fn settle_networks(&mut self, claims: Vec<NetworkClaim>, gate: GateId) {
        if claims.is_empty() {
            return;
        }
        let mut last_changes: BTreeMap<(SetName, Prefix, PluginId), VerdictId> = BTreeMap::new();
        let mut changes = Vec::new();
        for claim in claims {
            let Some(change) = self.network_change(claim.verdict) else {
                self.finish(claim.verdict, Outcome::Protected);
                continue;
            };
            let (set, network) = change.about();
            last_changes.insert((set, network, claim.plugin), claim.verdict);
            changes.push((claim, change));
        }
        let mut networks: Vec<NetworkClaims> = Vec::new();
        let mut places: BTreeMap<(SetName, Prefix), usize> = BTreeMap::new();
        for (claim, change) in changes {
            let (set, network) = change.about();
            if last_changes.get(&(set.clone(), network, claim.plugin)) != Some(&claim.verdict) {
                self.finish(claim.verdict, Outcome::Superseded);
                continue;
            }
            let place = *places.entry((set, network)).or_insert(networks.len());
            if place == networks.len() {
                networks.push(NetworkClaims::default());
            }
            let Some(wanted) = networks.get_mut(place) else { continue };
            match change {
                NetworkChange::Block(block, unprotected) => wanted.blocks.push((claim, unprotected, block)),
                NetworkChange::Unblock(unblock) => wanted.unblocks.push((claim, unblock)),
            }
        }
        for wanted in networks {
            self.settle_network(wanted, gate);
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

    fn settle_network(&mut self, wanted: NetworkClaims, gate: GateId) {
        let mut longest: Option<Block> = None;
        let (mut winners, mut passed) = (Vec::new(), None);
        for (claim, unprotected, block) in wanted.blocks {
            let proofs = (claim.allowed, unprotected);
            match self.guard.admit_block(claim.plugin, &block, proofs, self.clock, &mut self.records) {
                Admission::Refuse(outcome) => self.finish(claim.verdict, outcome),
                Admission::Observe => self.finish(claim.verdict, Outcome::Observed),
                Admission::Enforce(pass) => {
                    winners.push(claim.verdict);
                    passed = Some(pass);
                    longest = Some(match longest {
                        Some(before) if outlasts(before.seconds, block.seconds) => before,
                        Some(_) | None => block,
                    });
                }
            }
        }
        let blocked = longest.and_then(|block| Granted::new(Effect::Block(block), passed.as_ref()));
        let is_blocked = blocked.is_some();
        if let Some(effect) = blocked {
            self.effects.add(effect, winners, &[gate]);
        }
        let (mut winners, mut passed) = (Vec::new(), None);
        let mut unblock = None;
        for (claim, wanted) in wanted.unblocks {
            if is_blocked {
                self.finish(claim.verdict, Outcome::Superseded);
                continue;
            }
            let what = Harmless::Unblock(wanted.network);
            match self.guard.admit_harmless(claim.plugin, what, claim.allowed, self.clock, &mut self.records) {
                Admission::Refuse(outcome) => self.finish(claim.verdict, outcome),
                Admission::Observe => self.finish(claim.verdict, Outcome::Observed),
                Admission::Enforce(pass) => {
                    winners.push(claim.verdict);
                    passed = Some(pass);
                    unblock = Some(wanted);
                }
            }
        }
        if let Some(effect) = unblock.and_then(|unblock| Granted::new(Effect::Unblock(unblock), passed.as_ref())) {
            self.effects.add(effect, winners, &[]);
        }
    }
}

/// Whether a lifetime is at least as long as `other`. `None` never ends.
fn outlasts(lifetime: Option<u32>, other: Option<u32>) -> bool {
    match (lifetime, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(lifetime), Some(other)) => lifetime >= other,
    }
}
