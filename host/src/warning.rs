//! What keeps policies from their work, as `ctwarden status`, `ctwarden check` and the log report it.
//!
//! The doctor and the event loop produce warnings, and the control socket carries them. None of the three depends on another for them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something about the machine that keeps policies from their work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Warning {
    /// What it is about: the name of the doctor's check.
    pub about: String,
    /// What is so, and what follows.
    pub text: String,
    /// Command line that changes it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)?;
        self.change.iter().try_for_each(|command| write!(f, "; to change it: {command}"))
    }
}
