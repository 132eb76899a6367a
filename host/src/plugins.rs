//! The daemon's side of plugins: prepared from the configuration, each on a thread of its own, with what stands behind
//! their imports.

mod config_loader;
mod cover;
mod host;
mod known;
mod loader;
mod needs;
mod parallel;
pub(crate) mod places;
mod reloader;
mod thread;
mod voice;

use config_loader::guest_limits;
pub(crate) use config_loader::{Kept, Prepared, Preparer, Ready, read_configuration, summary};
pub(crate) use loader::{VERB as LOADER_VERB, serve as serve_as_loader};
pub(crate) use needs::names;
pub(crate) use reloader::{Reading, Reloader};
pub(crate) use thread::{PluginThread, Said};
