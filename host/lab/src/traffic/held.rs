//! A connection that stays open and can be tested. A cap counts idle connections, and a test shows whether one still
//! works.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::connect;

/// An open connection to an echo service. It closes when the value is dropped.
#[derive(Debug)]
pub struct Held {
    stream: TcpStream,
}

impl Held {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// The client's address and port.
    ///
    /// # Errors
    /// Returns the error of a broken socket.
    pub fn local(&self) -> io::Result<std::net::SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends a question and waits at most `time` for the answer. Returns the time until the answer arrived.
    ///
    /// # Errors
    /// Returns `WouldBlock` if no answer arrives, and `ConnectionReset` or `UnexpectedEof` if the connection has ended.
    pub fn exchange(&self, time: Duration) -> io::Result<Duration> {
        let since = Instant::now();
        self.stream.set_read_timeout(Some(time.max(Duration::from_millis(1))))?;
        connect::exchange(&self.stream)?;
        Ok(since.elapsed())
    }
}
