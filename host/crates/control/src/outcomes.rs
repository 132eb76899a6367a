//! Counts of verdicts, or of flows of verdicts, by outcome.

use std::collections::BTreeMap;

/// Counts by kind of verdict, then by outcome.
pub type Outcomes = BTreeMap<String, BTreeMap<String, u64>>;
