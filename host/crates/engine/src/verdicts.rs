//! What becomes of verdicts: checks, the merge, lookups, selections, effects and records.

pub(crate) mod alerts;
pub(crate) mod blocked;
pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod effects;
pub(crate) mod ends;
pub(crate) mod expectations;
pub(crate) mod guard;
pub(crate) mod lookup;
pub(crate) mod merge;
pub(crate) mod networks;
pub(crate) mod open_verdicts;
pub(crate) mod opening;
pub(crate) mod plugin_protections;
pub(crate) mod protected_flows;
pub(crate) mod record_rate;
pub(crate) mod records;
pub(crate) mod repeats;
pub(crate) mod replies;
pub(crate) mod resolved_target;
pub(crate) mod rounds;
pub(crate) mod selection;
pub(crate) mod sight;
pub(crate) mod waiting_selections;
