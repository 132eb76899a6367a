//! The kernel's release, which determines the filters that its conntrack knows.

use ctwarden_wire::KernelVersion;
use nix::sys::utsname::uname;
use serde::Serialize;

use super::finding::Finding;

/// Filters of a dump or of a bulk delete, and the release that introduced them (net/netfilter/nf_conntrack_netlink.c).
const FILTERS: [(KernelVersion, &str); 5] = [
    (KernelVersion(4, 0), "mark"),
    (KernelVersion(5, 3), "family"),
    (KernelVersion(5, 8), "IPv4 address and port"),
    (KernelVersion(5, 15), "status"),
    (KernelVersion(6, 8), "zone"),
];

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Kernel {
    /// As `uname -r` prints it.
    pub(super) release: Option<String>,
}

impl Kernel {
    pub(super) fn read() -> Self {
        let release = uname().ok().and_then(|names| names.release().to_str().map(str::to_owned));
        Self { release }
    }

    fn version(&self) -> Option<KernelVersion> {
        let mut numbers = self.release.as_deref()?.split(|letter: char| !letter.is_ascii_digit());
        let mut number = || numbers.next()?.parse().ok();
        Some(KernelVersion(number()?, number()?))
    }

    pub(super) fn judge(&self) -> Finding {
        let name = "kernel";
        let value = self.release.clone().unwrap_or_else(|| "unknown".to_owned());
        let Some(version) = self.version() else {
            return Finding::note(
                name,
                value,
                "the release cannot be read, so the filters that the kernel knows are unknown",
            );
        };
        let missing: Vec<&str> =
            FILTERS.iter().filter(|(since, _)| version < *since).map(|(_, filter)| *filter).collect();
        if missing.is_empty() {
            return Finding::good(
                name,
                value,
                "filters by mark, status, zone, family and IPv4 address can run in the kernel; those by IPv6 address \
                 run in ctwarden, because the kernel inverts them (seen up to 6.18)",
            );
        }
        Finding::note(
            name,
            value,
            format!(
                "it does not know every filter of a bulk delete, and ignores unknown filters instead of refusing the \
                 request: {} (all since 6.8). Such a delete would remove more entries than intended; deletes by \
                 policies name each flow and are not affected",
                missing.join(", ")
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn judged(release: &str) -> Finding {
        Kernel { release: Some(release.to_owned()) }.judge()
    }

    #[test]
    fn what_a_release_lacks_is_named() {
        for release in ["6.8.0", "6.18.44-fc", "7.0-rc1", "10.1"] {
            assert_eq!(judged(release).verdict, Verdict::Good, "{release}");
        }
        let debian = judged("6.1.0-18-amd64");
        assert!(debian.verdict == Verdict::Note && debian.follows.contains(": zone ("), "{debian:?}");
        let old = judged("5.4.0-150-generic");
        assert!(old.follows.contains(": IPv4 address and port, status, zone ("), "{old:?}");
        assert_eq!(judged("next").verdict, Verdict::Note);
        assert!(Kernel::read().version().is_some_and(|version| version > KernelVersion(2, 6)));
    }
}
