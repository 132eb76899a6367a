//! What a plugin wants, as it said it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::{Filter, FlowKey, Masked, Prefix, Refusal};

/// Name of an operator-named nftables set or address set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName(pub String);

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Every flow that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub filter: Filter,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What a verdict is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Index in the batch that was answered.
    Entry(u32),
    /// A flow known from before.
    Key(FlowKey),
    /// Every flow that matches when the verdict is carried out.
    Matching(Box<Selection>),
    /// Nothing in the table.
    None,
}

/// Label bits to set and to clear; a bit in both is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelChange {
    pub set: u128,
    pub clear: u128,
}

impl LabelChange {
    /// Both changes; where both touch a bit, `later` wins.
    #[must_use]
    pub const fn then(self, later: Self) -> Self {
        Self { set: self.set & !later.clear | later.set, clear: self.clear & !later.set | later.clear & !later.set }
    }

    #[must_use]
    pub const fn mask(self) -> u128 {
        self.set | self.clear
    }
}

/// Names and values for machines.
pub type Fields = Vec<(String, String)>;

/// A word to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Syslog's numbers, 0 emergency to 7 debug (RFC 5424).
    pub severity: u8,
    pub title: String,
    /// Alerts with the same key are one.
    pub key: String,
    pub fields: Fields,
}

/// A network into a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub set: SetName,
    pub network: Prefix,
    /// Lifetime in seconds; none: until unblocked.
    pub seconds: Option<u32>,
}

/// A network out of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unblock {
    pub set: SetName,
    pub network: Prefix,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// End the tracking of the flow.
    Delete,
    Mark(Masked),
    Labels(LabelChange),
    /// Seconds until the flow expires.
    Timeout(u32),
    /// A word to people.
    Alert(Alert),
    /// A record with names and values.
    Log(Fields),
    /// A network into a set.
    Block(Block),
    /// A network out of a set.
    Unblock(Unblock),
    /// Nobody may touch the flow for so many seconds.
    Protect(u32),
    /// Deliver matching flows as sweep rows to the asking plugin.
    Sweep,
    /// A verdict of that kind with something wrong in it; it is never carried out and ends as [`Flaw::refusal`] says. Where
    /// the target is what is wrong, the target is none.
    Malformed(VerdictKind, Flaw),
}

/// What is wrong with a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A value is out of its range; says which.
    Value(&'static str),
    /// Its filter names a set that is not there or not granted; says so to people.
    Set(String),
}

impl Flaw {
    /// How such a verdict ends.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Value(what) => Refusal::Malformed(what),
            Self::Set(_) => Refusal::NoSuchSet,
        }
    }
}

impl From<&'static str> for Flaw {
    fn from(value: &'static str) -> Self {
        Self::Value(value)
    }
}

impl Action {
    #[must_use]
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Delete => VerdictKind::Delete,
            Self::Mark(_) => VerdictKind::Mark,
            Self::Labels(_) => VerdictKind::Labels,
            Self::Timeout(_) => VerdictKind::Timeout,
            Self::Alert(_) => VerdictKind::Alert,
            Self::Log(_) => VerdictKind::Log,
            Self::Block(_) => VerdictKind::Block,
            Self::Unblock(_) => VerdictKind::Unblock,
            Self::Protect(_) => VerdictKind::Protect,
            Self::Sweep => VerdictKind::Sweep,
            Self::Malformed(kind, _) => *kind,
        }
    }
}

/// Kind of a verdict: what is asked for and granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictKind {
    /// [`Action::Delete`].
    Delete,
    /// [`Action::Mark`].
    Mark,
    /// [`Action::Labels`].
    Labels,
    /// [`Action::Timeout`].
    Timeout,
    /// [`Action::Alert`].
    Alert,
    /// [`Action::Log`].
    Log,
    /// [`Action::Block`].
    Block,
    /// [`Action::Unblock`].
    Unblock,
    /// [`Action::Protect`].
    Protect,
    /// [`Action::Sweep`].
    Sweep,
}

impl VerdictKind {
    /// All of them, in the order of the WIT flags.
    pub const ALL: [Self; 10] = [
        Self::Delete,
        Self::Mark,
        Self::Labels,
        Self::Timeout,
        Self::Alert,
        Self::Log,
        Self::Block,
        Self::Unblock,
        Self::Protect,
        Self::Sweep,
    ];

    /// Row of the kind in tables that have one for each of [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Name in configuration, records and the WIT.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Mark => "mark",
            Self::Labels => "labels",
            Self::Timeout => "timeout",
            Self::Alert => "alert",
            Self::Log => "log",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Protect => "protect",
            Self::Sweep => "sweep",
        }
    }

    /// Whether carrying it out changes the kernel.
    #[must_use]
    pub const fn touches_kernel(self) -> bool {
        match self {
            Self::Delete | Self::Mark | Self::Labels | Self::Timeout | Self::Block | Self::Unblock => true,
            Self::Alert | Self::Log | Self::Protect | Self::Sweep => false,
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of [`VerdictKind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictKinds(u16);

impl VerdictKinds {
    /// None.
    pub const NONE: Self = Self(0);

    /// Whether the kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: VerdictKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }

    /// The set with the kind.
    #[must_use]
    pub const fn with(self, kind: VerdictKind) -> Self {
        Self(self.0 | 1 << kind as u16)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds in the set.
    pub fn iter(self) -> impl Iterator<Item = VerdictKind> {
        VerdictKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<VerdictKind> for VerdictKinds {
    fn from_iter<I: IntoIterator<Item = VerdictKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What a plugin wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub target: Target,
    /// What is to be done.
    pub action: Action,
    /// Short and stable: a label of metrics.
    pub code: String,
    pub reason: String,
}

/// What came of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub text: String,
    /// What the plugin wants done.
    pub verdicts: Vec<Verdict>,
}
