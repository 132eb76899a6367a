//! A claim: why and how long a source wants a member in a set.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;

use ctwarden_model::Timestamp;

/// The texts of a claim. Claims with the same texts share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The value for machines, for example a country or the id of a listing; may be empty.
    pub value: String,
    /// The reason for people; may be empty.
    pub reason: String,
}

/// The claim of one source on one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// When the source first made the claim. Kept to the second.
    pub since: Timestamp,
    /// When the claim ends; `None` means that it stays until the source removes it. Rounded up to the second.
    pub until: Option<Timestamp>,
    pub note: Arc<Note>,
}

impl Claim {
    #[must_use]
    pub fn new(since: Timestamp, until: Option<Timestamp>, value: &str, reason: &str) -> Self {
        Self { since, until, note: Arc::new(Note { value: value.to_owned(), reason: reason.to_owned() }) }
    }
}
