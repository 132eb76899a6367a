//! Queues of selections, one for each plugin. The plugins take turns, so that no selection waits behind a thousand of
//! another plugin.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::PluginId;
use crate::ids::VerdictId;

/// Number of selections of one plugin that are checked at once. It takes a program up to two microseconds to decide
/// whether it can answer one.
const LOOKED_AT: usize = 64;

/// The queue of each plugin. Each is bounded by [`crate::PluginBounds::selections`].
#[derive(Debug, Default)]
pub(crate) struct WaitingSelections {
    lines: BTreeMap<PluginId, VecDeque<VerdictId>>,
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

    /// All waiting selections, by plugin and oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = VerdictId> {
        self.lines.values().flatten().copied()
    }

    pub(crate) fn push(&mut self, plugin: PluginId, selection: VerdictId) {
        self.lines.entry(plugin).or_default().push_back(selection);
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

    /// The selections of a plugin that are checked at once, oldest first.
    pub(crate) fn first_of(&self, plugin: PluginId) -> impl Iterator<Item = VerdictId> {
        self.lines.get(&plugin).into_iter().flatten().take(LOOKED_AT).copied()
    }

    fn pop(&mut self, plugin: PluginId) -> Option<VerdictId> {
        let line = self.lines.get_mut(&plugin)?;
        let selection = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&plugin);
        }
        selection
    }

    /// Takes at most `most` selections. The plugins take turns.
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
                taken.extend(self.pop(plugin));
                self.last = Some(plugin);
            }
        }
    }

    /// Takes the wanted selections, at most `most`, of the first plugin in turn that has any. Returns the plugin too.
    /// If the queue is longer than [`LOOKED_AT`], the unwanted selections move to its end, so that the others are
    /// checked next time.
    pub(crate) fn take_wanted(
        &mut self,
        most: usize,
        may: impl Fn(PluginId) -> bool,
        is_wanted: impl Fn(VerdictId) -> bool,
    ) -> Option<(PluginId, Vec<VerdictId>)> {
        for plugin in self.in_turn() {
            if !may(plugin) {
                continue;
            }
            let Some(line) = self.lines.get_mut(&plugin) else { continue };
            let mut taken = Vec::new();
            for _ in 0..line.len().min(LOOKED_AT) {
                let Some(selection) = line.pop_front() else { break };
                if taken.len() < most && is_wanted(selection) {
                    taken.push(selection);
                } else {
                    line.push_back(selection);
                }
            }
            if line.is_empty() {
                self.lines.remove(&plugin);
            }
            if !taken.is_empty() {
                self.last = Some(plugin);
                return Some((plugin, taken));
            }
        }
        None
    }

    /// Takes all selections, by plugin and oldest first.
    pub(crate) fn drain(&mut self) -> Vec<VerdictId> {
        core::mem::take(&mut self.lines).into_values().flatten().collect()
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

    #[test]
    fn what_is_wanted_is_taken_of_one_plugin_at_a_time() {
        let mut waiting = waiting(4, 3);
        let even = |id: VerdictId| id.number.is_multiple_of(2);
        let taken = waiting.take_wanted(10, |_| true, even).map(|(plugin, taken)| (plugin, numbers(&taken)));
        assert_eq!(taken, Some((PluginId(1), [100, 102].into())));
        let taken = waiting.take_wanted(1, |_| true, even).map(|(plugin, taken)| (plugin, numbers(&taken)));
        assert_eq!(taken, Some((PluginId(2), [200].into())));
        assert!(waiting.take_wanted(10, |plugin| plugin == PluginId(1), even).is_none());
        assert_eq!(numbers(&waiting.drain()), [101, 103, 201, 202]);
    }

    #[test]
    fn of_a_long_line_all_are_looked_at_in_time() {
        let mut waiting = waiting(1000, 0);
        let last = |id: VerdictId| id.number == 1099;
        let looks = (1..).find(|_| waiting.take_wanted(1, |_| true, last).is_some());
        assert_eq!(looks, Some(1000_usize.div_ceil(LOOKED_AT)));
    }
}
