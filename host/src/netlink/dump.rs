//! One dump of a kernel table, read at the reader's pace: the kernel is only a few parts ahead of the reader.
//!
//! The kernel does nine tenths of the work of a dump, inside the read. A separate thread reads, so the loop judges the
//! entries of one part while the kernel fills the next ones. Two threads read if the caller requests one for each
//! family.

use std::io;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use ctwarden_model::{Expectation, Family, Filter, Flow};
use ctwarden_netlink::{NetlinkSocket, OpenError, Protocol, Read, ResizeWatch};
use ctwarden_reader::DumpReaders;
use ctwarden_wire::{Content, Flags, KernelFilter, Messages, request};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::niceness::Niceness;

/// Bytes of a part. A part usually consists of three reads with about three hundred entries: waking the loop for each
/// read costs both threads several percent of their time. (The allocator would get larger parts from the system each
/// time, `M_MMAP_THRESHOLD`.)
const PART_BYTES: usize = 100 * 1024;
/// Parts that are read ahead: enough that neither side waits for the other to wake.
const PARTS_AHEAD: usize = 3;
/// Most bytes of one read (`netlink_dump`, net/netlink/af_netlink.c).
const READ_BYTES: usize = 32 * 1024;
/// Interval at which the thread checks for a listener while the kernel returns nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reports only once that resizes of the hash table cannot be noticed.
static UNSEEN: Once = Once::new();

/// Progress of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DumpProgress {
    More,
    /// No part is available now.
    Nothing,
    /// The dump is over. `false` if the table was resized, the kernel called the dump inconsistent (`NLM_F_DUMP_INTR`),
    /// the dump failed, or rows were unreadable.
    Done(bool),
}

#[derive(Debug)]
pub(crate) enum Row {
    /// A row of the connection table.
    Flow(Flow),
    /// A row of the expectation table.
    Expectation(Expectation),
}

/// A running dump. Its threads end when the dump is dropped.
pub(crate) struct Dump {
    parts: Receiver<Part>,
    /// The part that `readable` received.
    next: Option<Part>,
    whole: bool,
    /// Whether the hash table was resized during the dump.
    resized: bool,
    /// Readers whose last part has not arrived yet.
    readers: usize,
}

/// The result of one read.
enum Part {
    Bytes {
        bytes: Vec<u8>,
        /// Whether the hash table was resized since the dump began.
        resized: bool,
    },
    /// The kernel dropped messages (`ENOBUFS`).
    Overrun,
    Failed(io::Error),
}

impl Dump {
    /// Requests the flows that match any of the filters, or all flows if there is no filter. The kernel filters only
    /// where it does so correctly: the dump may return more flows, never fewer. A reader for each family is possible
    /// only for all flows.
    pub(crate) fn flows(filters: &[Filter], readers: DumpReaders) -> Result<Self, OpenError> {
        let filter = KernelFilter::union_of(filters);
        let divided = [KernelFilter::family(Family::Ipv4), KernelFilter::family(Family::Ipv6)];
        let filters = match readers {
            DumpReaders::EachFamily => divided.as_slice(),
            DumpReaders::One => &[filter],
        };
        let requests = filters.iter().map(|filter| written(|asking| request::dump(asking, 1, filter)));
        let watch = ResizeWatch::begin();
        if !watch.can_see() {
            UNSEEN.call_once(|| {
                crate::log::say(
                    "cannot read net.netfilter.nf_conntrack_buckets: if the hash table is resized during a sweep, the \
                     sweep may miss flows without notice",
                );
            });
        }
        Self::begin(requests, Some(&watch))
    }

    /// Requests all expectations. Their hash table keeps its size while the kernel runs (`expect_hashsize`).
    pub(crate) fn expectations() -> Result<Self, OpenError> {
        Self::begin([written(|asking| request::expectation::dump(asking, 1, None))], None)
    }

    fn begin(requests: impl IntoIterator<Item = Vec<u8>>, watch: Option<&ResizeWatch>) -> Result<Self, OpenError> {
        let step = |what| move |source| OpenError::System { what, source };
        let (sender, parts) = channel(PARTS_AHEAD);
        let mut readers = 0;
        for asking in requests {
            let (socket, sender, watch) = (NetlinkSocket::open(Protocol::Netfilter)?, sender.clone(), watch.cloned());
            socket.send(&asking).map_err(step("request the table on"))?;
            thread::Builder::new()
                .name("dump".to_owned())
                .spawn(move || receive(DumpSocket { socket, watch }, &sender))
                .map_err(step("start a thread for"))?;
            readers += 1;
        }
        Ok(Self { parts, next: None, whole: true, resized: false, readers })
    }

