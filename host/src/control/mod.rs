//! The control socket: how commands such as `ctwarden status` talk to the running daemon.
//!
//! This is the daemon's end. [`ctwarden_control`] has the protocol and the client. The socket's owner and mode decide
//! who may connect, and the daemon checks the peer's credentials again.

mod condition;
mod seats;
mod server;

pub(crate) use condition::condition;
pub(crate) use ctwarden_control::{
    AddToSet, ChangeMode, ChangedNetwork, ClaimReport, ClaimsOfSet, ClaimsReport, Client, CounterReport, Difference,
    Fault, FirewallReport, FlowTable, LastRefusal, ListReport, Pause, PluginReport, ReloadReport, RemoveFromSet,
    ReplicaReport, Request, Response, Resume, Send, Sent, SetReport, StatusReport, SwitchedPlugin, Warning,
};
pub(crate) use server::{ControlRequest, ControlServer};

#[cfg(test)]
mod tests;
