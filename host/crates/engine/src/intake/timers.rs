//! What time brings about, and when that is.

use ctwarden_model::{Notice, PluginName, Steady};

use crate::engine::Engine;
use crate::intake::roster::Plugin;

/// Time between two notices of entries dropped in front of one plugin: a storm of drops is one story.
const NOTICE_EVERY: core::time::Duration = core::time::Duration::from_secs(1);

impl Plugin {
    /// When the next notice of dropped entries is due; none where none was dropped.
    pub(crate) fn missed_notice_due(&self) -> Option<Steady> {
        (self.unnoticed > 0).then(|| self.noticed.map_or(Steady(0), |noticed| noticed.plus(NOTICE_EVERY)))
    }
}

impl Engine {
    /// The earliest moment at which [`Engine::pass_time`] has something to do.
    pub(crate) fn next_timeout(&mut self) -> Option<Steady> {
        let plugins = self.plugins.iter().flat_map(|plugin| {
            let running = plugin.supervision.is_running() && !self.stopping;
            let starts = plugin.supervision.due().filter(|_| !self.stopping);
            let tick = plugin.next_tick.filter(|_| running);
            let sweep = plugin.next_sweep.filter(|_| running);
            [starts, tick, sweep, plugin.breaker.closes(), plugin.missed_notice_due(), plugin.pace.due()]
                .into_iter()
                .flatten()
        });
        let plugins = plugins.min();
        [
            plugins,
            self.rounds.deadline(),
            self.pending.deadline(),
            self.lookups.deadline(),
            self.messages.deadline(),
            self.stall_deadline(),
            self.sweeps.resting.first().map(|(returns, _)| *returns),
            // Once it is due it waits to be polled, not for time.
            self.sweep_due().filter(|due| *due > self.clock.steady),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn pass_time(&mut self) {
        let now = self.clock.steady;
        while let Some((round, answers)) = self.rounds.expired(now) {
            self.arbitrate(Some(round), answers);
        }
        self.give_up_effects();
        self.give_up_lookups();
        self.messages.give_up(now);
        self.end_waits();
        self.resume_runs();
        self.tick_plugins();
    }

    /// What has to be looked at after everything that happens.
    pub(crate) fn tidy(&mut self) {
        self.watch_stall();
        self.notice_missed();
        self.tell_folded(false);
        let now = self.clock;
        let closed: alloc::vec::Vec<PluginName> = self
            .plugins
            .iter_mut()
            .filter_map(|plugin| plugin.breaker.notice_closing(now.steady).then(|| plugin.spec.name.clone()))
            .collect();
        for name in closed {
            self.audit.notice(now.wall, Notice::BreakerClosed(name));
        }
    }
}
