//! Blocks: a network in an nftables set for a time, which is what stops traffic; deleting a flow alone does not.

use crate::Prefix;
use crate::bindings::exports::ctwarden::policy::policy as wit;
use crate::verdict::{Action, Target, Verdict};

/// A network to be put into a set; becomes a [`Verdict`] by itself or with [`because`](Self::because).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is blocked until it is returned to the host"]
pub struct Block {
    pub(crate) set: String,
    pub(crate) network: Prefix,
    pub(crate) seconds: u32,
}

/// Puts a network into an operator-named nftables set, before any flow is deleted by the same answer: until it is
/// [unblocked](crate::unblock), or [for a time](Block::seconds).
pub fn block(set: impl Into<String>, network: impl Into<Prefix>) -> Block {
    Block { set: set.into(), network: network.into(), seconds: 0 }
}

impl Block {
    /// Lifetime in the set; 0: until unblocked.
    pub fn seconds(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }

    /// See [`Verdict::because`].
    pub fn because(self, code: impl Into<String>, reason: impl Into<String>) -> Verdict {
        Verdict::from(self).because(code, reason)
    }

    /// See [`Verdict::on`].
    pub fn on(self, target: impl Into<Target>) -> Verdict {
        Verdict::from(self).on(target)
    }
}

impl From<Block> for Verdict {
    fn from(block: Block) -> Self {
        Self::new(Action::Block(block))
    }
}

impl From<Block> for wit::Block {
    fn from(block: Block) -> Self {
        Self { set: block.set, network: block.network.into(), seconds: block.seconds }
    }
}
