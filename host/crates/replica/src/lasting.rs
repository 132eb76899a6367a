//! Matches a filter against what the replica knows of a flow.
//!
//! The caller compares the id, because an id in the replica may be that of a flow that has ended. The replica does not
//! know marks, status bits, states and similar fields. The kernel does not report a change on a packet that a rule
//! drops afterwards (seen with nftables' `ct mark set … drop`, Linux 6.18), nor some of its own changes. So a negative
//! answer could be wrong.

use ctwarden_model::{Facts, FilterPart, Tuple, Zone};

/// What a flow keeps for life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasting {
    pub(crate) zone: u16,
    pub(crate) original: Tuple,
    pub(crate) reply: Tuple,
    pub(crate) found_by: Option<FilterPart>,
}

impl Facts for Lasting {
    #[inline]
    fn zone(&self) -> Zone {
        Zone(self.zone)
    }

    #[inline]
    fn original(&self) -> &Tuple {
        &self.original
    }

    #[inline]
    fn reply(&self) -> Option<&Tuple> {
        Some(&self.reply)
    }

    #[inline]
    fn was_found_by(&self, part: FilterPart) -> bool {
        self.found_by == Some(part)
    }
}
