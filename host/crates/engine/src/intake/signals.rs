//! Turns without entries that plugins get in order with their events: overruns and changed sets.

use ctwarden_model::{Cause, ChangedSet, Member, Notice};

use crate::intake::Intake;
use crate::verdicts::Verdicts;

impl Intake {
    /// Events were lost. Plugins that subscribe to events get an overrun turn at that point of their queue, and a sweep
    /// if they take rows.
    pub(crate) fn overrun(&mut self, verdicts: &mut Verdicts) {
        self.overruns = self.overruns.saturating_add(1);
        // The collected events came before the loss.
        self.flush_collected(verdicts);
        verdicts.notice(Notice::Overrun);
        for plugin in self.plugins.iter_mut().filter(|plugin| plugin.takes_entries()) {
            if plugin.wants_events() {
                plugin.queue.push_turn(Cause::Overrun);
                plugin.wants_sweep |= plugin.spec.subscription.kinds.row;
            }
        }
    }

    pub(crate) fn set_changed(&mut self, verdicts: &mut Verdicts, set: ChangedSet, added: Option<&[Member]>) {
        self.flush_collected(verdicts);
        for plugin in self.plugins.iter_mut().filter(|plugin| plugin.takes_entries()) {
            if plugin.spec.subscription.sets.contains(&set.name) {
                plugin.queue.push_changed_set(&set.name, added);
            }
        }
        verdicts.notice(Notice::SetChanged(set));
    }
}
