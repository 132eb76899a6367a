//! Queues of selections, one for each plugin. The plugins take turns, so that no selection waits behind a thousand of
//! another plugin.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::PluginId;
use crate::ids::VerdictId;

/// Number of selections of one plugin that are offered at once. It takes a program up to two microseconds to decide
/// whether it can answer one.
const OFFERED_AT_ONCE: usize = 64;

/// The queue of one plugin. Selections that were never offered to the program are offered first, so that a ban does not
/// wait behind a hundred others that need a sweep.
#[derive(Debug, Default)]
struct Line {
    /// Selections that were offered before, and that the program could not answer.
    offered: VecDeque<VerdictId>,
    new: VecDeque<VerdictId>,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.offered.is_empty() && self.new.is_empty()
    }

    /// All selections, oldest first.
    fn iter(&self) -> impl Iterator<Item = VerdictId> {
        self.offered.iter().chain(&self.new).copied()
    }

    /// The selections that are offered next.
    fn offer(&self) -> impl Iterator<Item = VerdictId> {
        self.new.iter().chain(&self.offered).take(OFFERED_AT_ONCE).copied()
    }

    fn pop(&mut self) -> Option<VerdictId> {
        self.offered.pop_front().or_else(|| self.new.pop_front())
    }

    fn remove(&mut self, taken: &[VerdictId]) {
        self.new.retain(|id| !taken.contains(id));
        self.offered.retain(|id| !taken.contains(id));
    }

    /// The selections of the last offer were not taken. If the queue is longer than one offer, they move to its end, so
    /// that the others are offered next.
    fn put_off(&mut self) {
        let new = self.new.len().min(OFFERED_AT_ONCE);
        if self.offered.len() + new > OFFERED_AT_ONCE {
            let again = self.offered.len().min(OFFERED_AT_ONCE - new);
            self.offered.rotate_left(again);
        }
        self.offered.extend(self.new.drain(..new));
    }
}

/// The queue of each plugin. Each is bounded by [`crate::PluginBounds::selections`].
#[derive(Debug, Default)]
pub(crate) struct WaitingSelections {
    /// No queue is empty.
    lines: BTreeMap<PluginId, Line>,
    /// The plugin that had the last turn.
    last: Option<PluginId>,
}

impl WaitingSelections {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Plugins with a waiting selection.
    pub(crate) fn plugins(&self) -> impl Iterator<Item = PluginId> {
        self.lines.keys().copied()
    }

    /// Plugins with a selection that was never offered.
    pub(crate) fn plugins_with_new(&self) -> impl Iterator<Item = PluginId> {
        self.lines.iter().filter(|(_, line)| !line.new.is_empty()).map(|(plugin, _)| *plugin)
    }

    pub(crate) fn push(&mut self, plugin: PluginId, selection: VerdictId) {
        self.lines.entry(plugin).or_default().new.push_back(selection);
    }

    /// The plugins in the order of their turns.
    pub(crate) fn in_turn(&self) -> Vec<PluginId> {
        let (mut later, mut next) = (Vec::new(), Vec::new());
        for plugin in self.plugins() {
            if self.last.is_some_and(|last| plugin <= last) { &mut later } else { &mut next }.push(plugin);
        }
        next.extend(later);
        next
    }

    /// The selections of a plugin that are offered next, in the order of the offer.
    pub(crate) fn offer(&self, plugin: PluginId) -> impl Iterator<Item = VerdictId> {
        self.lines.get(&plugin).into_iter().flat_map(Line::offer)
    }

    /// Takes at most `most` selections, the oldest of each plugin first. The plugins take turns.
    pub(crate) fn take(&mut self, most: usize) -> Vec<VerdictId> {
        let mut taken = Vec::new();
        loop {
            let round = self.in_turn();
            if round.is_empty() {
                return taken;
            }
            for plugin in round {
                if taken.len() >= most {
                    return taken;
                }
                taken.extend(self.lines.get_mut(&plugin).and_then(Line::pop));
                self.forget_empty(plugin);
                self.last = Some(plugin);
            }
        }
    }

