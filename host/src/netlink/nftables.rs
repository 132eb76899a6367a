//! nftables over netlink: transactions, and the elements of address sets.
//!
//! The operator's firewall blocks the addresses, so ctwarden only needs to put elements into sets. It needs no `nft`
//! program at run time.

mod element;
mod interval;
pub(crate) mod managed;
pub(crate) mod notifications;
mod set_kind;
mod sets;

use std::convert::Infallible;

use ctwarden_netlink::Protocol;
pub(crate) use ctwarden_netlink::exchange::ExchangeError;
use ctwarden_netlink::exchange::{Answer, Connection, Request};
use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_DUMP, NetlinkDeserializable, NetlinkHeader, ParseableParametrized,
};
use netlink_packet_netfilter::nftables::{GenAttribute, GenMessage, NfTablesMessage};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily};
use thiserror::Error;

pub(crate) use element::IntervalEnd;
pub(crate) use interval::{Element, Lifetime, Range};
pub(crate) use set_kind::SetKind;
pub(crate) use sets::{ChangeError, Sets};

use crate::table_name::TableFamily;

/// `NFNL_SUBSYS_NFTABLES` (linux/netfilter/nfnetlink.h): the subsystem that a batch is for.
const SUBSYSTEM: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`: the type of the message that begins a transaction.
const BATCH_BEGIN: u8 = 16;
/// `NFNL_BATCH_GENID`: the kernel refuses the transaction with `ERESTART` if the rule set has changed since that
/// generation.
const BATCH_GENERATION: u16 = 1;

/// Most changes of a transaction that are acknowledged: the acknowledgements have to fit into the receive buffer.
const MOST_ACKNOWLEDGED: usize = 100;

const fn protocol(family: TableFamily) -> NetfilterProtoFamily {
    match family {
        TableFamily::Inet => NetfilterProtoFamily::Inet,
        TableFamily::Ip => NetfilterProtoFamily::IPv4,
        TableFamily::Ip6 => NetfilterProtoFamily::IPv6,
        TableFamily::Netdev => NetfilterProtoFamily::NetDev,
        TableFamily::Bridge => NetfilterProtoFamily::Bridge,
    }
}

/// One change of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    family: TableFamily,
    message: NfTablesMessage,
    flags: u16,
}

/// Why a transaction had no effect.
#[derive(Debug, Error)]
pub(crate) enum CommitError {
    /// The kernel refused the change at `index`, and therefore all changes.
    #[error("nftables refused change {index} of the transaction with {}", errno_text(*errno))]
    Change {
        /// Index in the list of changes.
        index: usize,
        errno: i32,
    },
    /// The kernel refused the transaction as a whole.
    #[error("nftables refused the transaction with {}", errno_text(*errno))]
    Transaction { errno: i32 },
    /// The table that ctwarden wants to create exists, and is not ctwarden's.
    #[error(
        "there is a table inet ctwarden that ctwarden did not create; rename your table, or name it in the set: \
         table = \"inet ctwarden\""
    )]
    NotOurs,
    /// The exchange with the kernel failed before an answer arrived.
    #[error("the request to nftables failed")]
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

    /// `nlmsg_pid` of the notifications that this socket's changes cause.
    pub(crate) const fn port(&self) -> u32 {
        self.connection.port()
    }

    /// Carries out all changes or none.
    pub(crate) fn commit(&mut self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.transact(changes, None)
    }

    /// Like [`Self::commit`], but only if the rule set is unchanged since that generation (else `ERESTART`).
    fn commit_on(&mut self, generation: u32, changes: Vec<Change>) -> Result<(), CommitError> {
        self.transact(changes, Some(generation))
    }

    fn transact(&mut self, changes: Vec<Change>, generation: Option<u32>) -> Result<(), CommitError> {
        let attributes =
            generation.map(|id| DefaultNla::new(BATCH_GENERATION, id.to_be_bytes().to_vec())).into_iter().collect();
        let begin = ControlMessage::Other { message_type: BATCH_BEGIN, attributes };
        let mut requests = vec![bracket(begin)];
        // The kernel reports an error of any change. The acknowledgement of the last change tells that there was none.
        let acknowledged = changes.len().saturating_sub(MOST_ACKNOWLEDGED);
        requests.extend(changes.into_iter().enumerate().map(|(index, change)| Request {
            message: NetfilterMessage::new(NetfilterHeader::new(protocol(change.family), 0, 0), change.message),
            flags: if index >= acknowledged { change.flags | NLM_F_ACK } else { change.flags },
        }));
        requests.push(bracket(ControlMessage::BatchEnd));
        let answers: Vec<Answer<RawMessage>> = self.connection.exchange(requests)?;
        // The answer to the begin is about the whole transaction. The answers to the changes follow in order.
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

    /// Sends one question outside of a transaction.
    pub(crate) fn ask(
        &mut self,
        family: TableFamily,
        message: NfTablesMessage,
        dump: bool,
    ) -> Result<Answer<RawMessage>, ExchangeError> {
        let message = NetfilterMessage::new(NetfilterHeader::new(protocol(family), 0, 0), message);
        let flags = if dump { NLM_F_DUMP } else { NLM_F_ACK };
        // One request, one answer.
        self.connection.exchange(vec![Request { message, flags }])?.pop().ok_or(ExchangeError::NoAnswer)
    }

    /// Returns the rule set's present generation number.
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

/// Finds out whether this process may create the table that ctwarden owns, without a change.
///
/// # Errors
/// The kernel has no nftables, the process lacks CAP_NET_ADMIN, or somebody else has a table of that name.
pub(crate) fn probe() -> Result<(), CommitError> {
    match managed::owner(&mut Nftables::open()?)? {
        managed::Owner::Another => Err(CommitError::NotOurs),
        managed::Owner::Nobody | managed::Owner::Ctwarden => Ok(()),
    }
}

/// A message as received. `netlink-packet-netfilter` takes time quadratic in the number of set elements of a message
/// (it builds an error text for each of them), so ctwarden decodes those itself.
pub(crate) struct RawMessage {
    kind: u16,
    payload: Vec<u8>,
}

impl NetlinkDeserializable for RawMessage {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        Ok(Self { kind: header.message_type, payload: payload.to_vec() })
    }
}

impl RawMessage {
    /// Decodes the message if it is one of nftables.
    fn read(&self) -> Result<Option<NfTablesMessage>, ExchangeError> {
        let message = NetfilterMessage::parse_with_param(&self.payload, self.kind)?;
        Ok(if let NetfilterMessageInner::NfTables(message) = message.inner { Some(message) } else { None })
    }

    /// The attributes, behind `struct nfgenmsg`.
    fn attributes(&self) -> &[u8] {
        self.payload.get(4..).unwrap_or_default()
    }
}

/// The begin or end of a transaction. Not every kernel acknowledges them, so no acknowledgment is requested.
fn bracket(message: ControlMessage) -> Request<NetfilterMessage> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM);
    Request { message: NetfilterMessage::new(header, message), flags: 0 }
}

/// The system's text for an error number.
fn errno_text(errno: i32) -> String {
    std::io::Error::from_raw_os_error(errno).to_string()
}
