//! The daemon's side of plugins: prepared from the configuration, each on a thread of its own, with what stands behind
//! their imports.

mod host;
mod prepare;
mod thread;

pub(crate) use prepare::{Kept, Prepared, Preparer, Ready, Reloader, names, summary};
pub(crate) use thread::{PluginThread, Said};
