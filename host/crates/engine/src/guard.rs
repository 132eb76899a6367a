//! The five checks between what a plugin wants and what is done: grant, protection, budget, breaker, mode.
//!
//! Each check returns a proof that the next one takes, and only the last proof makes an effect. No other crate can make one.
//! A proof is not tied to one verdict, so that inside this crate the property tests, and not the compiler, find a proof that is
//! used for another effect.

use ctwarden_model::{
    Action, Block, Effect, Family, FlowKey, Mode, Notice, Outcome, PluginName, Prefix, Refusal, Selection, Steady,
    Target, Verdict,
};

use crate::budget;
use crate::engine::Engine;
use crate::protect::Held;
use crate::{PluginId, PluginLimits, PluginSpec};

/// Proof that a thing passed every check of the guard; nothing else can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted<T> {
    granted: T,
    seen: Option<Steady>,
}

impl<T> Granted<T> {
    pub const fn get(&self) -> &T {
        &self.granted
    }

    /// When the kernel last told of the flow, or earlier; none where that does not matter, because the kernel compares the id.
    /// The kernel does not compare it in an update: a flow that was seen long ago is to be looked at again before.
    pub const fn seen(&self) -> Option<Steady> {
        self.seen
    }

    /// What was granted, to be carried out.
    pub fn into_inner(self) -> T {
        self.granted
    }
}

impl Granted<Effect> {
    /// An effect of verdicts that have a pass; none without one.
    pub(crate) fn new(effect: Effect, pass: Option<&Pass>) -> Option<Self> {
        pass.map(|Pass(())| Self { granted: effect, seen: None })
    }

    /// The same, of a flow of which the kernel told then.
    pub(crate) fn seen_at(self, seen: Option<Steady>) -> Self {
        Self { seen, ..self }
    }
}

/// Proof of the first check: the plugin asked for it, its configuration needs it, and the operator granted it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed(());

/// Proof of the second check: what it is about is not protected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unprotected(());

/// Proof of all five checks.
#[derive(Debug)]
pub(crate) struct Pass(());

/// What the last three checks say.
#[derive(Debug)]
pub(crate) enum Admission {
    /// To be carried out.
    Enforce(Pass),
    /// All checks passed, but the plugin only observes.
    Observe,
    /// Not to be carried out.
    Refuse(Outcome),
}

/// What a verdict costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Nothing: it does not touch the kernel.
    None,
    Change,
    /// One verdict and one entry of the table.
    End,
    /// The one or the other, by how soon so many seconds are over.
    Timeout(u32),
}

/// Whether something is asked for anew. What the budget refused once and is tried again says nothing more about the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    First,
    Again,
}

/// Blocks over the budget of address space that count as much as a whole budget.
const MANY_BLOCKS: u64 = 1_000;

const fn plugin_gone() -> Outcome {
    Outcome::Refused(Refusal::PluginGone)
}

/// What is said of a network that is shorter than the plugin may block.
const TOO_WIDE: &str = "its network is wider than may be blocked; name smaller ones, or widen shortest-block-ipv4 or \
                        shortest-block-ipv6 in its [plugin.budget]";

/// Longest code of a verdict in bytes: it is a label of metrics.
const CODE_MAX: usize = 64;

/// First check: the verdict is well formed and granted. A verdict that is not takes no part in anything further.
pub(crate) fn check(spec: &PluginSpec, verdict: &Verdict) -> Result<Allowed, Outcome> {
    well_formed(&spec.limits, verdict).map_err(Outcome::Refused)?;
    let kind = verdict.action.kind();
    if !(spec.wants.contains(kind) && spec.subscription.needs.contains(kind) && spec.grants.kinds.contains(kind)) {
        return Err(Outcome::NotGranted);
    }
    let granted = match &verdict.action {
        Action::Mark(mark) => mark.mask() & !spec.grants.mark_mask == 0,
        Action::Labels(labels) => labels.mask() & !spec.grants.label_mask == 0,
        Action::Block(block) => spec.grants.block_sets.contains(&block.set),
        Action::Unblock(unblock) => spec.grants.block_sets.contains(&unblock.set),
        Action::Delete
        | Action::Timeout(_)
        | Action::Alert(_)
        | Action::Log(_)
        | Action::Protect(_)
        | Action::Sweep => true,
        Action::Malformed(..) => false,
    };
    if granted { Ok(Allowed(())) } else { Err(Outcome::NotGranted) }
}

