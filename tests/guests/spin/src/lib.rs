//! Loops without end.
//!
//! This guest shows that processor time is limited.

#[path = "../../plugin.rs"]
mod plugin;

use std::hint::black_box;

use plugin::{Provoked, Verdict};

pub struct Spin;

impl Provoked for Spin {
    fn misbehave() -> Vec<Verdict> {
        let mut turns = 0_u64;
        while black_box(turns) < u64::MAX {
            turns = turns.wrapping_add(2);
        }
        Vec::new()
    }
}

plugin::export_plugin!(Spin);
