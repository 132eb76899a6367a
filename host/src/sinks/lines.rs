//! Lines on their way into a stream of bytes: gathered, written together, whole or not at all.
//!
//! A disk that is full takes half a line. What was not written is counted and dropped, a torn line is ended, and the
//! stream goes on with a whole line once it can.

use std::io::{self, ErrorKind, Write};

use super::sink::Lost;

/// So many bytes are gathered at most before they are written.
const GATHERED_MAX: usize = 256 << 10;

/// Lines before a stream.
#[derive(Debug)]
pub(super) struct Lines<W> {
    stream: W,
    gathered: Vec<u8>,
    /// Lines that are gathered.
    count: u64,
    /// Whether the last thing in the stream is half a line.
    torn: bool,
}

impl<W: Write> Lines<W> {
    pub(super) const fn new(stream: W) -> Self {
        Self { stream, gathered: Vec::new(), count: 0, torn: false }
    }

    /// Takes a line without its end; writes when enough are gathered. Gives how many lines were written.
    pub(super) fn put(&mut self, line: &str) -> Result<u64, Lost> {
        self.gathered.extend_from_slice(line.as_bytes());
        self.gathered.push(b'\n');
        self.count += 1;
        if self.gathered.len() >= GATHERED_MAX { self.flush() } else { Ok(0) }
    }

    /// Writes what is gathered, and gives how many lines that were; what cannot be written is dropped and counted.
    pub(super) fn flush(&mut self) -> Result<u64, Lost> {
        let gathered = std::mem::take(&mut self.gathered);
        let count = std::mem::take(&mut self.count);
        let (written, error) = match self.write_after_torn(&gathered) {
            Ok(()) => return Ok(count),
            Err(failure) => failure,
        };
        let (done, left) = gathered.split_at_checked(written).unwrap_or((&gathered, &[]));
        if let Some(last) = done.last() {
            self.torn = *last != b'\n';
        }
        // A line that lacks only its end will get it.
        let left = left.strip_prefix(b"\n").unwrap_or(left);
        let lines = u64::try_from(left.iter().filter(|b| **b == b'\n').count()).unwrap_or(u64::MAX);
        Err(Lost { written: count.saturating_sub(lines), lines, error })
    }

    /// Ends a torn line, then writes; else how many of the bytes were written and why no more.
    fn write_after_torn(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        if self.torn && !bytes.is_empty() {
            self.write(b"\n").map_err(|(_, error)| (0, error))?;
            self.torn = false;
        }
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then refuses.
    #[derive(Debug)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room).min(3);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.bytes.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn on_a_full_disk_every_line_is_whole_or_counted() {
        // Three lines of five bytes with their ends; the disk is full after each possible number of bytes.
        for room in 0..=15 {
            let mut lines = Lines::new(Disk { bytes: Vec::new(), room });
            for line in ["aaaa", "bbbb", "cccc"] {
                lines.put(line).unwrap();
            }
            let whole = ((room + 1) / 5) as u64;
            let (written, lost) = lines.flush().map_or_else(|lost| (lost.written, lost.lines), |written| (written, 0));
            assert_eq!((written, lost), (whole, 3 - whole), "room {room}");

            // Still full: what comes is lost as well.
            if room < 14 {
                lines.put("dddd").unwrap();
                assert_eq!(lines.flush().unwrap_err().lines, 1, "room {room}");
            }

            lines.stream.room = 100;
            lines.put("eeee").unwrap();
            assert_eq!(lines.flush().unwrap(), 1);
            let text = String::from_utf8(lines.stream.bytes).unwrap();
            let good: Vec<_> = text.lines().filter(|line| line.len() == 4).collect();
            assert_eq!(good.len() as u64, whole + 1, "room {room}: {text:?}");
            assert_eq!(good.last(), Some(&"eeee"), "room {room}: {text:?}");
            assert!(text.ends_with("eeee\n"), "room {room}: {text:?}");
        }
    }
}