fn well_formed(limits: &PluginLimits, verdict: &Verdict) -> Result<(), Refusal> {
    if verdict.code.len() > CODE_MAX {
        return Err(Refusal::Malformed("its code is longer than 64 bytes"));
    }
    if !verdict.code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(Refusal::Malformed("its code has other characters than letters, digits and -"));
    }
    match &verdict.action {
        Action::Mark(mark) if mark.mask() == 0 => return Err(Refusal::Malformed("its mark mask has no bits")),
        Action::Labels(labels) if labels.mask() == 0 => return Err(Refusal::Malformed("it changes no label bit")),
        Action::Alert(alert) if alert.severity > 7 => {
            return Err(Refusal::Malformed("its severity is greater than 7 (debug)"));
        }
        Action::Block(block) if is_too_wide(limits, block.network) => return Err(Refusal::Malformed(TOO_WIDE)),
        Action::Malformed(_, flaw) => return Err(flaw.refusal()),
        Action::Protect(0) => return Err(Refusal::Malformed("a protection of 0 seconds protects nothing")),
        Action::Delete
        | Action::Mark(_)
        | Action::Labels(_)
        | Action::Timeout(_)
        | Action::Alert(_)
        | Action::Log(_)
        | Action::Block(_)
        | Action::Unblock(_)
        | Action::Protect(_)
        | Action::Sweep => {}
    }
    match (&verdict.target, takes(&verdict.action)) {
        (Target::None, Takes::Flows)
        | (Target::Matching(_), Takes::OneOrNothing)
        | (Target::Entry(_) | Target::Key(_), Takes::Many) => Err(Refusal::WrongTarget),
        (Target::Matching(selection), Takes::Flows | Takes::Many) => selection_is_well_formed(selection),
        (Target::Key(key), Takes::Flows | Takes::OneOrNothing) => key_is_well_formed(key),
        (Target::Entry(_), Takes::Flows | Takes::OneOrNothing) | (Target::None, Takes::OneOrNothing | Takes::Many) => {
            Ok(())
        }
    }
}

/// Targets that an action goes with.
enum Takes {
    /// A flow or a selection of them.
    Flows,
    /// Nothing, or the one flow that it is about.
    OneOrNothing,
    /// A selection, or nothing for all.
    Many,
}

const fn takes(action: &Action) -> Takes {
    match action {
        Action::Delete | Action::Mark(_) | Action::Labels(_) | Action::Timeout(_) | Action::Protect(_) => Takes::Flows,
        Action::Alert(_) | Action::Log(_) | Action::Block(_) | Action::Unblock(_) | Action::Malformed(..) => {
            Takes::OneOrNothing
        }
        Action::Sweep => Takes::Many,
    }
}

const fn is_too_wide(limits: &PluginLimits, network: Prefix) -> bool {
    let shortest = match network.family() {
        Family::Ipv4 => limits.shortest_block_ipv4,
        Family::Ipv6 => limits.shortest_block_ipv6,
    };
    // A length of 0 is everyone, whatever the configuration says.
    network.length() == 0 || network.length() < shortest
}

fn selection_is_well_formed(selection: &Selection) -> Result<(), Refusal> {
    if selection.filter.has_empty_range() {
        return Err(Refusal::Malformed("a range of its filter ends before it begins"));
    }
    Ok(())
}

fn key_is_well_formed(key: &FlowKey) -> Result<(), Refusal> {
    if key.original.src.is_ipv4() != key.original.dst.is_ipv4() {
        return Err(Refusal::Malformed("the addresses of its flow are of two families"));
    }
    Ok(())
}

