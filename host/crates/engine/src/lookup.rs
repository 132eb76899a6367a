//! Questions for a whole entry, where what is known of a flow does not tell whether it is protected.
//!
//! Events are thin and a key has no mark, status or reply tuple; a protected flow must not be hit because of that.

use ctwarden_model::FlowKey;

use crate::LookupId;

/// Asks for the entry of a flow as the kernel has it now (`IPCTNL_MSG_CT_GET`). Answer with
/// [`crate::Engine::handle_lookup`]; without an answer the flow counts as protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Names the question.
    pub id: LookupId,
    /// Which flow.
    pub key: FlowKey,
}
