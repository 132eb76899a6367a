//! One walk over a table of the kernel, read at the reader's pace: the kernel goes no further than a few parts ahead of it.
//!
//! Nine tenths of a walk are the kernel's own work, done inside the read. A thread of its own reads, so that the entries of one
//! part are judged while the kernel fills the next ones; or two do, where the caller asks for one for each family.

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

/// Bytes of a part, of three reads as a rule, with about three hundred entries: to wake the loop for each read costs both threads
/// several percent of their time. (Larger ones would come from the system each time, `M_MMAP_THRESHOLD`.)
const PART_BYTES: usize = 100 * 1024;
/// Parts that are read ahead: enough that neither side waits for the other's wake.
const PARTS_AHEAD: usize = 3;
/// Bytes of one read at most (`netlink_dump`, net/netlink/af_netlink.c).
const READ_BYTES: usize = 32 * 1024;
/// How often the thread looks whether anybody still listens while the kernel gives nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// That resizes of the hash table cannot be noticed is said once.
static UNSEEN: Once = Once::new();

/// How a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dumped {
    More,
    /// Nothing is there right now.
    Nothing,
    /// It is over; false where the table was resized, the kernel called it inconsistent (`NLM_F_DUMP_INTR`), it failed, or rows
    /// were unreadable.
    Done(bool),
}

#[derive(Debug)]
pub(crate) enum Row {
    /// Of the connection table.
    Flow(Flow),
    /// Of the expectation table.
    Expectation(Expectation),
}

/// A running walk; its threads end with it.
pub(crate) struct Dump {
    parts: Receiver<Part>,
    /// The part that was waited for.
    next: Option<Part>,
    whole: bool,
    /// Whether the hash table was resized meanwhile.
    resized: bool,
    /// Readers of which the last part is still to come.
    readers: usize,
}

/// What one read gave.
enum Part {
    Bytes {
        bytes: Vec<u8>,
        /// Whether the hash table was resized since the walk began.
        resized: bool,
    },
    /// The kernel dropped something (ENOBUFS).
    Overrun,
    Failed(io::Error),
}

impl Dump {
    /// Asks for the flows that match any of the filters (all where there is none), as far as the kernel filters right: more
    /// may come, never less. A reader for each family is for all flows only.
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
                    "net.netfilter.nf_conntrack_buckets cannot be read: a sweep during which the hash table is resized may \
                     miss flows without notice",
                );
            });
        }
        Self::begin(requests, Some(&watch))
    }

    /// Asks for all expectations. Their hash table keeps its size for as long as the kernel runs (`expect_hashsize`).
    pub(crate) fn expectations() -> Result<Self, OpenError> {
        Self::begin([written(|asking| request::expectation::dump(asking, 1, None))], None)
    }

    fn begin(requests: impl IntoIterator<Item = Vec<u8>>, watch: Option<&ResizeWatch>) -> Result<Self, OpenError> {
        let step = |what| move |source| OpenError::System { what, source };
        let (sender, parts) = channel(PARTS_AHEAD);
        let mut readers = 0;
        for asking in requests {
            let (socket, sender, watch) = (NetlinkSocket::open(Protocol::Netfilter)?, sender.clone(), watch.cloned());
            socket.send(&asking).map_err(step("ask for the table on"))?;
            thread::Builder::new()
                .name("dump".to_owned())
                .spawn(move || receive(Reader { socket, watch }, &sender))
                .map_err(step("start a thread for"))?;
            readers += 1;
        }
        Ok(Self { parts, next: None, whole: true, resized: false, readers })
    }

    /// Whether the hash table was resized while it was read.
    pub(crate) const fn is_resized(&self) -> bool {
        self.resized
    }

    /// Waits until a part can be read, or the end.
    pub(crate) async fn readable(&mut self) {
        if self.next.is_none() {
            self.next = self.parts.recv().await;
        }
    }

    /// Reads the next part.
    pub(crate) fn read(&mut self, mut row: impl FnMut(Row)) -> io::Result<Dumped> {
        let part = match self.next.take().map_or_else(|| self.parts.try_recv(), Ok) {
            Ok(part) => part,
            Err(TryRecvError::Empty) => return Ok(Dumped::Nothing),
            // Without the last part: a thread has died.
            Err(TryRecvError::Disconnected) => return Ok(Dumped::Done(false)),
        };
        let bytes = match part {
            Part::Bytes { bytes, resized } => {
                self.resized |= resized;
                self.whole &= !resized;
                bytes
            }
            Part::Overrun => return Ok(Dumped::Done(false)),
            Part::Failed(error) => return Err(error),
        };
        for message in Messages::new(&bytes) {
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
                Content::Done { status } => {
                    self.whole &= status == 0;
                    self.readers = self.readers.saturating_sub(1);
                    if self.readers == 0 {
                        return Ok(Dumped::Done(self.whole));
                    }
                }
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

/// A request in a buffer of its own.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut request = Vec::new();
    write(&mut request);
    request
}

/// A socket that a walk is read from.
struct Reader {
    socket: NetlinkSocket,
    watch: Option<ResizeWatch>,
}

/// Reads until the walk's end, or until nobody wants the rest.
fn receive(mut reader: Reader, parts: &Sender<Part>) {
    // A large table keeps a processor busy for seconds, which is no reason to go before anybody.
    Niceness::lower_priority();
    loop {
        let (part, last) = reader.read_part(parts).unwrap_or_else(|broken| (broken, true));
        if parts.blocking_send(part).is_err() || last {
            return;
        }
    }
}

impl Reader {
    /// Reads as much as makes a part; tells whether it is the last one.
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

/// Whether nothing follows: the kernel has said that the walk is over, or what it said cannot be read.
fn is_last(part: &[u8]) -> bool {
    match Messages::new(part).last() {
        Some(Ok(message)) => matches!(message.content(), Content::Done { .. } | Content::Answer(_) | Content::Overrun),
        Some(Err(_)) => true,
        None => false,
    }
}
