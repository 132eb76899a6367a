//! The table that ctwarden owns: its sets, chains and rules, as changes of one transaction.
//!
//! ```text
//! table inet ctwarden {
//!     set banned4  { type ipv4_addr; flags interval, timeout; }
//!     set banned4p { type ipv4_addr . inet_proto . inet_service; flags interval, timeout; }
//!     counter banned
//!     chain blocked {
//!         ip saddr @banned4 counter name banned drop
//!         ip saddr . meta l4proto . th dport @banned4p counter name banned drop
//!     }
//!     chain prerouting { type filter hook prerouting priority raw; jump blocked; }
//! }
//! ```

mod expressions;
mod flow_set;
mod schema;
mod service_set;

use ctwarden_model::Family;
use netlink_packet_core::{DefaultNla, NlasIterator};
use netlink_packet_netfilter::nftables::{ChainMessage, NfTablesMessage, RuleMessage, TableAttribute, TableMessage};
use nix::errno::Errno;

pub(crate) use flow_set::drop_flows;
use schema::OWNED;
pub(crate) use schema::{FilterVerdict, ManagedSet, delete_table, rebuild_table};
pub(crate) use service_set::{ServiceRange, ServiceSet};

use super::element::SetHandle;
use super::{CommitError, Nftables, RawMessage, SetKind};
use crate::table_name::{TableFamily, TableName};

/// Name of the table, in the family `inet`.
pub(crate) const TABLE: &str = "ctwarden";

pub(crate) fn table() -> TableName {
    TableName { family: TableFamily::Inet, name: TABLE.to_owned() }
}

/// The kernel set of the addresses of one family.
pub(crate) fn addresses_of(set: &str, family: Family) -> SetHandle {
    let kind = SetKind { family };
    SetHandle { table: table(), name: format!("{set}{}", digit(family)), kind, default_timeout: 0 }
}

/// The kernel set of the services of one family.
pub(crate) fn services_of(set: &str, family: Family) -> ServiceSet {
    ServiceSet { name: format!("{set}{}p", digit(family)), family }
}

const fn digit(family: Family) -> char {
    match family {
        Family::Ipv4 => '4',
        Family::Ipv6 => '6',
    }
}

/// Whose the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Nobody,
    Ctwarden,
    /// Another program, or a person, has created a table of this name.
    Another,
}

/// Finds out whose the table is.
pub(crate) fn owner(nftables: &mut Nftables) -> Result<Owner, CommitError> {
    /// `NFTA_TABLE_USERDATA`.
    const USERDATA: u16 = 6;
    let attributes = vec![TableAttribute::Name(TABLE.to_owned())];
    let answer = nftables.ask(TableFamily::Inet, NfTablesMessage::GetTable(TableMessage { attributes }), false)?;
    match answer.errno {
        Some(errno) if errno == Errno::ENOENT as i32 => return Ok(Owner::Nobody),
        Some(errno) => return Err(CommitError::Transaction { errno }),
        None => {}
    }
    let is_ours = |message: &RawMessage| {
        let attributes = NlasIterator::new(message.attributes()).flatten();
        attributes.into_iter().any(|attribute| attribute.kind() == USERDATA && attribute.value() == OWNED)
    };
    Ok(if answer.messages.iter().any(is_ours) { Owner::Ctwarden } else { Owner::Another })
}

/// The chains and rules of the table as the kernel describes them. Two equal descriptions mean that nobody has changed
/// chains or rules in between. `None` if there is no such table.
pub(crate) fn description(nftables: &mut Nftables) -> Result<Option<Vec<Vec<u8>>>, CommitError> {
    const NFTA_TABLE: u16 = 1;
    let mut description = Vec::new();
    let questions = [
        NfTablesMessage::GetChain(ChainMessage { attributes: Vec::new() }),
        NfTablesMessage::GetRule(RuleMessage { attributes: Vec::new() }),
    ];
    for question in questions {
        let answer = nftables.ask(TableFamily::Inet, question, true)?;
        if let Some(errno) = answer.errno {
            return Err(CommitError::Transaction { errno });
        }
        let ours = |message: &RawMessage| text_attribute(message.attributes(), NFTA_TABLE).is_some_and(|t| t == TABLE);
        description.extend(answer.messages.into_iter().filter(ours).map(|message| message.attributes().to_vec()));
    }
    Ok((!description.is_empty()).then_some(description))
}

/// The text of an attribute, without the closing zero.
pub(crate) fn text_attribute(attributes: &[u8], kind: u16) -> Option<String> {
    let found = NlasIterator::new(attributes).flatten().find(|attribute| attribute.kind() == kind)?;
    let value = found.value();
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text).ok().map(str::to_owned)
}

/// An attribute of four bytes.
fn number_attribute(kind: u16, value: u32) -> DefaultNla {
    DefaultNla::new(kind, value.to_be_bytes().to_vec())
}

/// An attribute of a text, with the closing zero.
fn string_attribute(kind: u16, text: &str) -> DefaultNla {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    DefaultNla::new(kind, bytes)
}
