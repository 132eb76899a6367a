//! CAP_NET_ADMIN, and whether it holds for this network namespace.
//!
//! A capability holds in a user namespace. Netlink requires it in the user namespace that owns the network namespace
//! (capabilities(7), user_namespaces(7)), so a process can have the capability and still be refused.

use std::fs;

use serde::Serialize;

use super::ctnetlink::Ctnetlink;
use super::finding::Finding;

/// Bit of CAP_NET_ADMIN (linux/capability.h).
const NET_ADMIN: u32 = 12;

/// The capability and the user namespace of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Capability {
    /// Whether CAP_NET_ADMIN is effective; `None` if `/proc` does not show it.
    pub(super) net_admin: Option<bool>,
    /// Whether this is another user namespace than the machine's first.
    pub(super) user_namespace: bool,
}

impl Capability {
    pub(super) fn read() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let ids = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Self { net_admin: effective(&status).map(|bits| bits >> NET_ADMIN & 1 == 1), user_namespace: maps_some(&ids) }
    }

    pub(super) fn judge(self, ctnetlink: &Ctnetlink) -> Finding {
        let name = "capability";
        let refused = *ctnetlink == Ctnetlink::NotPermitted;
        match self.net_admin {
            Some(false) => Finding::bad(
                name,
                "CAP_NET_ADMIN is missing",
                "the kernel refuses to show or change entries; run ctwarden as root, or grant the capability once",
            )
            .change("setcap cap_net_admin+ep \"$(command -v ctwarden)\""),
            Some(true) | None if refused => Finding::bad(
                name,
                "CAP_NET_ADMIN does not apply to this network namespace",
                "this network namespace belongs to another user namespace than the capability of this process: run \
                 ctwarden in the user namespace of the network (nsenter --user --net), or in a network namespace of \
                 its own (unshare --user --map-root-user --net)",
            ),
            Some(true) if self.user_namespace => Finding::good(
                name,
                "CAP_NET_ADMIN, in a user namespace",
                "it applies to this network namespace; limits of the whole machine cannot be changed from here",
            ),
            Some(true) => Finding::good(name, "CAP_NET_ADMIN", "entries can be read and changed"),
            None => Finding::note(name, "unknown", "/proc does not show the capabilities of this process"),
        }
    }
}

/// Bits of the effective set, in `/proc/PID/status`.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Whether a map of ids differs from "all of them to themselves", the map of the first user namespace.
fn maps_some(map: &str) -> bool {
    let numbers: Vec<&str> = map.split_ascii_whitespace().collect();
    !numbers.is_empty() && numbers != ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const HERE: Capability = Capability { net_admin: Some(true), user_namespace: false };

    #[test]
    fn the_capability_is_read_from_the_effective_set() {
        let bits = |line: &str| effective(&format!("Name:\tx\nCapPrm:\t0\n{line}\nCapBnd:\t0\n"));
        assert_eq!(bits("CapEff:\t0000000000001000"), Some(1 << NET_ADMIN));
        assert_eq!(bits("CapEff:\t000001ffffffefff").map(|bits| bits >> NET_ADMIN & 1), Some(0));
        assert_eq!(bits(""), None);
        assert!(!maps_some("         0          0 4294967295\n") && !maps_some("") && maps_some("0 1000 1\n"));
    }

    #[test]
    fn a_missing_capability_and_a_foreign_one_are_told_apart() {
        let without = Capability { net_admin: Some(false), ..HERE }.judge(&Ctnetlink::NotPermitted);
        assert!(without.verdict == Verdict::Bad && without.change.unwrap().contains("setcap"));
        let foreign = HERE.judge(&Ctnetlink::NotPermitted);
        assert!(foreign.verdict == Verdict::Bad && foreign.follows.contains("another user namespace"));
        assert_eq!(HERE.judge(&Ctnetlink::Answers).verdict, Verdict::Good);
        let inside = Capability { user_namespace: true, ..HERE }.judge(&Ctnetlink::Answers);
        assert!(inside.verdict == Verdict::Good && inside.value.contains("user namespace"));
        let unknown = Capability { net_admin: None, ..HERE };
        assert_eq!(unknown.judge(&Ctnetlink::Answers).verdict, Verdict::Note);
        assert_eq!(unknown.judge(&Ctnetlink::NotPermitted).verdict, Verdict::Bad);
    }
}
