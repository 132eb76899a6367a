//! Blocks: a network in an nftables set for a time. A block stops traffic; deleting a flow alone does not.

use crate::Prefix;
use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::verdict::{Action, Target, Verdict};

/// A network to put into an nftables set. It becomes a [`Verdict`] with `.into()` or with [`because`](Self::because).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is blocked until it is returned to the host"]
pub struct Block {
    pub(crate) set: String,
    pub(crate) network: Prefix,
    pub(crate) seconds: u32,
}

/// Puts a network into an operator-named nftables set, until it is [unblocked](crate::unblock) or [for a
/// time](Block::seconds). The host blocks before it deletes any flow for the same answer.
pub fn block(set: impl Into<String>, network: impl Into<Prefix>) -> Block {
    Block { set: set.into(), network: network.into(), seconds: 0 }
}

impl Block {
    /// Sets how many seconds the network stays in the set; 0: until it is unblocked.
    pub fn seconds(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }

    /// Adds a code and a reason; see [`Verdict::because`].
    pub fn because(self, code: impl Into<String>, reason: impl Into<String>) -> Verdict {
        Verdict::from(self).because(code, reason)
    }

    /// Names the flow that the block is about; see [`Verdict::on`].
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
