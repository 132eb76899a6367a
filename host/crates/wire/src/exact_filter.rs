//! A filter that the kernel applies exactly: what a bulk delete may be given.
//!
//! A dump that returns too much costs time; a delete that matches too much ends the wrong flows. So the type that a bulk
//! delete takes can only be made from a filter of which the kernel does every part.

use ctwarden_model::{Family, Filter};

use crate::kernel_filter::{Ipv4Parts, KernelFilter};

/// Proof that the kernel's match is the filter's match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactFilter(KernelFilter);

/// A Linux release: version and patch level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion(pub u16, pub u16);

impl ExactFilter {
    /// Every entry of the namespace, or of a family: what `conntrack -F` deletes.
    #[must_use]
    pub fn everything(family: Option<Family>) -> Self {
        Self(family.map_or(KernelFilter::EVERYTHING, KernelFilter::family))
    }

    /// The filter, if the kernel does all of it.
    #[must_use]
    pub fn of(filter: &Filter) -> Option<Self> {
        let kernel = KernelFilter::of(filter);
        if kernel.zone.is_some() {
            // The kernel also takes flows of which only the reply direction lives in the zone; those are not meant.
            return None;
        }
        // What the kernel does is taken out of a copy of the filter; nothing may be left.
        let mut rest = filter.clone();
        for (part, _) in kernel.asked() {
            rest.clear(part);
        }
        (rest == Filter::default()).then_some(Self(kernel))
    }

    /// The first Linux release that knows every part of it. An older one does not refuse a part that it does not know: it
    /// leaves it out, and deletes more.
    #[must_use]
    pub fn least_kernel(&self) -> KernelVersion {
        let KernelFilter { family, mark, status, original, reply, zone: _ } = self.0;
        let needs = [
            (mark.is_some(), KernelVersion(4, 0)),
            (family.is_some(), KernelVersion(5, 3)),
            (original != Ipv4Parts::ANY || reply != Ipv4Parts::ANY, KernelVersion(5, 8)),
            (status.is_some(), KernelVersion(5, 15)),
        ];
        needs.into_iter().filter_map(|(used, since)| used.then_some(since)).max().unwrap_or(KernelVersion(2, 6))
    }

    pub(crate) const fn kernel(&self) -> &KernelFilter {
        &self.0
    }
}
