//! The gateway's rule set: drop what is blocked, drop what tracking finds invalid, accept the rest.
//!
//! Connection tracking is off in a namespace until a rule there uses it, so these rules also switch it on; and labels have no
//! room in entries until a rule sets one, so a chain that nothing jumps to does that.

use std::io;

use ctwarden_model::Family;
use nix::errno::Errno;
use thiserror::Error;

use crate::netlink::OpenError;
use crate::netlink::exchange::ExchangeError;
use crate::netlink::nftables::{
    CommitError, Direction, Nftables, Rule, SetKind, Table, TableFamily, add_base_chain, add_chain, add_rule, add_set,
    add_table,
};

/// Name of the set of blocked IPv4 networks in [`table`].
pub(crate) const BLOCKED_IPV4: &str = "blocked4";
/// Name of the set of blocked IPv6 networks in [`table`].
pub(crate) const BLOCKED_IPV6: &str = "blocked6";

const FORWARD: &str = "forward";
const LABELS: &str = "labels";

pub(crate) fn table() -> Table {
    Table { family: TableFamily::Inet, name: "ctwarden".to_owned() }
}

/// Why the rule set is not there.
#[derive(Debug, Error)]
pub(crate) enum FirewallError {
    /// The kernel lacks a part.
    #[error(
        "this kernel lacks nf_tables or nf_conntrack; load them as root: modprobe -a nf_tables nft_ct nf_conntrack nf_conntrack_netlink"
    )]
    Kernel(#[source] io::Error),
    #[error("nftables refused the lab's rules")]
    Refused(#[from] CommitError),
}

impl From<ExchangeError> for FirewallError {
    fn from(error: ExchangeError) -> Self {
        // No netlink protocol of that number.
        if let ExchangeError::Open(OpenError::Unsupported) = &error {
            return Self::Kernel(Errno::EPROTONOSUPPORT.into());
        }
        Self::Refused(CommitError::Exchange(error))
    }
}

/// Loads the rules into the namespace of the calling thread.
pub(super) fn load() -> Result<(), FirewallError> {
    let table = table();
    let kind = |family| SetKind { family, interval: true, timeout: true };
    let mut changes = vec![
        add_table(&table),
        add_set(&table, BLOCKED_IPV4, kind(Family::Ipv4), 1),
        add_set(&table, BLOCKED_IPV6, kind(Family::Ipv6), 2),
        add_base_chain(&table, FORWARD),
    ];
    for (family, set) in [(Family::Ipv4, BLOCKED_IPV4), (Family::Ipv6, BLOCKED_IPV6)] {
        for direction in [Direction::From, Direction::To] {
            changes.push(add_rule(&table, FORWARD, &Rule::DropSet { family, direction, set: set.to_owned() }));
        }
    }
    changes.push(add_rule(&table, FORWARD, &Rule::DropInvalid));
    changes.push(add_rule(&table, FORWARD, &Rule::AcceptEstablished));
    changes.push(add_chain(&table, LABELS));
    changes.push(add_rule(&table, LABELS, &Rule::SetLabel));
    Nftables::open()?.commit(changes).map_err(|error| match error.errno().map(Errno::from_raw) {
        // No such subsystem, or no such expression.
        Some(errno @ (Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOENT | Errno::EPROTONOSUPPORT)) => {
            FirewallError::Kernel(errno.into())
        }
        _ => FirewallError::Refused(error),
    })
}
