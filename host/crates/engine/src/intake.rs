//! What plugins are fed with: events, sweeps, ticks and messages.

pub(crate) mod collect;
pub(crate) mod delivery;
pub(crate) mod queue;
pub(crate) mod roster;
pub(crate) mod signals;
pub(crate) mod slow_plugins;
pub(crate) mod supervise;
pub(crate) mod sweeps;
pub(crate) mod ticks;
pub(crate) mod timers;
