//! A flow that is being judged: an entry and its place in the batch, so that a verdict finds back to it.

use std::ops::Deref;

use crate::host::details;
use crate::{Entry, FlowTuple, Status, Timestamp};

/// A flow that is being judged; all that [`Entry`] tells, and the rarer attributes, which the host is asked for one by one.
///
/// It lives no longer than the call. What is to be remembered is its [`key`](Entry::key).
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    entry: &'a Entry,
    index: u32,
    now: Timestamp,
}

impl Deref for Flow<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
}

/// The 128 bits of a connection label, bit 0 lowest; the kernel's connlabel.conf gives them names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(pub u128);

impl Labels {
    /// Whether the bit of that number is set.
    #[must_use]
    pub fn contains(self, bit: u8) -> bool {
        u128::checked_shr(self.0, bit.into()).is_some_and(|bits| bits & 1 == 1)
    }
}

impl<'a> Flow<'a> {
    pub(crate) const fn new(entry: &'a Entry, index: u32, now: Timestamp) -> Self {
        Self { entry, index, now }
    }

    /// Index in the batch.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// When the batch was made.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Name of the helper, such as ftp; an event tells it only if the flow had one by then.
    #[must_use]
    pub fn helper(&self) -> Option<String> {
        details::helper(self.index)
    }

    /// Labels.
    #[must_use]
    pub fn labels(&self) -> Option<Labels> {
        details::labels(self.index).map(|(low, high)| Labels(u128::from(high) << 64 | u128::from(low)))
    }

    /// Security context.
    #[must_use]
    pub fn security_context(&self) -> Option<String> {
        details::security_context(self.index)
    }

    /// Original direction of the flow whose helper expected this one, such as the control connection of an FTP transfer.
    #[must_use]
    pub fn master(&self) -> Option<FlowTuple> {
        if self.status().is_some() && !self.has(Status::EXPECTED) {
            return None;
        }
        details::master(self.index).map(FlowTuple::from)
    }

    /// Zones of the original and the reply direction, where they differ from the flow's.
    #[must_use]
    pub fn zones(&self) -> Option<(u16, u16)> {
        details::zones(self.index)
    }

    /// Payload of a top-level `CTA_*` attribute that has no name here, as the kernel sent it.
    #[must_use]
    pub fn attribute(&self, number: u16) -> Option<Vec<u8>> {
        details::attribute(self.index, number)
    }
}
