//! A new set of plugins takes the place of the old, at start and at reload, without losing what waits.

use alloc::format;
use alloc::vec::Vec;

use crate::engine::Engine;
use crate::intake::roster::Plugin;
use crate::verdicts::protected_flows::ProtectedFlows;
use crate::{EngineConfig, PluginId, PluginSpec};

impl Engine {
    pub(crate) fn swap_plugins(&mut self, config: EngineConfig, specs: Vec<PluginSpec>) -> Vec<PluginId> {
        self.flush_collected();
        for answers in self.rounds.close_all() {
            self.arbitrate(None, answers);
        }
        self.abandon_sweep();
        self.void_lookups();
        let asked: Vec<_> = self.plugins.iter_mut().flat_map(|plugin| plugin.asked.drain(..)).collect();
        for verdict in asked {
            self.finish(verdict, gone());
        }
        self.protected = ProtectedFlows::new(config.protect.clone());
        self.config = config;
        // Who takes a plugin's place goes on with its rate, and tells what was folded; of one that goes it is told now.
        self.tell_folded(true);
        let old = self.plugins.swap(specs, self.clock.steady);
        for plugin in old {
            self.hand_over(plugin);
        }
        self.sweeps.hurry = true;
        self.plugins.ids()
    }

    /// What is left of an old plugin goes to the new one of its name.
    fn hand_over(&mut self, mut old: Plugin) {
        // Rows and turns of sweeps: the new one gets a sweep of its own. The rounds are closed already.
        old.queue.drop_sweep();
        match self.plugins.by_name_mut(&old.spec.name) {
            Some(new) => {
                new.queue = old.queue;
                new.queue.keep_sets(&new.spec.subscription.sets);
                if !new.spec.subscription.expectations {
                    new.queue.drop_expectations();
                }
                new.budget = old.budget;
                new.blocked = old.blocked;
                new.repeats = old.repeats;
                new.alerts = old.alerts;
                new.pace = old.pace;
                new.missed = old.missed;
                new.unnoticed = old.unnoticed;
                new.noticed = old.noticed;
            }
            None => {
                let (_, tickets) = old.queue.clear();
                for ticket in tickets {
                    let why = format!("plugin {} was taken out of the configuration", old.spec.name);
                    self.messages.failed(ticket, why);
                }
            }
        }
    }
}

const fn gone() -> ctwarden_model::Outcome {
    ctwarden_model::Outcome::Refused(ctwarden_model::Refusal::PluginGone)
}
