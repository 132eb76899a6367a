//! Whether reading flows one by one costs less than a dump.

use ctwarden_model::Filter;
use ctwarden_replica::Replica;

/// Flows that are read one by one, however small the table is.
const FEW: usize = 1024;
/// The part of the table up to which flows are read one by one. Reading one flow costs twice as much as an entry of a dump, and a
/// dump for the flows of a network has all entries.
const SHARE_TO_READ: usize = 4;

/// Whether flows are few enough that reading each from the kernel costs less than a dump.
pub(crate) fn are_few(replica: &Replica, lasting: &Filter) -> bool {
    replica.estimate(lasting) <= FEW.max(replica.len() / SHARE_TO_READ)
}
