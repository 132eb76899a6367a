//! A descriptor whose reader may stall, and a deadline for waiting on it.
//!
//! A write into a full pipe returns only when the reader reads, which may be never. A thread blocked in such a write
//! cannot report at the end what it has written. This type first polls whether the descriptor accepts data, and gives
//! up at the deadline.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Interval at which a write checks for the deadline while the descriptor accepts nothing.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes that a writable pipe accepts without blocking (`PIPE_BUF`, pipe(7)).
const AT_ONCE: usize = 4096;

/// The deadline of writes. Writes wait forever until it is set.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience(Arc<OnceLock<Instant>>);

impl Patience {
    /// Sets the deadline. The first call counts.
    pub(super) fn ends(&self, at: Instant) {
        let _ = self.0.set(at);
    }

    /// Whether the deadline has passed.
    pub(super) fn is_over(&self) -> bool {
        self.0.get().is_some_and(|at| *at <= Instant::now())
    }

    /// Waits a moment. Returns an error if the deadline has passed.
    pub(super) fn wait(&self) -> io::Result<()> {
        if self.is_over() {
            return Err(nobody_reads());
        }
        std::thread::sleep(LOOK);
        Ok(())
    }

    /// The longest time that one system call may wait.
    pub(super) const fn look() -> Duration {
        LOOK
    }
}

fn nobody_reads() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no process reads the output")
}

/// A descriptor for writing.
#[derive(Debug)]
pub(super) struct Patient {
    file: File,
    /// A regular file always takes everything at once.
    is_file: bool,
    patience: Patience,
}

impl Patient {
    pub(super) fn new(file: File, patience: Patience) -> Self {
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Self { file, is_file, patience }
    }

    fn is_ready(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        let nanoseconds = if self.patience.is_over() { 0 } else { i64::from(LOOK.subsec_nanos()) };
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: nanoseconds })) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_file {
            return self.file.write(bytes);
        }
        loop {
            if self.is_ready()? {
                match self.file.write(bytes.get(..AT_ONCE).unwrap_or(bytes)) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.patience.wait()?,
                    outcome => return outcome,
                }
            } else if self.patience.is_over() {
                return Err(nobody_reads());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_is_given_up_and_what_it_took_is_known() {
        let (mut from, to) = io::pipe().unwrap();
        let patience = Patience::default();
        let mut pipe = Patient::new(File::from(std::os::fd::OwnedFd::from(to)), patience.clone());
        patience.ends(Instant::now());
        let (mut taken, mut error) = (0, None);
        while error.is_none() {
            match pipe.write(&[b'x'; 10_000]) {
                Ok(bytes) => taken += bytes,
                Err(given_up) => error = Some(given_up),
            }
        }
        assert_eq!(error.unwrap().kind(), ErrorKind::TimedOut);
        drop(pipe);
        let mut read = Vec::new();
        from.read_to_end(&mut read).unwrap();
        assert_eq!(read.len(), taken);
    }
}
