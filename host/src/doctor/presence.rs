//! Whether the kernel has a part: as a loaded module, built in, or not at all.

use std::path::Path;

use serde::Serialize;

use super::finding::Finding;
use super::setting;

/// The form in which the kernel has a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Presence {
    Module,
    /// Part of the kernel's image.
    BuiltIn,
    Absent,
}

impl Presence {
    /// The presence of the module `module`, which creates netfilter's setting `setting`.
    pub(super) fn of(module: &str, setting: &str) -> Self {
        let folder = Path::new("/sys/module").join(module);
        // A built-in part has at most parameters; only modules have a state.
        if folder.join("initstate").exists() {
            Self::Module
        } else if folder.exists() || setting::netfilter(setting).is_some() {
            Self::BuiltIn
        } else {
            Self::Absent
        }
    }

    pub(super) fn judge(self) -> Finding {
        let name = "conntrack";
        match self {
            Self::Module => Finding::good(name, "nf_conntrack is loaded as a module", "connections can be tracked"),
            Self::BuiltIn => Finding::good(name, "nf_conntrack is built in", "connections can be tracked"),
            Self::Absent => Finding::bad(
                name,
                "nf_conntrack is not loaded",
                "no connection is tracked, and the settings below do not exist yet",
            )
            .change("modprobe nf_conntrack"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn without_the_module_nothing_works() {
        assert_eq!(Presence::Module.judge().verdict, Verdict::Good);
        assert_eq!(Presence::BuiltIn.judge().verdict, Verdict::Good);
        let absent = Presence::Absent.judge();
        assert_eq!((absent.verdict, absent.change.as_deref()), (Verdict::Bad, Some("modprobe nf_conntrack")));
        assert_eq!(Presence::of("there_is_no_such_module", "nor_such_a_setting"), Presence::Absent);
    }
}
