//! A connection that stays open and can be tried: a cap counts idle connections, and a trial shows whether one still works.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::connect;

/// An open connection to an echo service. It closes with the value.
#[derive(Debug)]
pub struct Held {
    stream: TcpStream,
}

impl Held {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// Its own address and port.
    ///
    /// # Errors
    /// The error of a broken socket.
    pub fn local(&self) -> io::Result<std::net::SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends a question and waits at most that long for the answer. Returns how long the answer took.
    ///
    /// # Errors
    /// `WouldBlock` if no answer came, `ConnectionReset` or `UnexpectedEof` if the connection has ended.
    pub fn exchange(&self, time: Duration) -> io::Result<Duration> {
        let since = Instant::now();
        self.stream.set_read_timeout(Some(time.max(Duration::from_millis(1))))?;
        connect::exchange(&self.stream)?;
        Ok(since.elapsed())
    }
}
