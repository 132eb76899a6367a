//! What ctwarden decides: events and verdicts in, calls of plugins, granted effects and records out.
//!
//! It is a state machine without I/O and without a clock, so that every rule of it can be tested by a sentence and by
//! random interleavings, with time that jumps. Start at [`Engine`], whose documentation gives the calling order.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod aim;
mod alerts;
mod answer;
mod arbitrate;
mod audit;
mod batch;
mod blocked;
mod breaker;
mod budget;
mod collect;
mod config;
mod delivery;
mod ends;
mod engine;
mod expectations;
mod guard;
mod ids;
mod laggard;
mod lookup;
mod message;
mod network;
mod open;
mod pace;
mod pending;
mod plugin;
mod protect;
mod protections;
mod queue;
mod reload;
mod repeats;
mod selection;
mod sight;
mod status;
mod stop;
mod supervise;
mod sweep;
mod sweep_request;
mod tick;
mod timeout;
mod tracked;
mod turn;
mod waiting;

pub use config::{BreakerLimits, EngineConfig, OnFailure, PluginLimits, PluginSpec, RestartLimits};
pub use delivery::{Answer, Call, Delivery};
pub use engine::{Engine, Subscribed};
pub use guard::Granted;
pub use ids::{CallId, LookupId, PluginId, SweepId, Ticket};
pub use lookup::{Looked, Lookup};
pub use message::{MessageError, MessageOutcome, REFUSALS, Shortfall, Wait};
pub use pending::Ack;
pub use status::{BreakerStatus, PluginState, PluginStatus, Status, VerdictCounts};
pub use sweep_request::{Detail, Knows, SelectionRequest, SweepRequest};
pub use tracked::Tracked;
