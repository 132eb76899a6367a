//! The daemon's side of plugins: loads them as configured, runs each on its own thread, and answers their imports.

mod cached_examination;
mod config_loader;
mod counters;
mod cover;
mod host;
mod limits;
mod loader;
mod log_rate;
mod native_code;
mod needs;
mod outline;
mod parallel;
pub(crate) mod places;
mod processor_time;
mod reloader;
mod thread;

pub(crate) use config_loader::{ConfigLoader, LoadedConfig, LoadedPlugin, StateDirectory, read_configuration, summary};
pub(crate) use counters::CounterSize;
pub(crate) use loader::{VERB as LOADER_VERB, serve as serve_as_loader};
pub(crate) use native_code::{COMPILE_VERB, NativeCode, compile as compile_builtins};
pub(crate) use needs::names;
pub(crate) use outline::PluginOutline;
pub(crate) use reloader::{ReloadId, Reloader};
pub(crate) use thread::{PluginReply, PluginThread};
