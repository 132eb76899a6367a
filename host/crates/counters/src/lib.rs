//! Counters over a sliding window: for each key a sum, or the number of distinct values, of the last seconds. The
//! memory is bounded, so a flood of keys costs accuracy and nothing else.
//!
//! No clock, no I/O: the caller passes the time.
//!
//! ```
//! use std::net::IpAddr;
//!
//! use ctwarden_counters::{Counter, Seed};
//! use ctwarden_model::{CounterKey, Steady};
//!
//! let second = |seconds: u64| Steady(seconds * 1_000_000_000);
//! let source = CounterKey::Address(IpAddr::from([192, 0, 2, 1]));
//! let mut begun = Counter::sum(Seed([1, 2]), 60, 1 << 20);
//! assert_eq!(begun.add(&source, 1, second(0)), Ok(1));
//! assert_eq!(begun.add(&source, 2, second(30)), Ok(3));
//! assert_eq!(begun.value(&source, second(70)), 2, "the first addition is more than a minute old");
//!
//! let mut ports = Counter::distinct(Seed([1, 2]), 60, 1 << 20);
//! for port in [22, 80, 22] {
//!     ports.see(&source, &CounterKey::Number(port), second(0)).unwrap();
//! }
//! assert_eq!(ports.value(&source, second(1)), 2);
//! assert_eq!(ports.largest(10, second(1)), [(source, 2)]);
//! ```
//!
//! # Error
//!
//! A window is divided into [`SUB_WINDOWS`] sub-windows. A value covers the running sub-window and the
//! [`SUB_WINDOWS`] before it. So it has everything of the last `window` seconds, and at most one sub-window more:
//!
//! - A value is never too high by more than what came in one sub-window before the window.
//! - A value is too low only if the key was evicted for lack of memory. [`Counter::evictions`] counts evictions.
//! - A number of distinct values is exact in this sense up to [`DISTINCT_MAX`]. A key with that number has that many
//!   values or more. Two values count as one if their 64-bit hashes are equal: among 1,024 values, the probability is
//!   3 in 10^14.
//! - Sums saturate at `u64::MAX`.
//!
//! # Eviction
//!
//! A counter that has no memory left for a new key looks at a few keys, another few each time. It evicts the one with
//! the smallest value, and of equal values the oldest. A key with a large value therefore stays while a flood of keys
//! that occur once passes by. Keys whose window is over are reused first and do not count as evictions.
//!
//! # Memory and time
//!
//! A key with an address takes 64 bytes, and 16 bytes of index. A sum of more than one sub-window takes 144 bytes more.
//! More than one distinct value takes 113 bytes more, and 9 to 18 bytes for each. The example `cost` measures this, and
//! times as well; `tests/counts` counts instructions.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod counter;
mod distinct;
mod packed_key;
mod slots;
mod sum;
mod tally;
mod window;

pub use counter::{Counter, KeyTooLong, LIMIT_MIN};
pub use ctwarden_hash::Seed;
pub use distinct::{DISTINCT_MAX, Distinct};
pub use sum::Sum;
pub use tally::Tally;
pub use window::SUB_WINDOWS;
