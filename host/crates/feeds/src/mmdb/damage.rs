//! What makes a database unreadable.

use alloc::string::ToString;

use thiserror::Error;

use crate::finding::Finding;

/// What makes a database unreadable. No text of the file is in the message, because not everybody may be allowed to read
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Damage {
    #[error(
        "the file is not a MaxMind database, or its end is cut off; name the .mmdb file itself, or download it again"
    )]
    NoMetadata,
    #[error("the file is not a whole MaxMind database: {0}; download it again")]
    Broken(&'static str),
    #[error("the database has format version {0}, and ctwarden reads version 2; use a database of that version")]
    Version(u64),
    #[error(
        "the database has more than {0} networks with values; name the values that the set needs, for example \
         only = [\"RU\"]"
    )]
    Networks(usize),
    #[error("a value is longer than {0} bytes; choose another field")]
    Long(usize),
}

impl From<Damage> for Finding {
    fn from(damage: Damage) -> Self {
        Self::whole(damage.to_string())
    }
}
