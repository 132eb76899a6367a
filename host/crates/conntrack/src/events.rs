//! `-E`: the events of a table, as they happen.
//!
//! The kernel drops events if the socket is not read fast enough. So the command uses a large receive buffer, writes
//! many lines at once while there is more to read, and reports the number of lost events.

use std::io;
use std::os::fd::AsFd;

use ctwarden_format::{EventContext, Userspace, xml};
use ctwarden_model::{EventKinds, Filter};
use ctwarden_netlink::{NetlinkSocket, Protocol, Read};
use ctwarden_wire::{ConntrackMessage, Content, EventFilter, Messages, MulticastGroup};
use rustix::event::PollFlags;
use rustix::io::Errno;

use super::failure::{Failure, text_of};
use super::netlink_sockets;
use super::output::{self, Output, say};
use super::printer::Printer;
use super::program_name::ProgramNames;
use super::signals::{Next, Signals};

/// Default receive buffer: some six thousand events. The system's default holds 166.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Reads before the signals are checked again, if there is always more to read.
const READS_IN_A_ROW: u32 = 1024;

/// Bytes that a ready pipe accepts without blocking (`PIPE_BUF`).
const AT_ONCE: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Conntrack,
    Expect,
}

/// The events to listen for.
pub(super) struct Listening<'a> {
    pub(super) table: Table,
    pub(super) kinds: EventKinds,
    /// Requested receive buffer in bytes, before the kernel doubles it.
    pub(super) buffer: Option<u32>,
    /// Filter of the flows. `None` means all flows.
    pub(super) filter: Option<&'a Filter>,
}

impl Listening<'_> {
    pub(super) const EXPECTATIONS: Self = Self {
        table: Table::Expect,
        kinds: EventKinds { row: false, new: true, update: true, destroy: true },
        buffer: None,
        filter: None,
    };
}

/// Prints events until SIGINT or SIGTERM comes. Returns their number.
pub(super) fn listen(
    output: &mut Output,
    printer: &mut Printer<'_>,
    listening: &Listening<'_>,
) -> Result<u64, Failure> {
    // First, so a signal cannot end the command between its first and its last line.
    let signals = Signals::hold().map_err(|error| Failure::system("Can't receive signals", &error))?;
    let mut listener =
        Listener { socket: open(listening)?, output, printer, programs: ProgramNames::default(), listening, shown: 0 };
    listener.run(&signals)?;
    let root = match listening.table {
        Table::Conntrack => xml::DocumentTable::Conntrack,
        Table::Expect => xml::DocumentTable::Expect,
    };
    let shown = listener.shown;
    printer.close(output.text(), root);
    drain_or_stop(output, &signals)?;
    Ok(shown)
}

fn open(listening: &Listening<'_>) -> Result<NetlinkSocket, Failure> {
    let socket = NetlinkSocket::open_for_many(Protocol::Netfilter)?;
    match listening.buffer {
        Some(bytes) => {
            // Doubled, because the kernel doubles the size that it is given and this call counts as the kernel does.
            let size = socket.size_receive_buffer(usize::try_from(bytes).unwrap_or(usize::MAX).saturating_mul(2))?;
            say(&format!("NOTICE: Netlink socket buffer size has been set to {size} bytes."));
        }
        None => drop(socket.size_receive_buffer(RECEIVE_BUFFER)?),
    }
    if let Some(program) = listening.filter.and_then(|filter| EventFilter::of(std::slice::from_ref(filter))) {
        // The program runs before the receive buffer, so filtered events take no space in it.
        socket.attach(Some(&program))?;
    }
    let EventKinds { row: _, new, update, destroy } = listening.kinds;
    let groups = match listening.table {
        Table::Conntrack => [
            (new, MulticastGroup::CONNTRACK_NEW),
            (update, MulticastGroup::CONNTRACK_UPDATE),
            (destroy, MulticastGroup::CONNTRACK_DESTROY),
        ],
        Table::Expect => [
            (new, MulticastGroup::EXPECTATION_NEW),
            (update, MulticastGroup::EXPECTATION_UPDATE),
            (destroy, MulticastGroup::EXPECTATION_DESTROY),
        ],
    };
    for (_, group) in groups.into_iter().filter(|(wanted, _)| *wanted) {
        socket.join(group)?;
    }
    Ok(socket)
}

