//! Turns that plugins are told of in their order: lost events, changed sets.

use ctwarden_model::{Cause, Notice, SetName};

use crate::engine::Engine;

impl Engine {
    /// Events were lost: who wants events is told where, and the table is swept for them.
    pub(crate) fn overrun(&mut self) {
        self.overruns = self.overruns.saturating_add(1);
        // What was collected came before the loss.
        self.flush_collected();
        self.audit.notice(self.clock.wall, Notice::Overrun);
        for plugin in self.plugins.iter_mut().filter(|plugin| plugin.takes_entries()) {
            if plugin.wants_events() {
                plugin.queue.push_turn(Cause::Overrun);
                plugin.wants_sweep |= plugin.spec.subscription.kinds.row;
            }
        }
    }

    pub(crate) fn set_changed(&mut self, set: &SetName) {
        self.flush_collected();
        self.audit.notice(self.clock.wall, Notice::SetChanged(set.clone()));
        for plugin in self.plugins.iter_mut().filter(|plugin| plugin.takes_entries()) {
            if plugin.spec.subscription.sets.contains(set) {
                plugin.queue.push_changed_set(set);
            }
        }
    }
}
