//! The daemon and everything else that the program `ctwarden` does.
//!
//! The crate is a library so that the readers of untrusted bytes can be fuzzed. Its only users are the program and the
//! fuzz targets.

mod address_sets;
mod claims;
mod cli;
mod clock;
mod config;
mod control;
mod doctor;
mod effects;
mod event_loop;
mod firewall;
mod following;
#[doc(hidden)]
pub mod fuzzing;
mod kills;
mod log;
mod manual;
mod netlink;
mod never_banned;
mod niceness;
mod plugins;
mod seed;
mod set_file;
mod sinks;
mod store;
mod sys;
mod table_name;
mod trusted_path;
#[cfg(test)]
mod witness;

pub use cli::run;
