//! A network namespace for one test, and a netlink socket in it.
//!
//! A namespace belongs to a thread. The test runs in a new thread, and nothing is left when the thread ends.

use std::process::Command;
use std::{io, thread};

use ctwarden_model::{Event, EventKind, Flow};
use ctwarden_wire::{Content, EventFilter, Instruction, KernelFilter, Messages, request};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use socket2::{SockFilter, SockRef};

/// Receive buffer of a socket in bytes. The system's default differs between machines.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Runs the test in its own namespace, or reports that it is skipped. If `CI` is set, nobody reads the report, and the
/// test fails.
pub(crate) fn in_namespace(test: impl FnOnce(&mut Kernel) + Send + 'static) {
    let thread = thread::spawn(move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(&mut Kernel::open()),
        Err(error) => {
            let skipped = format!("skipped: a network namespace of its own needs root ({error})");
            assert!(std::env::var_os("CI").is_none(), "{skipped}");
            eprintln!("{skipped}");
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The kernel, as the namespace sees it.
pub(crate) struct Kernel {
    socket: Socket,
    /// Port of the socket. Events that the socket caused carry it.
    pub(crate) port: u32,
    sequence: u32,
}

/// The kernel's answer to one request.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// Errno of the answer, 0 for an acknowledgement. `None` if the kernel sent no answer.
    pub(crate) errno: Option<i32>,
    /// Entries that the kernel sent.
    pub(crate) flows: Vec<Flow>,
    /// All bytes, for messages without a field here.
    pub(crate) bytes: Vec<u8>,
}

impl Kernel {
    fn open() -> Self {
        let mut socket = Socket::new(NETLINK_NETFILTER).unwrap();
        let port = socket.bind_auto().unwrap().port_number();
        socket.set_ext_ack(true).unwrap();
        socket.set_non_blocking(true).unwrap();
        setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).unwrap();
        Self { socket, port, sequence: 0 }
    }

    /// Opens a second socket, which receives every event.
    pub(crate) fn listener() -> Self {
        let listener = Self::open();
        for group in 1..=6 {
            listener.socket.add_membership(group).unwrap();
        }
        listener
    }

    /// Makes the kernel run the program in front of the socket from now on.
    pub(crate) fn attach(&self, program: &EventFilter) {
        let filter = |i: &Instruction| SockFilter::new(i.code, i.jump_true, i.jump_false, i.operand);
        let program: Vec<_> = program.instructions().iter().map(filter).collect();
        SockRef::from(&self.socket).attach_filter(&program).unwrap();
    }

    /// Sends what `write` wrote and returns everything that the kernel sends. The kernel answers before the send
    /// returns.
    pub(crate) fn say(&mut self, write: impl FnOnce(&mut Vec<u8>, u32)) -> Vec<u8> {
        self.sequence += 1;
        // The buffer's memory has old content, which must not matter.
        let mut buffer = vec![0xee; 64];
        buffer.clear();
        write(&mut buffer, self.sequence);
        self.socket.send_to(&buffer, &SocketAddr::new(0, 0), 0).unwrap();
        self.read()
    }

    /// Sends one request and decodes the answer. Every message of the answer must have the number of the request.
    pub(crate) fn ask(&mut self, write: impl FnOnce(&mut Vec<u8>, u32)) -> Reply {
        let mut reply = Reply { bytes: self.say(write), ..Reply::default() };
        for message in Messages::new(&reply.bytes) {
            let message = message.unwrap();
            assert_eq!(message.header.sequence, self.sequence);
            match message.content() {
                Content::Answer(answer) => {
                    assert_eq!(answer.sequence(), self.sequence);
                    reply.errno = Some(answer.errno);
                }
                Content::Conntrack(entry) => {
                    assert_eq!(entry.flow.oddities(), []);
                    reply.flows.push(entry.flow.to_flow().unwrap());
                }
                Content::Done { status } => assert_eq!(status, 0),
                Content::Malformed(error) => panic!("{error}"),
                Content::Noop
                | Content::Overrun
                | Content::Expectation(_)
                | Content::Statistics(_)
                | Content::CpuStatistics(_)
                | Content::ExpectationCpuStatistics(_)
                | Content::Other => {}
            }
        }
        reply
    }

    /// Returns every entry of the table that the kernel's filter passes.
    pub(crate) fn rows(&mut self, filter: &KernelFilter) -> Vec<Flow> {
        let reply = self.ask(|buffer, sequence| request::dump(buffer, sequence, filter));
        assert_eq!(reply.errno, None, "{filter:?}");
        reply.flows
    }

    /// Creates an entry and returns it as the kernel has it.
    pub(crate) fn create(&mut self, flow: &Flow) -> Flow {
        let reply = self.ask(|buffer, sequence| request::create(buffer, sequence, flow));
        assert_eq!(reply.errno, Some(0), "{flow:?}");
        self.get(flow).unwrap_or_else(|errno| panic!("{errno}: {flow:?}"))
    }

    /// Returns the entry with the flow's tuple and zone, or the errno.
    pub(crate) fn get(&mut self, flow: &Flow) -> Result<Flow, i32> {
        let mut reply = self.ask(|buffer, sequence| request::get(buffer, sequence, &flow.key()));
        reply.flows.pop().ok_or_else(|| reply.errno.unwrap())
    }

    /// Returns the waiting events, each with the port of the socket that caused it.
    pub(crate) fn events(&self) -> Vec<(Event, u32)> {
        let bytes = self.read();
        let event = |content| match content {
            Content::Conntrack(entry) => {
                let by_us = entry.header.port == self.port;
                Some((Event { kind: entry.kind(), by_us, flow: entry.flow.to_flow().unwrap() }, entry.header.port))
            }
            _ => None,
        };
        Messages::new(&bytes).filter_map(|message| event(message.unwrap().content())).collect()
    }

    /// Returns the kinds of the waiting events, each with the port of the socket that caused it.
    pub(crate) fn event_kinds(&self) -> Vec<(EventKind, u32)> {
        self.events().into_iter().map(|(event, port)| (event.kind, port)).collect()
    }

    /// Reads all waiting bytes.
    pub(crate) fn read(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            match self.socket.recv_from_full() {
                Ok((read, _)) => bytes.extend(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return bytes,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Runs a command in the namespace and returns its output.
pub(crate) fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
