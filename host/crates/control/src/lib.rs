//! The protocol of the control socket: its requests and answers, their texts for people, and a blocking client.
//!
//! This is a separate crate because unprivileged programs need it too. They link nothing of the daemon.
//!
//! The protocol is JSON lines over a Unix stream socket: one request a line and one answer a line, in order. After the
//! answer to [`Request::Follow`], only records come. The daemon's end is in `host/src/control`.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use ctwarden_control::{Client, Colour, Request, Response};
//!
//! let mut client = Client::connect(Path::new("/run/ctwarden/control.sock"))?;
//! if let Response::Status(report) = client.ask(&Request::Status)? {
//!     print!("{}", report.to_text(Colour::Off));
//! }
//! # Ok::<(), ctwarden_control::ClientError>(())
//! ```

mod client;
mod follow;
mod message;
mod outcomes;
pub mod plain_json;
mod plugin_condition;
mod record_filter;
mod record_line;
mod record_text;
mod rfc3339;
mod status;
mod steering;
mod terminal;
mod warning;

pub use client::{Client, ClientError, Records};
pub use follow::{Follow, Following};
pub use message::{
    AddToSet, ChangedNetwork, ClaimReport, ClaimsOfSet, ClaimsReport, LINE_MAX, RemoveFromSet, Request, Response, Send,
    Sent,
};
pub use outcomes::Outcomes;
pub use plugin_condition::PluginCondition;
pub use record_filter::{Facets, RecordFilter};
pub use record_line::{RecordAlert, RecordBlock, RecordFlow, RecordLine};
pub use record_text::RecordText;
pub use rfc3339::parse_time;
pub use status::{
    CounterReport, Fault, FirewallReport, FlowTable, LastRefusal, ListReport, PluginReport, ReplicaReport, SetReport,
    StatusReport,
};
pub use steering::{ChangeMode, Difference, Pause, ReloadReport, Resume, SwitchedPlugin};
pub use terminal::{Colour, Paint};
pub use warning::Warning;

#[cfg(test)]
mod tests;
