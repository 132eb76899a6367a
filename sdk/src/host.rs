//! The host's functions: imports in a component, the [test harness](crate::testing) in a native build.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::ctwarden::conntrack::{counters, details, memory, sets, table};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::imports::{counters, details, memory, sets, table};
