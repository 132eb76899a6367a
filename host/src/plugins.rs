//! The daemon's side of plugins: prepared from the configuration, each on a thread of its own, with what stands behind
//! their imports.

mod cover;
mod host;
mod known;
mod loader;
mod needs;
mod parallel;
pub(crate) mod places;
mod prepare;
mod reloader;
mod thread;
mod voice;

pub(crate) use loader::{VERB as LOADER_VERB, serve as serve_as_loader};
pub(crate) use needs::names;
use prepare::guest_limits;
pub(crate) use prepare::{Kept, Prepared, Preparer, Ready, read_configuration, summary};
pub(crate) use reloader::{Reading, Reloader};
pub(crate) use thread::{PluginThread, Said};
