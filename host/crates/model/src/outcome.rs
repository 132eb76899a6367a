//! What came of a verdict: each ends in exactly one of these.

use core::fmt;

use thiserror::Error;

/// Why a verdict was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Refusal {
    /// The kernel said no.
    #[error("the kernel answered with error number {0}")]
    Kernel(i32),
    /// No answer came: the request or its answer was lost, or the daemon stopped before it came.
    #[error("no answer came from the kernel")]
    NoAnswer,
    /// Its `entry` is no index of the batch that was answered.
    #[error("the batch has no entry with that index")]
    NoSuchEntry,
    /// The action needs a flow and the target names none, or the other way round.
    #[error("this action does not accept this target")]
    WrongTarget,
    /// A value is out of its range.
    #[error("{0}")]
    Malformed(&'static str),
    /// Its filter names an address set that is unknown or not granted; [`Flaw::Set`](crate::Flaw::Set) tells which.
    #[error("its filter names a set that is unknown or not granted")]
    NoSuchSet,
    /// The kernel makes no entries for connections of the addresses that its filter names.
    #[error(
        "conntrack is off in this network namespace for these addresses: no rule uses it, so their flows cannot be found; \
         ctwarden doctor names the command that switches it on"
    )]
    NotTracked,
    /// A block set was not changed, or only in part; says why.
    #[error("the block set was not changed: {0}")]
    Block(BlockRefusal),
    /// Of several flows; their reasons may differ.
    #[error("the reasons differ from flow to flow")]
    Several,
    /// The plugin stopped before its verdict could be carried out.
    #[error("the plugin stopped before its verdict was carried out")]
    PluginGone,
}

/// Why a network is not put into a block set, or not taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum BlockRefusal {
    /// No nftables set is named for the network's family.
    #[error("no nftables set is named for addresses of its family; name one in [block]")]
    NoSetForFamily,
    /// The nftables set takes addresses only.
    #[error("the nftables set holds single addresses only; create it with \"flags interval\"")]
    SingleAddresses,
    /// The nftables set was made anew, of another kind; says what is wrong with it.
    #[error("the nftables set {0}")]
    WrongKind(&'static str),
    /// The nftables set or its table is not there any more.
    #[error("the nftables set is gone; reload the rules that create it")]
    SetGone,
    /// The nftables set has as many elements as it may have.
    #[error("the nftables set is full; create it with a larger \"size\"")]
    SetFull,
    /// Others changed the rules again and again meanwhile.
    #[error("other programs changed the rules during every attempt")]
    Contended,
    /// Some of it was changed before the kernel refused the rest.
    #[error("the kernel refused a part of the network with error number {0}; the rest is done")]
    InPart(i32),
    /// A reload of the configuration took the block set away.
    #[error("a reload of the configuration removed the block set")]
    NotConfigured,
}

/// What came of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Done, and acknowledged where the kernel was asked.
    Applied,
    /// The flow was not there any more.
    Gone,
    /// Another flow has taken the tuple.
    Replaced,
    /// Not done; says why.
    Refused(Refusal),
    /// The plugin's budget is used up.
    OverBudget,
    /// The plugin did not ask for it or the operator did not grant it.
    NotGranted,
    /// The flow is protected.
    Protected,
    /// The plugin only observes: all checks passed, nothing was done.
    Observed,
    /// A stronger verdict on the same flow, or one equal to it, stands for it.
    Superseded,
}

impl Outcome {
    /// One of each, for tables over all outcomes.
    pub const NAMES: [&'static str; 9] =
        ["applied", "gone", "replaced", "refused", "over-budget", "not-granted", "protected", "observed", "superseded"];

    /// Column of the outcome in tables that have one for each of [`Self::NAMES`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Applied => 0,
            Self::Gone => 1,
            Self::Replaced => 2,
            Self::Refused(_) => 3,
            Self::OverBudget => 4,
            Self::NotGranted => 5,
            Self::Protected => 6,
            Self::Observed => 7,
            Self::Superseded => 8,
        }
    }

    /// Name in records and counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Gone => "gone",
            Self::Replaced => "replaced",
            Self::Refused(_) => "refused",
            Self::OverBudget => "over-budget",
            Self::NotGranted => "not-granted",
            Self::Protected => "protected",
            Self::Observed => "observed",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Outcomes of the flows that one verdict over a selection hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub matched: u64,
    /// [`Outcome::Applied`].
    pub applied: u64,
    /// [`Outcome::Gone`].
    pub gone: u64,
    /// [`Outcome::Replaced`].
    pub replaced: u64,
    /// [`Outcome::Refused`].
    pub refused: u64,
    /// [`Outcome::OverBudget`].
    pub over_budget: u64,
    /// [`Outcome::Protected`].
    pub protected: u64,
    /// [`Outcome::Observed`].
    pub observed: u64,
    /// [`Outcome::Superseded`].
    pub superseded: u64,
}

impl Tally {
    /// How many flows ended how, in the order of [`Outcome::NAMES`].
    #[must_use]
    pub const fn by_outcome(&self) -> [u64; Outcome::NAMES.len()] {
        // A verdict that was not granted looks for no flow.
        let not_granted = 0;
        [
            self.applied,
            self.gone,
            self.replaced,
            self.refused,
            self.over_budget,
            not_granted,
            self.protected,
            self.observed,
            self.superseded,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VerdictKind;

    #[test]
    fn an_index_is_the_place_of_the_name() {
        let outcomes = [
            Outcome::Applied,
            Outcome::Gone,
            Outcome::Replaced,
            Outcome::Refused(Refusal::Several),
            Outcome::OverBudget,
            Outcome::NotGranted,
            Outcome::Protected,
            Outcome::Observed,
            Outcome::Superseded,
        ];
        assert_eq!(outcomes.map(Outcome::name), Outcome::NAMES);
        for outcome in outcomes {
            assert_eq!(Outcome::NAMES.get(outcome.index()), Some(&outcome.name()));
        }
        for kind in VerdictKind::ALL {
            assert_eq!(VerdictKind::ALL.get(kind.index()), Some(&kind));
        }
    }
}
