//! The five checks between a verdict and its effect: grant, protection, budget, breaker, mode.
//!
//! Each check returns a proof that the next check takes. Only the last proof, a [`Pass`], makes an effect. No other
//! crate can create a pass, and a pass makes only the effect for which it was requested.

use alloc::sync::Arc;

use ctwarden_model::{
    Action, Block, Effect, ExpectationKey, Family, Flow, FlowKey, Known, Mode, Notice, Now, Outcome, Prefix, PrefixSet,
    Refusal, Selection, Steady, Target, Truth, Verdict,
};

use crate::per_plugin::PerPlugin;
use crate::verdicts::accounts::{Account, PLUGIN_GONE};
use crate::verdicts::plugin_protections::PluginProtections;
use crate::verdicts::protected_flows::{ProtectedFlows, never_blocked};
use crate::verdicts::records::Records;
use crate::{BreakerLimits, EngineConfig, PluginId, PluginLimits, PluginSpec};

/// Proof that a value passed every check of the guard. Only the guard can create this proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted<T> {
    granted: T,
    seen: Option<Steady>,
}

impl<T> Granted<T> {
    pub const fn get(&self) -> &T {
        &self.granted
    }

    /// When the kernel last reported the flow, or an earlier time. `None` if the time does not matter because the
    /// kernel compares the id. The kernel does not compare the id in an update. If the last report is old, read the
    /// entry again before the update.
    pub const fn seen(&self) -> Option<Steady> {
        self.seen
    }

    /// Returns the granted value, to carry it out.
    pub fn into_inner(self) -> T {
        self.granted
    }
}

impl Granted<Effect> {
    /// Creates a granted effect from the pass of its verdicts. Returns `None` without a pass.
    pub(crate) fn new(effect: Effect, pass: Option<&Pass<'_>>) -> Option<Self> {
        let Pass(admitted) = pass?;
        let is_admitted = admitted.is(&effect);
        debug_assert!(is_admitted, "a pass for {admitted:?} was used for {effect:?}");
        is_admitted.then_some(Self { granted: effect, seen: None })
    }

    /// The same effect, with the time at which the kernel reported the flow.
    pub(crate) fn seen_at(self, seen: Option<Steady>) -> Self {
        Self { seen, ..self }
    }
}

/// Proof of the first check: the plugin asked for the kind of verdict, its configuration needs it, and the operator
/// granted it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed(());

/// Proof of the second check: the subject of the verdict is not protected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unprotected(());

/// What a pass permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted<'a> {
    Delete(&'a FlowKey),
    Kill(&'a FlowKey),
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
            (Self::Delete(admitted), Effect::Delete(key)) | (Self::Kill(admitted), Effect::Kill(key)) => {
                admitted == key
            }
            (Self::Update(admitted), Effect::Update(update)) => *admitted == update.key,
            (Self::DeleteExpectation(admitted), Effect::DeleteExpectation(key)) => admitted == key,
            (Self::Block(admitted), Effect::Block(effect)) => admitted == effect.block.network,
            (Self::Unblock(admitted), Effect::Unblock(effect)) => admitted == effect.unblock.network,
            (
                Self::Delete(_)
                | Self::Kill(_)
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

/// Input of the last three checks.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) plugin: PluginId,
    /// The change to admit.
    pub(crate) what: Admitted<'a>,
    pub(crate) cost: Cost,
    pub(crate) asked: Asked,
    pub(crate) allowed: Allowed,
    pub(crate) unprotected: Unprotected,
}

/// Result of the last three checks.
#[derive(Debug)]
pub(crate) enum Admission<'a> {
    /// Carry out the change.
    Enforce(Pass<'a>),
    /// All checks passed, but the plugin only observes.
    Observe,
    /// Do not carry out the change.
    Refuse(Outcome),
}

/// What a verdict costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Nothing: the verdict does not touch the kernel.
    None,
    Change,
    /// One verdict and one entry of the table.
    End,
    /// `End` if the timeout of this many seconds is short, else `Change`.
    Timeout(u32),
}

/// Whether a change is requested for the first time. A retry of a change that the budget refused says nothing new about
/// the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    First,
    Again,
}

/// Number of blocks over the budget of address space that counts as much as a whole budget.
const MANY_BLOCKS: u64 = 1_000;

/// Refusal of a network whose prefix length is shorter than the plugin may block.
const TOO_WIDE: &str = "its network is wider than the plugin may block; name smaller networks, or lower \
                        shortest-block-ipv4 or shortest-block-ipv6 in its [plugin.budget]";

/// Maximum length of the code of a verdict in bytes. The code is a label of metrics.
const CODE_MAX: usize = 64;

/// First check: the verdict is well formed and granted. A verdict that fails this check is not merged and costs no
/// budget.
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
        | Action::Kill
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
        return Err(Refusal::Malformed("its code has characters other than letters, digits and -"));
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
        | Action::Kill
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

