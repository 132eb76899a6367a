//! Feeds the plugins: takes events, sweeps, ticks and messages, and outputs calls.
//!
//! The intake knows whether a plugin runs and what waits in its queue. The answers of plugins go to
//! [`crate::verdicts`]. Each method that needs the verdicts receives them as an argument. Nothing in that module knows
//! the intake.

mod collect;
pub(crate) mod delivery;
mod queue;
pub(crate) mod roster;
mod running_sweep;
mod signals;
mod slow_plugins;
pub(crate) mod supervise;
mod sweeps;
mod ticks;
mod timers;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ctwarden_model::FlowKey;

use self::collect::Collected;
use self::delivery::Calls;
use self::roster::{Plugin, Roster};
use self::sweeps::Sweeps;
use crate::ids::VerdictId;
use crate::verdicts::{Collecting, Verdicts};
use crate::{EngineConfig, MessageError, PluginId, PluginSpec, Subscribed, Ticket, Wait};

/// The error for senders whose messages were not delivered.
pub(crate) const STOPPED: &str = "the daemon stopped before the plugin answered";

/// The plugins with their queues and calls, the collected events, and the sweeps.
#[derive(Debug)]
pub(crate) struct Intake {
    config: Arc<EngineConfig>,
    plugins: Roster,
    collected: Collected,
    calls: Calls,
    sweeps: Sweeps,
    /// Reasons for the daemon to exit.
    exits: VecDeque<String>,
    events: u64,
    overruns: u64,
    /// No calls or sweeps begin any more.
    stopping: bool,
    /// Further answers of plugins are void.
    ended: bool,
}

impl Intake {
    pub(crate) fn new(config: Arc<EngineConfig>) -> Self {
        Self {
            config,
            plugins: Roster::default(),
            collected: Collected::default(),
            calls: Calls::default(),
            sweeps: Sweeps::default(),
            exits: VecDeque::new(),
            events: 0,
            overruns: 0,
            stopping: false,
            ended: false,
        }
    }

    pub(crate) const fn collecting(&self) -> Collecting {
        self.collected.collecting()
    }

    pub(crate) const fn sweeps(&self) -> &Sweeps {
        &self.sweeps
    }

    pub(crate) const fn sweeps_mut(&mut self) -> &mut Sweeps {
        &mut self.sweeps
    }

    pub(crate) fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.iter()
    }

    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    pub(crate) const fn overruns(&self) -> u64 {
        self.overruns
    }

    pub(crate) const fn is_stopping(&self) -> bool {
        self.stopping
    }

    pub(crate) fn next_exit(&mut self) -> Option<String> {
        self.exits.pop_front()
    }

    /// Replaces the plugins. The queues of plugins that remain are kept.
    pub(crate) fn swap(
        &mut self,
        verdicts: &mut Verdicts,
        config: Arc<EngineConfig>,
        specs: Vec<PluginSpec>,
    ) -> Vec<PluginId> {
        self.flush_collected(verdicts);
        verdicts.settle_rounds();
        let selections = self.abandon_sweep(verdicts);
        verdicts.abandon_selections(selections);
        verdicts.void_lookups();
        let specs: Vec<Arc<PluginSpec>> = specs.into_iter().map(Arc::new).collect();
        verdicts.swap(Arc::clone(&config), self.plugins.next_id(), &specs);
        self.config = config;
        let old = self.plugins.swap(specs, verdicts.now().steady);
        for plugin in old {
            self.hand_over(verdicts, plugin);
        }
        self.sweeps.hurry = true;
        self.plugins.ids()
    }

    /// Passes the queue and the counters of an old plugin to the new plugin of the same name.
    fn hand_over(&mut self, verdicts: &mut Verdicts, mut old: Plugin) {
        // Drops rows and sweep turns, because the new plugin gets a sweep of its own. The rounds are closed already.
        old.queue.drop_sweep();
        match self.plugins.by_name_mut(&old.spec.name) {
            Some(new) => {
                new.queue = old.queue;
                new.queue.keep_sets(&new.spec.subscription.sets);
                if !new.spec.subscription.expectations {
                    new.queue.drop_expectations();
                }
                new.missed = old.missed;
                new.unnoticed = old.unnoticed;
                new.noticed = old.noticed;
            }
            None => {
                let (_, tickets) = old.queue.clear();
                for ticket in tickets {
                    let why = format!("plugin {} was removed from the configuration", old.spec.name);
                    verdicts.message_failed(ticket, why);
                }
            }
        }
    }

    /// Takes the end of a flow if no plugin needs more of it than the flow key.
    pub(crate) fn end_of(&mut self, verdicts: &mut Verdicts, key: FlowKey) {
        self.events = self.events.saturating_add(1);
        verdicts.hear_of_end(key, self.collected.collecting());
    }

    pub(crate) fn instance_started(&mut self, verdicts: &mut Verdicts, plugin: PluginId) {
        self.started(verdicts, plugin);
        self.flush_to_idle(verdicts);
    }

    /// Adds a message to the queue of a plugin.
    pub(crate) fn take_message(
        &mut self,
        verdicts: &mut Verdicts,
        plugin: &str,
        text: String,
        wait: Wait,
    ) -> Result<Ticket, MessageError> {
        if self.stopping {
            return Err(MessageError::Stopping);
        }
        let found = self.plugins.named(plugin).ok_or_else(|| MessageError::Unknown(plugin.to_string()))?;
        if !found.supervision.is_coming_back() {
            return Err(MessageError::NotRunning(plugin.to_string()));
        }
        let id = found.id;
        // The collected events happened before the message.
        self.flush_collected(verdicts);
        let full = |waiting| MessageError::QueueFull { plugin: plugin.to_string(), waiting };
        let found = self.plugins.get_mut(id).ok_or_else(|| full(0))?;
        let limits = &found.spec.limits;
        let (limit, bytes) = (limits.bounds.queue_messages, limits.bounds.queue_message_bytes);
        if !found.queue.push_message(verdicts.next_ticket(), text, limit, bytes) {
            return Err(full(found.queue.messages()));
        }
        Ok(verdicts.begin_message(wait))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.plugins.iter().all(|plugin| plugin.outstanding.is_none())
    }

    /// Stops taking work. Returns the selections of the running sweep.
    pub(crate) fn stop(&mut self, verdicts: &mut Verdicts) -> Vec<VerdictId> {
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
            verdicts.give_up(round, plugin);
        }
        for ticket in undelivered {
            verdicts.message_failed(ticket, STOPPED.into());
        }
        self.stop_sweeps(verdicts)
    }

    /// From now on, answers of plugins are void.
    pub(crate) const fn end(&mut self) {
        self.ended = true;
    }

    pub(crate) fn subscribed(&self) -> Subscribed {
        let any = |wants: &dyn Fn(&Plugin) -> bool| self.plugins.iter().any(wants);
        Subscribed {
            kinds: self.wanted_kinds(),
            filters: self.wanted_flows(),
            own_ends: any(&|plugin| {
                let subscription = &plugin.spec.subscription;
                subscription.kinds.destroy && subscription.own_changes
            }),
            selects: any(&|plugin| plugin.spec.subscription.selects),
            expectations: any(&|plugin| plugin.spec.subscription.expectations),
        }
    }
}
