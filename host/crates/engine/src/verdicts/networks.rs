//! Networks into sets and out of them: what several plugins want of one set and network is one effect.
//!
//! A block beats an unblock, and the longest block holds for all who want one: who wants a network out is served by its
//! lifetime's end, who wants it in would be let down at once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ctwarden_model::{Action, Block, Effect, Outcome, Prefix, SetName, Unblock};

use crate::PluginId;
use crate::engine::Engine;
use crate::ids::{GateId, VerdictId};
use crate::verdicts::guard::{Admission, Allowed, Cost, Granted, Protection, Unprotected};

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
    blocks: Vec<(NetworkClaim, Unprotected, Block)>,
    unblocks: Vec<(NetworkClaim, Unblock)>,
}

impl Engine {
    pub(crate) fn settle_networks(&mut self, claims: Vec<NetworkClaim>, gate: GateId) {
        if claims.is_empty() {
            return;
        }
        let mut last_words: BTreeMap<(SetName, Prefix, PluginId), VerdictId> = BTreeMap::new();
        let mut words = Vec::new();
        for claim in claims {
            let Some(word) = self.audit.get(claim.verdict).and_then(|open| Word::of(&open.record.verdict.action))
            else {
                continue;
            };
            let unprotected = match self.network_protection(&word) {
                Protection::Free(unprotected) => unprotected,
                Protection::Protected | Protection::Unknown => {
                    self.finish(claim.verdict, Outcome::Protected);
                    continue;
                }
            };
            let (set, network) = word.about();
            last_words.insert((set, network, claim.plugin), claim.verdict);
            words.push((claim, unprotected, word));
        }
        let mut networks: Vec<Wanted> = Vec::new();
        let mut places: BTreeMap<(SetName, Prefix), usize> = BTreeMap::new();
        for (claim, unprotected, word) in words {
            let (set, network) = word.about();
            if last_words.get(&(set.clone(), network, claim.plugin)) != Some(&claim.verdict) {
                self.finish(claim.verdict, Outcome::Superseded);
                continue;
            }
            let place = *places.entry((set, network)).or_insert(networks.len());
            if place == networks.len() {
                networks.push(Wanted::default());
            }
            let Some(wanted) = networks.get_mut(place) else { continue };
            match word {
                Word::Block(block) => wanted.blocks.push((claim, unprotected, block)),
                Word::Unblock(unblock) => wanted.unblocks.push((claim, unblock)),
            }
        }
        for wanted in networks {
            self.settle_network(wanted, gate);
        }
    }

    /// Taking a network out of a set cuts nobody off.
    fn network_protection(&self, word: &Word) -> Protection {
        match word {
            Word::Block(block) => self.block_protection(Some(block)),
            Word::Unblock(_) => self.block_protection(None),
        }
    }

    fn settle_network(&mut self, wanted: Wanted, gate: GateId) {
        let mut longest: Option<Block> = None;
        let (mut winners, mut passed) = (Vec::new(), None);
        for (claim, unprotected, block) in wanted.blocks {
            match self.admit_block(claim.plugin, &block, claim.allowed, unprotected) {
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
            self.pending.add(effect, winners, &[gate]);
        }
        let (mut winners, mut passed) = (Vec::new(), None);
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
                    passed = Some(pass);
                    unblock = Some(wanted);
                }
            }
        }
        if let Some(effect) = unblock.and_then(|unblock| Granted::new(Effect::Unblock(unblock), passed.as_ref())) {
            self.pending.add(effect, winners, &[]);
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
