//! In which families connections are tracked: where they are not, that no flow was found proves nothing.

use ctwarden_model::{Family, Filter};

/// In which families the kernel makes entries for connections. A family of which that is not certain counts as tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// IPv4.
    pub ipv4: bool,
    /// IPv6.
    pub ipv6: bool,
}

impl Tracked {
    pub const ALL: Self = Self { ipv4: true, ipv6: true };

    /// Whether the filter finds what there is: a family that it may match is tracked, or it can match no flow at all.
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
