//! A connection that stays open, and can be tried.
//!
//! Idle connections are what a cap counts; trying one shows whether it still lives.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::connect;

/// An open connection to an echo service; it is closed with the value.
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
    /// What the system says of a broken socket.
    pub fn local(&self) -> io::Result<std::net::SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends a question and waits at most that long for its answer; gives the time that it took.
    ///
    /// # Errors
    /// `WouldBlock` where no answer came, `ConnectionReset` or `UnexpectedEof` where the connection was ended.
    pub fn exchange(&self, time: Duration) -> io::Result<Duration> {
        let since = Instant::now();
        self.stream.set_read_timeout(Some(time.max(Duration::from_millis(1))))?;
        connect::exchange(&self.stream)?;
        Ok(since.elapsed())
    }
}
