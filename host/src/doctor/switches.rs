//! Settings of connection tracking that decide which events policies get and what their verdicts do.

use serde::Serialize;

use super::finding::{Finding, Verdict};
use super::setting;

/// Their values in this network namespace; `None` if the kernel has no such setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Switches {
    /// `nf_conntrack_acct`.
    pub(super) accounting: Option<u64>,
    /// `nf_conntrack_timestamp`.
    pub(super) timestamps: Option<u64>,
    /// `nf_conntrack_events`.
    pub(super) events: Option<u64>,
    /// `nf_conntrack_tcp_loose`.
    pub(super) tcp_loose: Option<u64>,
    /// `nf_conntrack_helper`, up to Linux 5.19.
    pub(super) helpers: Option<u64>,
}

impl Switches {
    pub(super) fn read() -> Self {
        Self {
            accounting: setting::netfilter("nf_conntrack_acct"),
            timestamps: setting::netfilter("nf_conntrack_timestamp"),
            events: setting::netfilter("nf_conntrack_events"),
            tcp_loose: setting::netfilter("nf_conntrack_tcp_loose"),
            helpers: setting::netfilter("nf_conntrack_helper"),
        }
    }

    pub(super) fn judge(&self) -> [Finding; 5] {
        [
            judge_accounting(self.accounting),
            judge_timestamps(self.timestamps),
            judge_events(self.events),
            judge_tcp_loose(self.tcp_loose),
            judge_helpers(self.helpers),
        ]
    }
}

fn judge_accounting(value: Option<u64>) -> Finding {
    let is = |verdict, follows: &str| found("accounting", "nf_conntrack_acct", value, verdict, follows);
    match value {
        None => is(Verdict::Note, "the kernel has no such setting, or does not show it: entries may have no counters"),
        Some(0) => to(
            1,
            "nf_conntrack_acct",
            is(
                Verdict::Note,
                "entries have no counters, so policies about volume see none; a change takes effect for new entries",
            ),
        ),
        Some(_) => is(
            Verdict::Good,
            "entries count packets and bytes; sweeps and DESTROY events carry the counters, other events do not",
        ),
    }
}

fn judge_timestamps(value: Option<u64>) -> Finding {
    let is = |verdict, follows: &str| found("timestamps", "nf_conntrack_timestamp", value, verdict, follows);
    match value {
        None => is(
            Verdict::Note,
            "the kernel has no such setting, or does not show it: entries may have no start and end times",
        ),
        Some(0) => to(
            1,
            "nf_conntrack_timestamp",
            is(
                Verdict::Note,
                "entries have no start time, so policies about age see none; a change takes effect for new entries",
            ),
        ),
        Some(_) => is(Verdict::Good, "entries have start and end times"),
    }
}

/// Whether new entries send events at this value of `nf_conntrack_events`. A kernel without the setting sends none.
pub(super) const fn sends_events(value: Option<u64>) -> bool {
    matches!(value, Some(1..))
}

pub(super) fn judge_events(value: Option<u64>) -> Finding {
    let is = |verdict, follows: &str| found("events", "nf_conntrack_events", value, verdict, follows);
    match value {
        None => is(
            Verdict::Note,
            "the kernel has no such setting, or does not show it: without CONFIG_NF_CONNTRACK_EVENTS policies see \
             only sweeps",
        ),
        Some(0) => to(
            1,
            "nf_conntrack_events",
            is(Verdict::Bad, "new entries send no events: policies see them only in sweeps, and never see short ones"),
        ),
        Some(1) => is(Verdict::Good, "every entry sends events, even if it is older than the daemon"),
        Some(_) => to(
            1,
            "nf_conntrack_events",
            is(
                Verdict::Note,
                "entries that are older than the daemon never send an event, not even when they end; 1 changes that \
                 for entries that begin afterwards",
            ),
        ),
    }
}

