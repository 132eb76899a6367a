//! Long queries in steps, so that the caller need not wait while a million flows are examined.

use alloc::vec::Vec;

use ctwarden_model::Filter;

use crate::scan::Scans;
use crate::view::{Selected, View, matching_by_key};

/// A walk over the flows that match any of its filters, for [`crate::Replica::step`].
#[derive(Debug)]
pub struct Walk {
    filters: Vec<Filter>,
    /// Index of the filter whose flows come next.
    at: usize,
    /// The scans of that filter, once it has begun.
    scans: Option<Scans>,
}

impl Walk {
    /// Visits the flows that match any of these filters. The filters must use only properties that a flow keeps for
    /// life. Otherwise the walk might miss a flow whose mark changes in the meantime.
    #[must_use]
    pub const fn new(filters: Vec<Filter>) -> Self {
        Self { filters, at: 0, scans: None }
    }

    pub(crate) fn step(&mut self, view: View<'_>, mut looks: usize, take: &mut dyn FnMut(Selected)) -> bool {
        while let Some((filter, earlier)) = self.filters.get(..=self.at).and_then(<[Filter]>::split_last) {
            let scans = match &mut self.scans {
                Some(scans) => scans,
                // Sorting its networks takes about as long as this many looks.
                None => {
                    looks = looks.saturating_sub(Scans::networks(filter));
                    self.scans.insert(Scans::new(view, filter))
                }
            };
            while let Some(selected) = scans.next(view, filter, &mut looks) {
                // A comparison with another filter takes about as long as a look, too.
                looks = looks.saturating_sub(earlier.len());
                let told = |filter: &Filter| matching_by_key(view, filter, &selected.key).is_some();
                if !earlier.iter().any(told) {
                    take(selected);
                }
            }
            if looks == 0 {
                scans.pause(view);
                return true;
            }
            self.scans = None;
            self.at += 1;
        }
        false
    }
}
