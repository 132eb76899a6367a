//! Networks into sets and out of them: what several plugins want of one set and network is one effect.
//!
//! A block beats an unblock, and the longest block holds for all who want one: who wants a network out is served by its
//! lifetime's end, who wants it in would be let down at once.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use ctwarden_model::{Action, Block, Effect, Outcome, Prefix, SetName, Unblock};

use crate::PluginId;
use crate::engine::Engine;
use crate::guard::{Admission, Allowed, Cost, Granted, Protection};
use crate::ids::{GateId, VerdictId};

/// One verdict on a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkClaim {
    pub(crate) verdict: VerdictId,
    pub(crate) plugin: PluginId,
    pub(crate) allowed: Allowed,
}

/// What a verdict says of a network.
enum Word {
    Block(Block),
    Unblock(Unblock),
}

impl Word {
    fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Block(block) => Some(Self::Block(block.clone())),
            Action::Unblock(unblock) => Some(Self::Unblock(unblock.clone())),
            Action::Delete
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

    fn about(&self) -> (SetName, Prefix) {
        match self {
            Self::Block(Block { set, network, .. }) | Self::Unblock(Unblock { set, network }) => {
                (set.clone(), *network)
            }
        }
    }
}

/// All verdicts on one network of one set.
#[derive(Default)]
struct Wanted {
    blocks: Vec<(NetworkClaim, Block)>,
    unblocks: Vec<(NetworkClaim, Unblock)>,
}

impl Engine {
    pub(crate) fn settle_networks(&mut self, claims: Vec<NetworkClaim>, gate: GateId) {
        if claims.is_empty() {
            return;
        }
        let mut networks: Vec<Wanted> = Vec::new();
        let mut places: BTreeMap<(SetName, Prefix), usize> = BTreeMap::new();
        let mut said: BTreeSet<(SetName, Prefix, PluginId)> = BTreeSet::new();
        let mut doubled = Vec::new();
        // From the last to the first: of what one plugin says of one network, the last word counts.
        for claim in claims.into_iter().rev() {
            let Some(open) = self.audit.get(claim.verdict) else { continue };
            let Some(word) = Word::of(&open.verdict.action) else { continue };
            let (set, network) = word.about();
            if !said.insert((set.clone(), network, claim.plugin)) {
                doubled.push(claim.verdict);
                continue;
            }
            let place = *places.entry((set, network)).or_insert(networks.len());
            if place == networks.len() {
                networks.push(Wanted::default());
            }
            let Some(wanted) = networks.get_mut(place) else { continue };
            match word {
                Word::Block(block) => wanted.blocks.push((claim, block)),
                Word::Unblock(unblock) => wanted.unblocks.push((claim, unblock)),
            }
        }
        for verdict in doubled.into_iter().rev() {
            self.finish(verdict, Outcome::Superseded);
        }
        for mut wanted in networks.into_iter().rev() {
            wanted.blocks.reverse();
            wanted.unblocks.reverse();
            self.settle_network(wanted, gate);
        }
    }

    fn settle_network(&mut self, wanted: Wanted, gate: GateId) {
        let mut longest: Option<Block> = None;
        let (mut winners, mut passes) = (Vec::new(), Vec::new());
        for (claim, block) in wanted.blocks {
            let unprotected = match self.block_protection(&block) {
                Protection::Free(unprotected) => unprotected,
                Protection::Protected | Protection::Unknown => {
                    self.finish(claim.verdict, Outcome::Protected);
                    continue;
                }
            };
            match self.admit(claim.plugin, Cost::Change, claim.allowed, unprotected) {
                Admission::Refuse(outcome) => self.finish(claim.verdict, outcome),
                Admission::Observe => self.finish(claim.verdict, Outcome::Observed),
                Admission::Enforce(pass) => {
                    winners.push(claim.verdict);
                    passes.push(pass);
                    longest = Some(match longest {
                        Some(before) if outlasts(before.seconds, block.seconds) => before,
                        Some(_) | None => block,
                    });
                }
            }
        }
        let blocked = longest.and_then(|block| Granted::new(Effect::Block(block), &passes));
        let is_blocked = blocked.is_some();
        if let Some(effect) = blocked {
            self.pending.add(effect, winners, Some(gate));
        }
        let (mut winners, mut passes) = (Vec::new(), Vec::new());
        let mut unblock = None;
        for (claim, wanted) in wanted.unblocks {
            if is_blocked {
                self.finish(claim.verdict, Outcome::Superseded);
                continue;
            }
            match self.admit_harmless(claim.plugin, Cost::Change, claim.allowed) {
                Admission::Refuse(outcome) => self.finish(claim.verdict, outcome),
                Admission::Observe => self.finish(claim.verdict, Outcome::Observed),
                Admission::Enforce(pass) => {
                    winners.push(claim.verdict);
                    passes.push(pass);
                    unblock = Some(wanted);
                }
            }
        }
        if let Some(effect) = unblock.and_then(|unblock| Granted::new(Effect::Unblock(unblock), &passes)) {
            self.pending.add(effect, winners, None);
        }
    }
}

/// Whether a lifetime is at least as long as another; none has no end.
fn outlasts(lifetime: Option<u32>, other: Option<u32>) -> bool {
    match (lifetime, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(lifetime), Some(other)) => lifetime >= other,
    }
}
