//! Queries: the flows that match a filter.

use ctwarden_model::{Family, Filter};

use crate::knowledge::Knowledge;
use crate::scan::Scans;
use crate::view::{Selected, View};

/// The flows that match a filter, each returned once. Reading only the knowledge costs nothing, however many networks
/// the filter has.
#[derive(Debug)]
pub struct Selection<'a> {
    filter: &'a Filter,
    view: View<'a>,
    scans: Option<Scans>,
}

impl<'a> Selection<'a> {
    pub(crate) const fn new(view: View<'a>, filter: &'a Filter) -> Self {
        Self { filter, view, scans: None }
    }

    /// How completely the replica holds the families that can match.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        let state = self.view.state;
        let (ipv4, ipv6) = (state.knowledge(Family::Ipv4), state.knowledge(Family::Ipv6));
        match (self.filter.can_match(Family::Ipv4), self.filter.can_match(Family::Ipv6)) {
            (false, _) => ipv6,
            (true, false) => ipv4,
            (true, true) => ipv4.weaker(ipv6),
        }
    }
}

impl Iterator for Selection<'_> {
    type Item = Selected;

    fn next(&mut self) -> Option<Selected> {
        let scans = self.scans.get_or_insert_with(|| Scans::new(self.view, self.filter));
        let mut looks = usize::MAX;
        scans.next(self.view, self.filter, &mut looks)
    }
}
