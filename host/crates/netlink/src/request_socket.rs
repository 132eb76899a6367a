//! Requests to the kernel and their answers, matched by sequence number (RFC 3549, section 2.3.2).
//!
//! The kernel handles a request while the request is sent. So all answers to short requests are in the receive buffer
//! when the send returns. A dump continues when its previous part was read. Waiting without blocking would gain
//! nothing.

use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use ctwarden_wire::{Content, DecodeError, Flags, Message, Messages};
use nix::errno::Errno;
use thiserror::Error;

use crate::batch::{Batch, Sent};
use crate::netlink_socket::{NetlinkSocket, OpenError, Read};
use crate::protocol::Protocol;
use crate::reading::Reading;
use crate::resize::ResizeWatch;

/// Receive buffer for the answers to many requests: far more than the answers to one send need.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Why a request has no usable answer.
#[derive(Debug, Error)]
pub enum RequestError {
    #[error("cannot send a netlink request")]
    Send(#[source] io::Error),
    #[error("cannot read the kernel's answer to a netlink request")]
    Receive(#[source] io::Error),
    #[error("the kernel did not answer a netlink request within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// The receive buffer was full (ENOBUFS).
    #[error("the kernel dropped an answer to a netlink request")]
    Overrun,
    #[error("the kernel's answer to a netlink request cannot be read")]
    Malformed(#[from] DecodeError),
    /// The kernel refused the request with this `errno`.
    #[error("the kernel refused a netlink request: {}", io::Error::from_raw_os_error(*.0))]
    Refused(i32),
}

impl RequestError {
    /// Whether the kernel has no such entry (ENOENT).
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(errno) if *errno == Errno::ENOENT as i32)
    }
}

impl From<RequestError> for io::Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Send(source) | RequestError::Receive(source) => source,
            RequestError::Refused(errno) => Self::from_raw_os_error(errno),
            RequestError::NoAnswer(_) | RequestError::Overrun | RequestError::Malformed(_) => Self::other(error),
        }
    }
}

pub struct RequestSocket {
    socket: NetlinkSocket,
    patience: Duration,
    /// The batch for requests that are sent alone.
    single: Batch,
}

impl RequestSocket {
    /// Opens a socket for dumps and single requests. The kernel may take `patience` for an answer.
    pub fn open(protocol: Protocol, patience: Duration) -> Result<Self, OpenError> {
        Ok(Self::over(NetlinkSocket::open(protocol)?, patience))
    }

    /// Opens a socket for sends of many requests. Its buffer holds all their answers.
    pub fn open_for_many(protocol: Protocol, patience: Duration) -> Result<Self, OpenError> {
        let socket = NetlinkSocket::open_for_many(protocol)?;
        socket.size_receive_buffer(RECEIVE_BUFFER)?;
        Ok(Self::over(socket, patience))
    }

    const fn over(socket: NetlinkSocket, patience: Duration) -> Self {
        Self { socket, patience, single: Batch::of_single_requests() }
    }

