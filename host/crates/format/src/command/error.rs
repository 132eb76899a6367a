//! Why a command line was refused, in the words that users and scripts know.

use alloc::string::String;
use alloc::vec::Vec;

use thiserror::Error;

/// The version that the messages imitate; it is part of every message.
pub const VERSION: &str = "1.4.9";

/// The mistake, and the warnings that came before it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct Refused {
    /// Lines for standard error, to print before the problem, each without its newline.
    pub warnings: Vec<String>,
    pub problem: Problem,
}

/// A mistake. Its `Display` is the message that standard error shows after [`Problem::PREFIX`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The words are wrong: exit status 2, and a hint about the help follows.
    #[error("{0}")]
    Parameter(String),
    /// Any other mistake: exit status 1.
    #[error("{0}")]
    Other(String),
}

pub(super) type Checked<T> = Result<T, Problem>;

pub(super) fn parameter<T>(text: impl Into<String>) -> Checked<T> {
    Err(Problem::Parameter(text.into()))
}

pub(super) fn other<T>(text: impl Into<String>) -> Checked<T> {
    Err(Problem::Other(text.into()))
}

impl Problem {
    /// The start of each message.
    pub const PREFIX: &str = "conntrack v1.4.9 (conntrack-tools): ";
    /// The line after a message about a parameter.
    pub const HINT: &str = "Try `conntrack -h' or 'conntrack --help' for more information.";

    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Parameter(_) => 2,
            Self::Other(_) => 1,
        }
    }

    /// The line after the message.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Parameter(_) => Some(Self::HINT),
            Self::Other(_) => None,
        }
    }
}

/// Exit status of `-D` and `-U` with `--exit-code` if nothing matched.
pub const NOTHING_MATCHED: u8 = 3;
