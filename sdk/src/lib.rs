//! The SDK for authors of policies: write a struct and one function from a flow to verdicts, and build a component.
//!
//! ctwarden passes the connections that a Linux host tracks to policies. A policy returns what to do about them. This
//! complete policy ends every telnet connection, both those that exist when it is loaded and those that begin later:
//!
//! ```
//! use ctwarden_sdk::prelude::*;
//! struct NoTelnet;
//! impl Policy for NoTelnet {
//!     type Config = Nothing;
//!     const WANTS: &[VerdictKind] = &[VerdictKind::Delete];
//!     fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> { Ok(Self) }
//!     fn subscription(&self) -> Subscription { Subscription::default().only(Filter::new().tcp().dst_port(23)) }
//!     fn judge(&mut self, _: &Flow) -> Verdicts { delete().because("telnet", "telnet is not allowed here").into() }
//! }
//! export!(NoTelnet);
//! ```
//!
//! # The parts of a policy
//!
//! - **[`Policy::WANTS`]** lists the kinds of verdicts that the policy may return. A verdict also needs a grant of the
//!   operator. If a configuration needs fewer kinds, [`Subscription::needs`] says which.
//! - **[`Policy::CODES`]** lists the codes of its verdicts, which become labels in metrics.
//! - **[`Policy::Config`]** is the type of the configuration. The host checks what the operator wrote against the JSON
//!   schema of this type.
//! - **[`Subscription`]** says what the host delivers: kinds of events, filters, sweeps, ticks. The host filters early.
//! - **[`Policy::judge`]** takes one [`Flow`] and returns [`Verdicts`]. The struct itself is the state between calls.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::net::IpAddr;
//! use std::time::Duration;
//!
//! use ctwarden_sdk::prelude::*;
//! use serde::Deserialize;
//!
//! /// Alerts when one source begins many connections in a short time.
//! struct Rate {
//!     settings: Settings,
//!     begun: BTreeMap<IpAddr, u32>,
//! }
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(rename_all = "kebab-case", deny_unknown_fields)]
//! struct Settings {
//!     /// New connections in ten seconds that are still normal.
//!     normal: u32,
//!     /// Sources that are never reported.
//!     #[serde(default)]
//!     trusted: Vec<Prefix>,
//! }
//!
//! impl Policy for Rate {
//!     type Config = Settings;
//!     const WANTS: &[VerdictKind] = &[VerdictKind::Alert];
//!
//!     fn configure(settings: Settings, _: Timestamp) -> Result<Self, Refusal> {
//!         if settings.normal == 0 {
//!             return Err("normal: 0 would report everybody".into());
//!         }
//!         Ok(Self { settings, begun: BTreeMap::new() })
//!     }
//!
//!     fn subscription(&self) -> Subscription {
//!         Subscription::to(&[Kind::New]).tick_every(Duration::from_secs(10))
//!     }
//!
//!     fn judge(&mut self, flow: &Flow) -> Verdicts {
//!         if self.settings.trusted.iter().any(|network| network.contains(flow.src())) {
//!             return Verdicts::none();
//!         }
//!         let begun = self.begun.entry(flow.src()).or_default();
//!         *begun += 1;
//!         if *begun != self.settings.normal + 1 {
//!             return Verdicts::none();
//!         }
//!         let key = flow.src().to_string();
//!         alert(format!("{key} begins many connections")).key(key).because("rate", "").into()
//!     }
//!
//!     fn tick(&mut self, _: Timestamp) -> Verdicts {
//!         self.begun.clear();
//!         Verdicts::none()
//!     }
//! }
//!
//! export!(Rate);
//!
//! // In a test, natively:
//! use ctwarden_sdk::testing::{flow, json, start};
//!
//! let mut policy = start::<Rate>(json!({ "normal": 2 })).unwrap();
//! assert!(policy.events([flow(), flow()]).is_empty());
//! let lines = policy.event(flow()).lines();
//! assert_eq!(lines, ["alert \"192.0.2.1 begins many connections\" on entry 0: rate"]);
//! policy.tick();
//! assert!(policy.event(flow()).is_empty());
//! ```
//!
//! # What a policy can read
//!
//! - [`Flow`] has the values that the entry carried, and asks the host for rare attributes such as helper and labels.
//! - [`sets`] looks up addresses in lists that the operator keeps.
//! - [`table`] says how full the kernel's table is.
//! - [`memory`] outlives restarts.
//! - A [`Counter`] is a sum or a number of distinct values over a sliding window, by key.
//!
//! A policy that implements [`Outcomes`] also hears what became of its verdicts.
//!
//! Text that a policy prints becomes log lines. A policy has no files, no network and no handle to the kernel.
//!
//! # Building
//!
//! A policy is a library crate with `crate-type = ["cdylib", "rlib"]`: the first for the component, the second for
//! tests. `cargo build --release --target wasm32-wasip2` builds the component.

