//! Requests to the real kernel, each test in its own network namespace, and the resulting table.
//!
//! The tests need CAP_SYS_ADMIN and CAP_NET_ADMIN. Without them, each test reports that it is skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails may panic, and asks for one arm"
)]
#![cfg(target_os = "linux")]

mod entries;
mod event_filters;
mod expectations;
mod filters;
mod namespace;
mod population;