/// What the second check says of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protection {
    /// It may be touched.
    Free(Unprotected),
    Protected,
    /// The whole entry has to be looked at.
    Unknown,
}

impl Engine {
    /// Second check, for a flow: `held` is what the filters of the configuration say.
    pub(crate) fn protection(&self, key: &FlowKey, held: Held, of: &PluginName) -> Protection {
        if held == Held::Yes || self.protections.hold(key, of, self.clock.steady) {
            return Protection::Protected;
        }
        match held {
            Held::No => Protection::Free(Unprotected(())),
            Held::Yes | Held::Unknown => Protection::Unknown,
        }
    }

    /// Second check, for a network to be blocked; none is to be taken out of a set, which cuts nobody off. Besides addresses that
    /// the configuration protects, this host's own are spared, and those that are nobody's in particular.
    pub(crate) fn block_protection(&self, block: Option<&Block>) -> Protection {
        let spared = |network| self.protected.covers(network) || self.never_blocked.overlaps(network);
        if block.is_some_and(|block| spared(block.network)) {
            Protection::Protected
        } else {
            Protection::Free(Unprotected(()))
        }
    }

    /// Third to fifth check of a block: its address space has a budget of its own.
    pub(crate) fn admit_block(
        &mut self,
        plugin: PluginId,
        block: &Block,
        allowed: Allowed,
        unprotected: Unprotected,
    ) -> Admission {
        let now = self.clock.steady;
        let Some(found) = self.plugins.get_mut(plugin) else { return Admission::Refuse(plugin_gone()) };
        if !found.blocked.take(&found.spec.limits, block, now) {
            self.over_budget(plugin, MANY_BLOCKS);
            return Admission::Refuse(Outcome::OverBudget);
        }
        self.admit(plugin, Cost::Change, Asked::First, allowed, unprotected)
    }

    /// Third to fifth check: budget, breaker, mode.
    pub(crate) fn admit(
        &mut self,
        plugin: PluginId,
        cost: Cost,
        asked: Asked,
        _: Allowed,
        _: Unprotected,
    ) -> Admission {
        let (now, entries) = (self.clock.steady, self.table_entries);
        let Some(found) = self.plugins.get_mut(plugin) else { return Admission::Refuse(plugin_gone()) };
        let limits = &found.spec.limits;
        let ends = match cost {
            Cost::None => None,
            Cost::Change => Some(false),
            Cost::End => Some(true),
            Cost::Timeout(seconds) => Some(budget::ends_soon(limits, seconds)),
        };
        if let Some(ends) = ends
            && !found.budget.take(limits, ends, entries, now)
        {
            if asked == Asked::First {
                // Where the share is not used up, or has no end, the rate is.
                let burst = u64::from(limits.verdict_burst);
                let budget = if ends { budget::share(limits, entries).min(burst) } else { burst };
                self.over_budget(plugin, budget);
            }
            return Admission::Refuse(Outcome::OverBudget);
        }
        match found.mode(now) {
            Mode::Observe => Admission::Observe,
            Mode::Enforce => Admission::Enforce(Pass(())),
        }
    }

    /// Something of a plugin was over its budget, of which it has so much in a while.
    fn over_budget(&mut self, plugin: PluginId, budget: u64) {
        let now = self.clock;
        let Some(plugin) = self.plugins.get_mut(plugin) else { return };
        if let Some(opened) = plugin.breaker.exhausted(&self.config.breaker, budget, now.steady) {
            let name = plugin.spec.name.clone();
            self.audit.notice(now.wall, Notice::BreakerOpened(name, opened));
        }
    }

    /// What needs no second check because it touches neither a flow nor a network that could be protected: taking a
    /// network out of a set, protecting a flow.
    pub(crate) fn admit_harmless(&mut self, plugin: PluginId, cost: Cost, allowed: Allowed) -> Admission {
        self.admit(plugin, cost, Asked::First, allowed, Unprotected(()))
    }
}
