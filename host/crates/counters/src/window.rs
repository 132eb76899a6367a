//! A window and its sub-windows. All counters of one window have the same borders, so no key needs a begin of its own.

use ctwarden_model::Steady;

/// Sub-windows of a window. More of them would make values more accurate and keys larger.
pub const SUB_WINDOWS: u64 = 16;

/// The number of a sub-window since the start of the clock.
pub(crate) type SubWindow = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Nanoseconds of a sub-window.
    step: u64,
}

impl Window {
    pub(crate) const fn seconds(seconds: u32) -> Self {
        let seconds = if seconds == 0 { 1 } else { seconds as u64 };
        Self { step: seconds * 1_000_000_000 / SUB_WINDOWS }
    }

    pub(crate) const fn at(self, now: Steady) -> SubWindow {
        now.0 / self.step
    }
}

/// Whether something of one sub-window still counts in another.
pub(crate) const fn counts(then: SubWindow, now: SubWindow) -> bool {
    now.saturating_sub(then) <= SUB_WINDOWS
}
