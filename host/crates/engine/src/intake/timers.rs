//! Work that is due at a time, and the time of the next one.

use ctwarden_model::{Notice, Steady};

use crate::intake::Intake;
use crate::intake::roster::Plugin;
use crate::verdicts::Verdicts;

/// Minimum time between two notices of entries dropped from the queue of one plugin. Many drops in a row get one
/// notice.
const NOTICE_EVERY: core::time::Duration = core::time::Duration::from_secs(1);

impl Plugin {
    /// When the next notice of dropped entries is due. `None` if no entries were dropped.
    pub(crate) fn missed_notice_due(&self) -> Option<Steady> {
        (self.unnoticed > 0).then(|| self.noticed.map_or(Steady(0), |noticed| noticed.plus(NOTICE_EVERY)))
    }
}

impl Intake {
    /// The earliest moment at which [`Intake::pass_time`] or [`Intake::tidy`] has something to do.
    pub(crate) fn next_timeout(&self, verdicts: &Verdicts) -> Option<Steady> {
        let plugins = self.plugins.iter().flat_map(|plugin| {
            let running = plugin.supervision.is_running() && !self.stopping;
            let starts = plugin.supervision.due().filter(|_| !self.stopping);
            let tick = plugin.next_tick.filter(|_| running);
            let sweep = plugin.next_sweep.filter(|_| running);
            [starts, tick, sweep, plugin.missed_notice_due()].into_iter().flatten()
        });
        let plugins = plugins.min();
        [
            plugins,
            self.stall_deadline(verdicts),
            // A sweep that is due waits to be polled, so it needs no timeout.
            self.sweep_due(verdicts).filter(|due| *due > verdicts.now().steady),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn pass_time(&mut self, verdicts: &mut Verdicts) {
        self.end_waits(verdicts);
        self.tick_plugins(verdicts);
    }

    /// Housekeeping after every input.
    pub(crate) fn tidy(&mut self, verdicts: &mut Verdicts) {
        self.watch_stall(verdicts);
        self.notice_missed(verdicts);
    }

    /// Reports dropped entries, at most once a second for each plugin.
    fn notice_missed(&mut self, verdicts: &mut Verdicts) {
        let now = verdicts.now().steady;
        for plugin in self.plugins.iter_mut() {
            if plugin.missed_notice_due().is_some_and(|due| due <= now) {
                plugin.noticed = Some(now);
                let entries = core::mem::take(&mut plugin.unnoticed);
                verdicts.notice(Notice::Missed(plugin.spec.name.clone(), entries));
            }
        }
    }
}
