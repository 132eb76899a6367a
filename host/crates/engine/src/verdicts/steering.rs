//! What the operator changes about a plugin while the daemon runs: a pause, and another mode.

use core::time::Duration;

use ctwarden_model::{Mode, Steady, Timestamp};

/// Whether the operator has paused a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseStatus {
    NotPaused,
    /// The plugin only observes.
    Paused {
        /// When the pause ends; `None` if only the operator ends it.
        until: Option<Timestamp>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pause {
    /// `None`: until the operator ends it.
    until: Option<Steady>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Steering {
    pause: Option<Pause>,
    /// The mode in place of the configured one.
    mode: Option<Mode>,
}

impl Steering {
    pub(crate) fn pause(&mut self, length: Option<Duration>, now: Steady) {
        self.pause = Some(Pause { until: length.map(|length| now.plus(length)) });
    }

    /// Returns whether the plugin was paused.
    pub(crate) fn resume(&mut self, now: Steady) -> bool {
        self.pause.take().is_some_and(|pause| pause.until.is_none_or(|until| until > now))
    }

    pub(crate) fn is_paused(&self, now: Steady) -> bool {
        self.pause.is_some_and(|pause| pause.until.is_none_or(|until| until > now))
    }

    pub(crate) fn status(&self, wall: impl Fn(Steady) -> Timestamp, now: Steady) -> PauseStatus {
        match self.pause {
            Some(pause) if self.is_paused(now) => PauseStatus::Paused { until: pause.until.map(wall) },
            Some(_) | None => PauseStatus::NotPaused,
        }
    }

    /// When the pause ends. The value stays until [`Self::notice_end`] notices the end.
    pub(crate) fn ends(&self) -> Option<Steady> {
        self.pause.and_then(|pause| pause.until)
    }

    /// Whether the pause has ended by itself since the last call.
    pub(crate) fn notice_end(&mut self, now: Steady) -> bool {
        self.pause.take_if(|pause| pause.until.is_some_and(|until| until <= now)).is_some()
    }

    /// Takes another mode until the next reload.
    pub(crate) fn switch(&mut self, mode: Mode) {
        self.mode = Some(mode);
    }

    pub(crate) fn mode(&self, configured: Mode) -> Mode {
        self.mode.unwrap_or(configured)
    }

    /// Continues the pause of the plugin of the same name. The mode is again that of the configuration.
    pub(crate) fn take_over(&mut self, old: Self) {
        self.pause = old.pause;
    }
}
