//! One value for each address family: connection tracking is switched on for each family separately.

use ctwarden_model::Family;
use serde::Serialize;

/// One value for each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct PerFamily<T> {
    pub(super) ipv4: T,
    pub(super) ipv6: T,
}

impl<T> PerFamily<T> {
    pub(super) fn of(mut make: impl FnMut(Family) -> T) -> Self {
        Self { ipv4: make(Family::Ipv4), ipv6: make(Family::Ipv6) }
    }

    pub(super) const fn get(&self, family: Family) -> &T {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        }
    }
}
