//! Outcomes of verdicts. Every verdict ends in exactly one of them.

use core::fmt;

use thiserror::Error;

/// Why a verdict was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Refusal {
    /// The kernel answered with this error number.
    #[error("the kernel answered with error number {0}")]
    Kernel(i32),
    /// The request or its answer was lost, or the daemon stopped before the answer arrived.
    #[error("no answer came from the kernel")]
    NoAnswer,
    /// The verdict's `entry` is not an index of the batch that the plugin answered.
    #[error("the batch has no entry with that index")]
    NoSuchEntry,
    /// The action cannot use this kind of target: for example, it needs a flow and the target names none.
    #[error("this action does not accept this target")]
    WrongTarget,
    /// A value is out of its range. The text says which.
    #[error("{0}")]
    Malformed(&'static str),
    /// The verdict's filter names an address set that is unknown or not granted. [`Flaw::Set`](crate::Flaw::Set) says
    /// which.
    #[error("its filter names a set that is unknown or not granted")]
    NoSuchSet,
    /// The kernel creates no entries for connections of the addresses in the verdict's filter.
    #[error(
        "conntrack is off in this network namespace for these addresses: no rule uses it, so their flows cannot be found; \
         ctwarden doctor names the command that switches it on"
    )]
    NotTracked,
    /// The block set was not changed, or only in part.
    #[error("the block set was not changed: {0}")]
    Block(BlockRefusal),
    /// The connection was not ended. Its entry was deleted.
    #[error("only the entry was deleted, the connection was not ended: {0}")]
    Kill(KillRefusal),
    /// Several flows were refused, possibly for different reasons.
    #[error("the reasons differ from flow to flow")]
    Several,
    /// The plugin stopped before its verdict was carried out.
    #[error("the plugin stopped before its verdict was carried out")]
    PluginGone,
}

/// Why a connection was not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum KillRefusal {
    /// No connected socket of this network namespace is an end of the flow, and nothing drops its packets.
    #[error("no local socket is connected for this flow, and the packet filter cannot drop its packets")]
    NoSocket,
    /// The packet filter refused to drop the packets of the flow.
    #[error("no local socket is connected for this flow, and nftables refused to drop its packets")]
    NotDropped,
    /// The kernel lacks the diagnostics of the protocol's sockets, so no socket can be found.
    #[error(
        "this kernel does not report the sockets of the flow's protocol; load the modules: modprobe -a tcp_diag udp_diag"
    )]
    NoDiagnostics,
    /// The kernel cannot close a socket of another program.
    #[error("this kernel cannot close sockets; it needs CONFIG_INET_DIAG_DESTROY")]
    NoDestroy,
    /// The kernel refused to close a socket, with this error number.
    #[error("the kernel refused to close its socket with error number {0}")]
    Socket(i32),
    /// The kernel's answer about the sockets was lost.
    #[error("no answer about its sockets came from the kernel")]
    NoAnswer,
}

/// Why a network was not added to a block set, or not removed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum BlockRefusal {
    /// The nftables sets of the operator hold no services.
    #[error("its nftables sets hold no services; block all traffic, or use a set with firewall = true")]
    NoServices,
    /// The configuration names no nftables set for the network's family.
    #[error("no nftables set is named for addresses of its family; name one in [sets]")]
    NoSetForFamily,
    /// The nftables set was created again with another type. The text says what is wrong with it.
    #[error("the nftables set {0}")]
    WrongKind(&'static str),
    /// The nftables set or its table no longer exists.
    #[error("the nftables set is gone; reload the rules that create it")]
    SetGone,
    /// The nftables set has reached its maximum number of elements.
    #[error("the nftables set is full; create it with a larger \"size\"")]
    SetFull,
    /// Other programs changed the rules at every attempt.
    #[error("other programs changed the rules during every attempt")]
    Contended,
    /// A part was changed before the kernel refused the rest.
    #[error("the kernel refused a part of the network with error number {0}; the rest is done")]
    InPart(i32),
    /// A reload of the configuration removed the block set.
    #[error("a reload of the configuration removed the block set")]
    NotConfigured,
}

/// The end of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The verdict was carried out. If it needed the kernel, the kernel has acknowledged it.
    Applied,
    /// The flow no longer existed.
    Gone,
    /// Another flow has taken the tuple.
    Replaced,
    /// The verdict was not carried out, for this reason.
    Refused(Refusal),
    /// The plugin's budget is used up.
    OverBudget,
    /// The plugin did not ask for this kind of verdict, or the operator did not grant it.
    NotGranted,
    /// A protection covers the flow.
    Protected,
    /// The plugin only observes: all checks passed, and nothing was done.
    Observed,
    /// A stronger or equal verdict on the same flow takes its place.
    Superseded,
}

impl Outcome {
    /// The name of each outcome, for tables over all outcomes.
    pub const NAMES: [&'static str; 9] =
        ["applied", "gone", "replaced", "refused", "over-budget", "not-granted", "protected", "observed", "superseded"];

    /// The column of the outcome in tables with one column for each of [`Self::NAMES`].
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

/// The outcomes of the flows of one selection, as counts. Each field counts the flows with the [`Outcome`] of its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub matched: u64,
    pub applied: u64,
    pub gone: u64,
    pub replaced: u64,
    pub refused: u64,
    pub over_budget: u64,
    pub protected: u64,
    pub observed: u64,
    pub superseded: u64,
}

impl Tally {
    /// Number of flows for each outcome, in the order of [`Outcome::NAMES`].
    #[must_use]
    pub const fn by_outcome(&self) -> [u64; Outcome::NAMES.len()] {
        // A verdict that is not granted looks for no flows.
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