    /// `nlmsg_pid` of the events that the requests cause.
    #[must_use]
    pub const fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Sends one request whose answer is one message, and converts the message to a value. An acknowledgement has no
    /// value.
    pub fn ask<T>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32),
        mut answer: impl FnMut(&Content<'_>) -> T,
    ) -> Result<Option<T>, RequestError> {
        let sent = self.send_alone(write)?;
        self.hear(sent, None, |place, message, _| {
            if place.is_none() {
                return Continue(());
            }
            let content = message.content();
            Break(if let Content::Answer(told) = content {
                accepted(told.errno).map(|()| None)
            } else {
                Ok(Some(answer(&content)))
            })
        })?
    }

    /// Sends one request for a list and passes each message to the caller until the end of the list, with the state of
    /// the reading so far. `watch` notices a resize of the table. A list of a table with a fixed size needs no `watch`.
    pub fn dump<E: From<RequestError>>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32),
        watch: Option<ResizeWatch>,
        mut each: impl FnMut(&Content<'_>, Reading) -> Result<(), E>,
    ) -> Result<Reading, E> {
        let mut reading = Reading::Whole;
        let sent = self.send_alone(write)?;
        self.hear(sent, watch, |place, message, is_resized| {
            if is_resized {
                reading = Reading::Interrupted;
            }
            if place.is_none() {
                return Continue(());
            }
            if message.header.flags.contains(Flags::DUMP_INTERRUPTED) {
                reading = Reading::Interrupted;
            }
            let content = message.content();
            if let Content::Done { status } = content {
                Break(accepted(status).map_err(E::from))
            } else if let Content::Answer(told) = content {
                Break(accepted(told.errno).map_err(E::from))
            } else {
                each(&content, reading).map_or_else(|error| Break(Err(error)), Continue)
            }
        })??;
        Ok(reading)
    }

    /// Sends a batch in which the answer to each request is exactly one message. Passes each answer to the caller with
    /// the place of its request, in order. The batch is empty afterwards, as after each send.
    pub fn ask_each(
        &mut self,
        batch: &mut Batch,
        mut answer: impl FnMut(usize, &Content<'_>),
    ) -> Result<(), RequestError> {
        let (mut next, count) = (0, batch.len());
        if count == 0 {
            return Ok(());
        }
        self.exchange(batch, |place, message| {
            if place == Some(next) {
                answer(next, &message.content());
                next += 1;
            }
            if next == count { Break(()) } else { Continue(()) }
        })
    }

    /// Sends a batch that asks for no acknowledgement. Passes each message about a request to the caller, with the
    /// place of that request. All of these messages are in the buffer when the send returns.
    pub fn carry_out(
        &mut self,
        batch: &mut Batch,
        mut answer: impl FnMut(usize, &Content<'_>),
    ) -> Result<(), RequestError> {
        if batch.is_empty() {
            return Ok(());
        }
        let sent = send(&self.socket, batch)?;
        while self.read_now()? {
            for message in Messages::new(self.socket.bytes()) {
                let message = message?;
                if let Some(place) = sent.place(message.header.sequence) {
                    answer(place, &message.content());
                }
            }
        }
        Ok(())
    }

    /// Sends a batch and passes every message of the kernel to the caller, until `each` breaks. A message that answers
    /// a request comes with the place of the request. Any other message, such as an event, comes without a place.
    pub fn exchange<T>(
        &mut self,
        batch: &mut Batch,
        mut each: impl FnMut(Option<usize>, &Message<'_>) -> ControlFlow<T>,
    ) -> Result<T, RequestError> {
        let sent = send(&self.socket, batch)?;
        self.hear(sent, None, |place, message, _| each(place, message))
    }

    fn send_alone(&mut self, write: impl FnOnce(&mut Vec<u8>, u32)) -> Result<Sent, RequestError> {
        self.single.push(write);
        send(&self.socket, &mut self.single)
    }

    /// Passes messages to the caller until `each` breaks. After a failure the socket contains nothing that could be
    /// taken for the answer to another request.
    fn hear<T>(
        &mut self,
        sent: Sent,
        mut watch: Option<ResizeWatch>,
        mut each: impl FnMut(Option<usize>, &Message<'_>, bool) -> ControlFlow<T>,
    ) -> Result<T, RequestError> {
        loop {
            let heard = self.hear_once(sent, watch.as_mut(), &mut each);
            match heard {
                Ok(Continue(())) => {}
                Ok(Break(outcome)) => return Ok(outcome),
                Err(error) => {
                    while let Ok(Read::Bytes | Read::Overrun) = self.socket.read() {}
                    return Err(error);
                }
            }
        }
    }

    fn hear_once<T>(
        &mut self,
        sent: Sent,
        watch: Option<&mut ResizeWatch>,
        each: &mut impl FnMut(Option<usize>, &Message<'_>, bool) -> ControlFlow<T>,
    ) -> Result<ControlFlow<T>, RequestError> {
        self.read()?;
        let is_resized = watch.is_some_and(ResizeWatch::is_resized);
        for message in Messages::new(self.socket.bytes()) {
            let message = message?;
            let heard = each(sent.place(message.header.sequence), &message, is_resized);
            if heard.is_break() {
                return Ok(heard);
            }
        }
        Ok(Continue(()))
    }

    /// Reads once, and waits if nothing can be read.
    fn read(&mut self) -> Result<(), RequestError> {
        while !self.read_now()? {
            if !self.socket.wait(self.patience).map_err(RequestError::Receive)? {
                return Err(RequestError::NoAnswer(self.patience));
            }
        }
        Ok(())
    }

    /// Reads once. Returns false if nothing can be read.
    fn read_now(&mut self) -> Result<bool, RequestError> {
        match self.socket.read().map_err(RequestError::Receive)? {
            Read::Bytes => Ok(true),
            Read::Nothing => Ok(false),
            Read::Overrun => Err(RequestError::Overrun),
        }
    }
}

fn send(socket: &NetlinkSocket, batch: &mut Batch) -> Result<Sent, RequestError> {
    let outcome = socket.send(batch.bytes()).map_err(RequestError::Send);
    let sent = batch.begin_anew();
    outcome.map(|()| sent)
}

/// Converts the kernel's final status of a request: an errno, or 0.
const fn accepted(errno: i32) -> Result<(), RequestError> {
    if errno == 0 { Ok(()) } else { Err(RequestError::Refused(errno)) }
}

#[cfg(test)]
mod tests;
