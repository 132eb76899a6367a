//! Plugins that do not take the rows of a sweep: how long the sweep waits for them, and what becomes of them.
//!
//! A sweep waits rather than drop a row; but a ban, or another plugin's repair after a loss, must not wait for one that is
//! slow. Then the sweep is interrupted for the slow one alone, which gets another.

use alloc::vec::Vec;

use ctwarden_model::{Cause, Steady};

use crate::PluginId;
use crate::engine::Engine;
use crate::intake::roster::Plugin;
use crate::intake::sweeps::{Participant, Running};

impl Engine {
    /// Rows that may wait in front of a plugin; at least a batch, or a sweep would never move.
    fn row_limit(&self, plugin: &Plugin) -> usize {
        plugin.spec.limits.queue_rows.max(self.batch_entries())
    }

    fn has_room(&self, participant: &Participant) -> bool {
        self.plugins
            .get(participant.plugin)
            .is_none_or(|plugin| plugin.queue.rows() + self.batch_entries() <= self.row_limit(plugin))
    }

    pub(crate) fn takes_rows(&self) -> bool {
        self.sweeps.running.as_ref().is_none_or(|running| {
            !self.is_backlogged() && running.participants.iter().all(|participant| self.has_room(participant))
        })
    }

    /// Puts plugins off that have far more rows than they should: the program went on although it was not asked to.
    pub(crate) fn put_off_flooded(&mut self) {
        let Some(running) = self.sweeps.running.as_ref() else { return };
        let flooded = |id: &PluginId| {
            self.plugins.get(*id).is_some_and(|plugin| plugin.queue.rows() > 2 * self.row_limit(plugin))
        };
        let ids: Vec<PluginId> = running.participants.iter().map(|participant| participant.plugin).collect();
        for id in ids.into_iter().filter(flooded).collect::<Vec<_>>() {
            self.put_off(id);
        }
    }

    /// Interrupts the sweep for one plugin; it gets another one.
    fn put_off(&mut self, id: PluginId) {
        let Some(running) = self.sweeps.running.as_mut() else { return };
        let gone: Vec<Participant> =
            running.participants.extract_if(.., |participant| participant.plugin == id).collect();
        let Some(plugin) = self.plugins.get_mut(id) else { return };
        for participant in gone {
            plugin.wants_sweep |= participant.subscribed;
            plugin.asked.extend(participant.asked);
            plugin.queue.push_turn(Cause::SweepInterrupted);
        }
    }

    /// Whether anybody but the plugins without room waits for the running sweep to end.
    fn others_wait(&self, running: &Running) -> bool {
        let takes_part = |id: PluginId| running.participants.iter().any(|participant| participant.plugin == id);
        let wants = |plugin: &Plugin| plugin.wants_sweep || !plugin.asked.is_empty();
        !running.selections.is_empty()
            || !self.sweeps.waiting.is_empty()
            || running.participants.iter().any(|participant| self.has_room(participant))
            || self.plugins.iter().any(|plugin| wants(plugin) && !takes_part(plugin.id))
    }

    /// When patience with a plugin that takes no rows ends.
    pub(crate) fn stall_deadline(&self) -> Option<Steady> {
        let running = self.sweeps.running.as_ref()?;
        let since = running.stalled?;
        self.others_wait(running).then(|| since.plus(self.config.row_patience))
    }

    /// Notes since when the sweep has waited for a plugin, and ends the wait where it has lasted too long.
    pub(crate) fn watch_stall(&mut self) {
        let now = self.clock.steady;
        let Some(running) = self.sweeps.running.as_ref() else { return };
        let laggards: Vec<PluginId> = running
            .participants
            .iter()
            .filter(|participant| !self.has_room(participant))
            .map(|participant| participant.plugin)
            .collect();
        let Some(running) = self.sweeps.running.as_mut() else { return };
        if laggards.is_empty() {
            running.stalled = None;
            return;
        }
        running.stalled.get_or_insert(now);
        if self.stall_deadline().is_some_and(|end| end <= now) {
            for id in laggards {
                self.put_off(id);
            }
            if let Some(running) = self.sweeps.running.as_mut() {
                running.stalled = None;
            }
        }
    }
}
