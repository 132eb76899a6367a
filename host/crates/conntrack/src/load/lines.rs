//! The commands of a part of a file, one a line.
//!
//! Several parts are read at the same time, so that each has a place in the file of its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use ctwarden_format::command::{self, Parsed, Refused};

use crate::NAME;
use crate::failure::Failure;
use crate::surroundings::Machine;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// The lines that begin in a part of a file.
#[derive(Clone, Copy)]
pub(super) struct Lines<'f> {
    pub(super) file: &'f File,
    /// What messages call it.
    pub(super) name: &'f str,
    /// First byte of the part.
    pub(super) begin: u64,
    /// Byte behind the part.
    pub(super) end: u64,
}

/// Reads at a place that is nobody else's.
struct Place<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for Place<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset = self.offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

impl Lines<'_> {
    /// Hands over what each line says, with the number of the line, counted from 1 in this part; lines that say nothing are
    /// counted only. Gives how many lines there are.
    pub(super) fn each(
        &self,
        mut each: impl FnMut(u64, Result<Parsed, Refused>) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let machine = Machine::default();
        // A line that began before belongs to the part before; one that ends there is no line of this one.
        let mut at = self.begin.saturating_sub(1);
        let mut reader = BufReader::with_capacity(READ_BYTES, Place { file: self.file, offset: at });
        let mut bytes = Vec::new();
        if self.begin > 0 {
            at = at.saturating_add(self.next(&mut reader, &mut bytes)?);
        }
        let mut number = 0;
        while at < self.end {
            let length = self.next(&mut reader, &mut bytes)?;
            if length == 0 {
                break;
            }
            at = at.saturating_add(length);
            number += 1;
            // Looked at in one go first: nearly every line is plain text.
            let said = match str::from_utf8(&bytes) {
                Ok(text) => command::line(NAME, text, &machine),
                Err(_) => command::line(NAME, &String::from_utf8_lossy(&bytes), &machine),
            };
            if let Some(said) = said.transpose() {
                each(number, said)?;
            }
        }
        Ok(number)
    }

    fn next(&self, reader: &mut impl BufRead, bytes: &mut Vec<u8>) -> Result<u64, Failure> {
        bytes.clear();
        match reader.read_until(b'\n', bytes) {
            Ok(length) => Ok(u64::try_from(length).unwrap_or(u64::MAX)),
            Err(error) => Err(Failure::system(&format!("Can't read {}", self.name), &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_line_belongs_to_exactly_one_part() {
        let text = "-F\n\n# comment\n-F -f ipv6\nnonsense\n-F";
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let end = u64::try_from(text.len()).unwrap();
        let count = |begin, end| {
            let mut said = 0;
            let part = Lines { file: &file, name: "", begin, end };
            let lines = part.each(|_, _| {
                said += 1;
                Ok(())
            });
            (lines.unwrap(), said)
        };
        let whole = count(0, end);
        assert_eq!(whole, (6, 4));
        for cut in 0..=end {
            let (first, second) = (count(0, cut), count(cut, end));
            assert_eq!((first.0 + second.0, first.1 + second.1), whole, "cut at {cut}");
        }
    }
}
