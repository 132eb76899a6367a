//! A replica of the connection tracking table, kept from events and dumps.
//!
//! A dump of a million entries takes seconds, but a ban has only milliseconds. With the replica, the flows of an
//! address are found through an index. The crate has no clock, no I/O and no unsafe code. Start at [`Replica`], whose
//! documentation gives the calling order.
//!
//! ```
//! use ctwarden_model::{Filter, Flow, FlowId, Layer4, PerDirection, Prefix, Protocol, Steady, Tuple};
//! use ctwarden_replica::{Replica, Seed, Slice, SweepEnd};
//!
//! let (src, dst) = ([192, 0, 2, 7].into(), [198, 51, 100, 1].into());
//! let original = Tuple { src, dst, protocol: Protocol::TCP, layer4: Layer4::Ports { src: 40_000, dst: 443 } };
//! let flow = Flow { id: Some(FlowId(7)), ..Flow::new(PerDirection { original, reply: original.reversed() }) };
//!
//! let mut replica = Replica::new(Seed([1, 2]), 1 << 20);
//! let dump = replica.begin_sweep(Slice::ALL);
//! replica.handle_row(dump, &flow, Steady(1));
//! replica.end_sweep(dump, SweepEnd::Complete, Steady(2));
//!
//! let from = Filter { original_src: [Prefix::host(src)].into_iter().collect(), ..Filter::default() };
//! let found: Vec<_> = replica.select(&from).map(|selected| selected.key).collect();
//! assert_eq!(found, [flow.key()]);
//! assert!(replica.select(&from).knowledge().is_complete());
//! ```
//!
//! # What it promises
//!
//! - **Nothing is missing** if the replica reports [`Knowledge::Complete`]. Every live flow is in the replica if its
//!   NEW event was handed over or if the flow is older than the subscription. This relies on a NEW event for each flow
//!   that begins while the program listens. A rule set that mutes NEW (`ct event set`) breaks the promise, and no event
//!   reveals it.
//! - **Nothing is certain to live.** A flow in the replica may be gone. Either it is older than the subscription and
//!   ended without an event (`nf_conntrack_events=2`), or its end still waits in the socket. A delete carries the id,
//!   so a delete of such a flow ends as "gone" if the successor has another id. An update does not compare the id, so
//!   the flow is read first. Silence ends nothing: packets refresh a timeout without an event.
//! - **Only what never changes is kept**: name and tuples. The kernel does not report every change. If one rule sets a
//!   mark on a packet and another rule then drops the packet, the mark is in the table without an event. The same holds
//!   for status and state. A caller that needs these parts reads the flow.
//!
//! # Why events and rows may interleave
//!
//! Events come through one socket in the order in which the kernel sent them. Rows come through another socket, each
//! filled at some moment of the dump. The program reads both at its own pace. A flow is identified by its tuple, zone
//! and id. The id is a hash of the entry's memory address and its tuple (`nf_ct_get_id`), so a successor *can* have the
//! same id.
//!
//! - *A row newer than the events handed over* does no harm: the remaining events of its flow are on their way and lead
//!   to the same end.
//! - *A row older than the events* must not win. If the end of a flow is handed over while a sweep runs, the replica
//!   remembers it until the sweep has ended, whether or not it knew the flow. A row does not bring that flow back; only
//!   a NEW does. No row of this dump was filled before the sweep began, so earlier ends need no memory: the kernel sets
//!   DYING before it sends DESTROY, and a row filled later carries DYING and is ignored.
//! - *A flow that a complete dump did not list* was absent at some moment of the dump. The replica removes it if
//!   nothing has confirmed it since the sweep began. If it lives after all, it began again after the dump had passed
//!   its place. Then its NEW is still on its way, or was handed over in the meantime and has confirmed it.
//! - *An overrun* (ENOBUFS) is reported *before* the events that still wait in the socket. Until the socket is empty,
//!   the kernel drops all further events without another report (`NETLINK_S_CONGESTED`). So the overrun ends when the
//!   socket has been read empty. A sweep that began earlier does not close it, and no event handed over in between
//!   proves that a flow lives. Afterwards events are contiguous: all flows that began in the overrun are in the table
//!   when the next sweep begins, or are gone.
//! - *Parts of the table* ([`Slice`]) add up only along properties that a flow keeps for life. Only a sweep of a whole
//!   family closes the overrun of that family.
//!
//! If one processor sends a NEW or UPDATE after another has sent the DESTROY, the message usually carries DYING. If it
//! was filled just before, the flow stays until the next sweep: the replica then has one flow too many, never one too
//! few.
//!
//! # How it is built
//!
//! Each family has a slab with records of 28 bytes (IPv4) or 52 bytes (IPv6). The reply tuple is stored separately, and
//! only if it is translated. Two indexes hold handles of 32 bits. The index by identity uses extendible hashing; it is
//! keyed, because senders of packets choose addresses and ports. The index by address is a sorted tree of three levels,
//! and has a flow once for each different address of its two tuples. No step of growth moves more than some kilobytes.
//! `hashbrown` is not used because it grows as a whole: at 1.8 million flows one insertion took 0.1 s, and the old and
//! the new table were held at once.
//!
//! Memory at a million flows, including indexes: 64 bytes for an IPv4 flow, 90 with its source translated; 114 and 178
//! for IPv6. `cargo run --release -p ctwarden-replica --example memory` measures this, and times as well.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod address_index;
mod family_table;
mod flags;
mod follow;
mod knowledge;
mod lasting;
mod record;
mod replica;
mod scan;
mod selection;
mod slab;
mod state;
mod sweep;
mod view;
mod walk;

pub use ctwarden_hash::Seed;
pub use knowledge::Knowledge;
pub use replica::Replica;
pub use selection::Selection;
pub use sweep::{Slice, SweepEnd, SweepToken};
pub use view::Selected;
pub use walk::Walk;