fn judge_tcp_loose(value: Option<u64>) -> Finding {
    let is = |verdict, follows: &str| found("tcp_loose", "nf_conntrack_tcp_loose", value, verdict, follows);
    match value {
        None => is(Verdict::Note, "the kernel does not show this setting"),
        Some(0) => is(
            Verdict::Good,
            "packets of a deleted TCP connection are invalid: if the rules drop invalid packets, a delete ends the \
             connection",
        ),
        Some(_) => to(
            0,
            "nf_conntrack_tcp_loose",
            is(
                Verdict::Note,
                "a delete does not end a TCP connection: if the rules accept its next packet, the kernel creates the \
                 entry again. Ban with block, or set 0 and drop ct state invalid; 0 breaks connections that are older \
                 than tracking",
            ),
        ),
    }
}

fn judge_helpers(value: Option<u64>) -> Finding {
    let is = |verdict, follows: &str| found("helpers", "nf_conntrack_helper", value, verdict, follows);
    match value {
        // Linux 6.0 removed the setting.
        None => Finding::good(
            "helpers",
            "by rules only",
            "expectations exist only if a rule gives connections a helper (nft: ct helper set; iptables: -j CT \
             --helper)",
        ),
        Some(0) => is(
            Verdict::Good,
            "expectations exist only if a rule gives connections a helper (nft: ct helper set; iptables: -j CT \
             --helper)",
        ),
        Some(_) => to(
            0,
            "nf_conntrack_helper",
            is(
                Verdict::Note,
                "every connection to a helper's port gets that helper, so anyone who sends to that port can open ports \
                 through the firewall",
            ),
        ),
    }
}

fn found(name: &'static str, switch: &str, value: Option<u64>, verdict: Verdict, follows: &str) -> Finding {
    let value = value.map_or_else(|| "unknown".to_owned(), |value| format!("{switch} = {value}"));
    Finding::new(name, verdict, value, follows)
}

fn to(value: u64, switch: &str, finding: Finding) -> Finding {
    finding.change(setting::command(&format!("net.netfilter.{switch}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(switches: Switches) -> [Verdict; 5] {
        switches.judge().map(|finding| finding.verdict)
    }

    const BEST: Switches =
        Switches { accounting: Some(1), timestamps: Some(1), events: Some(1), tcp_loose: Some(0), helpers: None };

    #[test]
    fn the_recommended_switches_are_good() {
        assert_eq!(verdicts(BEST), [Verdict::Good; 5]);
        assert!(BEST.judge().iter().all(|finding| finding.change.is_none()));
        assert_eq!(verdicts(Switches { helpers: Some(0), ..BEST }), [Verdict::Good; 5]);
    }

    #[test]
    fn the_kernels_defaults_are_noted_with_their_commands() {
        let defaults = Switches {
            accounting: Some(0),
            timestamps: Some(0),
            events: Some(2),
            tcp_loose: Some(1),
            helpers: Some(1),
        };
        assert_eq!(verdicts(defaults), [Verdict::Note; 5]);
        let commands = defaults.judge().map(|finding| finding.change.unwrap());
        for (command, end) in commands.iter().zip([
            "nf_conntrack_acct=1",
            "nf_conntrack_timestamp=1",
            "nf_conntrack_events=1",
            "nf_conntrack_tcp_loose=0",
            "nf_conntrack_helper=0",
        ]) {
            assert!(command.contains("sysctl -w net.netfilter.") && command.ends_with(end), "{command}");
        }
    }

    #[test]
    fn without_events_the_daemon_could_not_work() {
        let [_, _, events, _, _] = Switches { events: Some(0), ..BEST }.judge();
        assert_eq!((events.verdict, events.value.as_str()), (Verdict::Bad, "nf_conntrack_events = 0"));
    }

    #[test]
    fn what_the_kernel_does_not_show_is_not_judged() {
        let [rest @ .., helpers] = verdicts(Switches::default());
        assert_eq!((rest, helpers), ([Verdict::Note; 4], Verdict::Good));
    }
}
