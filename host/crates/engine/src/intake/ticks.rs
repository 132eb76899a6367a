//! Timed work of plugins: ticks and periodic sweeps.
//!
//! Late ticks merge into one tick, and late sweeps into one sweep. A slow plugin or a resumed host does not get many at
//! once.

use core::time::Duration;

use ctwarden_model::Steady;

use crate::intake::Intake;
use crate::intake::roster::Plugin;
use crate::verdicts::Verdicts;

/// Minimum time between two ticks, as the interface defines it.
const TICK_MIN: Duration = Duration::from_millis(10);

/// Minimum time between two periodic sweeps. The interface counts in seconds.
const SWEEP_MIN: Duration = Duration::from_secs(1);

impl Plugin {
    /// Starts the clocks of a fresh instance.
    pub(crate) fn wind_clocks(&mut self, now: Steady) {
        let subscription = &self.spec.subscription;
        self.next_tick = subscription.tick_every.map(|period| now.plus(period.max(TICK_MIN)));
        self.wind_sweep(now);
    }

    /// Restarts the clock of periodic sweeps, also when a sweep has begun for another reason.
    pub(crate) fn wind_sweep(&mut self, now: Steady) {
        let subscription = &self.spec.subscription;
        let period = subscription.sweep_every.filter(|_| subscription.kinds.row);
        self.next_sweep = period.map(|period| now.plus(period.max(SWEEP_MIN)));
    }

    fn tick_if_due(&mut self, now: Steady) {
        let (Some(due), Some(period)) = (self.next_tick, self.spec.subscription.tick_every) else { return };
        if due > now {
            return;
        }
        let period = period.max(TICK_MIN);
        self.queue.push_tick();
        let next = due.plus(period);
        self.next_tick = Some(if next > now { next } else { now.plus(period) });
    }
}

impl Intake {
    pub(super) fn tick_plugins(&mut self, verdicts: &mut Verdicts) {
        if self.stopping {
            return;
        }
        let now = verdicts.now().steady;
        let due = |due: Option<Steady>| due.is_some_and(|due| due <= now);
        let running = |plugin: &&mut Plugin| plugin.supervision.is_running();
        if self.plugins.iter_mut().filter(running).any(|plugin| due(plugin.next_tick)) {
            // The collected events happened before the tick.
            self.flush_collected(verdicts);
        }
        for plugin in self.plugins.iter_mut().filter(running) {
            plugin.tick_if_due(now);
            if due(plugin.next_sweep) {
                plugin.wants_sweep = true;
                plugin.wind_sweep(now);
            }
        }
    }
}
