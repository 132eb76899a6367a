//! Blocks: a network in an address set of the packet filter for a time. A block stops traffic; deleting a flow alone does
//! not.

use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::verdict::{Action, Target, Verdict};
use crate::{Prefix, Service};

/// A network to claim in an address set that the packet filter mirrors. It becomes a [`Verdict`] with `.into()` or with [`because`](Self::because).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is blocked until it is returned to the host"]
pub struct Block {
    pub(crate) set: String,
    pub(crate) network: Prefix,
    pub(crate) service: Option<Service>,
    pub(crate) seconds: u32,
}

/// Claims a network in an address set that the packet filter mirrors, until it is [unblocked](crate::unblock) or [for a
/// time](Block::seconds). The host blocks before it deletes any flow for the same answer.
pub fn block(set: impl Into<String>, network: impl Into<Prefix>) -> Block {
    Block { set: set.into(), network: network.into(), service: None, seconds: 0 }
}

impl Block {
    /// Blocks only one service of the network.
    pub fn service(self, service: Service) -> Self {
        Self { service: Some(service), ..self }
    }

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
        let service = block.service.map(Into::into);
        Self { set: block.set, network: block.network.into(), service, seconds: block.seconds }
    }
}
