//! The address families in which connections are tracked. In other families, the absence of a flow proves nothing.

use ctwarden_model::{Family, Filter};

/// The families in which the kernel creates entries for connections. If this is uncertain, the family counts as
/// tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    pub ipv4: bool,
    pub ipv6: bool,
}

impl Tracked {
    pub const ALL: Self = Self { ipv4: true, ipv6: true };

    /// Whether the filter can find the flows that exist: it may match a tracked family, or it can match no flow at all.
    pub(crate) fn reaches(self, filter: &Filter) -> bool {
        let tracked = |family| match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        };
        let mut families =
            [Family::Ipv4, Family::Ipv6].into_iter().filter(|family| filter.can_match(*family)).peekable();
        families.peek().is_none() || families.any(tracked)
    }
}
