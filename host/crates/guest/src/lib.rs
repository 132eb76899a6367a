//! Runs plugins: loads a component, describes it, starts instances and calls them. Every failure of a plugin becomes a
//! value: a [`Fault`](ctwarden_model::Fault) or an error.
//!
//! Only this crate uses wasmtime. The rest of the daemon sees plugins as functions over the values of the model.
//!
//! ```
//! use ctwarden_guest::{LoadError, Limits, Runtime};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/guests/components");
//! # let folder = std::env::var_os("CTWARDEN_GUESTS").unwrap_or_else(|| built.into());
//! # let folder = std::path::Path::new(&folder);
//! // `cargo xtask guests` builds the components.
//! let bytes = std::fs::read(folder.join("mark-by-service.wasm"))?;
//! let runtime = Runtime::new()?;
//! let component = runtime.load(&bytes)?;
//! assert_eq!(component.interface_version(), "0.1.0");
//! // In an instance that reaches nothing and is dropped.
//! let descriptor = component.describe(Limits::default())?;
//! assert_eq!(descriptor.name, "mark-by-service");
//! assert!(matches!(runtime.load(b"text"), Err(LoadError::NotWasm)));
//! # Ok(())
//! # }
//! ```
//!
//! A program that runs plugins implements [`Host`], which answers the calls of the plugins:
//!
//! ```no_run
//! # use ctwarden_guest::{Component, Host, Limits};
//! # use ctwarden_model::{Batch, PluginName, Timestamp, Verdict};
//! # type Failure = Box<dyn std::error::Error>;
//! fn judge(
//!     component: &Component,
//!     host: Box<dyn Host>,
//!     now: Timestamp,
//!     batch: &Batch,
//! ) -> Result<Vec<Verdict>, Failure> {
//!     let mut instance = component.instantiate(PluginName::new("mark")?, Limits::default(), host)?;
//!     let _subscription = instance.configure(now, "{}")?;
//!     let verdicts = instance.judge(batch)?;
//!     instance.stop()?;
//!     Ok(verdicts)
//! }
//! ```
//!
//! # Threads
//!
//! Calls are synchronous: a call returns when the plugin returns, or when a limit ends it. A plugin can wait only in
//! `wasi:io/poll`. The host side of that interface is in this crate and ends with the time of the call (`wasi::poll`).
//! Asynchronous calls would need a stack for each call and an executor on each thread. One thread at a time uses an
//! [`Instance`]; the thread's stack needs at least 1 MiB. No executor is necessary; within an executor, a call blocks
//! it.

mod archive;
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

pub use archive::{ArchiveError, CodeArchive};
pub use cache::{CacheError, CodeCache, ComponentKey};
pub use code::{CODE_BYTES_MAX, Code};
pub use component::{COMPONENT_BYTES_MAX, Component, LoadError, TooHeavy};
pub use console::LOG_LINE_BYTES;
pub use descriptor::DescribeError;
pub use host::{Host, LogStream, no_counter};
pub use instance::{ConfigureError, Instance};
pub use limits::Limits;
pub use runtime::{Runtime, RuntimeError};
pub use ticker::TICK;
