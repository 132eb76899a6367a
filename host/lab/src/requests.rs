//! Requests to the kernel over netlink, each with its acknowledgement (RFC 3549, section 2.3.2).

use std::io;
use std::time::Duration;

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use socket2::SockRef;
use thiserror::Error;

/// The kernel answers while it takes the requests, so this limits only what should not happen.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Larger than any answer to the requests of the lab.
const READ_BYTES: usize = 64 * 1024;

/// Why the kernel did not carry out every request.
#[derive(Debug, Error)]
pub enum RequestError {
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    #[error("cannot send netlink requests")]
    Send(#[source] io::Error),
    #[error("cannot receive the answers to netlink requests")]
    Receive(#[source] io::Error),
    #[error("the kernel did not answer a netlink request within {} s", REPLY_TIMEOUT.as_secs())]
    NoAnswer,
    #[error("an answer to a netlink request cannot be decoded")]
    Malformed(#[from] DecodeError),
    #[error("the kernel refused netlink request {index}: {errno}")]
    Refused {
        /// Counted from 0, in the order of the requests.
        index: usize,
        errno: Errno,
    },
}

/// One message with its flags (`NLM_F_*`). `NLM_F_REQUEST` is always added.
pub(crate) struct Request<M> {
    pub(crate) message: M,
    pub(crate) flags: u16,
}

/// Sends all requests at once, in the network namespace of the calling thread. Waits for the acknowledgement of each request that
/// asks for one (`NLM_F_ACK`), and returns the messages that came with them.
///
/// The kernel queues the acknowledgements while it takes the requests. The default receive buffer holds about 256.
///
/// # Errors
/// The first refusal ends the wait, also of a request that asks for no acknowledgement.
pub(crate) fn carry_out<M, T>(protocol: isize, requests: Vec<Request<M>>) -> Result<Vec<T>, RequestError>
where
    M: NetlinkSerializable,
    NetlinkPayload<M>: From<M>,
    T: NetlinkDeserializable,
{
    let socket = open(protocol).map_err(RequestError::Open)?;
    let mut bytes = Vec::new();
    let mut unanswered = 0_usize;
    for (sequence, request) in (1..).zip(requests) {
        unanswered = unanswered.saturating_add(usize::from(request.flags & NLM_F_ACK != 0));
        let mut message = NetlinkMessage::from(request.message);
        message.header.flags = request.flags | NLM_F_REQUEST;
        message.header.sequence_number = sequence;
        message.finalize();
        let start = bytes.len();
        bytes.resize(start.saturating_add(message.buffer_len()), 0);
        if let Some(room) = bytes.get_mut(start..) {
            message.serialize(room);
        }
    }
    socket.send(&bytes, 0).map_err(RequestError::Send)?;
    let mut messages = Vec::new();
    let mut datagram = Vec::with_capacity(READ_BYTES);
    while unanswered > 0 {
        receive(&socket, &mut datagram)?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<T>::deserialize(rest)?;
            rest = rest.get(aligned(message.header.length)..).unwrap_or_default();
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => messages.push(inner),
                NetlinkPayload::Error(error) => match error.code {
                    None => unanswered = unanswered.saturating_sub(1),
                    Some(code) => {
                        let index =
                            usize::try_from(message.header.sequence_number).unwrap_or_default().saturating_sub(1);
                        return Err(RequestError::Refused {
                            index,
                            errno: Errno::from_raw(code.get().saturating_neg()),
                        });
                    }
                },
                NetlinkPayload::Done(_) | NetlinkPayload::Noop | NetlinkPayload::Overrun(_) | _ => {}
            }
        }
    }
    Ok(messages)
}

fn open(protocol: isize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    SockRef::from(&socket).set_read_timeout(Some(REPLY_TIMEOUT))?;
    Ok(socket)
}

/// Reads one datagram into the buffer.
fn receive(socket: &Socket, datagram: &mut Vec<u8>) -> Result<(), RequestError> {
    loop {
        datagram.clear();
        match socket.recv(datagram, 0) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(RequestError::NoAnswer),
            Err(error) => return Err(RequestError::Receive(error)),
        }
    }
}

/// Messages begin at multiples of four (`NLMSG_ALIGN`), and none is shorter than its header.
fn aligned(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX).max(16).next_multiple_of(4)
}
