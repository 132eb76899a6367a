//! The five checks between what a plugin wants and what is done: grant, protection, budget, breaker, mode.
//!
//! Each check returns a proof that the next check takes, and only the last proof, a [`Pass`], makes an effect. No other crate
//! can make one, and a pass makes no other effect than the one that it was asked for.

use alloc::sync::Arc;

use ctwarden_model::{
    Action, Block, Effect, ExpectationKey, Family, Flow, FlowKey, Known, Mode, Notice, Now, Outcome, Prefix, PrefixSet,
    Refusal, Selection, Steady, Target, Truth, Unblock, Verdict,
};

use crate::per_plugin::PerPlugin;
use crate::verdicts::accounts::{Account, PLUGIN_GONE};
use crate::verdicts::plugin_protections::PluginProtections;
use crate::verdicts::protected_flows::{ProtectedFlows, never_blocked};
use crate::verdicts::records::Records;
use crate::{BreakerLimits, EngineConfig, PluginId, PluginLimits, PluginSpec};

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
    /// An effect of verdicts that have a pass for it; none without one.
    pub(crate) fn new(effect: Effect, pass: Option<&Pass<'_>>) -> Option<Self> {
        let Pass(admitted) = pass?;
        let is_admitted = admitted.is(&effect);
        debug_assert!(is_admitted, "a pass for {admitted:?} was used for {effect:?}");
        is_admitted.then_some(Self { granted: effect, seen: None })
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

/// What may be done with a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted<'a> {
    Delete(&'a FlowKey),
    Update(&'a FlowKey),
    /// Kept by the engine, without an effect.
    Protect(&'a FlowKey),
    DeleteExpectation(&'a ExpectationKey),
    Block(Prefix),
    Unblock(Prefix),
}

impl Admitted<'_> {
    fn is(self, effect: &Effect) -> bool {
        match (self, effect) {
            (Self::Delete(admitted), Effect::Delete(key)) => admitted == key,
            (Self::Update(admitted), Effect::Update(update)) => *admitted == update.key,
            (Self::DeleteExpectation(admitted), Effect::DeleteExpectation(key)) => admitted == key,
            (Self::Block(admitted), Effect::Block(Block { network, .. }))
            | (Self::Unblock(admitted), Effect::Unblock(Unblock { network, .. })) => admitted == *network,
            (
                Self::Delete(_)
                | Self::Update(_)
                | Self::Protect(_)
                | Self::DeleteExpectation(_)
                | Self::Block(_)
                | Self::Unblock(_),
                _,
            ) => false,
        }
    }
}

/// Proof of all five checks, for one effect.
#[derive(Debug)]
pub(crate) struct Pass<'a>(Admitted<'a>);

/// What the last three checks are asked.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) plugin: PluginId,
    /// What is to be done.
    pub(crate) what: Admitted<'a>,
    pub(crate) cost: Cost,
    pub(crate) asked: Asked,
    pub(crate) allowed: Allowed,
    pub(crate) unprotected: Unprotected,
}

/// What the last three checks say.
#[derive(Debug)]
pub(crate) enum Admission<'a> {
    /// To be carried out.
    Enforce(Pass<'a>),
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

/// The checks and what they go by: protections and the accounts of the plugins.
#[derive(Debug)]
pub(crate) struct Guard {
    accounts: PerPlugin<Account>,
    protected: ProtectedFlows,
    /// Networks that nobody may block: this host's own addresses among them.
    never_blocked: PrefixSet,
    protections: PluginProtections,
    /// Entries of the table; 0 until told.
    table_entries: u32,
    breaker: BreakerLimits,
}

impl Guard {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            accounts: PerPlugin::default(),
            protected: ProtectedFlows::new(config.protect.clone()),
            never_blocked: never_blocked(&PrefixSet::new()),
            protections: PluginProtections::default(),
            table_entries: 0,
            breaker: config.bounds.breaker.clone(),
        }
    }

    /// Goes by another configuration. Accounts go to the plugins of the same names.
    pub(crate) fn swap(&mut self, config: &EngineConfig, first: PluginId, specs: &[Arc<PluginSpec>], now: Steady) {
        self.protected = ProtectedFlows::new(config.protect.clone());
        self.breaker = config.bounds.breaker.clone();
        let accounts = specs.iter().map(|spec| Account::new(Arc::clone(spec), now)).collect();
        let old = core::mem::replace(&mut self.accounts, PerPlugin::new(first, accounts));
        for old in old.into_values() {
            if let Some(new) = self.accounts.iter_mut().find(|new| new.name() == old.name()) {
                new.take_over(old);
            }
        }
    }

    pub(crate) fn account(&self, plugin: PluginId) -> Option<&Account> {
        self.accounts.get(plugin)
    }

    pub(crate) fn account_mut(&mut self, plugin: PluginId) -> Option<&mut Account> {
        self.accounts.get_mut(plugin)
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter()
    }

    pub(crate) fn accounts_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        self.accounts.iter_mut()
    }

    pub(crate) fn mode(&self, plugin: PluginId, now: Steady) -> Option<Mode> {
        self.account(plugin).map(|account| account.mode(now))
    }

    pub(crate) const fn set_table_entries(&mut self, entries: u32) {
        self.table_entries = entries;
    }

    pub(crate) const fn table_entries(&self) -> u32 {
        self.table_entries
    }

    pub(crate) fn set_own_addresses(&mut self, own: &PrefixSet) {
        self.never_blocked = never_blocked(own);
    }

    /// Whether the configuration protects the flow.
    pub(crate) fn holds(&self, known: Known<'_>) -> Truth {
        self.protected.holds(known)
    }

    /// Whether any plugin may have protected a flow.
    pub(crate) fn has_plugin_protections(&self) -> bool {
        !self.protections.is_empty()
    }

    /// Flows that plugins protect at the moment.
    pub(crate) fn plugin_protections(&self, now: Steady) -> usize {
        self.protections.count(now)
    }

    /// Protects a flow for a plugin; false where the plugin protects as many as it may, or is gone.
    pub(crate) fn protect(&mut self, key: FlowKey, by: PluginId, until: Steady, observed: bool, now: Steady) -> bool {
        let Some(account) = self.accounts.get(by) else { return false };
        self.protections.add(key, account.name(), until, observed, account.spec().limits.bounds.protections, now)
    }

    /// Second check, for a flow: `held` is what the filters of the configuration say.
    pub(crate) fn protection(&self, key: &FlowKey, held: Truth, of: PluginId, now: Steady) -> Protection {
        // The third check will find that it is gone; until then nothing may be touched for it.
        let Some(account) = self.accounts.get(of) else { return Protection::Protected };
        if held == Truth::Yes || self.protections.hold(key, account.name(), now) {
            return Protection::Protected;
        }
        match held {
            Truth::No => Protection::Free(Unprotected(())),
            Truth::Yes | Truth::Unknown => Protection::Unknown,
        }
    }

    /// Second check, for a network to be blocked. Besides addresses that the configuration protects, this host's own are
    /// spared, and those that are nobody's in particular.
    pub(crate) fn block_protection(&self, block: &Block) -> Protection {
        if self.protected.covers(block.network) || self.never_blocked.overlaps(block.network) {
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
        (allowed, unprotected): (Allowed, Unprotected),
        now: Now,
        records: &mut Records,
    ) -> Admission<'static> {
        let Some(account) = self.accounts.get_mut(plugin) else { return Admission::Refuse(PLUGIN_GONE) };
        if !account.spend_block(block, now.steady) {
            self.over_budget(plugin, MANY_BLOCKS, now, records);
            return Admission::Refuse(Outcome::OverBudget);
        }
        let what = Admitted::Block(block.network);
        let request = Request { plugin, what, cost: Cost::Change, asked: Asked::First, allowed, unprotected };
        self.admit(request, now, records)
    }

    /// Third to fifth check: budget, breaker, mode.
    pub(crate) fn admit<'a>(&mut self, request: Request<'a>, now: Now, records: &mut Records) -> Admission<'a> {
        let Request { plugin, what, cost, asked, allowed: Allowed(()), unprotected: Unprotected(()) } = request;
        let entries = self.table_entries;
        let Some(account) = self.accounts.get_mut(plugin) else { return Admission::Refuse(PLUGIN_GONE) };
        let ends = match cost {
            Cost::None => None,
            Cost::Change => Some(false),
            Cost::End => Some(true),
            Cost::Timeout(seconds) => Some(account.ends_soon(seconds)),
        };
        if let Some(ends) = ends
            && !account.spend(ends, entries, now.steady)
        {
            if asked == Asked::First {
                let budget = account.whole_budget(ends, entries);
                self.over_budget(plugin, budget, now, records);
            }
            return Admission::Refuse(Outcome::OverBudget);
        }
        match account.mode(now.steady) {
            Mode::Observe => Admission::Observe,
            Mode::Enforce => Admission::Enforce(Pass(what)),
        }
    }

    /// Something of a plugin was over its budget, of which it has so much in a while.
    fn over_budget(&mut self, plugin: PluginId, budget: u64, now: Now, records: &mut Records) {
        let Some(account) = self.accounts.get_mut(plugin) else { return };
        if let Some(observes_for) = account.over_budget(&self.breaker, budget, now.steady) {
            records.notice(now.wall, Notice::BreakerOpened(account.name().clone(), observes_for));
        }
    }

    /// Third to fifth check of what cuts nobody off: a network out of a set, a protection of a flow.
    pub(crate) fn admit_harmless<'a>(
        &mut self,
        plugin: PluginId,
        what: Harmless<'a>,
        allowed: Allowed,
        now: Now,
        records: &mut Records,
    ) -> Admission<'a> {
        let (what, cost) = match what {
            Harmless::Unblock(network) => (Admitted::Unblock(network), Cost::Change),
            Harmless::Protect(key) => (Admitted::Protect(key), Cost::None),
        };
        let unprotected = Unprotected(());
        self.admit(Request { plugin, what, cost, asked: Asked::First, allowed, unprotected }, now, records)
    }

    /// Second check of an expectation: it is protected with its master and with the flow that it expects. `master` is the
    /// master's entry where the tuples of the expectation do not tell.
    pub(crate) fn expectation_protection(
        &self,
        held: Truth,
        master: Option<&Flow>,
        of: PluginId,
        now: Steady,
    ) -> Protection {
        let is_held = |master: &Flow| {
            let account = self.accounts.get(of);
            account.is_none_or(|account| self.protections.hold(&master.key(), account.name(), now))
        };
        let held = match master {
            Some(master) if is_held(master) => Truth::Yes,
            Some(master) => held_with_master(held, self.protected.holds(Known::Whole(master))),
            None => held,
        };
        match held {
            Truth::Yes => Protection::Protected,
            Truth::No => Protection::Free(Unprotected(())),
            Truth::Unknown => Protection::Unknown,
        }
    }
}

/// The tuples of an expectation leave open only what the master's entry tells.
const fn held_with_master(held: Truth, master: Truth) -> Truth {
    match (held, master) {
        (Truth::Yes, _) | (_, Truth::Yes) => Truth::Yes,
        (Truth::No | Truth::Unknown, master) => master,
    }
}

/// What needs no second check.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Harmless<'a> {
    Unblock(Prefix),
    Protect(&'a FlowKey),
}
