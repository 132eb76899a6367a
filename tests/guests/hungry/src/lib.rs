//! Eats memory until there is none.
//!
//! It shows that memory is limited, and that out of memory is told from other traps.

#[path = "../../plugin.rs"]
mod plugin;

use std::hint::black_box;

use plugin::{Provoked, Verdict};

/// The plugin.
pub struct Hungry;

impl Provoked for Hungry {
    fn misbehave() -> Vec<Verdict> {
        let mut eaten = Vec::new();
        while eaten.len() < usize::MAX {
            eaten.push(black_box(vec![1_u8; 1 << 20]));
        }
        Vec::new()
    }
}

plugin::export_plugin!(Hungry);
