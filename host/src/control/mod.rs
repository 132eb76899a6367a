//! The control socket: how commands such as `ctwarden status` talk to the running daemon.
//!
//! The protocol is JSON lines over a Unix stream socket: one request a line and one answer a line, in order. The
//! socket's owner and mode decide who may connect, and the daemon checks the peer's credentials again.

mod client;
mod message;
mod outcomes;
mod plugin_condition;
mod seats;
mod server;
mod status;

pub(crate) use client::Client;
pub(crate) use message::{
    AddToSet, ChangedNetwork, ClaimReport, ClaimsOfSet, ClaimsReport, RemoveFromSet, Request, Response, Send, Sent,
};
pub(crate) use plugin_condition::PluginCondition;
pub(crate) use server::{ControlRequest, ControlServer};
pub(crate) use status::{
    CounterReport, Fault, FirewallReport, FlowTable, LastRefusal, ListReport, PluginReport, ReplicaReport, SetReport,
    StatusReport,
};

pub(crate) use crate::warning::Warning;

#[cfg(test)]
mod tests;
