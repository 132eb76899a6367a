//! Who fills a set.

use alloc::sync::Arc;
use core::fmt;

use ctwarden_model::PluginName;

/// A source of claims. Only the same source changes or removes its claims.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `entries` of the configuration.
    Configuration,
    /// The list file of the set. Each version of the file replaces the claims of the one before.
    File,
    /// A person or a program at the control socket, by name.
    Control(Arc<str>),
    /// The verdicts of a policy.
    Plugin(PluginName),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("the configuration"),
            Self::File => f.write_str("the list file"),
            Self::Control(name) => f.write_str(name),
            Self::Plugin(name) => write!(f, "policy {name}"),
        }
    }
}
