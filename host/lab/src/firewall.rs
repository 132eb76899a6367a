//! The gateway's rule set: drop blocked packets, drop invalid packets, accept the rest.
//!
//! Connection tracking is off in a namespace until one of its rules uses it, so these rules also switch it on. Entries
//! have no room for labels until a rule sets a label, so a chain that nothing jumps to has such a rule.

use std::io;

use ctwarden_model::Family;
use ctwarden_netlink::OpenError;
use ctwarden_netlink::exchange::ExchangeError;
use nix::errno::Errno;
use thiserror::Error;

use crate::nftables::{Direction, Rule, add_base_chain, add_chain, add_rule, add_set, add_table, commit};
use crate::requests::RequestError;

/// The gateway's table, as `nft` and `[block.NAME]` of a configuration name it.
pub const TABLE: &str = "inet ctwarden";
/// Name of the set of blocked IPv4 networks in [`TABLE`].
pub const BLOCKED_IPV4: &str = "blocked4";
/// Name of the set of blocked IPv6 networks in [`TABLE`].
pub const BLOCKED_IPV6: &str = "blocked6";

/// Name of the gateway's table without the family.
const NAME: &str = "ctwarden";
const FORWARD: &str = "forward";
const LABELS: &str = "labels";

#[derive(Debug, Error)]
pub enum FirewallError {
    #[error(
        "this kernel lacks nf_tables or nf_conntrack; load them as root: modprobe -a nf_tables nft_ct nf_conntrack nf_conntrack_netlink"
    )]
    Kernel(#[source] io::Error),
    #[error("nftables refused the lab's rules")]
    Refused(#[source] RequestError),
}

impl From<RequestError> for FirewallError {
    fn from(error: RequestError) -> Self {
        let errno = match &error {
            RequestError::Exchange(error) if matches!(**error, ExchangeError::Open(OpenError::Unsupported)) => {
                Some(Errno::EPROTONOSUPPORT)
            }
            RequestError::Exchange(_) => None,
            RequestError::Refused { errno, .. } => Some(*errno),
        };
        match errno {
            // The kernel lacks the protocol, the subsystem or an expression.
            Some(errno @ (Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOENT | Errno::EPROTONOSUPPORT)) => {
                Self::Kernel(errno.into())
            }
            _ => Self::Refused(error),
        }
    }
}

/// Loads the rules into the network namespace of the calling thread.
pub(super) fn load() -> Result<(), FirewallError> {
    let sets = [(Family::Ipv4, BLOCKED_IPV4), (Family::Ipv6, BLOCKED_IPV6)];
    let mut changes = vec![add_table(NAME)];
    changes.extend((1..).zip(sets).map(|(number, (family, set))| add_set(NAME, set, family, number)));
    changes.push(add_base_chain(NAME, FORWARD));
    for (family, set) in sets {
        for direction in [Direction::From, Direction::To] {
            changes.push(add_rule(NAME, FORWARD, &Rule::DropSet { family, direction, set: set.to_owned() }));
        }
    }
    changes.push(add_rule(NAME, FORWARD, &Rule::DropInvalid));
    changes.push(add_rule(NAME, FORWARD, &Rule::AcceptEstablished));
    changes.push(add_chain(NAME, LABELS));
    changes.push(add_rule(NAME, LABELS, &Rule::SetLabel));
    Ok(commit(changes)?)
}
