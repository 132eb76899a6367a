//! Calls itself without end.
//!
//! It shows that a stack that overflows is the plugin's, not the host's.

#[path = "../../plugin.rs"]
mod plugin;

use std::hint::black_box;

use plugin::{Provoked, Verdict};

/// The plugin.
pub struct Recursive;

/// Deeper by one, with so little in linear memory that it is the host's limit on the stack that is met first.
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { black_box(deeper(black_box(depth.wrapping_add(2)))).wrapping_add(1) }
}

impl Provoked for Recursive {
    fn misbehave() -> Vec<Verdict> {
        black_box(deeper(0));
        Vec::new()
    }
}

plugin::export_plugin!(Recursive);
