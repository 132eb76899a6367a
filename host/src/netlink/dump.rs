//! One walk over a table of the kernel, read at the reader's pace: the kernel fills the next part only when it is asked.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use ctwarden_model::{Expectation, Filter, Flow};
use ctwarden_netlink::{NetfilterSocket, OpenError, Read};
use ctwarden_wire::{Content, Flags, KernelFilter, Messages, request};

/// How a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dumped {
    /// There is more.
    More,
    /// Nothing is there right now.
    Nothing,
    /// It is over; false where the kernel called it inconsistent (`NLM_F_DUMP_INTR`), it failed, or rows were unreadable.
    Done(bool),
}

/// One entry.
#[derive(Debug)]
pub(crate) enum Row {
    /// Of the connection table.
    Flow(Flow),
    /// Of the expectation table.
    Expectation(Expectation),
}

/// A running walk.
pub(crate) struct Dump {
    socket: NetfilterSocket,
    whole: bool,
}

impl Dump {
    /// Asks for the flows that match any of the filters (all where there is none), as far as the kernel filters right: more
    /// may come, never less.
    pub(crate) fn flows(filters: &[Filter]) -> Result<Self, OpenError> {
        Self::begin(|asking| request::dump(asking, 1, &KernelFilter::union_of(filters)))
    }

    /// Asks for all expectations.
    pub(crate) fn expectations() -> Result<Self, OpenError> {
        Self::begin(|asking| request::expectation::dump(asking, 1, None))
    }

    fn begin(write: impl FnOnce(&mut Vec<u8>)) -> Result<Self, OpenError> {
        let socket = NetfilterSocket::open()?;
        let mut asking = Vec::new();
        write(&mut asking);
        socket.send(&asking).map_err(|source| OpenError::System { what: "ask for the table on", source })?;
        Ok(Self { socket, whole: true })
    }

    /// Reads the next part, about a hundred entries.
    pub(crate) fn read(&mut self, mut row: impl FnMut(Row)) -> io::Result<Dumped> {
        match self.socket.read()? {
            Read::Nothing => return Ok(Dumped::Nothing),
            Read::Overrun => return Ok(Dumped::Done(false)),
            Read::Bytes => {}
        }
        for message in Messages::new(self.socket.bytes()) {
            let Ok(message) = message else { return Ok(Dumped::Done(false)) };
            if message.header.flags.contains(Flags::DUMP_INTERRUPTED) {
                self.whole = false;
            }
            match message.content() {
                Content::Conntrack(entry) => match entry.flow.to_flow() {
                    Ok(flow) => row(Row::Flow(flow)),
                    Err(_) => self.whole = false,
                },
                Content::Expectation(entry) => match entry.expectation.to_expectation() {
                    Ok(expectation) => row(Row::Expectation(expectation)),
                    Err(_) => self.whole = false,
                },
                Content::Done { status } => return Ok(Dumped::Done(self.whole && status == 0)),
                Content::Answer(_) | Content::Overrun => return Ok(Dumped::Done(false)),
                Content::Malformed(_) => self.whole = false,
                Content::Noop
                | Content::Statistics(_)
                | Content::CpuStatistics(_)
                | Content::ExpectationCpuStatistics(_)
                | Content::Other => {}
            }
        }
        Ok(Dumped::More)
    }
}

impl AsRawFd for Dump {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
