//! The lines of a part of a file.
//!
//! Several parts are read in parallel, so each part has its own position in the file. Lines are passed on in the read
//! buffer, without a copy: a saved table has millions.

use std::borrow::Cow;
use std::fs::File;
use std::io::ErrorKind;
use std::mem::replace;
use std::os::unix::fs::FileExt;

use memchr::{memchr_iter, memrchr};

use crate::failure::Failure;
use crate::text_lines::LINE_BYTES;

/// Bytes per read: a line and a part of the next.
const READ_BYTES: usize = 2 * LINE_BYTES;

/// The lines that begin in a part of a file.
#[derive(Clone, Copy)]
pub(super) struct Lines<'f> {
    pub(super) file: &'f File,
    /// The file's name in messages.
    pub(super) name: &'f str,
    /// First byte of the part.
    pub(super) begin: u64,
    /// First byte after the part.
    pub(super) end: u64,
}

/// Stands for a line that exceeds the limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLong;

impl TooLong {
    /// The failure without its place, which the caller adds.
    pub(super) fn failure(self) -> Failure {
        Failure::other(format!("a line of more than {LINE_BYTES} bytes is no command"))
    }
}

impl Lines<'_> {
    /// Passes on each line with its number, counted from 1 in this part. Returns the number of lines. A line that is
    /// too long is the last one.
    pub(super) fn each(
        &self,
        mut each: impl FnMut(u64, Result<&str, TooLong>) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        // A line that started earlier belongs to the previous part, even if it ends in this one.
        let mut line_at = self.begin.saturating_sub(1);
        let mut foreign = self.begin > 0;
        let mut read_at = line_at;
        let (mut buffer, mut filled) = (vec![0; READ_BYTES], 0);
        let mut number = 0;
        loop {
            let read = self.read(buffer.get_mut(filled..).unwrap_or_default(), read_at)?;
            read_at = read_at.saturating_add(to_u64(read));
            filled += read;
            let present = buffer.get(..filled).unwrap_or_default();
            let whole = match memrchr(b'\n', present) {
                Some(last) if read > 0 => last + 1,
                // The last line of a file may have no line end.
                _ if read == 0 => filled,
                _ => 0,
            };
            for line in lines(present.get(..whole).unwrap_or_default()) {
                if foreign {
                    foreign = false;
                } else if line_at >= self.end {
                    return Ok(number);
                } else {
                    number += 1;
                    if line.bytes > to_u64(LINE_BYTES) {
                        return each(number, Err(TooLong)).map(|()| number);
                    }
                    let is_first = number == 1 && self.begin == 0;
                    each(number, Ok(if is_first { without_mark(&line.text) } else { &line.text }))?;
                }
                line_at = line_at.saturating_add(line.bytes);
            }
            if read == 0 {
                return Ok(number);
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
            if filled >= LINE_BYTES {
                number += u64::from(!foreign);
                return each(number.max(1), Err(TooLong)).map(|()| number);
            }
        }
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<usize, Failure> {
        loop {
            match self.file.read_at(buffer, at) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => {
                    return outcome.map_err(|error| Failure::system(&format!("Can't read {}", self.name), &error));
                }
            }
        }
    }
}

/// A line and its length in the file.
struct Line<'t> {
    text: Cow<'t, str>,
    bytes: u64,
}

/// Checks all bytes at once first: nearly every file is plain text.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let (text, odd) = match str::from_utf8(bytes) {
        Ok(text) => (text, &[][..]),
        Err(_) => ("", bytes),
    };
    let plain = plain_lines(text).map(|line| Line { text: line.into(), bytes: to_u64(line.len()) });
    let odd = odd.split_inclusive(|byte| *byte == b'\n');
    plain.chain(odd.map(|line| Line { text: String::from_utf8_lossy(line), bytes: to_u64(line.len()) }))
}

fn plain_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut begin = 0;
    let ends = memchr_iter(b'\n', text.as_bytes()).map(|last| last + 1);
    // The last line may have no line end.
    ends.chain([text.len()])
        .filter_map(move |end| text.get(replace(&mut begin, end)..end))
        .filter(|line| !line.is_empty())
}

/// The text of a file without the byte order mark that some editors put in front.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8], begin: usize, end: usize) -> Vec<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let mut read = Vec::new();
        let part = Lines { file: &file, name: "", begin: to_u64(begin), end: to_u64(end) };
        let outcome = part.each(|number, line| {
            read.push(line.map_or_else(|TooLong| "too long".to_owned(), str::to_owned));
            assert_eq!(number, to_u64(read.len()));
            Ok(())
        });
        assert_eq!(outcome.unwrap(), to_u64(read.len()));
        read
    }

    #[test]
    fn every_line_belongs_to_exactly_one_part() {
        let text = b"-F\n\n# comment\n-F -f ipv6\n\xff is nonsense\n-F";
        let whole = read(text, 0, text.len());
        assert_eq!(whole, ["-F\n", "\n", "# comment\n", "-F -f ipv6\n", "\u{fffd} is nonsense\n", "-F"]);
        for cut in 0..=text.len() {
            assert_eq!([read(text, 0, cut), read(text, cut, text.len())].concat(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_the_last() {
        for long in [LINE_BYTES, LINE_BYTES + 1, 10 * LINE_BYTES] {
            let text = [b"-F\n", &vec![0; long][..], b"\n-F\n"].concat();
            assert_eq!(read(&text, 0, text.len()), ["-F\n", "too long"], "{long}");
        }
    }

    #[test]
    fn the_mark_of_an_editor_is_no_part_of_the_first_line() {
        assert_eq!(read(b"\xef\xbb\xbf-F\n\xef\xbb\xbf\n", 0, 10), ["-F\n", "\u{feff}\n"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn lines_are_whole_up_to_their_longest_length(
            lengths in proptest::collection::vec(prop_oneof![0..300_usize, 30_000..65_535_usize], 0..40),
        ) {
            let lines: Vec<String> = lengths.iter().map(|length| "x".repeat(*length) + "\n").collect();
            let text = lines.concat();
            prop_assert_eq!(read(text.as_bytes(), 0, text.len()), lines);
        }
    }
}
