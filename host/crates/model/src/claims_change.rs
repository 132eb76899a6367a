//! What a source changed of its claims on an address set, for the records.

use alloc::boxed::Box;
use alloc::string::String;

use crate::{Member, SetName, Timestamp};

/// Claims of one source that one request or one moment changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsChange {
    pub set: SetName,
    /// The source, as `ctwarden claims` shows it.
    pub source: String,
    pub what: ClaimsChangeKind,
    /// The first [`ClaimsChange::SHOWN`] members.
    pub members: Box<[Member]>,
    /// Number of all members.
    pub count: u64,
    /// When added claims end; `None` means that they stay until the source removes them.
    pub until: Option<Timestamp>,
    /// Why the source made the claims; empty if the claims differ in that.
    pub reason: String,
}

/// How claims changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimsChangeKind {
    /// The source made claims, or made them longer.
    Added,
    /// The source removed claims, or somebody else removed them for all sources.
    Removed,
    /// Claims reached their end.
    Ended,
    /// Claims had to make room for later ones of the same source.
    Evicted,
}

impl ClaimsChange {
    /// Most members that a record shows.
    pub const SHOWN: usize = 32;
}

impl ClaimsChangeKind {
    /// The name, as records have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Ended => "ended",
            Self::Evicted => "evicted",
        }
    }
}
