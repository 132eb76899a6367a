//! In which families connections are tracked: where they are not, that no flow was found proves nothing.

use ctwarden_model::{Family, Filter, PrefixSet};

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
            [Family::Ipv4, Family::Ipv6].into_iter().filter(|family| may_match(filter, *family)).peekable();
        families.peek().is_none() || families.any(tracked)
    }
}

/// Whether any flow of the family can match.
fn may_match(filter: &Filter, family: Family) -> bool {
    let networks = [&filter.original_src, &filter.original_dst, &filter.reply_src, &filter.reply_dst, &filter.either];
    let held = |networks: &PrefixSet| networks.is_empty() || networks.of_family(family).next().is_some();
    let sets = filter.rare.as_ref().map(|rare| rare.sets.as_slice()).unwrap_or_default();
    filter.family.is_none_or(|wanted| wanted == family)
        && networks.into_iter().all(held)
        && (sets.is_empty() || sets.iter().any(|set| set.networks.of_family(family).next().is_some()))
}
