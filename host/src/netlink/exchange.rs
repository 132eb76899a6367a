//! A netlink socket on which each send is a list of requests and each request gets its answer.
//!
//! Off the hot path everything asks the kernel in the same way: number the messages, send them at once, and collect the
//! replies by sequence number until every request has its acknowledgement or its error (RFC 3549, section 2.3.2).

use std::io;
use std::time::Duration;

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use socket2::SockRef;
use thiserror::Error;

/// How long the kernel may take for one reply: it answers within the send, so this only bounds what should not happen.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for one read: the kernel fills dumps in pieces of at most 32 KiB (`NLMSG_GOODSIZE` and up).
const READ_BYTES: usize = 64 * 1024;

/// A socket of one netlink protocol, blocking.
pub(crate) struct Connection {
    socket: Socket,
    sequence: u32,
    read: Vec<u8>,
}

/// Why no answers were got.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    /// The kernel did not take the requests.
    #[error("cannot send a netlink request")]
    Send(#[source] io::Error),
    /// Reading the replies failed.
    #[error("cannot read the kernel's answer to a netlink request")]
    Receive(#[source] io::Error),
    /// A reply is missing.
    #[error("the kernel did not answer a netlink request within {} s", REPLY_TIMEOUT.as_secs())]
    NoAnswer,
    /// A reply is no netlink message.
    #[error("the kernel's answer to a netlink request cannot be read")]
    Malformed(#[from] DecodeError),
}

/// One message with its flags (`NLM_F_*`); `NLM_F_REQUEST` is always added.
pub(crate) struct Request<M> {
    pub(crate) message: M,
    pub(crate) flags: u16,
}

/// What the kernel said to one request.
pub(crate) struct Answer<T> {
    /// Error number, positive; none: done, or not asked for an acknowledgement.
    pub(crate) errno: Option<i32>,
    /// Messages that came with it.
    pub(crate) messages: Vec<T>,
    /// The kernel's data changed during the dump (`NLM_F_DUMP_INTR`).
    pub(crate) interrupted: bool,
    ended: bool,
}

impl<T> Answer<T> {
    const fn pending() -> Self {
        Self { errno: None, messages: Vec::new(), interrupted: false, ended: false }
    }
}

impl Connection {
    /// Opens a socket of that protocol (`NETLINK_*`) in the network namespace of the calling thread.
    pub(crate) fn open(protocol: isize) -> Result<Self, ExchangeError> {
        let mut socket = Socket::new(protocol).map_err(ExchangeError::Open)?;
        socket.bind_auto().map_err(ExchangeError::Open)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(ExchangeError::Open)?;
        SockRef::from(&socket).set_read_timeout(Some(REPLY_TIMEOUT)).map_err(ExchangeError::Open)?;
        Ok(Self { socket, sequence: 0, read: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends all requests at once and waits until each that asks for it (`NLM_F_ACK`, `NLM_F_DUMP`) is answered. The answers are
    /// in the order of the requests. An error to a request that asked for nothing ends the waiting: it is a bracket around
    /// the others (the begin of an nftables transaction), and the kernel then does not answer them.
    ///
    /// All replies are put into the socket's buffer before the send returns, and the default buffer holds about 256
    /// acknowledgements; so many requests are too many for one call.
    pub(crate) fn exchange<M, T>(&mut self, requests: Vec<Request<M>>) -> Result<Vec<Answer<T>>, ExchangeError>
    where
        M: NetlinkSerializable,
        NetlinkPayload<M>: From<M>,
        T: NetlinkDeserializable,
    {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let mut waits = Vec::with_capacity(requests.len());
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            waits.push(request.flags & (NLM_F_ACK | NLM_F_DUMP) != 0);
            let mut message = NetlinkMessage::from(request.message);
            message.header.flags = request.flags | NLM_F_REQUEST;
            message.header.sequence_number = self.sequence;
            message.finalize();
            let start = bytes.len();
            bytes.resize(start.saturating_add(message.buffer_len()), 0);
            if let Some(room) = bytes.get_mut(start..) {
                message.serialize(room);
            }
        }
        self.socket.send(&bytes, 0).map_err(ExchangeError::Send)?;
        self.collect(first, &waits)
    }

    fn collect<T>(&mut self, first: u32, waits: &[bool]) -> Result<Vec<Answer<T>>, ExchangeError>
    where
        T: NetlinkDeserializable,
    {
        let mut answers: Vec<Answer<T>> = waits.iter().map(|_| Answer::pending()).collect();
        let mut open = waits.iter().filter(|wait| **wait).count();
        while open > 0 {
            self.receive()?;
            let mut rest = self.read.as_slice();
            while let Some((message, behind)) = split(rest)? {
                rest = behind;
                let index = message.header.sequence_number.wrapping_sub(first);
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                // A late reply to an earlier send.
                let (Some(answer), Some(wait)) = (answers.get_mut(index), waits.get(index)) else { continue };
                answer.interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => answer.messages.push(inner),
                    NetlinkPayload::Error(error) => {
                        answer.errno = error.code.map(|code| code.get().saturating_neg());
                        if !wait {
                            return Ok(answers);
                        }
                        open = open.saturating_sub(usize::from(!answer.ended));
                        answer.ended = true;
                    }
                    NetlinkPayload::Done(done) => {
                        answer.errno = (done.code != 0).then(|| done.code.saturating_neg());
                        open = open.saturating_sub(usize::from(!answer.ended));
                        answer.ended = true;
                    }
                    NetlinkPayload::Noop | NetlinkPayload::Overrun(_) | _ => {}
                }
            }
        }
        Ok(answers)
    }

    /// Reads one datagram into `self.read`.
    fn receive(&mut self) -> Result<(), ExchangeError> {
        loop {
            self.read.clear();
            match self.socket.recv(&mut self.read, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(ExchangeError::NoAnswer),
                Err(error) => return Err(ExchangeError::Receive(error)),
            }
        }
    }
}

/// A message and the bytes behind it.
type Split<'a, T> = (NetlinkMessage<T>, &'a [u8]);

/// The first message and what is behind it; none at the end.
fn split<T>(bytes: &[u8]) -> Result<Option<Split<'_, T>>, ExchangeError>
where
    T: NetlinkDeserializable,
{
    if bytes.is_empty() {
        return Ok(None);
    }
    let message = NetlinkMessage::<T>::deserialize(bytes).map_err(ExchangeError::Malformed)?;
    // NLMSG_ALIGN: messages begin at multiples of four.
    let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).max(16).next_multiple_of(4);
    Ok(Some((message, bytes.get(length..).unwrap_or_default())))
}
