//! The decisions of ctwarden. Events and verdicts go in; calls of plugins, granted effects and records come out.
//!
//! The engine is a state machine without I/O and without a clock. Tests can check every rule with a short sequence of
//! inputs or with random interleavings, and can let time jump. It consists of two machines:
//!
//! - `intake` feeds plugins: roster, queues, calls, sweeps, ticks, restarts;
//! - `verdicts` checks what plugins return: grants, protections, budgets, the merge, lookups, selections, effects,
//!   records. It does not know `intake`.
//!
//! Start at [`Engine`], whose documentation gives the calling order. A program reports what happens and carries out
//! what [`Engine::poll`] returns:
//!
//! ```
//! use std::collections::BTreeSet;
//!
//! use ctwarden_engine::{Ack, Answer, Engine, EngineConfig, OnFailure, Output, PluginLimits, PluginSpec, TableReader};
//! use ctwarden_model::{
//!     Action, Effect, Event, EventKind, EventKinds, Flow, FlowId, Grants, Layer4, Mode, Now, Outcome, PerDirection,
//!     PluginName, Protocol, Record, Steady, Subscription, Target, Timestamp, Tuple, Verdict, VerdictKind,
//! };
//!
//! let kinds = || [VerdictKind::Delete].into_iter().collect();
//! let spec = PluginSpec {
//!     name: PluginName::new("no-telnet").unwrap(),
//!     mode: Mode::Enforce,
//!     wants: kinds(),
//!     codes: BTreeSet::from(["telnet".to_owned()]),
//!     grants: Grants { kinds: kinds(), ..Grants::default() },
//!     subscription: Subscription {
//!         needs: kinds(),
//!         kinds: EventKinds { new: true, ..EventKinds::default() },
//!         ..Subscription::default()
//!     },
//!     limits: PluginLimits::default(),
//!     on_failure: OnFailure::Restart,
//! };
//! let now = Now { wall: Timestamp(1_700_000_000_000_000_000), steady: Steady(1_000_000_000) };
//! let mut engine = Engine::new(EngineConfig::default(), now);
//! engine.handle_plugins(now, EngineConfig::default(), vec![spec]);
//!
//! // The kernel reports a new flow.
//! let (src, dst) = ([192, 0, 2, 7].into(), [198, 51, 100, 1].into());
//! let original = Tuple { src, dst, protocol: Protocol::TCP, layer4: Layer4::Ports { src: 40_000, dst: 23 } };
//! let flow = Flow { id: Some(FlowId(7)), ..Flow::new(PerDirection { original, reply: original.reversed() }) };
//! engine.handle_event(now, Event { kind: EventKind::New, by_us: false, flow: flow.clone() });
//! engine.handle_flush(now);
//!
//! let mut outcomes = Vec::new();
//! while let Some(output) = engine.poll(TableReader::Busy) {
//!     match output {
//!         // The plugin wants the flow to be deleted.
//!         Output::Call(delivery) => {
//!             let (target, code, reason) = (Target::Entry(0), "telnet".into(), "not allowed here".into());
//!             let verdict = Verdict { target, action: Action::Delete, code, reason };
//!             engine.handle_answer(now, delivery.call, Answer::Verdicts(vec![verdict]));
//!         }
//!         // The kernel deletes it.
//!         Output::Effect(id, effect) => {
//!             assert_eq!(effect.get(), &Effect::Delete(flow.key()));
//!             engine.handle_ack(now, id, Ack::Done);
//!         }
//!         Output::Record(Record::Verdict(record)) => outcomes.push(record.outcome),
//!         other => panic!("nothing else is to be done: {other:?}"),
//!     }
//! }
//! assert_eq!(outcomes, [Outcome::Applied]);
//! ```
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
mod subscribed;
mod tracked;
mod verdicts;

pub use bounds::{BreakerLimits, EngineBounds, PluginBounds, RestartLimits};
pub use config::{EngineConfig, OnFailure, PluginLimits, PluginSpec};
pub use engine::Engine;
pub use ids::{CallId, LookupId, PluginId, SelectionId, SweepId, Ticket};
pub use intake::delivery::{Answer, Call, Delivery};
pub use output::{Output, TableReader};
pub use requests::{Detail, Knows, SelectionRequest, SweepRequest, SweepSource, WaitingSelection, rest_after};
pub use status::{BreakerStatus, CodeCounts, PluginState, PluginStatus, Status, VerdictCounts};
pub use subscribed::Subscribed;
pub use tracked::Tracked;
pub use verdicts::effects::Ack;
pub use verdicts::guard::Granted;
pub use verdicts::lookup::{Looked, Lookup};
pub use verdicts::protected_flows::SPECIAL_NETWORKS;
pub use verdicts::replies::{MessageError, MessageOutcome, REFUSALS, Shortfall, Wait};
pub use verdicts::steering::PauseStatus;
