//! A keyed hash for keys that come from packets, and an index of handles by hash.
//!
//! Tables with hundreds of thousands of keys use both: the replica of the kernel's table and the counters of plugins.
//! The index stores no keys, so its caller decides what a key is and where it is stored.
//!
//! ```
//! use ctwarden_hash::{HashIndex, Seed, keyed_hash, upper_half};
//!
//! let keys = [[192, 0], [198, 51]];
//! let hash = |key: [u64; 2]| upper_half(keyed_hash(Seed([1, 2]), key));
//! let mut index = HashIndex::new();
//! assert!(index.insert(hash(keys[1]), 1));
//! assert_eq!(index.find(hash([198, 51]), |handle| keys[handle as usize] == [198, 51]), Some(1));
//! assert_eq!(index.find(hash([192, 0]), |_| true), None);
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod hash_index;
mod keyed_hash;

pub use hash_index::{Handle, HashIndex};
pub use keyed_hash::{Seed, keyed_hash, upper_half};
