//! The lines of a file, each of them a text or a fault.

use crate::fault::Fault;

/// A line of a plain list or of ipset is not longer: values after an address are short.
pub(crate) const SHORT: usize = 4096;
/// A line of columns or of JSON is not longer. Published lines have texts of some kilobytes.
pub(crate) const LONG: usize = 64 << 10;

/// A line of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextLine<'a> {
    /// The number of the line, from 1.
    pub(crate) number: usize,
    /// The text up to the fault, if there is one.
    pub(crate) text: &'a str,
    /// Why the line cannot be read as text.
    pub(crate) fault: Option<Fault>,
}

/// The lines of a file. Windows ends them with a carriage return as well.
pub(crate) fn of(bytes: &[u8], longest: usize) -> impl Iterator<Item = TextLine<'_>> {
    bytes.split(|byte| *byte == b'\n').zip(1..).map(move |(line, number)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (text, fault) = text(line, longest);
        TextLine { number, text, fault }
    })
}

fn text(line: &[u8], longest: usize) -> (&str, Option<Fault>) {
    if line.len() > longest {
        return ("", Some(Fault::Long(longest)));
    }
    let (text, fault) = match core::str::from_utf8(line) {
        Ok(text) => (text, None),
        Err(error) => {
            let good = line.get(..error.valid_up_to()).and_then(|good| core::str::from_utf8(good).ok());
            (good.unwrap_or_default(), Some(Fault::NoUtf8))
        }
    };
    let before = |character, fault| {
        let at = text.find(character)?;
        Some((text.get(..at).unwrap_or_default(), Some(fault)))
    };
    before('\0', Fault::Nul).or_else(|| before('\r', Fault::Return)).unwrap_or((text, fault))
}

/// How many lines a file has. The last line need not end.
pub(crate) fn count(bytes: &[u8]) -> usize {
    let ends = bytes.split(|byte| *byte == b'\n').count().saturating_sub(1);
    if bytes.last().is_some_and(|byte| *byte != b'\n') { ends + 1 } else { ends }
}
