//! A replica of the connection tracking table, kept from events and dumps.
//!
//! It exists because a dump of a million entries takes seconds, and a ban has milliseconds: with the replica, the flows of an
//! address are found through an index. No clock, no I/O, no unsafe. Start at [`Replica`], whose documentation gives the
//! calling order.
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
//! - **Nothing is missing** where [`Knowledge::Complete`] is said: every flow that lives, and whose NEW was handed over or
//!   that is older than the subscription, is in the replica. It rests on each flow that is born while we listen saying NEW:
//!   a rule set that mutes NEW (`ct event set`) breaks it, and nothing in the events would tell.
//! - **Nothing is certain to live.** A flow in the replica may be gone: it is older than the subscription and ended without a
//!   word (`nf_conntrack_events=2`), or its end still waits in the socket. A delete carries the id,
//!   so that one for such a flow ends as "gone" where the successor has another id. An update does not compare it, so that
//!   the flow is read before. Silence ends nothing: packets refresh a timeout without an event.
//! - **Only what never changes is kept**: name and tuples. Not every change is told: a mark that a rule sets on a packet and
//!   another rule then drops is in the table without an event, and so are status and state. Whoever asks for them reads the
//!   flow.
//!
//! # Why events and rows may interleave
//!
//! Events come through one socket in the order in which they were sent; rows come through another, each filled at some
//! moment of the dump, and the program reads both at its own pace. A flow is its tuple, zone and id; the id is a hash of the
//! entry's place in memory and its tuple (`nf_ct_get_id`), so that a successor *can* have the same.
//!
//! - *A row newer than the events handed over* does no harm: what events still have to say of its flow is on its way, and
//!   leads to the same end.
//! - *A row older than them* must not win. The end of a flow that is handed over while a sweep runs is remembered until the
//!   sweep has ended, known flow or not, and a row does not bring that flow back; only a NEW does. No row of this dump was
//!   filled before the sweep began, so ends from before need no memory: the kernel sets DYING before it sends DESTROY, and
//!   what was filled later carries it and is passed over.
//! - *A flow that a complete dump did not list* was absent at some moment of it. If nothing confirmed it since the sweep
//!   began, it is taken out. If it lives all the same, it was born again after its place in the dump was read: then its NEW
//!   is still on its way, or was handed over since and has confirmed it.
//! - *A loss* (ENOBUFS) is told *before* the events that still wait in the socket, and until that is empty the kernel drops
//!   all that comes, without another word (`NETLINK_S_CONGESTED`). So the overrun ends when the socket has been read empty, a
//!   sweep that began earlier does not close it, and nothing handed over in between proves that a flow lives. Afterwards
//!   events are contiguous: all flows that were born in the overrun are in the table when the next sweep begins, or are gone.
//! - *Parts of the table* ([`Slice`]) add up only along what a flow keeps for life; only a sweep of a whole family closes the
//!   overrun of that family.
//!
//! A NEW or UPDATE that one processor sends after another has sent the DESTROY carries DYING as a rule. Where it was filled
//! just before, the flow stays until the next sweep: one too many, never one too few.
//!
//! # How it is built
//!
//! Records of 28 bytes (IPv4) and 52 (IPv6) in a slab of each family, the reply tuple beside it only where it is translated;
//! an index by identity (extendible hashing, keyed, as addresses and ports are chosen by whoever sends packets) and an
//! index by address (a sorted tree of three levels) hold handles of 32 bits. A flow is in the index of addresses once for
//! each different address of its two tuples. No step of growth moves more than some kilobytes. `hashbrown` was left out: it
//! grows as a whole, which at 1.8 million was one insertion of 0.1 s, with the old and the new table held at once.
//!
//! At a million flows: 64 bytes an IPv4 flow, 90 with its source translated; 114 and 178 of IPv6, indexes included
//! (`cargo run --release -p ctwarden-replica --example memory`, which also measures times).
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
mod knowledge;
mod record;
mod replica;
mod selection;
mod shelf;
mod slab;
mod state;
mod sweep;
mod view;
mod walk;
mod way;

pub use hash::Seed;
pub use knowledge::Knowledge;
pub use replica::Replica;
pub use selection::Selection;
pub use sweep::{Slice, SweepEnd, SweepToken};
pub use view::Selected;
pub use walk::Walk;
