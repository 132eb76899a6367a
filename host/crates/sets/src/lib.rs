//! Address sets that belong to the host: networks with the claims of several sources.
//!
//! Configuration, list files, people, programs and policies all fill the same set. Each of them is a [`Source`], and each
//! has claims of its own: a network is in the set while any source claims it. A source never changes the claims of
//! another source, so a policy that unblocks a network does not lift the ban that an operator ordered.
//!
//! A claim covers a [`Member`]: a whole network, or one service of the network. Claims end by themselves at an absolute
//! time. No clock, no I/O: the caller passes the time.
//!
//! ```
//! use ctwarden_model::Timestamp;
//! use ctwarden_sets::{AddressSet, Claim, Member, Source};
//!
//! let second = |seconds: u64| Timestamp(seconds * 1_000_000_000);
//! let mut banned = AddressSet::new();
//! let (operator, list) = (Source::Control("alice".into()), Source::File);
//! let host = Member::network("198.51.100.7".parse().unwrap());
//! banned.add(&operator, host, Claim::new(second(0), Some(second(60)), "", "scans"));
//! banned.add(&list, Member::network("198.51.100.0/24".parse().unwrap()), Claim::new(second(0), None, "SBL1", ""));
//!
//! // The longest network counts, and the list still claims a wider one.
//! let found = banned.lookup([198, 51, 100, 7].into(), second(10)).unwrap();
//! assert_eq!((found.network.to_string().as_str(), found.source), ("198.51.100.7", &operator));
//! assert!(banned.remove(&operator, host).is_some());
//! assert_eq!(banned.lookup([198, 51, 100, 7].into(), second(10)).unwrap().source, &list);
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address_set;
mod claim;
mod claims;
mod coverage;
mod ends;
mod second;
mod service_coverage;
mod source;
mod sources;

pub use address_set::{Added, AddressSet, Ended, Found, Replaced};
pub use claim::{Claim, Note};
pub use coverage::{Coverage, Piece, number_of};
pub use ctwarden_model::{Member, MemberError, Service};
pub use service_coverage::{ServiceCoverage, ServicePiece};
pub use source::Source;