#![warn(missing_docs)]

#[cfg(all(target_family = "wasm", not(target_env = "p2")))]
compile_error!("a policy is built for wasm32-wasip2: cargo build --target wasm32-wasip2");

mod address;
mod alert;
mod batch;
#[doc(hidden)]
pub mod bindings;
mod block;
mod configuration;
mod counter;
mod endpoints;
mod entry;
pub mod expectation;
mod export;
mod filter;
mod flow;
mod flow_facts;
mod host;
mod lifetime;
mod masked;
mod member;
pub mod memory;
pub mod outcome;
mod policy;
mod ports;
mod prefix;
mod prefix_map;
#[cfg(test)]
mod protocol;
mod reason_code;
mod refusal;
mod reply;
mod set_change;
pub mod sets;
mod status;
mod subscription;
pub mod table;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod time;
pub mod verdict;
mod verdicts;

pub use ctwarden_net::{
    DccpState, Family, Masked, MaskedError, PortRange as Ports, PortRangeError as PortsError, PrefixError, Protocol,
    ProtocolError, SctpState, TcpState,
};
pub use schemars;

pub use self::alert::{Alert, Severity, alert};
pub use self::batch::{Batch, Extent};
pub use self::block::{Block, block};
pub use self::configuration::{Configuration, Nothing};
pub use self::counter::{Counter, CounterKey, Counting, Distinct, Sum};
pub use self::endpoints::{Endpoints, FlowTuple};
pub use self::entry::{Counters, Entry, FlowKey, Icmp, Kind};
pub use self::expectation::Expectations;
#[doc(hidden)]
pub use self::export::{Instance as __Instance, check_crate as __check_crate};
pub use self::filter::Filter;
pub use self::flow::{Flow, Labels};
pub use self::lifetime::{Lifetime, LifetimeError};
pub use self::member::{Member, Service};
pub use self::outcome::{Outcome, Outcomes};
pub use self::policy::Policy;
pub use self::prefix::Prefix;
pub use self::prefix_map::{PrefixMap, PrefixSet};
pub use self::reason_code::ReasonCode;
#[doc(hidden)]
pub use self::reason_code::check_codes as __check_codes;
pub use self::refusal::Refusal;
pub use self::reply::{Reply, reply};
pub use self::set_change::SetChange;
pub use self::status::Status;
pub use self::subscription::Subscription;
pub use self::time::Timestamp;
pub use self::verdict::{
    Verdict, VerdictKind, delete, kill, labels, log, mark, protect, sweep, timeout, unblock, unblock_service,
};
pub use self::verdicts::Verdicts;

/// The items that a policy usually needs: `use ctwarden_sdk::prelude::*;`.
pub mod prelude {
    pub use schemars::{self, JsonSchema};

    pub use crate::{
        Alert, Batch, Block, Configuration, Counter, CounterKey, Counters, DccpState, Distinct, Endpoints, Entry,
        Expectations, Extent, Family, Filter, Flow, FlowKey, FlowTuple, Icmp, Kind, Labels, Lifetime, Masked, Nothing,
        Outcome, Outcomes, Policy, Ports, Prefix, PrefixMap, PrefixSet, Protocol, ReasonCode, Refusal, Reply,
        SctpState, Service, SetChange, Severity, Status, Subscription, Sum, TcpState, Timestamp, Verdict, VerdictKind,
        Verdicts, alert, block, delete, export, kill, labels, log, mark, memory, protect, reply, sets, sweep, table,
        timeout, unblock, unblock_service,
    };
}
