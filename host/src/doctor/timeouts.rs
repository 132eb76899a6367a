//! How long entries live without a packet, compared with the kernel's own defaults.

use std::collections::BTreeMap;

use serde::Serialize;

use super::finding::Finding;
use super::setting;

/// A timeout: the rest of the setting's name after the group's prefix, and the defaults in seconds, the current
/// kernel's first.
type Timeout = (&'static str, &'static [u64]);

/// A group of timeouts: name of the finding, common prefix of the settings' names, and the members.
type Group = (&'static str, &'static str, &'static [Timeout]);

/// net/netfilter/nf_conntrack_proto_{tcp,udp,icmp,icmpv6,gre,sctp,dccp,generic}.c.
const GROUPS: [Group; 7] = [
    (
        "timeouts_tcp",
        "nf_conntrack_tcp_timeout_",
        &[
            ("syn_sent", &[120]),
            ("syn_recv", &[60]),
            ("established", &[432_000]),
            ("fin_wait", &[120]),
            ("close_wait", &[60]),
            ("last_ack", &[30]),
            ("time_wait", &[120]),
            ("close", &[10]),
            ("max_retrans", &[300]),
            ("unacknowledged", &[300]),
        ],
    ),
    ("timeouts_udp", "nf_conntrack_udp_", &[("timeout", &[30]), ("timeout_stream", &[120, 180])]),
    ("timeouts_icmp", "nf_conntrack_icmp", &[("_timeout", &[30]), ("v6_timeout", &[30])]),
    ("timeouts_gre", "nf_conntrack_gre_", &[("timeout", &[30]), ("timeout_stream", &[180])]),
    (
        "timeouts_sctp",
        "nf_conntrack_sctp_timeout_",
        &[
            ("closed", &[10]),
            ("cookie_wait", &[3]),
            ("cookie_echoed", &[3]),
            // Five days in older kernels.
            ("established", &[210, 432_000]),
            // 0.3 seconds, shown as 0, in older kernels.
            ("shutdown_sent", &[3, 0]),
            ("shutdown_recd", &[3, 0]),
            ("shutdown_ack_sent", &[3]),
            ("heartbeat_sent", &[30]),
        ],
    ),
    (
        // Only in older kernels.
        "timeouts_dccp",
        "nf_conntrack_dccp_timeout_",
        &[
            ("request", &[240]),
            ("respond", &[480]),
            ("partopen", &[480]),
            ("open", &[43_200]),
            ("closereq", &[64]),
            ("closing", &[64]),
            ("timewait", &[240]),
        ],
    ),
    ("timeouts_generic", "nf_conntrack_generic_", &[("timeout", &[600])]),
];

/// Seconds by the setting's name, for the settings that this kernel has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Timeouts(BTreeMap<String, u64>);

impl Timeouts {
    pub(super) fn read() -> Self {
        let names = GROUPS
            .into_iter()
            .flat_map(|(_, prefix, members)| members.iter().map(move |(member, _)| format!("{prefix}{member}")));
        Self(names.filter_map(|name| setting::netfilter(&name).map(|seconds| (name, seconds))).collect())
    }

    /// A finding for each protocol that this kernel tracks.
    pub(super) fn judge(&self) -> Vec<Finding> {
        GROUPS.into_iter().filter_map(|group| self.judge_group(group)).collect()
    }

    fn judge_group(&self, (name, prefix, members): Group) -> Option<Finding> {
        let (mut values, mut shorter, mut longer, mut mend) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (member, defaults) in members {
            let setting = format!("{prefix}{member}");
            let (Some(seconds), Some(default)) = (self.0.get(&setting).copied(), defaults.first().copied()) else {
                continue;
            };
            let word = member.trim_start_matches('_');
            values.push(format!("{word} {seconds}"));
            if defaults.contains(&seconds) {
                continue;
            }
            let odd = if seconds < default { &mut shorter } else { &mut longer };
            odd.push(format!("{word} (default {default})"));
            mend.push(format!("net.netfilter.{setting}={default}"));
        }
        if values.is_empty() {
            return None;
        }
        let value = values.join(", ");
        if mend.is_empty() {
            return Some(Finding::good(name, value, "seconds; these are the kernel's defaults"));
        }
        let mut follows = Vec::new();
        if !shorter.is_empty() {
            follows.push(format!(
                "shorter than the kernel's default: {}; entries of quiet connections expire earlier, so policies see \
                 connections end that still exist",
                shorter.join(", ")
            ));
        }
        if !longer.is_empty() {
            follows.push(format!(
                "longer than the kernel's default: {}; dead entries stay longer and fill the table",
                longer.join(", ")
            ));
        }
        let finding = Finding::note(name, value, follows.join("; "));
        Some(finding.change(format!("sysctl -w {}", mend.join(" "))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn with(settings: &[(&str, u64)]) -> Vec<Finding> {
        Timeouts(settings.iter().map(|(name, seconds)| (format!("nf_conntrack_{name}"), *seconds)).collect()).judge()
    }

    #[test]
    fn protocols_that_the_kernel_does_not_track_are_left_out() {
        assert!(Timeouts::default().judge().is_empty());
        let found =
            with(&[("udp_timeout", 30), ("udp_timeout_stream", 120), ("icmp_timeout", 30), ("icmpv6_timeout", 30)]);
        let seen: Vec<_> = found.iter().map(|f| (f.name, f.verdict, f.value.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("timeouts_udp", Verdict::Good, "timeout 30, timeout_stream 120"),
                ("timeouts_icmp", Verdict::Good, "timeout 30, v6_timeout 30"),
            ]
        );
    }

    #[test]
    fn what_differs_is_named_with_what_follows_and_the_way_back() {
        let found =
            with(&[("tcp_timeout_established", 600), ("tcp_timeout_close", 1000), ("tcp_timeout_syn_recv", 60)]);
        let [tcp] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(tcp.verdict, Verdict::Note);
        assert!(tcp.follows.contains("shorter than the kernel's default: established (default 432000);"), "{tcp:?}");
        assert!(tcp.follows.contains("longer than the kernel's default: close (default 10);"), "{tcp:?}");
        assert_eq!(
            tcp.change.as_deref(),
            Some(
                "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=432000 \
                 net.netfilter.nf_conntrack_tcp_timeout_close=10"
            )
        );
    }

    #[test]
    fn defaults_of_older_kernels_are_not_odd() {
        let found = with(&[("sctp_timeout_established", 432_000), ("sctp_timeout_shutdown_sent", 0)]);
        assert_eq!(found[0].verdict, Verdict::Good);
    }
}
