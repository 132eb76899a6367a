//! A filter that the kernel applies exactly, as a bulk delete requires.
//!
//! A dump that returns too much costs time. A delete that matches too much ends the wrong flows. So a bulk delete takes
//! a type that can only be made from a filter whose every part the kernel applies.

use ctwarden_model::{Family, Filter};

use crate::kernel_filter::{Ipv4Parts, KernelFilter};

/// Proof that the kernel matches exactly the flows that the filter matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactFilter(KernelFilter);

/// A Linux release: version and patch level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion(pub u16, pub u16);

impl ExactFilter {
    /// Returns the filter for every entry of the namespace, or of a family: what `conntrack -F` deletes.
    #[must_use]
    pub fn everything(family: Option<Family>) -> Self {
        Self(family.map_or(KernelFilter::EVERYTHING, KernelFilter::family))
    }

    /// Returns the filter if the kernel applies every part of it.
    #[must_use]
    pub fn of(filter: &Filter) -> Option<Self> {
        let kernel = KernelFilter::of(filter);
        if kernel.zone.is_some() {
            // The kernel also matches flows whose reply direction alone is in the zone. The filter does not match them.
            return None;
        }
        // Remove the parts that the kernel applies from a copy of the filter. Nothing may be left.
        let mut rest = filter.clone();
        for (part, _) in kernel.asked() {
            rest.clear(part);
        }
        (rest == Filter::default()).then_some(Self(kernel))
    }

    /// Returns the first Linux release that knows every part of the filter. An older kernel does not refuse an unknown
    /// part: it ignores the part and deletes more.
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
