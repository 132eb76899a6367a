//! A copy of the connection tracking table that follows it from events and sweeps.
//!
//! It exists because a dump of a million entries takes seconds, and a ban has milliseconds: with the copy, the flows of an
//! address are found through an index. No clock, no I/O, no unsafe. Start at [`Mirror`], whose documentation gives the
//! calling order.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod address_index;
mod flags;
mod follow;
mod hash;
mod hash_index;
mod judge;
mod judge_rare;
mod knowledge;
mod mirror;
mod record;
mod selection;
mod shelf;
mod slab;
mod state;
mod sweep;

pub use hash::Seed;
pub use knowledge::{Certainty, Evidence, Knowledge};
pub use mirror::Mirror;
pub use selection::{Selected, Selection};
pub use sweep::{Slice, SweepEnd, SweepToken};
