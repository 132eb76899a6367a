//! Counters that the host keeps for plugins: their specification and their keys (WIT `counter`, `counters.key`).

use alloc::string::String;
use core::net::IpAddr;

use thiserror::Error;

use crate::Prefix;

/// Most counters of one plugin.
pub const COUNTERS_MAX: usize = 16;
/// Longest name of a counter in bytes.
pub const COUNTER_NAME_BYTES: usize = 64;
/// Longest text of a key in bytes.
pub const COUNTER_KEY_BYTES: usize = 256;
/// Longest window of a counter in seconds: a day.
pub const WINDOW_SECONDS_MAX: u32 = 86_400;

/// What a counter keeps for each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterKind {
    /// The sum of the added amounts.
    Sum,
    /// The number of distinct values.
    Distinct,
}

impl CounterKind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Distinct => "distinct",
        }
    }
}

/// One counter of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CounterSpec {
    name: String,
    kind: CounterKind,
    window: u32,
}

/// Why a counter is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CounterError {
    #[error("the counter name \"{0}\" is not a name: use 1 to {COUNTER_NAME_BYTES} letters, digits or -")]
    Name(String),
    #[error("the counter {name} has a window of {window} seconds; use 1 to {WINDOW_SECONDS_MAX}")]
    Window { name: String, window: u32 },
}

impl CounterSpec {
    /// A counter with a window in seconds.
    ///
    /// # Errors
    /// The name is not 1 to [`COUNTER_NAME_BYTES`] ASCII letters, digits or `-`, or the window is not 1 to
    /// [`WINDOW_SECONDS_MAX`] seconds.
    pub fn new(name: String, kind: CounterKind, window: u32) -> Result<Self, CounterError> {
        let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if name.is_empty() || name.len() > COUNTER_NAME_BYTES || !fits {
            let shown = crate::text::line(&name).chars().take(COUNTER_NAME_BYTES).collect();
            return Err(CounterError::Name(shown));
        }
        if !(1..=WINDOW_SECONDS_MAX).contains(&window) {
            return Err(CounterError::Window { name, window });
        }
        Ok(Self { name, kind, window })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub const fn kind(&self) -> CounterKind {
        self.kind
    }

    /// The window in seconds.
    #[must_use]
    pub const fn window(&self) -> u32 {
        self.window
    }
}

/// A key of a counter, or a value of a counter of distinct values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterKey {
    /// At most [`COUNTER_KEY_BYTES`] bytes.
    Text(String),
    Number(u64),
    Address(IpAddr),
    Pair(IpAddr, IpAddr),
    /// An address, an IP protocol and a port.
    Service(IpAddr, u8, u16),
    Network(Prefix),
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_counter_has_a_name_and_a_window() {
        let said = |name: &str, window| {
            CounterSpec::new(name.into(), CounterKind::Sum, window).map_err(|error| error.to_string())
        };
        for (name, window) in [("a", 1), ("per-source-2", 86_400), ("0", 60)] {
            let counter = said(name, window).unwrap();
            assert_eq!((counter.name(), counter.window()), (name, window));
        }
        for name in ["", "a b", "a_b", "é", "a\u{1b}[2J", &"x".repeat(65)] {
            let said = said(name, 1).unwrap_err();
            assert!(said.ends_with("is not a name: use 1 to 64 letters, digits or -"), "{said}");
            assert!(!said.contains('\u{1b}'), "{said:?}");
        }
        for window in [0, 86_401, u32::MAX] {
            let said = said("scans", window).unwrap_err();
            assert_eq!(said, format!("the counter scans has a window of {window} seconds; use 1 to 86400"));
        }
    }
}