/// Targets that an action accepts.
enum Takes {
    /// A flow or a selection.
    Flows,
    /// Nothing, or the one flow that the action is about.
    OneOrNothing,
    /// A selection, or nothing for all flows.
    Many,
}

const fn takes(action: &Action) -> Takes {
    match action {
        Action::Delete
        | Action::Kill
        | Action::Mark(_)
        | Action::Labels(_)
        | Action::Timeout(_)
        | Action::Protect(_) => Takes::Flows,
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
    // A length of 0 covers every address, so it is too wide whatever the configuration says.
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
        return Err(Refusal::Malformed("the addresses of its flow are of different families"));
    }
    Ok(())
}

/// Result of the second check for a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protection {
    /// The verdict may change the flow.
    Free(Unprotected),
    Protected,
    /// The whole entry must be read.
    Unknown,
}

/// The checks and their state: protections and the accounts of the plugins.
#[derive(Debug)]
pub(crate) struct Guard {
    accounts: PerPlugin<Account>,
    protected: ProtectedFlows,
    /// Networks that nobody may block, including this host's own addresses.
    never_blocked: PrefixSet,
    protections: PluginProtections,
    /// Number of entries in the table; 0 until it is reported.
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

    /// Takes another configuration. The plugins of the same names take over the accounts.
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

    /// Number of flows that plugins protect now.
    pub(crate) fn plugin_protections(&self, now: Steady) -> usize {
        self.protections.count(now)
    }

    /// Protects a flow for a plugin. Returns false if the plugin protects its maximum number of flows, or is gone.
    pub(crate) fn protect(&mut self, key: FlowKey, by: PluginId, until: Steady, observed: bool, now: Steady) -> bool {
        let Some(account) = self.accounts.get(by) else { return false };
        self.protections.add(key, account.name(), until, observed, account.spec().limits.bounds.protections, now)
    }

    /// Second check for a flow. `held` is the result of the filters of the configuration.
    pub(crate) fn protection(&self, key: &FlowKey, held: Truth, of: PluginId, now: Steady) -> Protection {
        // The plugin is gone. Nothing may be changed for it until the third check finds that out.
        let Some(account) = self.accounts.get(of) else { return Protection::Protected };
        if held == Truth::Yes || self.protections.hold(key, account.name(), now) {
            return Protection::Protected;
        }
        match held {
            Truth::No => Protection::Free(Unprotected(())),
            Truth::Yes | Truth::Unknown => Protection::Unknown,
        }
    }

    /// Second check for a network to block. The network must not overlap addresses that the configuration protects,
    /// this host's own addresses, or special addresses such as loopback and multicast.
    pub(crate) fn block_protection(&self, block: &Block) -> Protection {
        if self.protected.covers(block.network) || self.never_blocked.overlaps(block.network) {
            Protection::Protected
        } else {
            Protection::Free(Unprotected(()))
        }
    }

    /// Third to fifth check of a block. Address space has its own budget.
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
        let mode = match what {
            Admitted::Protect(_) => account.protecting_mode(now.steady),
            Admitted::Delete(_)
            | Admitted::Kill(_)
            | Admitted::Update(_)
            | Admitted::DeleteExpectation(_)
            | Admitted::Block(_)
            | Admitted::Unblock(_) => account.mode(now.steady),
        };
        match mode {
            Mode::Observe => Admission::Observe,
            Mode::Enforce => Admission::Enforce(Pass(what)),
        }
    }

    /// Counts one flow, or one verdict about no flow, that was over the budget of a plugin. `budget` is the budget with
    /// which the breaker compares the excess.
    fn over_budget(&mut self, plugin: PluginId, budget: u64, now: Now, records: &mut Records) {
        let Some(account) = self.accounts.get_mut(plugin) else { return };
        if let Some(observes_for) = account.over_budget(&self.breaker, budget, now.steady) {
            records.notice(now.wall, Notice::BreakerOpened(account.name().clone(), observes_for));
        }
    }

    /// Third to fifth check of a change that interrupts no traffic: taking a network out of a set, or protecting a
    /// flow.
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

    /// Second check of an expectation. An expectation is protected if its master or the expected flow is protected.
    /// `master` is the master's entry; it is given if the tuples of the expectation do not decide.
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

/// Combines the result for the tuples with the result for the master's entry. The entry decides what the tuples leave
/// open.
const fn held_with_master(held: Truth, master: Truth) -> Truth {
    match (held, master) {
        (Truth::Yes, _) | (_, Truth::Yes) => Truth::Yes,
        (Truth::No | Truth::Unknown, master) => master,
    }
}

/// Changes that need no second check.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Harmless<'a> {
    Unblock(Prefix),
    Protect(&'a FlowKey),
}
