//! When and how ctwarden reads the connection tracking table, as state machines without I/O.
//!
//! The kernel offers events, which it may drop, and dumps, which are slow. The engine requests sweeps and the flows of
//! selections. The reader stands between them and decides:
//!
//! - when events are gathered before they are read (`gathering.rs`);
//! - when an overrun is reported to the engine (`overrun.rs`);
//! - whether the replica or a dump answers a query (`few.rs`, `upkeep.rs`);
//! - how a search in the replica is divided into turns (`search.rs`);
//! - when the replica gets a dump of its own (`upkeep.rs`, `resync_rest.rs`), and how many readers a dump has
//!   (`families.rs`);
//! - how much memory the replica may take (`replica_memory.rs`);
//! - which events are received (`listening.rs`), and how long queries wait after rules have changed (`rule_looks.rs`).
//!
//! The crate has no sockets, threads or clock. The event loop of the daemon reads, waits and passes the time as an
//! argument. A simulator can do the same. Start at [`Reader`], whose documentation gives the calling order.
//!
//! ```
//! use ctwarden_engine::{Detail, Knows};
//! use ctwarden_model::{Filter, Flow, FlowId, Layer4, PerDirection, Prefix, Protocol, Steady, Tuple};
//! use ctwarden_reader::{DumpReaders, Reader, Search};
//! use ctwarden_replica::Seed;
//!
//! let src = [192, 0, 2, 7].into();
//! let original = Tuple {
//!     src,
//!     dst: [198, 51, 100, 1].into(),
//!     protocol: Protocol::TCP,
//!     layer4: Layer4::Ports { src: 40_000, dst: 443 },
//! };
//! let mut flow = Flow::new(PerDirection { original, reply: original.reversed() });
//! flow.id = Some(FlowId(1));
//! let filter = Filter { original_src: [Prefix::host(src)].into_iter().collect(), ..Filter::default() };
//!
//! // A fresh replica names no flow, so that a deletion also needs a dump. The event socket is empty.
//! let now = Steady(0);
//! let mut reader = Reader::new(Seed([1, 2]), true, now);
//! reader.keep_replica(Some(1 << 20), now);
//! assert!(!reader.end_reading(true, now), "no overrun to report");
//! assert_eq!(reader.knows(&filter, Detail::Name), Knows::Some);
//! assert_eq!(reader.resync_at(), Some(now));
//!
//! // After a dump of the whole table the replica names all flows.
//! assert_eq!(reader.begin_dump(true, now), DumpReaders::One, "nobody knows yet how large the table is");
//! reader.handle_dump_entry(&flow, now);
//! reader.end_dump(true, now);
//! assert_eq!(reader.knows(&filter, Detail::Name), Knows::All);
//! let mut search = Search::new(&[filter]);
//! assert!(reader.turn(&mut search).eq([flow]));
//! assert!(search.is_over());
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod families;
mod few;
mod gathering;
mod listening;
mod overrun;
mod reader;
mod replica_memory;
mod resync_rest;
mod rule_looks;
mod search;
mod sweep_progress;
mod upkeep;

pub use families::DumpReaders;
pub use listening::Listening;
pub use reader::Reader;
pub use replica_memory::{MemoryShortfall, ReplicaMemory};
pub use rule_looks::{RuleLooks, RuleNotice};
pub use search::{Search, Searches, Turn};
pub use sweep_progress::{SweepProgress, SweepStep};
