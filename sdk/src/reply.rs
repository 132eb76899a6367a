//! What comes of a message: a line for its sender, and verdicts.

use crate::Verdicts;
use crate::bindings::exports::ctwarden::policy::policy as wit;

/// What came of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// For the sender; may be empty.
    pub text: String,
    /// What the policy wants done.
    pub verdicts: Verdicts,
}

/// A reply with this text and no verdicts.
pub fn reply(text: impl Into<String>) -> Reply {
    Reply { text: text.into(), verdicts: Verdicts::none() }
}

impl Reply {
    /// The same text, and verdicts.
    #[must_use]
    pub fn with(self, verdicts: impl Into<Verdicts>) -> Self {
        Self { verdicts: verdicts.into(), ..self }
    }
}

impl From<Reply> for wit::Reply {
    fn from(reply: Reply) -> Self {
        Self { text: reply.text, verdicts: reply.verdicts.into_iter().map(Into::into).collect() }
    }
}
