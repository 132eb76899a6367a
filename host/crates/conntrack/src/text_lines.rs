//! Lines of an input that may be endless.
//!
//! A device, a pipe or an unrelated file may be read as if it were a table. So the length of a line is limited, and so
//! is a run of invalid lines.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use ctwarden_format::read;

use super::failure::Failure;
use super::output::say;

/// Maximum bytes of a line, its end included. The longest entry that the kernel can send is a message of some
/// kilobytes.
pub(super) const LINE_BYTES: usize = 64 * 1024;

const READ_BYTES: usize = 256 * 1024;

/// Invalid lines that are reported one by one; the others are only counted.
const NAMED: u64 = 20;

/// Invalid lines in a row after which the input is not a table.
const IN_A_ROW: u64 = 100_000;

/// The failure of a line without an end.
pub(super) fn too_long(name: &str, number: u64) -> Failure {
    Failure::other(format!("{name}, line {number}: longer than {LINE_BYTES} bytes, so that this is no table"))
}

/// Text of an input, line by line.
pub(super) struct TextLines<'n, R> {
    reader: BufReader<R>,
    name: &'n str,
    bytes: Vec<u8>,
    number: u64,
}

impl<'n, R: Read> TextLines<'n, R> {
    pub(super) fn of(input: R, name: &'n str) -> Self {
        Self { reader: BufReader::with_capacity(READ_BYTES, input), name, bytes: Vec::new(), number: 0 }
    }

    /// The next line without its end, and its number, counted from 1.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Cow<'_, str>)>, Failure> {
        let Self { reader, name, bytes, number } = self;
        bytes.clear();
        let most = u64::try_from(LINE_BYTES).unwrap_or(u64::MAX);
        let got = reader.by_ref().take(most).read_until(b'\n', bytes);
        if got.map_err(|error| Failure::system(&format!("Can't read {name}"), &error))? == 0 {
            return Ok(None);
        }
        *number += 1;
        if bytes.len() >= LINE_BYTES && bytes.last() != Some(&b'\n') {
            return Err(too_long(name, *number));
        }
        let line = if *number == 1 { read::without_mark(bytes) } else { bytes };
        Ok(Some((*number, String::from_utf8_lossy(line.trim_ascii_end()))))
    }
}

/// Counts the invalid lines of a file and reports the first ones on standard error.
pub(super) struct Complaints<'n> {
    name: &'n str,
    all: u64,
    in_a_row: u64,
}

impl<'n> Complaints<'n> {
    pub(super) const fn about(name: &'n str) -> Self {
        Self { name, all: 0, in_a_row: 0 }
    }

    /// Notes a valid line.
    pub(super) const fn is_good(&mut self) {
        self.in_a_row = 0;
    }

    /// Notes an invalid line and reports it.
    pub(super) fn complain(&mut self, number: u64, why: &str) -> Result<(), Failure> {
        self.all += 1;
        self.in_a_row += 1;
        if self.all <= NAMED {
            say(&format!("{}, line {number}: {why}", self.name));
        }
        if self.in_a_row < IN_A_ROW {
            return Ok(());
        }
        let name = self.name;
        Err(Failure::other(format!(
            "{name}, line {number}: {IN_A_ROW} lines in a row cannot be read, so that this is no table"
        )))
    }

    /// Reports how many invalid lines were not reported one by one. Returns whether there was any invalid line.
    pub(super) fn finish(&self) -> bool {
        if self.all > NAMED {
            say(&format!("{}: {} more lines cannot be read.", self.name, self.all - NAMED));
        }
        self.all > 0
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn lines(input: &[u8]) -> Result<Vec<(u64, String)>, Failure> {
        let mut lines = TextLines::of(input, "x");
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next()? {
            all.push((number, line.into_owned()));
        }
        Ok(all)
    }

    #[test]
    fn lines_have_numbers_and_no_ends() {
        let read = lines(b"\xef\xbb\xbfone\r\n\n two \xef\xbb\xbf \nthree").unwrap();
        let expected = [(1, "one"), (2, ""), (3, " two \u{feff}"), (4, "three")];
        assert_eq!(read, expected.map(|(number, line)| (number, line.to_owned())));
        assert!(lines(b"").unwrap().is_empty());
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
        let mut lines = TextLines::of(io::repeat(0), "/dev/zero");
        let Err(Failure::Said { status, text }) = lines.next() else { panic!("it was read") };
        assert_eq!((status, text.contains("/dev/zero, line 1: longer than 65536 bytes")), (1, true), "{text}");
        assert!(lines.bytes.capacity() <= 2 * LINE_BYTES);
        let longest = vec![b'x'; LINE_BYTES - 1];
        assert_eq!(super::tests::lines(&[&longest[..], b"\nend"].concat()).unwrap().len(), 2);
        assert_eq!(super::tests::lines(&longest).unwrap().len(), 1);
        assert!(super::tests::lines(&[&longest[..], b"xx\n"].concat()).is_err());
    }

    #[test]
    fn lines_that_are_none_have_a_bound() {
        let mut complaints = Complaints::about("x");
        let mut numbers = 1..;
        let mut complain = |complaints: &mut Complaints<'_>| complaints.complain(numbers.next().unwrap(), "no");
        for _ in 1..IN_A_ROW {
            complain(&mut complaints).unwrap();
        }
        complaints.is_good();
        complain(&mut complaints).unwrap();
        assert!(complaints.finish());
        for _ in 2..IN_A_ROW {
            complain(&mut complaints).unwrap();
        }
        assert!(complain(&mut complaints).is_err());
        assert!(!Complaints::about("x").finish());
    }
}
