//! Changes to the kernel, as values before they become bytes.

use crate::{Block, ExpectationKey, FlowKey, LabelChange, Masked, Unblock};

/// Identifies an effect until its outcome is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub u32);

/// A change of an entry. At least one part is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    pub key: FlowKey,
    /// The change of the mark. The kernel applies the mask.
    pub mark: Option<Masked>,
    pub labels: Option<LabelChange>,
    /// Seconds until the entry expires.
    pub timeout: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `IPCTNL_MSG_CT_DELETE` with tuple, zone and id.
    Delete(FlowKey),
    /// Ends the connection of the flow, then deletes the entry as [`Effect::Delete`] does.
    Kill(FlowKey),
    /// `IPCTNL_MSG_CT_NEW` for an entry that exists.
    Update(Update),
    /// `IPCTNL_MSG_EXP_DELETE` for one expectation.
    DeleteExpectation(ExpectationKey),
    /// Adds an element to an nftables set.
    Block(Block),
    /// Removes an element from an nftables set.
    Unblock(Unblock),
}
