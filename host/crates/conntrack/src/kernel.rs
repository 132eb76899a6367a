//! How the command asks the kernel, one thing after another.

use std::time::Duration;

use ctwarden_netlink::{Protocol, Reading, RequestSocket};
use ctwarden_wire::Content;

use super::failure::Failure;

/// How long to wait for an answer that should be there already.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a socket for dumps and single requests.
pub(super) fn open() -> Result<RequestSocket, Failure> {
    Ok(RequestSocket::open(Protocol::Netfilter, PATIENCE)?)
}

/// Opens a socket that takes the answers to many requests at once.
pub(super) fn open_for_many() -> Result<RequestSocket, Failure> {
    Ok(RequestSocket::open_for_many(Protocol::Netfilter, PATIENCE)?)
}

/// Hands over each message of a list that does not lie in the hash table of flows: the table of expectations keeps its size
/// (`expect_hashsize`), and so do lists.
pub(super) fn dump(
    write: impl FnOnce(&mut Vec<u8>, u32),
    mut each: impl FnMut(&Content<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match open()?.dump(write, None, |content, _| each(content))? {
        Reading::Whole => Ok(()),
        Reading::Interrupted => Err(Failure::other("Operation failed: the kernel changed the list while it was read")),
    }
}
