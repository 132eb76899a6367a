//! Calls itself without end.
//!
//! It shows that a stack that overflows is the plugin's, not the host's.

#[path = "../../plugin.rs"]
mod plugin;

use std::hint::black_box;

use plugin::{Provoked, Verdict};

/// The plugin.
pub struct Recursive;

/// Deeper by one, with nothing kept in linear memory, so that it is the host's limit on the stack that is met.
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { deeper(black_box_scalar(depth.wrapping_add(2))).wrapping_mul(3) }
}

fn black_box_scalar(number: u64) -> u64 {
    number ^ u64::from(number == 1)
}

impl Provoked for Recursive {
    fn misbehave() -> Vec<Verdict> {
        black_box(deeper(black_box(0)));
        Vec::new()
    }
}

plugin::export_plugin!(Recursive);
