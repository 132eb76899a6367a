//! Asking the kernel, one thing after another: the plain, blocking side of the netlink socket.
//!
//! The kernel handles a request while it is sent and fills the next part of a dump when the part before was read, so that a
//! command has nothing to gain from waiting in any other way.

use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use ctwarden_netlink::{NetfilterSocket, Read, ResizeWatch};
use ctwarden_wire::{Content, Flags, Message, Messages};

use super::failure::Failure;

/// Receive buffer for the answers to one send: the kernel puts all of them in before the send returns.
const RECEIVE_BUFFER: usize = 4 << 20;

/// How long to wait for an answer that should be there already.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a dump can be trusted to have told every entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Whole,
    /// The table was resized, or the kernel calls the dump inconsistent: entries may be missing, and others come twice.
    Interrupted,
}

/// A socket for requests.
pub(super) struct Kernel {
    socket: NetfilterSocket,
    outgoing: Vec<u8>,
    sequence: u32,
}

impl Kernel {
    pub(super) fn open() -> Result<Self, Failure> {
        let socket = NetfilterSocket::open()?;
        Ok(Self { socket, outgoing: Vec::new(), sequence: 0 })
    }

    /// Opens a socket that takes the answers to many requests at once.
    pub(super) fn open_for_batches() -> Result<Self, Failure> {
        let kernel = Self::open()?;
        kernel.socket.size_receive_buffer(RECEIVE_BUFFER)?;
        Ok(kernel)
    }

    /// Sends the one request that `write` makes and hands each message of the answer on, until it is complete. What is asked for
    /// does not lie in the hash table of flows: that of expectations keeps its size (`expect_hashsize`), and so do lists.
    pub(super) fn dump(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32),
        mut each: impl FnMut(&Content<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self.hear_all(write, None, |content, _| each(content))? {
            Reading::Whole => Ok(()),
            Reading::Interrupted => {
                Err(Failure::other("Operation failed: the kernel changed the list while it was read"))
            }
        }
    }

    /// The same for flows of the hash table, which may be resized meanwhile. With each message comes whether all that was read so
    /// far can be trusted.
    pub(super) fn walk(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32),
        each: impl FnMut(&Content<'_>, Reading) -> Result<(), Failure>,
    ) -> Result<Reading, Failure> {
        self.hear_all(write, Some(ResizeWatch::begin()), each)
    }

    fn hear_all(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32),
        watch: Option<ResizeWatch>,
        mut each: impl FnMut(&Content<'_>, Reading) -> Result<(), Failure>,
    ) -> Result<Reading, Failure> {
        self.hear(write, watch, |content, reading| {
            if let Content::Done { status } = content {
                Break(done(*status))
            } else if let Content::Answer(answer) = content {
                Break(done(answer.errno))
            } else {
                each(content, reading).map_or_else(|failure| Break(Err(failure)), Continue)
            }
        })
    }

    /// Sends the one request that `write` makes, whose answer is one message, and hands that on; an acknowledgement alone
    /// is an answer too.
    pub(super) fn ask(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32),
        mut answer: impl FnMut(&Content<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let only = self.hear(write, None, |content, _| {
            Break(if let Content::Answer(told) = content { done(told.errno) } else { answer(content) })
        });
        only.map(|_| ())
    }

    /// Sends the requests of the batch and hands every answer on; which request it answers is said by its place in the batch.
    /// Requests that ask for no acknowledgement answer only where they are refused. The batch is empty afterwards.
    pub(super) fn carry_out(
        &mut self,
        batch: &mut Batch,
        mut answer: impl FnMut(usize, &Content<'_>),
    ) -> Result<(), Failure> {
        if batch.count == 0 {
            return Ok(());
        }
        let first = batch.first;
        let count = batch.count;
        let sent = self.socket.send(&batch.bytes);
        batch.begin_anew();
        sent?;
        // All answers are there: whatever the kernel had to say it said before the send returned.
        loop {
            match self.socket.read()? {
                Read::Bytes => {}
                Read::Nothing => return Ok(()),
                Read::Overrun => return Err(Failure::Refused(rustix::io::Errno::NOBUFS.raw_os_error())),
            }
            for message in Messages::new(self.socket.bytes()) {
                let message = readable(message)?;
                let place = message.header.sequence.wrapping_sub(first);
                if place < count {
                    answer(usize::try_from(place).unwrap_or(usize::MAX), &message.content());
                }
            }
        }
    }

    /// Sends the one request that `write` makes and hands each message that answers it on, until that is enough.
    fn hear(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, u32),
        mut watch: Option<ResizeWatch>,
        mut each: impl FnMut(&Content<'_>, Reading) -> ControlFlow<Result<(), Failure>>,
    ) -> Result<Reading, Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        self.outgoing.clear();
        write(&mut self.outgoing, self.sequence);
        self.socket.send(&self.outgoing)?;
        let mut reading = Reading::Whole;
        loop {
            self.read()?;
            if watch.as_mut().is_some_and(ResizeWatch::is_resized) {
                reading = Reading::Interrupted;
            }
            for message in Messages::new(self.socket.bytes()) {
                let message = readable(message)?;
                if message.header.sequence != self.sequence {
                    continue;
                }
                if message.header.flags.contains(Flags::DUMP_INTERRUPTED) {
                    reading = Reading::Interrupted;
                }
                if let Break(enough) = each(&message.content(), reading) {
                    return enough.map(|()| reading);
                }
            }
        }
    }

    fn read(&mut self) -> Result<(), Failure> {
        loop {
            match self.socket.read()? {
                Read::Bytes => return Ok(()),
                Read::Nothing if self.socket.wait(PATIENCE)? => {}
                Read::Nothing => return Err(Failure::other("Operation failed: the kernel does not answer")),
                Read::Overrun => return Err(Failure::Refused(rustix::io::Errno::NOBUFS.raw_os_error())),
            }
        }
    }
}

/// What the kernel's last word means: an errno, or 0.
const fn done(errno: i32) -> Result<(), Failure> {
    if errno == 0 { Ok(()) } else { Err(Failure::Refused(errno)) }
}

fn readable<'a>(message: Result<Message<'a>, ctwarden_wire::DecodeError>) -> Result<Message<'a>, Failure> {
    message.map_err(|error| Failure::from(io::Error::other(error)))
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

/// Requests that go into one send.
pub(super) struct Batch {
    bytes: Vec<u8>,
    first: u32,
    count: u32,
}

impl Batch {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), first: 1, count: 0 }
    }

    /// How many requests are in it.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Puts one more in; its place is how many there were before.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>, u32)) {
        write(&mut self.bytes, self.first.wrapping_add(self.count));
        self.count = self.count.saturating_add(1);
    }

    fn begin_anew(&mut self) {
        self.bytes.clear();
        self.first = self.first.wrapping_add(self.count);
        self.count = 0;
    }
}
