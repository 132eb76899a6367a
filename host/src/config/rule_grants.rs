//! The grants that rules need, as the keys of a `[[plugin]]`.

use std::collections::BTreeSet;

use ctwarden_model::{VerdictKind, VerdictKinds};
use ctwarden_rules::{Kind, Rules, Then};

/// The grants that rules need.
pub(crate) struct RuleGrants {
    pub(crate) kinds: VerdictKinds,
    pub(crate) mark_mask: u32,
    pub(crate) label_bits: u128,
    pub(crate) block_sets: BTreeSet<String>,
    pub(crate) read_sets: BTreeSet<String>,
}

impl RuleGrants {
    pub(crate) fn of(rules: &Rules) -> Self {
        let thens = || rules.rules().iter().map(ctwarden_rules::Rule::then);
        let read_sets: BTreeSet<String> = rules.reads().into_iter().map(str::to_owned).collect();
        // A change of a set reaches flows that exist by a sweep.
        let sweeps = !read_sets.is_empty() && rules.rules().iter().any(|rule| rule.kinds().contains(&Kind::Row));
        Self {
            kinds: thens().flat_map(kinds_of).chain(sweeps.then_some(VerdictKind::Sweep)).collect(),
            mark_mask: thens().filter_map(|then| then.mark).fold(0, |mask, mark| mask | mark.mask()),
            label_bits: thens().filter_map(|then| then.labels).fold(0, |bits, (set, clear)| bits | set | clear),
            block_sets: thens().filter_map(|then| then.block.as_ref()).map(|block| block.set.clone()).collect(),
            read_sets,
        }
    }

    /// The keys of a `[[plugin]]` that grant this, each on a line.
    pub(crate) fn keys(&self) -> Vec<String> {
        let allow: Vec<&str> = self.kinds.iter().map(VerdictKind::name).collect();
        let mut keys = vec![format!("allow = {allow:?}")];
        if self.mark_mask != 0 {
            keys.push(format!("mark-mask = \"{:#x}\"", self.mark_mask));
        }
        if self.label_bits != 0 {
            let bits: Vec<u8> = (0..128_u8).filter(|bit| self.label_bits >> bit & 1 == 1).collect();
            keys.push(format!("label-bits = {bits:?}"));
        }
        for (key, sets) in [("block-sets", &self.block_sets), ("read-sets", &self.read_sets)] {
            if !sets.is_empty() {
                let sets: Vec<String> = sets.iter().map(|set| quoted(set)).collect();
                keys.push(format!("{key} = [{}]", sets.join(", ")));
            }
        }
        keys
    }
}

/// The text as a string of TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn kinds_of(then: &Then) -> impl Iterator<Item = VerdictKind> {
    [
        (then.delete, VerdictKind::Delete),
        (then.kill, VerdictKind::Kill),
        (then.mark.is_some(), VerdictKind::Mark),
        (then.labels.is_some(), VerdictKind::Labels),
        (then.timeout.is_some(), VerdictKind::Timeout),
        (then.block.is_some(), VerdictKind::Block),
        (then.alert.is_some(), VerdictKind::Alert),
        (then.log, VerdictKind::Log),
    ]
    .into_iter()
    .filter_map(|(needed, kind)| needed.then_some(kind))
}
