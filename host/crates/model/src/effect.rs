//! What the host does to the kernel: a named value before it is bytes.

use crate::{Block, ExpectationKey, FlowKey, LabelChange, Masked, Unblock};

/// Names an effect until its outcome is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub u32);

/// A change of an entry; at least one part is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    pub key: FlowKey,
    /// Mark, changed under its mask by the kernel.
    pub mark: Option<Masked>,
    pub labels: Option<LabelChange>,
    /// Seconds until it expires.
    pub timeout: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `IPCTNL_MSG_CT_DELETE` with tuple, zone and id.
    Delete(FlowKey),
    /// `IPCTNL_MSG_CT_NEW` on an entry that is there.
    Update(Update),
    /// `IPCTNL_MSG_EXP_DELETE`.
    DeleteExpectation(ExpectationKey),
    /// An element into an nftables set.
    Block(Block),
    /// An element out of an nftables set.
    Unblock(Unblock),
}
