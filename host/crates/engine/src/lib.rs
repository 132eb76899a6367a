//! What ctwarden decides: events and verdicts in, calls of plugins, granted effects and records out.
//!
//! It is a state machine without I/O and without a clock, so that every rule of it can be tested by a sentence and by
//! random interleavings, with time that jumps. Start at [`Engine`], whose documentation gives the calling order.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bounds;
mod config;
mod engine;
mod ids;
mod intake;
mod output;
mod per_plugin;
mod requests;
mod status;
mod tracked;
mod verdicts;

pub use bounds::{BreakerLimits, EngineBounds, PluginBounds, RestartLimits};
pub use config::{EngineConfig, OnFailure, PluginLimits, PluginSpec};
pub use engine::{Engine, Subscribed};
pub use ids::{CallId, LookupId, PluginId, SelectionId, SweepId, Ticket};
pub use intake::delivery::{Answer, Call, Delivery};
pub use output::{Output, TableReader};
pub use requests::{Detail, Knows, SelectionRequest, SweepRequest, SweepSource, WaitingSelection};
pub use status::{BreakerStatus, PluginState, PluginStatus, Status, VerdictCounts};
pub use tracked::Tracked;
pub use verdicts::effects::Ack;
pub use verdicts::guard::Granted;
pub use verdicts::lookup::{Looked, Lookup};
pub use verdicts::replies::{MessageError, MessageOutcome, REFUSALS, Shortfall, Wait};
