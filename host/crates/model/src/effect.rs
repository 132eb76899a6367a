//! Changes to the kernel, as values before they become bytes.

use alloc::string::String;

use crate::{Block, ExpectationKey, FlowKey, LabelChange, Masked, PluginName, Unblock};

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

/// A network that a policy claims in an address set. The claim belongs to the policy: it changes no claim of another
/// source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyBlock {
    pub policy: PluginName,
    pub block: Block,
    /// Why, for people; may be empty.
    pub reason: String,
}

/// The end of a policy's claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyUnblock {
    pub policy: PluginName,
    pub unblock: Unblock,
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
    /// Adds a claim to an address set that the packet filter mirrors.
    Block(PolicyBlock),
    /// Removes a claim from such a set.
    Unblock(PolicyUnblock),
}
