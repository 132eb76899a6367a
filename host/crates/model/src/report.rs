//! What became of a plugin's verdicts, for the plugin itself.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{FlowKey, Outcome, Prefix, Tally, Timestamp, VerdictKind};

/// The end of one verdict (WIT `report`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub kind: VerdictKind,
    /// The code of the verdict.
    pub code: String,
    /// The flow, if the verdict is about one flow.
    pub flow: Option<FlowKey>,
    /// The network of a block or unblock.
    pub network: Option<Prefix>,
    pub outcome: Outcome,
    /// The outcomes of the flows, for a verdict with a selection.
    pub tally: Option<Box<Tally>>,
    /// Why the verdict was refused. Empty if it was not.
    pub detail: String,
}

/// One call of `concluded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportBatch {
    /// Wall time of the call.
    pub now: Timestamp,
    /// Number of reports that the host dropped before they reached this plugin, since its last batch.
    pub missed: u64,
    pub reports: Vec<Report>,
}
