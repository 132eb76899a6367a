//! Whether reading flows one by one costs less than a dump.

use ctwarden_model::Filter;
use ctwarden_replica::Replica;

/// Up to this number, flows are read one by one, however small the table is.
const FEW: usize = 1024;
/// Up to one part in `SHARE_TO_READ` of the table, flows are read one by one. Reading one flow costs twice as much as
/// one dump entry, and a dump for the flows of a network lists all entries.
const SHARE_TO_READ: usize = 4;

/// Whether the flows are so few that reading each from the kernel costs less than a dump.
pub(crate) fn are_few(replica: &Replica, lasting: &Filter) -> bool {
    replica.estimate(lasting) <= FEW.max(replica.len() / SHARE_TO_READ)
}
