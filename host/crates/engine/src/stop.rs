//! The end in order: no new work, then what is open gets its record.

use alloc::vec::Vec;

use ctwarden_model::Refusal;

use crate::engine::Engine;

/// What senders of messages are told that were not delivered.
const STOPPED: &str = "the daemon stopped before the plugin answered";

impl Engine {
    pub(crate) fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.collected.clear();
        let mut undelivered = Vec::new();
        let mut rounds = Vec::new();
        for plugin in self.plugins.iter_mut() {
            let (dropped, tickets) = plugin.queue.clear();
            rounds.extend(dropped.into_iter().map(|round| (round, plugin.id)));
            undelivered.extend(tickets);
        }
        for (round, plugin) in rounds {
            self.give_up(round, plugin);
        }
        for ticket in undelivered {
            self.messages.failed(ticket, STOPPED.into());
        }
        self.stop_sweeps();
    }

    pub(crate) fn end(&mut self) {
        self.stop();
        self.rounds = crate::verdicts::rounds::Rounds::default();
        self.lookups = crate::verdicts::lookup::Lookups::default();
        self.pending.clear();
        self.finish_all(Refusal::NoAnswer);
        self.messages.end(STOPPED);
        // Verdicts that come from now on end as those of a plugin that is gone.
        self.finished = true;
    }
}
