//! The simulated plugins: their subscriptions, their verdicts, and their delays.

use std::collections::BTreeMap;

use ctwarden_engine::{Answer, Call, OnFailure, PluginBounds, PluginLimits, PluginSpec};
use ctwarden_model::{
    Action, Batch, Block, EventKinds, Fault, Flow, FlowKey, Grants, Masked, Mode, PluginName, Reply, Selection,
    SetName, Subscription, Target, Verdict, VerdictKind,
};

use crate::chance::Chance;
use crate::flows::{self, Life};

/// Number of flow keys that a plugin remembers.
const REMEMBERED: usize = 8;

/// What a verdict meant to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meant {
    pub(crate) kind: VerdictKind,
    /// The entry that the plugin saw. `None` for selections and for verdicts without a flow.
    pub(crate) life: Option<Life>,
}

/// All verdicts of the plugins so far, by code.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) verdicts: BTreeMap<String, Meant>,
    next: u64,
}

impl Said {
    /// Whether a verdict of the kind meant the entry, or was a selection that may have included it.
    pub(crate) fn means(&self, kind: VerdictKind, life: Life) -> bool {
        self.verdicts.values().any(|meant| meant.kind == kind && meant.life.is_none_or(|meant| meant == life))
    }

    fn verdict(&mut self, target: Target, action: Action, life: Option<Life>) -> Verdict {
        let code = format!("v{}", self.next);
        self.next += 1;
        self.verdicts.insert(code.clone(), Meant { kind: action.kind(), life });
        Verdict { target, action, code, reason: String::new() }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    keys: Vec<FlowKey>,
    /// The latest entry that the plugin saw under each key. If ids recur, a key means this entry, even if a dump that
    /// began earlier shows an older entry afterwards.
    latest: BTreeMap<FlowKey, Life>,
}

/// The specification of a plugin: `ban` and `mark` enforce, `watch` observes.
pub(crate) fn spec(name: &str, chance: &mut Chance) -> Option<PluginSpec> {
    let all = || VerdictKind::ALL.into_iter().collect();
    let sets = || [SetName("banned".to_owned())];
    Some(PluginSpec {
        name: PluginName::new(name).ok()?,
        mode: if name == "watch" { Mode::Observe } else { Mode::Enforce },
        wants: all(),
        codes: [].into(),
        grants: Grants {
            kinds: all(),
            mark_mask: 0xff,
            label_mask: 0,
            block_sets: sets().into_iter().collect(),
            ..Grants::default()
        },
        subscription: Subscription {
            needs: all(),
            kinds: EventKinds { row: chance.percent(70), new: true, update: chance.percent(50), destroy: true },
            own_changes: chance.percent(50),
            selects: true,
            ..Subscription::default()
        },
        limits: PluginLimits {
            queue_entries: 20,
            table_share_per_minute: 100,
            records_per_second: u32::MAX,
            record_burst: u32::MAX,
            shortest_block_ipv4: 8,
            block_space_ipv4: 0,
            bounds: PluginBounds { queue_rows: 8, ..PluginBounds::default() },
            ..PluginLimits::default()
        },
        on_failure: OnFailure::Restart,
    })
}

/// The answer of a plugin to a call.
pub(crate) fn answer(call: &Call, memory: &mut Memory, said: &mut Said, faults: bool, chance: &mut Chance) -> Answer {
    if faults && chance.percent(2) {
        return Answer::Fault(Fault::Trap("simulated".to_owned()));
    }
    match call {
        Call::Judge(batch) => Answer::Verdicts(judge(batch, memory, said, chance)),
        Call::JudgeExpectations(_) | Call::Concluded(_) | Call::Tick(_) => Answer::Verdicts(Vec::new()),
        Call::Message { text, .. } => {
            let client = text.parse().unwrap_or(0);
            Answer::Reply(Reply { text: String::new(), verdicts: ban(client, said, chance) })
        }
    }
}

/// Ends all flows of a client. Half of the bans also block the client first.
fn ban(client: usize, said: &mut Said, chance: &mut Chance) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if chance.percent(50) {
        let network = ctwarden_model::Prefix::host(flows::client(client));
        let block = Block { set: SetName("banned".to_owned()), network, service: None, seconds: Some(60) };
        verdicts.push(said.verdict(Target::None, Action::Block(block), None));
    }
    let selection = Selection { filter: flows::from_client(client), limit: None };
    let action = if chance.percent(30) { Action::Kill } else { Action::Delete };
    verdicts.push(said.verdict(Target::Matching(Box::new(selection)), action, None));
    verdicts
}

fn judge(batch: &Batch, memory: &mut Memory, said: &mut Said, chance: &mut Chance) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (index, event) in (0..).zip(batch.entries.iter()) {
        if chance.percent(15) {
            let action = any_action(chance);
            verdicts.push(said.verdict(Target::Entry(index), action, flows::life_of(&event.flow)));
        }
        memory.remember(&event.flow, chance);
    }
    if chance.percent(20)
        && let Some(&key) = memory.keys.get(chance.below(memory.keys.len()))
        && let Some(&life) = memory.latest.get(&key)
    {
        // Some verdicts use the reply tuple, which names the same entry.
        let original = if chance.percent(30) { key.original.reversed() } else { key.original };
        let action = any_action(chance);
        verdicts.push(said.verdict(Target::Key(FlowKey { original, ..key }), action, Some(life)));
    }
    if chance.percent(3) {
        let selection = Selection { filter: flows::from_client(chance.below(flows::CLIENTS)), limit: None };
        let action = if chance.percent(50) { Action::Sweep } else { any_action(chance) };
        verdicts.push(said.verdict(Target::Matching(Box::new(selection)), action, None));
    }
    verdicts
}

fn any_action(chance: &mut Chance) -> Action {
    match chance.below(10) {
        0..3 => Action::Delete,
        3 => Action::Kill,
        4..8 => Masked::new(0x01, 0x0f).map_or(Action::Delete, Action::Mark),
        8 => Action::Timeout(700),
        _ => Action::Protect(2),
    }
}

impl Memory {
    fn remember(&mut self, flow: &Flow, chance: &mut Chance) {
        let Some(life) = flows::life_of(flow) else { return };
        let latest = self.latest.entry(flow.key()).or_insert(life);
        *latest = life.max(*latest);
        if chance.percent(30) {
            self.keys.truncate(REMEMBERED - 1);
            self.keys.insert(0, flow.key());
        }
    }
}