    /// Whether the hash table was resized during the dump.
    pub(crate) const fn is_resized(&self) -> bool {
        self.resized
    }

    /// Waits until a part is readable, or the dump is over.
    pub(crate) async fn readable(&mut self) {
        if self.next.is_none() {
            self.next = self.parts.recv().await;
        }
    }

    /// Reads the next part.
    pub(crate) fn read(&mut self, mut row: impl FnMut(Row)) -> io::Result<DumpProgress> {
        let part = match self.next.take().map_or_else(|| self.parts.try_recv(), Ok) {
            Ok(part) => part,
            Err(TryRecvError::Empty) => return Ok(DumpProgress::Nothing),
            // The channel closed before the last part: a thread has died.
            Err(TryRecvError::Disconnected) => return Ok(DumpProgress::Done(false)),
        };
        let bytes = match part {
            Part::Bytes { bytes, resized } => {
                self.resized |= resized;
                self.whole &= !resized;
                bytes
            }
            Part::Overrun => return Ok(DumpProgress::Done(false)),
            Part::Failed(error) => return Err(error),
        };
        for message in Messages::new(&bytes) {
            let Ok(message) = message else { return Ok(DumpProgress::Done(false)) };
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
                Content::Done { status } => {
                    self.whole &= status == 0;
                    self.readers = self.readers.saturating_sub(1);
                    if self.readers == 0 {
                        return Ok(DumpProgress::Done(self.whole));
                    }
                }
                Content::Answer(_) | Content::Overrun => return Ok(DumpProgress::Done(false)),
                Content::Malformed(_) => self.whole = false,
                Content::Noop
                | Content::Statistics(_)
                | Content::CpuStatistics(_)
                | Content::ExpectationCpuStatistics(_)
                | Content::Other => {}
            }
        }
        Ok(DumpProgress::More)
    }
}

/// Writes a request into a new buffer.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut request = Vec::new();
    write(&mut request);
    request
}

/// A socket from which a dump is read.
struct DumpSocket {
    socket: NetlinkSocket,
    watch: Option<ResizeWatch>,
}

/// Reads until the dump is over, or until no receiver wants the rest.
fn receive(mut reader: DumpSocket, parts: &Sender<Part>) {
    // A large table keeps a processor busy for seconds. That must not delay other threads.
    Niceness::lower_priority();
    loop {
        let (part, last) = reader.read_part(parts).unwrap_or_else(|broken| (broken, true));
        if parts.blocking_send(part).is_err() || last {
            return;
        }
    }
}

impl DumpSocket {
    /// Reads one part. Returns the part, and whether it is the last one.
    fn read_part(&mut self, parts: &Sender<Part>) -> Result<(Part, bool), Part> {
        let Self { socket, watch } = self;
        let mut bytes = Vec::with_capacity(PART_BYTES);
        let mut resized = false;
        let last = loop {
            match socket.read().map_err(Part::Failed)? {
                Read::Bytes => {
                    resized = watch.as_mut().is_some_and(ResizeWatch::is_resized);
                    let read = socket.bytes();
                    bytes.extend_from_slice(read);
                    let last = is_last(read);
                    if last || bytes.len() + READ_BYTES > PART_BYTES {
                        break last;
                    }
                }
                Read::Overrun => return Err(Part::Overrun),
                Read::Nothing => {
                    socket.wait(PATIENCE).map_err(Part::Failed)?;
                    if parts.is_closed() {
                        break true;
                    }
                }
            }
        };
        Ok((Part::Bytes { bytes, resized }, last))
    }
}

/// Whether nothing follows: the kernel has ended the dump, or its message is unreadable.
fn is_last(part: &[u8]) -> bool {
    match Messages::new(part).last() {
        Some(Ok(message)) => matches!(message.content(), Content::Done { .. } | Content::Answer(_) | Content::Overrun),
        Some(Err(_)) => true,
        None => false,
    }
}
