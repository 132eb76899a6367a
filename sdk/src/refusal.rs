//! The reason why a configuration or a message was refused: one line for its sender.

use std::fmt::{self, Display};

/// One line that names the problem and how to solve it.
///
/// Every error converts into a refusal, so `?` works on all errors. Text converts as well:
/// `Err("no ports are given".into())`. For this reason `Refusal` itself does not implement `Error`.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// Returns the line as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts the subject in front of the line: `subject: line`.
    #[must_use]
    pub fn about(self, what: impl Display) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

impl<E: Display> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}
