//! nftables over netlink: transactions, and the elements of address sets.
//!
//! Blocking an address is done by the firewall that the operator already has, so ctwarden only needs to put elements into
//! sets. No `nft` program is needed at run time.

mod element;
mod interval;
mod set_kind;
mod sets;

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use ctwarden_netlink::Protocol;
use ctwarden_netlink::exchange::{Answer, Connection, ExchangeError, Request};
use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_DUMP, NetlinkDeserializable, NetlinkHeader, ParseableParametrized,
};
use netlink_packet_netfilter::nftables::{GenAttribute, GenMessage, NfTablesMessage};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily};
use thiserror::Error;

pub(crate) use set_kind::SetKind;
pub(crate) use sets::{ChangeError, Sets};

/// `NFNL_SUBSYS_NFTABLES` (linux/netfilter/nfnetlink.h): the subsystem that a batch is for.
const SUBSYSTEM: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`.
const BATCH_BEGIN: u8 = 16;
/// `NFNL_BATCH_GENID`: the transaction is refused with `ERESTART` where the rule set has changed since that generation.
const BATCH_GENERATION: u16 = 1;

/// Family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableFamily {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Ingress and egress of devices.
    Netdev,
    Bridge,
}

impl TableFamily {
    /// All with the name that `nft` gives them.
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Inet, "inet"),
        (Self::Ip, "ip"),
        (Self::Ip6, "ip6"),
        (Self::Netdev, "netdev"),
        (Self::Bridge, "bridge"),
    ];

    const fn protocol(self) -> NetfilterProtoFamily {
        match self {
            Self::Inet => NetfilterProtoFamily::Inet,
            Self::Ip => NetfilterProtoFamily::IPv4,
            Self::Ip6 => NetfilterProtoFamily::IPv6,
            Self::Netdev => NetfilterProtoFamily::NetDev,
            Self::Bridge => NetfilterProtoFamily::Bridge,
        }
    }
}

/// A table, named as `nft` does: `inet filter`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Table {
    pub(crate) family: TableFamily,
    /// Name within the family.
    pub(crate) name: String,
}

/// Why a text is no table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" does not name an nftables table; write family and name, for example \"inet filter\"")]
pub(crate) struct TableError(String);

impl FromStr for Table {
    type Err = TableError;

    /// `family name`.
    fn from_str(text: &str) -> Result<Self, TableError> {
        let refused = || TableError(text.to_owned());
        let mut words = text.split_ascii_whitespace();
        let (Some(family), Some(name), None) = (words.next(), words.next(), words.next()) else {
            return Err(refused());
        };
        let (family, _) = TableFamily::NAMES.into_iter().find(|(_, word)| *word == family).ok_or_else(refused)?;
        Ok(Self { family, name: name.to_owned() })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (family, word) in TableFamily::NAMES {
            if family == self.family {
                f.write_str(word)?;
            }
        }
        write!(f, " {}", self.name)
    }
}

/// One change of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    family: TableFamily,
    message: NfTablesMessage,
    flags: u16,
}

/// Why a transaction did nothing.
#[derive(Debug, Error)]
pub(crate) enum CommitError {
    /// The change of that index was refused; so all of them were.
    #[error("nftables refused change {index} of the transaction with {}", errno_text(*errno))]
    Change {
        /// Index in the list of changes.
        index: usize,
        errno: i32,
    },
    /// The transaction as a whole was refused.
    #[error("nftables refused the transaction with {}", errno_text(*errno))]
    Transaction { errno: i32 },
    /// No answer was got.
    #[error("nftables could not be asked")]
    Exchange(#[from] ExchangeError),
}

/// A socket to nftables, in the network namespace of the thread that opened it.
pub(crate) struct Nftables {
    connection: Connection,
}

impl Nftables {
    pub(crate) fn open() -> Result<Self, ExchangeError> {
        Ok(Self { connection: Connection::open(Protocol::Netfilter)? })
    }

    /// Carries out all changes or none.
    pub(crate) fn commit(&mut self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.transact(changes, None)
    }

    /// As [`Self::commit`], and only where nobody has changed the rule set since that generation (else `ERESTART`).
    fn commit_on(&mut self, generation: u32, changes: Vec<Change>) -> Result<(), CommitError> {
        self.transact(changes, Some(generation))
    }

    fn transact(&mut self, changes: Vec<Change>, generation: Option<u32>) -> Result<(), CommitError> {
        let attributes =
            generation.map(|id| DefaultNla::new(BATCH_GENERATION, id.to_be_bytes().to_vec())).into_iter().collect();
        let begin = ControlMessage::Other { message_type: BATCH_BEGIN, attributes };
        let mut requests = vec![bracket(begin)];
        requests.extend(changes.into_iter().map(|change| Request {
            message: NetfilterMessage::new(NetfilterHeader::new(change.family.protocol(), 0, 0), change.message),
            flags: change.flags | NLM_F_ACK,
        }));
        requests.push(bracket(ControlMessage::BatchEnd));
        let answers: Vec<Answer<Told>> = self.connection.exchange(requests)?;
        // The begin stands for the whole, then the changes follow in order.
        if let Some(errno) = answers.first().and_then(|begin| begin.errno) {
            return Err(CommitError::Transaction { errno });
        }
        for (index, answer) in answers.iter().skip(1).enumerate() {
            if let Some(errno) = answer.errno {
                return Err(CommitError::Change { index, errno });
            }
        }
        Ok(())
    }

    /// One question outside of a transaction.
    fn ask(
        &mut self,
        family: TableFamily,
        message: NfTablesMessage,
        dump: bool,
    ) -> Result<Answer<Told>, ExchangeError> {
        let message = NetfilterMessage::new(NetfilterHeader::new(family.protocol(), 0, 0), message);
        let flags = if dump { NLM_F_DUMP } else { NLM_F_ACK };
        // One request, one answer.
        self.connection.exchange(vec![Request { message, flags }])?.pop().ok_or(ExchangeError::NoAnswer)
    }

    /// Number of the rule set's present generation.
    fn generation(&mut self) -> Result<u32, CommitError> {
        let question = NfTablesMessage::GetGen(GenMessage { attributes: Vec::new() });
        let reply = self.ask(TableFamily::Inet, question, false)?;
        if let Some(errno) = reply.errno {
            return Err(CommitError::Transaction { errno });
        }
        let mut id = 0;
        for told in reply.messages {
            if let Some(NfTablesMessage::NewGen(GenMessage { attributes })) = told.read()? {
                for attribute in attributes {
                    if let GenAttribute::Id(value) = attribute {
                        id = value;
                    }
                }
            }
        }
        Ok(id)
    }
}

/// A message as it came. `netlink-packet-netfilter` needs a time for a message with many set elements that grows with the square
/// of their number (it words an error for each of them), so those are read by ourselves.
struct Told {
    kind: u16,
    payload: Vec<u8>,
}

impl NetlinkDeserializable for Told {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        Ok(Self { kind: header.message_type, payload: payload.to_vec() })
    }
}

impl Told {
    /// The message, where it is one of nftables.
    fn read(&self) -> Result<Option<NfTablesMessage>, ExchangeError> {
        let message = NetfilterMessage::parse_with_param(&self.payload, self.kind)?;
        Ok(if let NetfilterMessageInner::NfTables(message) = message.inner { Some(message) } else { None })
    }

    /// The attributes, behind `struct nfgenmsg`.
    fn attributes(&self) -> &[u8] {
        self.payload.get(4..).unwrap_or_default()
    }
}

/// Begin or end of a transaction; they are not acknowledged on every kernel, so it is not asked for.
fn bracket(message: ControlMessage) -> Request<NetfilterMessage> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM);
    Request { message: NetfilterMessage::new(header, message), flags: 0 }
}

/// What the system calls an error number.
fn errno_text(errno: i32) -> String {
    std::io::Error::from_raw_os_error(errno).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_as_nft_names_it() {
        for text in ["inet filter", "ip6 x", "netdev guard"] {
            assert_eq!(text.parse::<Table>().unwrap().to_string(), text);
        }
        for text in ["", "filter", "inet", "inet a b", "ipx a"] {
            assert_eq!(text.parse::<Table>(), Err(TableError(text.to_owned())));
        }
    }
}
