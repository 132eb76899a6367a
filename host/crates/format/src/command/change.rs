//! What `-U` changes in an entry.
//!
//! The result depends on the entry, so the change is a value that is applied to each entry.

use alloc::string::String;

use ctwarden_model::{Flow, LabelChange, Masked, ProtocolInfo, Status};

/// Parts of an entry that change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Mark (`-m`).
    pub mark: Option<MarkChange>,
    /// Labels (`--label-add`, `--label-del`).
    pub labels: Option<LabelChange>,
    /// Seconds left (`-t`).
    pub timeout: Option<u32>,
    /// Status bits to set (`-u`); the kernel clears none.
    pub status: Option<Status>,
    /// Protocol state, flags and tags; of the protocol that the filter names.
    pub info: Option<ProtocolInfo>,
    /// Helper (`--helper`); an empty name removes it.
    pub helper: Option<String>,
}

/// A mark as `-m value/mask` changes it: `mark & !mask ^ value`. Unlike in [`Masked`], bits of the value outside the mask are
/// allowed; they flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkChange {
    pub value: u32,
    /// Bits to clear first.
    pub mask: u32,
}

impl MarkChange {
    /// The mark after the change.
    #[must_use]
    pub const fn apply(self, mark: u32) -> u32 {
        mark & !self.mask ^ self.value
    }

    /// The mark change to send for an entry with that mark. If the result does not depend on the mark, this is the change
    /// itself, so concurrent changes of other bits stay; else it is the result.
    #[must_use]
    pub fn masked(self, mark: u32) -> Masked {
        Masked::new(self.value, self.mask).unwrap_or(Masked::all(self.apply(mark)))
    }
}

impl Change {
    /// Whether the change would alter the entry. An unaltered entry is not sent, counted or shown; parts that the kernel did
    /// not send count as absent.
    #[must_use]
    pub fn alters(&self, flow: &Flow) -> bool {
        let mark = self.mark.is_some_and(|change| {
            let mark = flow.mark.map_or(0, |mark| mark.0);
            change.apply(mark) != mark
        });
        let labels = self.labels.is_some_and(|change| {
            // Labels that are added to an entry that has some count as a change even if they are all set.
            flow.labels.is_some() || change.set != 0
        });
        let timeout = self.timeout.is_some_and(|seconds| flow.timeout != Some(seconds));
        let status = self.status.is_some_and(|Status(bits)| flow.status.is_none_or(|Status(has)| bits & !has != 0));
        let state = self
            .info
            .and_then(|info| info.state())
            .is_some_and(|state| flow.info.and_then(|info| info.state()) != Some(state));
        let helper = self.helper.as_deref().is_some_and(|name| {
            let has = flow.rare.as_ref().and_then(|rare| rare.helper.as_deref());
            has.unwrap_or_default() != name
        });
        mark || labels || timeout || status || state || helper
    }
}
