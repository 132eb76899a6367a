//! Slow plugins: how long a sweep waits for a plugin that does not take its rows, and what happens then.
//!
//! A sweep waits rather than dropping a row. But a ban, or the repair of another plugin after a loss, must not wait for
//! a slow plugin. Then the sweep is interrupted for the slow plugin only, which gets another one.

use alloc::vec::Vec;

use ctwarden_model::{Cause, Steady};

use crate::PluginId;
use crate::intake::Intake;
use crate::intake::roster::Plugin;
use crate::intake::running_sweep::{Participant, RunningSweep};
use crate::verdicts::Verdicts;

impl Intake {
    /// Rows that may wait in the queue of a plugin. At least one batch, because a sweep would otherwise never move.
    fn row_limit(&self, plugin: &Plugin) -> usize {
        plugin.spec.limits.bounds.queue_rows.max(self.batch_entries())
    }

    fn has_room(&self, participant: &Participant) -> bool {
        self.plugins
            .get(participant.plugin)
            .is_none_or(|plugin| plugin.queue.rows() + self.batch_entries() <= self.row_limit(plugin))
    }

    pub(crate) fn ready_for_rows(&self, verdicts: &Verdicts) -> bool {
        self.sweeps.running.as_ref().is_none_or(|running| {
            !verdicts.is_backlogged() && running.participants().iter().all(|participant| self.has_room(participant))
        })
    }

    /// Interrupts the sweep for plugins whose queues have far more rows than allowed: the program passed rows without
    /// being asked.
    pub(super) fn put_off_flooded(&mut self) {
        let flooded = |id: &PluginId| {
            self.plugins.get(*id).is_some_and(|plugin| plugin.queue.rows() > 2 * self.row_limit(plugin))
        };
        let ids = self.sweeps.participants().iter().map(|participant| participant.plugin);
        for id in ids.filter(flooded).collect::<Vec<_>>() {
            self.put_off(id);
        }
    }

    /// Interrupts the sweep for one plugin. The plugin gets another sweep.
    fn put_off(&mut self, id: PluginId) {
        let gone = self.sweeps.leave(id);
        let Some(plugin) = self.plugins.get_mut(id) else { return };
        for participant in gone {
            plugin.wants_sweep |= participant.subscribed;
            plugin.asked.extend(participant.asked);
            plugin.queue.push_turn(Cause::SweepInterrupted);
        }
    }

    /// Whether anything waits for the end of the running sweep, apart from the plugins without room.
    fn others_wait(&self, verdicts: &Verdicts, running: &RunningSweep) -> bool {
        let takes_part = |id: PluginId| running.participants().iter().any(|participant| participant.plugin == id);
        let wants = |plugin: &Plugin| plugin.wants_sweep || !plugin.asked.is_empty();
        !running.selections().is_empty()
            || verdicts.has_waiting_selections()
            || running.participants().iter().any(|participant| self.has_room(participant))
            || self.plugins.iter().any(|plugin| wants(plugin) && !takes_part(plugin.id))
    }

    /// When the wait for a plugin that takes no rows ends.
    pub(super) fn stall_deadline(&self, verdicts: &Verdicts) -> Option<Steady> {
        let running = self.sweeps.running.as_ref()?;
        let since = running.stalled()?;
        self.others_wait(verdicts, running).then(|| since.plus(self.config.bounds.row_patience))
    }

    /// Records since when the sweep has waited for a plugin, and ends a wait that has lasted too long.
    pub(super) fn watch_stall(&mut self, verdicts: &Verdicts) {
        let now = verdicts.now().steady;
        let slow: Vec<PluginId> = self
            .sweeps
            .participants()
            .iter()
            .filter(|participant| !self.has_room(participant))
            .map(|participant| participant.plugin)
            .collect();
        if let Some(running) = self.sweeps.running.as_mut() {
            if slow.is_empty() { running.go_on() } else { running.stall(now) }
        }
        if self.stall_deadline(verdicts).is_some_and(|end| end <= now) {
            for id in slow {
                self.put_off(id);
            }
            if let Some(running) = self.sweeps.running.as_mut() {
                running.go_on();
            }
        }
    }
}
