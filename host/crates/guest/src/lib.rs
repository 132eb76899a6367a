//! Runs plugins: loads a component, describes it, starts instances and calls them, and turns whatever they do wrong
//! into a value.
//!
//! The only crate that names wasmtime, so that the rest of the daemon meets plugins as functions over the model's
//! values and nothing that a plugin does can reach it but through [`Fault`](ctwarden_model::Fault).
//!
//! ```no_run
//! # use ctwarden_guest::{Host, Limits, Runtime};
//! # use ctwarden_model::{Batch, Timestamp};
//! # fn run(bytes: &[u8], host: Box<dyn Host>, now: Timestamp, batch: &Batch) -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::new()?;
//! let component = runtime.load(bytes)?;
//! let descriptor = component.describe(Limits::default())?;
//! let name = ctwarden_model::PluginName::new(&descriptor.name)?;
//! let mut instance = component.instantiate(name, Limits::default(), host)?;
//! let subscription = instance.configure(now, "{}")?;
//! let verdicts = instance.judge(batch)?;
//! instance.stop()?;
//! # Ok(())
//! # }
//! ```
//!
//! Calls are synchronous. What would speak for asynchronous ones is a plugin that sleeps, and there is one place only
//! where a plugin can wait: `wasi:io/poll`, whose host side is ours and ends the call when its time is over
//! (`wasi::poll`). Asynchronous calls would put every call on a stack of its own for that, and ask for an executor on
//! each plugin's thread. An [`Instance`] is used by one thread at a time, with at least 1 MiB of stack; it needs no
//! executor and may be called within one, which it then blocks.

mod budget;
mod cache;
mod code;
mod component;
mod console;
mod descriptor;
mod fault;
mod host;
mod instance;
mod interface;
mod limiter;
mod limits;
mod runtime;
mod shared;
mod state;
mod stop;
mod text;
mod ticker;
mod v0_1;
mod versions;
mod waits;
mod wasi;
mod weight;

pub use cache::{CacheError, CodeCache, ComponentKey};
pub use code::{CODE_BYTES_MAX, Code};
pub use component::{COMPONENT_BYTES_MAX, Component, LoadError, TooHeavy};
pub use console::LOG_LINE_BYTES;
pub use descriptor::DescribeError;
pub use host::{Host, LogStream};
pub use instance::{ConfigureError, Instance};
pub use limits::Limits;
pub use runtime::{Runtime, RuntimeError};
pub use ticker::TICK;