    /// Takes selections of the current offer. The plugin has had its turn.
    pub(crate) fn take_offered(&mut self, plugin: PluginId, taken: &[VerdictId]) {
        if let Some(line) = self.lines.get_mut(&plugin) {
            line.remove(taken);
        }
        self.forget_empty(plugin);
        self.last = Some(plugin);
    }

    /// The program can answer no selection of the current offer to this plugin. The next offer has others.
    pub(crate) fn put_off(&mut self, plugin: PluginId) {
        if let Some(line) = self.lines.get_mut(&plugin) {
            line.put_off();
        }
    }

    /// Takes all selections, by plugin and oldest first.
    pub(crate) fn drain(&mut self) -> Vec<VerdictId> {
        core::mem::take(&mut self.lines).into_values().flat_map(|line| line.iter().collect::<Vec<_>>()).collect()
    }

    fn forget_empty(&mut self, plugin: PluginId) {
        if self.lines.get(&plugin).is_some_and(Line::is_empty) {
            self.lines.remove(&plugin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> VerdictId {
        VerdictId { number, place: 0 }
    }

    fn numbers(taken: &[VerdictId]) -> Vec<u64> {
        taken.iter().map(|id| id.number).collect()
    }

    /// Queues `first` selections of plugin 1, with numbers from 100, and `second` selections of plugin 2, with numbers
    /// from 200.
    fn waiting(first: u64, second: u64) -> WaitingSelections {
        let mut waiting = WaitingSelections::default();
        (100..100 + first).for_each(|number| waiting.push(PluginId(1), id(number)));
        (200..200 + second).for_each(|number| waiting.push(PluginId(2), id(number)));
        waiting
    }

    #[test]
    fn plugins_take_turns() {
        let mut waiting = waiting(50, 2);
        assert_eq!(numbers(&waiting.take(3)), [100, 200, 101]);
        assert_eq!(numbers(&waiting.take(3)), [201, 102, 103]);
        assert_eq!(waiting.drain().len(), 46);
        assert!(waiting.is_empty() && waiting.take(1).is_empty());
    }

    /// What the plugin is offered next.
    fn offer(waiting: &WaitingSelections, plugin: u32) -> Vec<u64> {
        numbers(&waiting.offer(PluginId(plugin)).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_taken_of_an_offer_leaves_the_queue() {
        let mut waiting = waiting(4, 1);
        assert_eq!(offer(&waiting, 1), [100, 101, 102, 103]);
        waiting.take_offered(PluginId(1), &[id(100), id(102)]);
        assert_eq!((offer(&waiting, 1), waiting.in_turn()), ([101, 103].into(), [PluginId(2), PluginId(1)].into()));
        waiting.take_offered(PluginId(2), &[id(200)]);
        assert_eq!(waiting.in_turn(), [PluginId(1)]);
        assert_eq!(numbers(&waiting.drain()), [101, 103]);
    }

    #[test]
    fn a_new_selection_is_offered_before_a_hundred_that_were_put_off() {
        let mut waiting = waiting(100, 0);
        while waiting.plugins_with_new().next().is_some() {
            waiting.put_off(PluginId(1));
        }
        waiting.push(PluginId(1), id(999));
        assert_eq!(waiting.plugins_with_new().collect::<Vec<_>>(), [PluginId(1)]);
        assert_eq!(offer(&waiting, 1)[0], 999);
        assert_eq!(numbers(&waiting.take(1000)).last(), Some(&999), "a sweep takes the oldest first");
    }

    #[test]
    fn of_a_long_queue_all_are_offered_in_time() {
        let mut waiting = waiting(1000, 0);
        let mut offers = 0;
        let mut offered = alloc::collections::BTreeSet::new();
        while offered.len() < 1000 {
            offered.extend(offer(&waiting, 1));
            waiting.put_off(PluginId(1));
            offers += 1;
        }
        assert_eq!(offers, 1000_usize.div_ceil(OFFERED_AT_ONCE));
        // From now on all were offered before, and take turns in the same way.
        let again: alloc::collections::BTreeSet<u64> = (0..offers)
            .flat_map(|_| {
                let next = offer(&waiting, 1);
                waiting.put_off(PluginId(1));
                next
            })
            .collect();
        assert_eq!(again.len(), 1000);
    }
}
