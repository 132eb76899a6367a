//! The control socket: how commands such as `ctwarden status` talk to the running daemon.
//!
//! This is the daemon's end. [`ctwarden_control`] has the protocol and the client. The socket's owner and mode decide
//! who may connect, and the daemon checks the peer's credentials again.

mod condition;
mod seats;
mod server;

pub(crate) use condition::condition;
pub(crate) use ctwarden_control::{
    AddToSet, ChangedNetwork, ClaimReport, ClaimsOfSet, ClaimsReport, Client, CounterReport, Fault, FirewallReport,
    FlowTable, LastRefusal, ListReport, PluginReport, RemoveFromSet, ReplicaReport, Request, Response, Send, Sent,
    SetReport, StatusReport, Warning,
};
pub(crate) use server::{ControlRequest, ControlServer};

#[cfg(test)]
mod tests;
