//! Writes lines to a byte stream: gathers them, writes them together, each whole or not at all.
//!
//! A full disk may accept half a line. Lines that were not written are counted and dropped. A torn line is terminated,
//! and the stream continues with a whole line once it can.

use std::io::{self, ErrorKind, Write};

use super::sink::Lost;

/// Most bytes that are gathered before a write.
const GATHERED_MAX: usize = 256 << 10;

/// A line buffer in front of a stream.
#[derive(Debug)]
pub(super) struct Lines<W> {
    stream: W,
    gathered: Vec<u8>,
    /// Number of gathered lines.
    count: u64,
    /// Whether the stream ends with a torn line.
    torn: bool,
}

impl<W: Write> Lines<W> {
    pub(super) const fn new(stream: W) -> Self {
        Self { stream, gathered: Vec::new(), count: 0, torn: false }
    }

    /// Adds a line without its terminator, and writes if enough are gathered. Returns how many lines were written.
    pub(super) fn put(&mut self, line: &str) -> Result<u64, Lost> {
        self.gathered.extend_from_slice(line.as_bytes());
        self.gathered.push(b'\n');
        self.count += 1;
        if self.gathered.len() >= GATHERED_MAX { self.flush() } else { Ok(0) }
    }

    /// Writes the gathered lines and returns their number. Lines that cannot be written are dropped and counted.
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
        // A line that lacks only its terminator will get it.
        let left = left.strip_prefix(b"\n").unwrap_or(left);
        let lines = u64::try_from(left.iter().filter(|b| **b == b'\n').count()).unwrap_or(u64::MAX);
        Err(Lost { written: count.saturating_sub(lines), lines, error })
    }

    /// Terminates a torn line, then writes. The error has the number of written bytes and the cause.
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

    /// Accepts a number of bytes, then refuses.
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

            // Still full: further lines are lost as well.
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
