//! What prevents policies from working, as `ctwarden status`, `ctwarden check` and the log report it.
//!
//! The doctor and the event loop produce warnings, and the control socket carries them. None of the three imports
//! another for them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A property of the machine that prevents policies from working.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The subject: the name of the doctor's check.
    pub about: String,
    /// The observation and its consequence.
    pub text: String,
    /// Command line that changes it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)?;
        self.change.iter().try_for_each(|command| write!(f, "; to change it: {command}"))
    }
}
