//! Runs a policy natively, without WebAssembly and without root. A test delivers flows, sweeps, ticks and messages, and
//! compares the verdicts.
//!
//! ```
//! use ctwarden_sdk::prelude::*;
//! use ctwarden_sdk::testing::{flow, json, start};
//! # struct NoTelnet;
//! # impl Policy for NoTelnet {
//! #     type Config = Nothing;
//! #     const WANTS: &'static [VerdictKind] = &[VerdictKind::Delete];
//! #     fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> { Ok(Self) }
//! #     fn judge(&mut self, flow: &Flow) -> Verdicts {
//! #         if flow.is_tcp() && flow.dst_port() == Some(23) { delete().because("telnet", "not here").into() }
//! #         else { Verdicts::none() }
//! #     }
//! # }
//!
//! let mut policy = start::<NoTelnet>(json!({})).unwrap();
//! let telnet = flow().tcp().from("192.0.2.1:4000").to("198.51.100.7:23");
//! let ssh = flow().tcp().from("192.0.2.1:4001").to("198.51.100.7:22").established();
//! assert_eq!(policy.events([ssh, telnet]).lines(), ["delete on entry 1: telnet: not here"]);
//! ```
//!
//! The harness behaves like the host: it delivers only what the subscription asks for. It fails the test if the host
//! would refuse a verdict, for example a kind that the policy does not want or a mark without a flow. It does not carry
//! out verdicts: the test delivers what follows from them.
//!
//! This module exists only in native builds.
#![expect(clippy::panic, reason = "a check that does not hold in a test is a panic")]

mod answer;
mod counters;
mod flow;
mod harness;
pub(crate) mod imports;
#[cfg(test)]
mod tests;

pub use serde_json::json;

pub use self::answer::Answer;
pub use self::flow::{FlowBuilder, flow};
pub use self::harness::{Harness, start};
pub use self::imports::Host;
