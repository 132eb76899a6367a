//! Lists of addresses and networks, in the forms in which they are published.
//!
//! ```
//! use ctwarden_feeds::{Reading, Shortest, parse};
//!
//! let reading = Reading { shortest: Shortest::default(), disclosed: true };
//! let list = parse("bans.txt", b"# bans\n192.0.2.0/24 scanner\n", reading)?;
//! assert_eq!(list.networks.len(), 1);
//! # Ok::<(), ctwarden_feeds::ListError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod error;
mod excerpt;
mod form;
mod line;
mod list;
mod range;

pub use error::ListError;
pub use form::Form;
pub use line::{Line, Mistake, Shortest, parse as parse_line};
pub use list::{List, Reading, parse};
