//! Calls itself without end.
//!
//! This guest shows that a stack overflow ends the plugin, but not the host.

#[path = "../../plugin.rs"]
mod plugin;

use std::hint::black_box;

use plugin::{Provoked, Verdict};

pub struct Recursive;

/// Recurses once more. It uses so little linear memory that it first meets the host's limit on the stack.
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
