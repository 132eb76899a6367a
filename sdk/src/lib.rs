//! What a policy author depends on: write a struct and one function from a flow to verdicts, get a component.
//!
//! A policy of [ctwarden](https://github.com/ctwarden/ctwarden) sees the connections that a Linux host tracks and says what
//! is to be done about them. This is a whole one:
//!
//! ```
//! use ctwarden_sdk::prelude::*;
//!
//! struct NoTelnet;
//!
//! impl Policy for NoTelnet {
//!     type Config = Nothing;
//!     const WANTS: &'static [VerdictKind] = &[VerdictKind::Delete];
//!
//!     fn configure(_: Nothing) -> Result<Self, Refusal> {
//!         Ok(Self)
//!     }
//!
//!     fn judge(&mut self, flow: &Flow) -> Verdicts {
//!         if flow.is_tcp() && flow.dst_port() == Some(23) {
//!             delete().because("telnet", "telnet is not allowed here").into()
//!         } else {
//!             Verdicts::none()
//!         }
//!     }
//! }
//!
//! export!(NoTelnet);
//! ```
mod address;
mod alert;
mod batch;
#[doc(hidden)]
pub mod bindings;
mod block;
mod configuration;
mod endpoints;
mod entry;
pub mod expectation;
mod export;
mod filter;
mod flow;
mod host;
mod masked;
pub mod memory;
mod number_or_text;
mod policy;
mod ports;
mod prefix;
mod prefix_map;
mod protocol;
mod refusal;
mod reply;
pub mod sets;
mod status;
mod subscription;
pub mod table;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod time;
pub mod verdict;
mod verdicts;

pub use schemars;

pub use self::address::Family;
pub use self::alert::{Alert, Severity, alert};
pub use self::batch::Batch;
pub use self::block::{Block, block};
pub use self::configuration::{Configuration, Nothing};
pub use self::endpoints::Endpoints;
pub use self::entry::{Counters, Entry, FlowKey, Icmp, Kind};
pub use self::expectation::Expectations;
#[doc(hidden)]
pub use self::export::Instance as __Instance;
pub use self::filter::Filter;
pub use self::flow::{Flow, Labels};
pub use self::masked::{Masked, MaskedError};
pub use self::policy::Policy;
pub use self::ports::{Ports, PortsError};
pub use self::prefix::{Prefix, PrefixError};
pub use self::prefix_map::{PrefixMap, PrefixSet};
pub use self::protocol::{DccpState, Protocol, ProtocolError, SctpState, TcpState};
pub use self::refusal::Refusal;
pub use self::reply::{Reply, reply};
pub use self::status::Status;
pub use self::subscription::Subscription;
pub use self::time::Timestamp;
pub use self::verdict::{Verdict, VerdictKind, delete, labels, log, mark, protect, sweep, timeout, unblock};
pub use self::verdicts::Verdicts;

/// Everything that a policy usually needs: `use ctwarden_sdk::prelude::*;`.
pub mod prelude {
    pub use schemars::{self, JsonSchema};

    pub use crate::{
        Alert, Batch, Block, Configuration, Counters, DccpState, Endpoints, Entry, Expectations, Family, Filter, Flow,
        FlowKey, Icmp, Kind, Labels, Masked, Nothing, Policy, Ports, Prefix, PrefixMap, PrefixSet, Protocol, Refusal,
        Reply, SctpState, Severity, Status, Subscription, TcpState, Timestamp, Verdict, VerdictKind, Verdicts, alert,
        block, delete, export, labels, log, mark, memory, protect, reply, sets, sweep, table, timeout, unblock,
    };
}
