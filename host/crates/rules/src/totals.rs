//! What was counted of each flow so far, so that a sweep counts only what came since the last one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::flow::{Ends, Flow, Kind, Volume};

/// Greatest number of flows. A flow beyond it is counted only when it ends.
const MOST: usize = 229_376;

/// The volume of flows at the last look.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    flows: HashMap<(u32, Ends), (Volume, u32)>,
    /// Number of the running or last sweep.
    sweep: u32,
    /// Whether a whole sweep has shown every flow that existed at the start. A flow that is unknown after that is new.
    complete: bool,
}

impl Totals {
    /// Returns what the flow transferred since the last look.
    pub(crate) fn since_last(&mut self, flow: &Flow) -> Option<Volume> {
        let volume = flow.volume()?;
        let key = (flow.id, flow.original);
        match flow.kind {
            Kind::New | Kind::Update => None,
            Kind::Destroy => match self.flows.remove(&key) {
                Some((before, _)) => Some(volume.since(before)),
                None => self.complete.then_some(volume),
            },
            Kind::Row => {
                let room = self.flows.len() < MOST;
                match self.flows.entry(key) {
                    Entry::Occupied(mut known) => {
                        let before = known.insert((volume, self.sweep)).0;
                        Some(volume.since(before))
                    }
                    Entry::Vacant(place) if room => {
                        place.insert((volume, self.sweep));
                        self.complete.then_some(volume)
                    }
                    Entry::Vacant(_) => None,
                }
            }
        }
    }

    pub(crate) const fn sweep_begins(&mut self) {
        self.sweep = self.sweep.wrapping_add(1);
    }

    /// Forgets flows that a whole sweep did not show. Their ends were lost.
    pub(crate) fn sweep_ends(&mut self) {
        let sweep = self.sweep;
        self.flows.retain(|_, (_, seen)| *seen == sweep);
        self.complete = true;
    }
}
