//! Finds a set and checks its kind.
//!
//! Sets belong to the operator, so an error about a missing or wrong set includes the command that creates a right one.

use ctwarden_model::Family;
use netlink_packet_netfilter::nftables::{NfTablesMessage, SetAttribute, SetFlags, SetMessage};
use nix::errno::Errno;
use thiserror::Error;

use crate::netlink::nftables::element::SetHandle;
use crate::netlink::nftables::{ExchangeError, Nftables, SetKind, errno_text};
use crate::table_name::TableName;

/// Why sets cannot be used.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// The configuration names no set.
    #[error("table {0}: no set is named; name a set for IPv4, for IPv6 or for both")]
    NoName(TableName),
    /// There is no such set.
    #[error("there is no nftables set {name} in table {table}; create it with: {way_out}")]
    Missing {
        table: TableName,
        name: String,
        /// The command that creates the set.
        way_out: String,
    },
    /// The set is of a kind that cannot be used. The kind of a set cannot be changed (`nft add set` reports that the
    /// set exists), and a set cannot be deleted while a rule refers to it.
    #[error(
        "nftables set {name} in table {table} {fault}; correct its definition and reload your ruleset, or create \
         another set with: {way_out}, use it in your rules and name it here"
    )]
    Kind {
        table: TableName,
        name: String,
        fault: &'static str,
        /// The command that creates a right set.
        way_out: String,
    },
    /// The kernel refused the request for the description of the set.
    #[error("cannot read nftables set {name} in table {table}: {}", errno_text(*errno))]
    Refused { table: TableName, name: String, errno: i32 },
    #[error("no permission to change nftables: it needs CAP_NET_ADMIN; run ctwarden as root")]
    Privilege,
    /// The exchange with the kernel failed before an answer arrived.
    #[error("the request to nftables failed")]
    Exchange(#[from] ExchangeError),
}

/// Looks a set up and checks it.
#[expect(clippy::wildcard_enum_match_arm, reason = "what a set may have beside these is not asked for")]
pub(super) fn find(
    nftables: &mut Nftables,
    table: &TableName,
    name: &str,
    family: Family,
) -> Result<SetHandle, OpenError> {
    let wanted = SetKind { family };
    let way_out = |name: &str| {
        format!(
            "nft 'add table {table}; add set {table} {name} {{ type {}; flags interval, timeout; }}'",
            wanted.key_type_name()
        )
    };
    let reply = nftables.ask(table.family, get_set(table, name), false)?;
    let named = || (table.clone(), name.to_owned());
    match reply.errno.map(Errno::from_raw) {
        None => {}
        Some(Errno::ENOENT) => {
            let (table, name) = named();
            let way_out = way_out(&name);
            return Err(OpenError::Missing { table, name, way_out });
        }
        Some(Errno::EPERM) => return Err(OpenError::Privilege),
        Some(errno) => {
            let (table, name) = named();
            return Err(OpenError::Refused { table, name, errno: errno as i32 });
        }
    }
    let mut found = None;
    for told in reply.messages {
        if let Some(NfTablesMessage::NewSet(set)) = told.read()? {
            found = Some(set);
        }
    }
    let wrong = |fault| {
        let (table, name) = named();
        let way_out = way_out(&format!("{name}_timeout"));
        OpenError::Kind { table, name, fault, way_out }
    };
    let Some(set) = found else { return Err(wrong("is not in the kernel's answer")) };
    let mut flags = SetFlags::empty();
    let mut key_type = 0;
    let mut default_timeout = 0;
    for attribute in set.attributes {
        match attribute {
            SetAttribute::Flags(value) => flags = value,
            SetAttribute::KeyType(value) => key_type = value,
            SetAttribute::Timeout(value) => default_timeout = value,
            _ => {}
        }
    }
    if key_type != wanted.key_type() {
        return Err(wrong(match family {
            Family::Ipv4 => "does not hold IPv4 addresses",
            Family::Ipv6 => "does not hold IPv6 addresses",
        }));
    }
    if flags.intersects(SetFlags::Map | SetFlags::Object | SetFlags::Concat) {
        return Err(wrong("is a map or holds more than addresses"));
    }
    if flags.contains(SetFlags::Constant) {
        return Err(wrong("has \"flags constant\" and cannot be changed"));
    }
    if !flags.contains(SetFlags::Timeout) {
        return Err(wrong("lacks \"flags timeout\""));
    }
    if !flags.contains(SetFlags::Interval) {
        return Err(wrong("lacks \"flags interval\" and holds no networks"));
    }
    let kind = SetKind { family };
    Ok(SetHandle { table: table.clone(), name: name.to_owned(), kind, default_timeout })
}

/// The request for the description of a set.
pub(super) fn get_set(table: &TableName, name: &str) -> NfTablesMessage {
    let attributes = vec![SetAttribute::Table(table.name.clone()), SetAttribute::Name(name.to_owned())];
    NfTablesMessage::GetSet(SetMessage { attributes })
}
