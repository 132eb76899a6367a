//! Messages that wait in a socket, taken over by one call into the kernel.
//!
//! A call costs a fifth of what it takes to receive an event. It is shared by as many events as wait.

use std::io::{self, IoSliceMut};
use std::os::fd::RawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};

/// What one call took over, message by message.
pub(crate) struct Burst {
    /// One place after the other.
    buffer: Vec<u8>,
    /// Bytes of a place.
    place: usize,
    /// Bytes of each message that was taken over; 0 where it is not the kernel's.
    lengths: [usize; Self::MOST],
    /// How many of them there are.
    count: usize,
    /// The message behind the current one.
    next: usize,
}

impl Burst {
    /// Messages of one call at most. More make none of them cheaper.
    pub(crate) const MOST: usize = 32;

    /// Takes so many messages over at once, [`Burst::MOST`] at most, of so many bytes each.
    pub(crate) fn new(messages: usize, place: usize) -> Self {
        let buffer = vec![0; place.saturating_mul(messages.clamp(1, Self::MOST))];
        Self { buffer, place, lengths: [0; Self::MOST], count: 0, next: 0 }
    }

    /// The next message of the kernel that was taken over is the current one; false where there is none.
    pub(crate) fn advance(&mut self) -> bool {
        while self.has_more() {
            self.next += 1;
            if !self.bytes().is_empty() {
                return true;
            }
        }
        false
    }

    /// Whether a message may be behind the current one.
    pub(crate) const fn has_more(&self) -> bool {
        self.next < self.count
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let Some(current) = self.next.checked_sub(1) else { return &[] };
        let length = self.lengths.get(current).copied().unwrap_or(0);
        let begin = current.saturating_mul(self.place);
        self.buffer.get(begin..begin.saturating_add(length)).unwrap_or_default()
    }

    /// Takes over what waits in the socket. What fails after the first message is told by the next call.
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
