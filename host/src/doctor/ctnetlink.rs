//! Whether conntrack's netlink interface answers this process.
//!
//! Only a request shows it: the interface may be a module that the first request loads, and only the kernel knows
//! whether a capability holds for this network namespace.

use rustix::io::Errno;
use serde::Serialize;

use super::finding::Finding;
use crate::netlink::{OpenError, Requests};

/// The result of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ctnetlink {
    Answers,
    /// The kernel refused this process.
    NotPermitted,
    /// The kernel has no such interface.
    Absent,
    Failed(String),
}

impl Ctnetlink {
    pub(super) fn ask() -> Self {
        match Requests::open().and_then(|mut requests| requests.check_permission()) {
            Ok(()) => Self::Answers,
            Err(OpenError::NotPermitted) => Self::NotPermitted,
            Err(OpenError::Unsupported) => Self::Absent,
            Err(OpenError::System { what, source }) => {
                match source.raw_os_error().map(Errno::from_raw_os_error) {
                    // nfnetlink knows no subsystem of that number.
                    Some(Errno::INVAL | Errno::OPNOTSUPP) => Self::Absent,
                    _ => Self::Failed(format!("cannot {what} the netlink socket: {source}")),
                }
            }
        }
    }

    pub(super) fn judge(&self) -> Finding {
        let name = "ctnetlink";
        match self {
            Self::Answers => Finding::good(
                name,
                "nf_conntrack_netlink answers",
                "entries can be read and changed, and events received",
            ),
            Self::NotPermitted => Finding::note(
                name,
                "unknown without the capability",
                "only a process with the capability can determine whether nf_conntrack_netlink is present",
            ),
            Self::Absent => Finding::bad(
                name,
                "nf_conntrack_netlink is not loaded",
                "entries can be neither read nor changed, and there are no events",
            )
            .change("modprobe nf_conntrack_netlink"),
            Self::Failed(why) => Finding::bad(name, why.clone(), "ctwarden cannot talk to the kernel"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn each_answer_has_its_judgement() {
        let verdict = |state: Ctnetlink| state.judge().verdict;
        assert_eq!(verdict(Ctnetlink::Answers), Verdict::Good);
        assert_eq!(verdict(Ctnetlink::NotPermitted), Verdict::Note);
        assert_eq!(verdict(Ctnetlink::Failed("x".to_owned())), Verdict::Bad);
        let absent = Ctnetlink::Absent.judge();
        assert!(absent.verdict == Verdict::Bad && absent.change.unwrap().contains("nf_conntrack_netlink"));
    }
}
