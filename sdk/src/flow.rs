//! A flow that is being judged: an entry, and its index in the batch for the verdict.

use std::ops::Deref;

use crate::host::details;
use crate::{Entry, FlowTuple, Status, Timestamp};

/// A flow that is being judged. It has everything that [`Entry`] has, and rare attributes. Each rare attribute is a call of
/// the host.
///
/// A flow lives no longer than the call. To remember it, keep its [`key`](Entry::key).
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

/// The 128 bits of a connection label. Bit 0 is the lowest; connlabel.conf gives the bits names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(pub u128);

impl Labels {
    /// Whether the bit with this number is set. A number above 127 names no bit.
    #[must_use]
    pub fn contains(self, bit: u8) -> bool {
        u128::checked_shr(self.0, bit.into()).is_some_and(|bits| bits & 1 == 1)
    }
}

impl<'a> Flow<'a> {
    pub(crate) const fn new(entry: &'a Entry, index: u32, now: Timestamp) -> Self {
        Self { entry, index, now }
    }

    /// Returns the index in the batch.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Returns the time of the call.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the name of the helper, such as ftp. An event carries it only if the flow already had a helper.
    #[must_use]
    pub fn helper(&self) -> Option<String> {
        details::helper(self.index)
    }

    /// Returns the label bits. `None` if the entry did not carry labels.
    #[must_use]
    pub fn labels(&self) -> Option<Labels> {
        details::labels(self.index).map(|(low, high)| Labels(u128::from(high) << 64 | u128::from(low)))
    }

    /// Returns the security context (`CTA_SECCTX_NAME`).
    #[must_use]
    pub fn security_context(&self) -> Option<String> {
        details::security_context(self.index)
    }

    /// Returns the original direction of the master: the flow whose helper expected this flow, such as the control
    /// connection of an FTP transfer.
    #[must_use]
    pub fn master(&self) -> Option<FlowTuple> {
        if self.status().is_some() && !self.has(Status::EXPECTED) {
            return None;
        }
        details::master(self.index).map(FlowTuple::from)
    }

    /// Returns the zones of the original and the reply direction, if they differ from the zone of the flow.
    #[must_use]
    pub fn zones(&self) -> Option<(u16, u16)> {
        details::zones(self.index)
    }

    /// Returns the payload of a top-level `CTA_*` attribute that has no name here, as the kernel sent it.
    #[must_use]
    pub fn attribute(&self, number: u16) -> Option<Vec<u8>> {
        details::attribute(self.index, number)
    }
}
