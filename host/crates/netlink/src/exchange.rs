//! Requests built from the types of the netlink-packet crates, for protocols that `ctwarden-wire` does not know.

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use ctwarden_wire::{Content, Flags, Header, Message};
use thiserror::Error;

use crate::batch::Batch;
use crate::netlink_socket::OpenError;
use crate::protocol::Protocol;
use crate::request_socket::{RequestError, RequestSocket};

/// How long the kernel may take for one reply. The kernel answers within the send, so this limit only matters if
/// something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket that sends a list of requests at once and returns one answer for each request.
pub struct Connection {
    socket: RequestSocket,
    batch: Batch,
}

/// Why an exchange returned no answers.
#[derive(Debug, Error)]
pub enum ExchangeError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A reply is not a message of the protocol.
    #[error("the kernel's answer to a netlink request cannot be read")]
    Malformed(#[from] DecodeError),
    /// A request that was sent alone has no answer.
    #[error("the kernel did not answer a netlink request")]
    NoAnswer,
}

/// One message with its flags (`NLM_F_*`); `NLM_F_REQUEST` is always added.
pub struct Request<M> {
    pub message: M,
    pub flags: u16,
}

/// The kernel's answer to one request.
pub struct Answer<T> {
    /// Error number, positive. `None` if the request succeeded or asked for no acknowledgement.
    pub errno: Option<i32>,
    /// Messages of the answer.
    pub messages: Vec<T>,
    /// The kernel's data changed during the dump (`NLM_F_DUMP_INTR`).
    pub interrupted: bool,
    ended: bool,
}

impl<T> Answer<T> {
    const fn pending() -> Self {
        Self { errno: None, messages: Vec::new(), interrupted: false, ended: false }
    }
}

impl<T: NetlinkDeserializable> Answer<T> {
    /// Processes a message. Returns whether the kernel's answer to the request is complete.
    fn hear(&mut self, message: &Message<'_>) -> Result<bool, ExchangeError> {
        self.interrupted |= message.header.flags.contains(Flags::DUMP_INTERRUPTED);
        let errno = match control(message)? {
            Some(Control::Nothing) => return Ok(false),
            Some(Control::Ended { errno }) => errno,
            None => {
                self.messages.push(read(message)?);
                return Ok(false);
            }
        };
        self.errno = (errno != 0).then_some(errno);
        Ok(true)
    }
}

impl Connection {
    /// Opens a socket in the network namespace of the calling thread.
    pub fn open(protocol: Protocol) -> Result<Self, ExchangeError> {
        Ok(Self { socket: RequestSocket::open(protocol, PATIENCE)?, batch: Batch::new() })
    }

    /// `nlmsg_pid` of the events that the requests cause.
    #[must_use]
    pub const fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Sends all requests at once and waits until each request that asks for an answer (`NLM_F_ACK`, `NLM_F_DUMP`) has
    /// one. The answers are in the order of the requests.
    ///
    /// An error ends the wait if its request asked for no answer. Such a request brackets the others, as at the
    /// beginning of an nftables transaction, and after its error the kernel does not answer them.
    ///
    /// All replies are in the socket's buffer before the send returns. The default buffer holds about 256
    /// acknowledgements, so a call must not have as many requests.
    pub fn exchange<M, T>(&mut self, requests: Vec<Request<M>>) -> Result<Vec<Answer<T>>, ExchangeError>
    where
        M: NetlinkSerializable,
        NetlinkPayload<M>: From<M>,
        T: NetlinkDeserializable,
    {
        let mut answers = Vec::with_capacity(requests.len());
        let mut waits = Vec::with_capacity(requests.len());
        for request in requests {
            waits.push(request.flags & (NLM_F_ACK | NLM_F_DUMP) != 0);
            answers.push(Answer::pending());
            self.batch.push(|buffer, sequence| write(buffer, sequence, request));
        }
        let mut open = waits.iter().filter(|wait| **wait).count();
        self.socket.exchange(&mut self.batch, |place, message| {
            // A message without a place is a late reply to an earlier send.
            let heard = place.and_then(|place| answers.get_mut(place).zip(waits.get(place)));
            let Some((answer, wait)) = heard else { return Continue(()) };
            match answer.hear(message) {
                Ok(false) => return Continue(()),
                Ok(true) if !wait => return Break(Ok(())),
                Ok(true) => open = open.saturating_sub(usize::from(!answer.ended)),
                Err(error) => return Break(Err(error)),
            }
            answer.ended = true;
            if open == 0 { Break(Ok(())) } else { Continue(()) }
        })??;
        Ok(answers)
    }
}

fn write<M>(buffer: &mut Vec<u8>, sequence: u32, request: Request<M>)
where
    M: NetlinkSerializable,
    NetlinkPayload<M>: From<M>,
{
    let mut message = NetlinkMessage::from(request.message);
    message.header.flags = request.flags | NLM_F_REQUEST;
    message.header.sequence_number = sequence;
    message.finalize();
    let start = buffer.len();
    buffer.resize(start.saturating_add(message.buffer_len()), 0);
    if let Some(room) = buffer.get_mut(start..) {
        message.serialize(room);
    }
}

/// A message of netlink itself.
enum Control {
    /// The message says nothing about the request.
    Nothing,
    /// The request is carried out, or refused with this `errno`.
    Ended { errno: i32 },
}

/// Reads the message if its type is one of netlink itself (below `NLMSG_MIN_TYPE`, linux/netlink.h).
fn control(message: &Message<'_>) -> Result<Option<Control>, ExchangeError> {
    const NLMSG_MIN_TYPE: u16 = 16;
    if message.header.kind >= NLMSG_MIN_TYPE {
        return Ok(None);
    }
    match message.content() {
        Content::Answer(answer) => Ok(Some(Control::Ended { errno: answer.errno })),
        Content::Done { status } => Ok(Some(Control::Ended { errno: status })),
        Content::Malformed(error) => Err(RequestError::Malformed(error).into()),
        Content::Noop
        | Content::Overrun
        | Content::Conntrack(_)
        | Content::Expectation(_)
        | Content::Statistics(_)
        | Content::CpuStatistics(_)
        | Content::ExpectationCpuStatistics(_)
        | Content::Other => Ok(Some(Control::Nothing)),
    }
}

fn read<T: NetlinkDeserializable>(message: &Message<'_>) -> Result<T, DecodeError> {
    let Header { length, kind, flags, sequence, port } = message.header;
    let mut header = NetlinkHeader::default();
    (header.length, header.message_type, header.flags) = (length, kind, flags.0);
    (header.sequence_number, header.port_number) = (sequence, port);
    T::deserialize(&header, message.payload)
        .map_err(|error| DecodeError::from(format!("a message of type {kind} cannot be read: {error}")))
}
