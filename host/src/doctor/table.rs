//! How full the table is, and whether it has been full.

use ctwarden_model::TableStatistics;
use serde::Serialize;

use super::ctnetlink::Ctnetlink;
use super::finding::{Finding, Verdict};
use super::setting;
use crate::netlink::Requests;

const MAXIMUM: &str = "net.netfilter.nf_conntrack_max";

/// Share of the table, in per cent, from which new connections are in danger: the kernel evicts when the table is full.
const NEARLY_FULL: u64 = 95;
/// Share from which the operator should know.
const FILLING: u64 = 75;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct TableFill {
    /// Entries of this network namespace.
    pub(super) entries: Option<u64>,
    /// `nf_conntrack_max`; 0 is unlimited.
    pub(super) maximum: Option<u64>,
    /// Packets dropped because an entry could not be created, since boot.
    pub(super) dropped: Option<u64>,
    /// Entries evicted to make room, since boot.
    pub(super) early_dropped: Option<u64>,
}

impl TableFill {
    pub(super) fn read(ctnetlink: &Ctnetlink) -> Self {
        let statistics = match ctnetlink {
            Ctnetlink::Answers => Requests::open().ok().and_then(|mut requests| requests.statistics().ok()),
            Ctnetlink::NotPermitted | Ctnetlink::Absent | Ctnetlink::Failed(_) => None,
        };
        let figure = |of: fn(&TableStatistics) -> u64| statistics.as_ref().map(of);
        Self {
            entries: setting::netfilter("nf_conntrack_count").or(figure(|s| s.entries.into())),
            maximum: setting::netfilter("nf_conntrack_max").or(figure(|s| s.maximum.into())),
            dropped: figure(|s| s.dropped),
            early_dropped: figure(|s| s.early_dropped),
        }
    }

    pub(super) fn judge(&self) -> Finding {
        let name = "table";
        let (Some(entries), Some(maximum)) = (self.entries, self.maximum) else {
            return Finding::note(name, "unknown", "the kernel does not show how full the table is");
        };
        if maximum == 0 {
            return Finding::good(name, format!("{entries} entries, no maximum"), "new connections are never refused");
        }
        let share = entries.saturating_mul(100) / maximum;
        let value = format!("{entries} of {maximum} entries ({share} %)");
        let global = "the maximum applies to each network namespace of the machine; the number of entries is that of \
            this namespace";
        let lost = self.dropped.unwrap_or(0).saturating_add(self.early_dropped.unwrap_or(0));
        let (verdict, follows) = if share >= NEARLY_FULL {
            (
                Verdict::Bad,
                "the table is full: new connections are dropped or evict others, before any policy sees them"
                    .to_owned(),
            )
        } else if share >= FILLING {
            (Verdict::Note, "when it is full, new connections are dropped or evict others".to_owned())
        } else if lost > 0 {
            (
                Verdict::Note,
                format!(
                    "it has been full since boot: {} packets dropped, {} entries evicted",
                    self.dropped.unwrap_or(0),
                    self.early_dropped.unwrap_or(0)
                ),
            )
        } else {
            (Verdict::Good, "there is room for new connections".to_owned())
        };
        let finding = Finding::new(name, verdict, value, format!("{follows}; {global}"));
        if verdict == Verdict::Good {
            finding
        } else {
            finding.change(setting::command(MAXIMUM, maximum.saturating_mul(2)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: TableFill =
        TableFill { entries: Some(10), maximum: Some(1000), dropped: Some(0), early_dropped: Some(0) };

    #[test]
    fn a_full_table_is_bad_and_one_that_was_full_is_told() {
        assert_eq!(QUIET.judge().verdict, Verdict::Good);
        assert!(QUIET.judge().value.contains("10 of 1000 entries (1 %)"));
        let filling = TableFill { entries: Some(800), ..QUIET }.judge();
        assert_eq!(filling.verdict, Verdict::Note);
        let full = TableFill { entries: Some(950), ..QUIET }.judge();
        assert_eq!(full.verdict, Verdict::Bad);
        assert!(full.change.unwrap().ends_with("sysctl -w net.netfilter.nf_conntrack_max=2000"));
        let was = TableFill { early_dropped: Some(7), ..QUIET }.judge();
        assert!(
            was.verdict == Verdict::Note && was.follows.contains("0 packets dropped, 7 entries evicted"),
            "{was:?}"
        );
    }

    #[test]
    fn no_maximum_is_never_full_and_no_figures_are_no_judgement() {
        assert_eq!(TableFill { maximum: Some(0), ..QUIET }.judge().verdict, Verdict::Good);
        assert_eq!(TableFill::default().judge().verdict, Verdict::Note);
    }
}