struct Listener<'l, 'a> {
    socket: NetlinkSocket,
    output: &'l mut Output,
    printer: &'l mut Printer<'a>,
    programs: ProgramNames,
    listening: &'l Listening<'l>,
    shown: u64,
}

impl Listener<'_, '_> {
    fn run(&mut self, signals: &Signals) -> Result<(), Failure> {
        loop {
            if wait(signals, self.socket.as_fd(), PollFlags::IN)? == Next::End {
                return Ok(());
            }
            for count in 1.. {
                match self.socket.read() {
                    Ok(Read::Bytes) => self.print(),
                    Ok(Read::Nothing) => break,
                    Ok(Read::Overrun) => self.tell_of_loss(),
                    Err(error) => {
                        let why = text_of(&error);
                        return Err(Failure::other(format!("failed to received netlink event: {why}")));
                    }
                }
                // Messages that were already taken from the socket wake no poll.
                if (self.output.is_full() || count >= READS_IN_A_ROW) && !self.socket.has_taken_more() {
                    break;
                }
            }
            if drain_or_stop(self.output, signals)? == Next::End {
                return Ok(());
            }
        }
    }

    /// Prints the events of one read, mostly a single event.
    fn print(&mut self) {
        self.printer.look_at_the_clock();
        for message in Messages::new(self.socket.bytes()).map_while(Result::ok) {
            let content = message.content();
            if let Content::Conntrack(entry) = content {
                let (text, programs) = (self.output.text(), &mut self.programs);
                self.shown += u64::from(print_flow(text, self.printer, programs, self.listening, &entry));
            } else if let Content::Expectation(entry) = content
                && let Ok(expectation) = entry.expectation.to_expectation()
            {
                self.printer.expectation(self.output.text(), &expectation, entry.kind());
                self.shown += 1;
            }
        }
    }

    fn tell_of_loss(&self) {
        say("WARNING: We have hit ENOBUFS! We are losing events.");
        if let Some(socket) = netlink_sockets::find(self.socket.port()) {
            say(&format!("The kernel has dropped {} events for this socket since it was opened.", socket.dropped));
        }
        say("Set a larger receive buffer with --buffer-size, or read the output of this command faster.");
    }
}

/// Appends the event if it matches.
fn print_flow(
    text: &mut Vec<u8>,
    printer: &mut Printer<'_>,
    programs: &mut ProgramNames,
    listening: &Listening<'_>,
    entry: &ConntrackMessage<'_>,
) -> bool {
    let Ok(flow) = entry.flow.to_flow() else { return false };
    if listening.filter.is_some_and(|filter| !filter.matches(&flow)) {
        return false;
    }
    let port = entry.header.port;
    let userspace =
        (port != 0 && printer.tells_programs()).then(|| Userspace { portid: port, program: programs.of(port) });
    printer.flow(text, &flow, &EventContext { kind: entry.kind(), userspace })
}

fn wait(signals: &Signals, file: std::os::fd::BorrowedFd<'_>, for_what: PollFlags) -> Result<Next, Failure> {
    signals.or(file, for_what).map_err(|error| Failure::system("Can't wait for events", &error))
}

/// Writes everything, unless a signal comes while the reader of the output does not read. A ready pipe accepts this
/// much without blocking.
fn drain_or_stop(output: &mut Output, signals: &Signals) -> Result<Next, Failure> {
    let failed = |error: io::Error| output::failed(&error);
    let mut written = 0;
    let mut next = Next::Ready;
    while let Some(rest) = output.waiting().get(written..).filter(|rest| !rest.is_empty()) {
        next = wait(signals, output::stdout(), PollFlags::OUT)?;
        let part = rest.get(..AT_ONCE).unwrap_or(rest);
        // Continues after a signal, too, as long as the output accepts data.
        if next == Next::End && !is_ready().map_err(failed)? {
            break;
        }
        match rustix::io::write(output::stdout(), part) {
            Ok(bytes) => written += bytes,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    output.written(written);
    Ok(next)
}

/// Whether standard output accepts data right now.
fn is_ready() -> io::Result<bool> {
    let mut fds = [rustix::event::PollFd::from_borrowed_fd(output::stdout(), PollFlags::OUT)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(rustix::event::poll(&mut fds, Some(&now))? > 0)
}
