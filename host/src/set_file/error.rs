//! Why a list was refused.

use std::path::PathBuf;

use ctwarden_feeds::ListError;
use ctwarden_model::ListCounts;
use thiserror::Error;

use crate::trusted_path::AccessError;

/// Why a list was refused.
#[derive(Debug, Error)]
pub(crate) enum SetFileError {
    /// The file cannot be read, or others could change it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The content is wrong.
    #[error("{}", error.told(&path.display().to_string()))]
    List { path: PathBuf, error: ListError },
    /// The list has lost too many networks.
    #[error(
        "{}: the list has {now} networks, and the one in use has {before}: it lost {} %, more than the set's largest-loss \
         of {largest} %; if the list is right, raise that key (100 allows any loss) and reload",
        path.display(),
        loss(*before, *now)
    )]
    Loss { path: PathBuf, before: usize, now: usize, largest: u8, counts: ListCounts },
    #[error("{0}: the file is a MaxMind database, and lifetime goes with lists of text; remove the key")]
    Lifetime(PathBuf),
    #[error("{0} is being written; ctwarden reads it once it stops changing")]
    Unsettled(PathBuf),
}

impl SetFileError {
    /// Counts of the list, if it could be read.
    pub(crate) const fn counts(&self) -> Option<ListCounts> {
        match self {
            Self::List { error, .. } => error.counts(),
            Self::Loss { counts, .. } => Some(*counts),
            Self::Access(_) | Self::Lifetime(_) | Self::Unsettled(_) => None,
        }
    }
}

/// How many percent of its networks a list has lost, rounded up: a loss that is refused is never shown as one that is
/// allowed.
pub(super) fn loss(before: usize, now: usize) -> usize {
    before.saturating_sub(now).saturating_mul(100).div_ceil(before.max(1))
}
