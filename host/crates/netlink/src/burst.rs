//! Messages that wait in a socket, received by one system call.
//!
//! The fixed cost of a system call is a fifth of the total cost of receiving an event. All waiting events share it.

use std::io::{self, IoSliceMut};
use std::os::fd::RawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};

/// The messages that one system call received.
pub(crate) struct Burst {
    /// The receive places, one after the other.
    buffer: Vec<u8>,
    /// Size of one place in bytes.
    place: usize,
    /// Length of each received message in bytes; 0 if the message is not from the kernel.
    lengths: [usize; Self::MOST],
    /// Number of received messages.
    count: usize,
    /// Index of the message after the current one.
    next: usize,
}

impl Burst {
    /// Maximum number of messages for one call. A larger number does not reduce the cost of a message.
    pub(crate) const MOST: usize = 32;

    /// Creates a burst of `messages` places, at most [`Burst::MOST`], of `place` bytes each.
    pub(crate) fn new(messages: usize, place: usize) -> Self {
        let buffer = vec![0; place.saturating_mul(messages.clamp(1, Self::MOST))];
        Self { buffer, place, lengths: [0; Self::MOST], count: 0, next: 0 }
    }

    /// Moves to the next received message of the kernel. Returns false if there is none.
    pub(crate) fn advance(&mut self) -> bool {
        while self.has_more() {
            self.next += 1;
            if !self.bytes().is_empty() {
                return true;
            }
        }
        false
    }

    /// Whether a message may follow the current one.
    pub(crate) const fn has_more(&self) -> bool {
        self.next < self.count
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let Some(current) = self.next.checked_sub(1) else { return &[] };
        let length = self.lengths.get(current).copied().unwrap_or(0);
        let begin = current.saturating_mul(self.place);
        self.buffer.get(begin..begin.saturating_add(length)).unwrap_or_default()
    }

    /// Receives the messages that wait in the socket. If a failure follows the first message, the next call reports it.
    pub(crate) fn receive(&mut self, socket: RawFd) -> io::Result<()> {
        (self.count, self.next) = (0, 0);
        let mut places = self.buffer.chunks_exact_mut(self.place);
        let count = places.len();
        let mut slices: [[IoSliceMut<'_>; 1]; Self::MOST] =
            std::array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
        let mut headers = MultiHeaders::<NetlinkAddr>::preallocate(count, None);
        let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
        for message in recvmmsg(socket, &mut headers, slices.iter_mut().take(count), flags, None)? {
            if message.bytes > self.place {
                return Err(io::Error::other(format!(
                    "a message of {} bytes is larger than the read buffer",
                    message.bytes
                )));
            }
            let from_kernel = message.address.is_some_and(|address| address.pid() == 0);
            if let Some(length) = self.lengths.get_mut(self.count) {
                *length = if from_kernel { message.bytes } else { 0 };
                self.count += 1;
            }
        }
        Ok(())
    }
}
