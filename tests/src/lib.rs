//! The harness of the end-to-end tests: each test has its own network namespace, the real daemon and real traffic.
//!
//! Only the kernel can tell whether a verdict took effect, so the harness shares no code with the daemon. It starts the
//! daemon's binary as a person would, and asks Debian's `conntrack` and `nft` about the result. A test begins with
//! [`Scene::new`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step of a test that fails is a test that fails, and its message is the panic"
)]

mod command;
mod daemon;
mod ftp;
pub mod graft;
mod hash_table;
mod label_map;
mod likeness;
mod listener;
mod namespace;
mod nftables;
mod patience;
mod peer;
mod policy;
mod privilege;
mod program;
mod records;
mod scene;
mod terminal;
mod traffic;
mod witness;

pub use command::Said;
pub use daemon::{Daemon, Ended};
pub use ftp::Ftp;
pub use hash_table::HashTable;
pub use label_map::with_label_map;
pub use likeness::{Built, difference};
pub use listener::Listener;
pub use namespace::{Beside, Namespace, ip};
pub use nftables::{Element, counter, elements, holds, load, set_elements, try_load};
pub use patience::{PATIENCE, eventually, stays};
pub use peer::Peer;
pub use policy::Policy;
pub use privilege::skip;
pub use program::{agent, component, conntrack, conntrack_verb, copy_of, ctwarden, original, original_version};
pub use records::{Record, Records, follows_schema};
pub use scene::Scene;
pub use terminal::Terminal;
pub use traffic::{Tcp, Udp, ping};
pub use vt100::Color;
pub use witness::{Entry, Way, expectations, insert, insert_all, remove, table, update};
