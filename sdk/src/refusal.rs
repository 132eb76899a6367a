//! Why a configuration or a message was refused: one line for the person who sent it.

use std::fmt::{self, Display};

/// One line that names what is wrong and the way out.
///
/// Every error converts into it, so `?` works on all of them, and so does text: `Err("no ports are given".into())`. For
/// that it is itself no error type.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same with what it is about in front: `about: line`.
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
