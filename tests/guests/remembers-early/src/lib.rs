//! Counts in its lasting memory how often it was configured, and refuses its configuration if it cannot.
//!
//! This guest shows that a plugin may use its memory as soon as it is configured, and which writes last: only those of
//! an instance that goes on to run.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::bindings::ctwarden::conntrack::memory;
use plugin::{Action, Target};
use plugin::{Provoked, Subscription, Verdict, everything, verdict};

const KEY: &str = "configured";

pub struct RemembersEarly;

fn count() -> u32 {
    memory::get(KEY).and_then(|value| Some(u32::from_le_bytes(value.try_into().ok()?))).unwrap_or(0)
}

impl Provoked for RemembersEarly {
    /// Records how often the plugin was configured.
    fn misbehave() -> Vec<Verdict> {
        vec![verdict(Target::None, Action::Log(vec![("configured".to_owned(), count().to_string())]), "configured")]
    }

    fn configure(_configuration: &str) -> Result<Subscription, String> {
        memory::set(KEY, &(count() + 1).to_le_bytes())?;
        if memory::get(KEY).is_none() || memory::keys("conf").len() != 1 {
            return Err("what was set is not there".to_owned());
        }
        Ok(everything())
    }
}

plugin::export_plugin!(RemembersEarly);
