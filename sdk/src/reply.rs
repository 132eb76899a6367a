//! The answer to a message: text for the sender, and verdicts.

use crate::Verdicts;
use crate::bindings::exports::ctwarden::conntrack::policy as wit;

/// The answer to a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Text for the sender; may be empty. The host cuts it after 262,144 bytes. The sender gets it if every verdict did
    /// what it asked for.
    pub text: String,
    /// Verdicts that the message causes.
    pub verdicts: Verdicts,
}

/// Returns a reply with this text and no verdicts.
pub fn reply(text: impl Into<String>) -> Reply {
    Reply { text: text.into(), verdicts: Verdicts::none() }
}

impl Reply {
    /// Sets the verdicts of the reply, in place of earlier ones.
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
