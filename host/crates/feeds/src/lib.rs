//! Lists of addresses and networks, in the forms in which they are published.
//!
//! [`parse`] reads the bytes of a list: plain text, columns with commas between, JSON lines, the outputs of ipset and nft,
//! and MaxMind databases. [`Format`] has the formats. If the reader of the list does not name one, the first line of content decides. The
//! crate has no clock and no I/O, and it does not panic on any input.
//!
//! ```
//! use std::time::Duration;
//!
//! use ctwarden_feeds::{Format, Reading, parse};
//!
//! let list = parse(b"; a list\n192.0.2.0/24 ; SBL000001\n", &Reading::default())?;
//! assert_eq!(list.format(), Format::Plain);
//! let (network, value) = list.networks().longest("192.0.2.7".parse()?).ok_or("not listed")?;
//! assert_eq!((network.to_string().as_str(), &**value), ("192.0.2.0/24", "SBL000001"));
//!
//! let saved = b"create bad hash:ip\nadd bad 198.51.100.7 timeout 60\nadd bad 198.51.100.8,tcp:443\n";
//! let refused = parse(saved, &Reading::default()).unwrap_err();
//! assert!(refused.told("bad.txt").starts_with("bad.txt:3:9: \"198.51.100.8,tcp:443\" has a port"));
//!
//! let list = parse(saved, &Reading::default().skip_bad_lines(true))?;
//! assert_eq!((list.counts().entries, list.counts().bad), (1, 1));
//! assert_eq!(list.ends().values().next(), Some(&Duration::from_secs(60)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod column;
mod csv;
mod error;
mod excerpt;
mod fault;
mod finding;
mod format;
mod gathering;
mod ipset;
mod json_lines;
mod json_place;
mod line;
mod list;
mod mmdb;
mod nft;
mod plain;
mod reading;
mod record;
mod seen_lists;
mod shortest;
mod text_lines;

pub use column::Column;
pub use error::ListError;
pub use finding::Finding;
pub use format::Format;
pub use line::{Line, Mistake, parse as parse_line};
pub use list::{List, parse};
pub use mmdb::{FieldPath, METADATA_BYTES_MAX, has_metadata, has_whole_metadata};
pub use reading::Reading;
pub use shortest::Shortest;
