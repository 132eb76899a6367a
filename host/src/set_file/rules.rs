//! How the list of a set is read and kept: the keys of `[sets.NAME]` that concern its file.

use std::time::Duration;

use ctwarden_feeds::Reading;

/// How the list of a set is read and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// How the bytes of the file are read.
    pub(crate) reading: Reading,
    /// How long an entry stays that has vanished from the file. Without a lifetime it goes at once.
    pub(crate) lifetime: Option<Duration>,
    /// A new list that has lost more than this percentage of its networks is refused.
    pub(crate) largest_loss: Option<u8>,
}
