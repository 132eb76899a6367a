//! How the command sends requests to the kernel, strictly in sequence.

use std::time::Duration;

use ctwarden_netlink::{Protocol, Reading, RequestSocket};
use ctwarden_wire::Content;

use super::failure::Failure;

/// How long to wait for an answer. The kernel normally has it ready at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a socket for dumps and single requests.
pub(super) fn open() -> Result<RequestSocket, Failure> {
    Ok(RequestSocket::open(Protocol::Netfilter, PATIENCE)?)
}

/// Opens a socket that can hold the answers to many requests at once.
pub(super) fn open_for_many() -> Result<RequestSocket, Failure> {
    Ok(RequestSocket::open_for_many(Protocol::Netfilter, PATIENCE)?)
}

/// Passes on each message of a list that is not in the hash table of flows. Such lists, and the table of expectations
/// (`expect_hashsize`), are never resized.
pub(super) fn dump(
    write: impl FnOnce(&mut Vec<u8>, u32),
    mut each: impl FnMut(&Content<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match open()?.dump(write, None, |content, _| each(content))? {
        Reading::Whole => Ok(()),
        Reading::Interrupted => Err(Failure::other("Operation failed: the list changed while it was read")),
    }
}
