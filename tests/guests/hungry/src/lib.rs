//! Allocates memory until there is none.
//!
//! This guest shows that memory is limited, and that the host distinguishes lack of memory from other traps.

#[path = "../../plugin.rs"]
mod plugin;

use std::hint::black_box;

use plugin::{Provoked, Verdict};

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
