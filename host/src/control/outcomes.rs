//! How many verdicts, or flows of them, ended how.

use std::collections::BTreeMap;

/// Counts by kind of verdict, and in it by outcome.
pub(crate) type Outcomes = BTreeMap<String, BTreeMap<String, u64>>;
