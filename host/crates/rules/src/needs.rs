//! What rules need of the host: kinds of verdicts, bits and sets.

use std::collections::BTreeSet;

use crate::flow::Kind;
use crate::rule::Rule;
use crate::rules::Rules;
use crate::then::Then;

/// What the operator has to grant to rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Kinds of verdicts, by the names of `allow`.
    pub kinds: BTreeSet<&'static str>,
    /// Bits of the mark that the rules change.
    pub mark_mask: u32,
    /// Bits of the label that the rules change.
    pub label_bits: u128,
    /// Sets that the rules block in.
    pub block_sets: BTreeSet<String>,
    /// Sets that the rules look addresses up in.
    pub read_sets: BTreeSet<String>,
}

impl Needs {
    /// Returns the needs of these rules.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        let mut needs = Self { read_sets: rules.reads().into_iter().map(str::to_owned).collect(), ..Self::default() };
        for then in rules.rules().iter().map(Rule::then) {
            needs.kinds.extend(kinds(then));
            needs.mark_mask |= then.mark.map_or(0, |mark| mark.mask());
            needs.label_bits |= then.labels.map_or(0, |(set, clear)| set | clear);
            needs.block_sets.extend(then.block.iter().map(|block| block.set.clone()));
        }
        // A change of a set reaches flows that exist by a sweep.
        if !needs.read_sets.is_empty() && rules.rules().iter().any(|rule| rule.kinds().contains(&Kind::Row)) {
            needs.kinds.insert("sweep");
        }
        needs
    }
}

fn kinds(then: &Then) -> impl Iterator<Item = &'static str> {
    [
        (then.delete, "delete"),
        (then.kill, "kill"),
        (then.mark.is_some(), "mark"),
        (then.labels.is_some(), "labels"),
        (then.timeout.is_some(), "timeout"),
        (then.block.is_some(), "block"),
        (then.alert.is_some(), "alert"),
        (then.log, "log"),
    ]
    .into_iter()
    .filter_map(|(needed, kind)| needed.then_some(kind))
}
