//! The fields of one line of columns.

use alloc::string::String;
use alloc::vec::Vec;

use csv_core::{ReadFieldResult, Reader};

use crate::fault::Fault;

/// The fields of a line, in memory that the next line uses again.
#[derive(Debug)]
pub(crate) struct Record {
    /// Used again as well: a reader is made of tables that take longer to make than a line takes to read.
    reader: Reader,
    bytes: Vec<u8>,
    /// Where each field begins in the line, and where it ends in `bytes`.
    fields: Vec<(usize, usize)>,
}

impl Record {
    pub(crate) fn new() -> Self {
        // A reader by default has no tables.
        Self { reader: Reader::new(), bytes: Vec::new(), fields: Vec::new() }
    }

    /// Splits a line at its commas. Within quotes, a comma is text and two quotes are one.
    ///
    /// # Errors
    /// The place of a quote without an end. A field does not go on in the next line, so that a lost quote does not cost
    /// the rest of the list.
    pub(crate) fn read(&mut self, line: &str) -> Result<(), (usize, Fault)> {
        self.reader.reset();
        self.fields.clear();
        self.bytes.clear();
        self.bytes.resize(line.len() + 1, 0);
        let (mut read, mut written) = (0, 0);
        loop {
            let rest = line.get(read..).unwrap_or_default();
            // Some lists have a blank before the quote that begins a field.
            let begin = line.len() - rest.trim_start_matches([' ', '\t']).len();
            let input = line.as_bytes().get(begin..).unwrap_or_default();
            let output = self.bytes.get_mut(written..).unwrap_or_default();
            let (mut result, taken, given) = self.reader.read_field(input, output);
            read = begin + taken;
            written += given;
            if matches!(result, ReadFieldResult::InputEmpty) {
                let output = self.bytes.get_mut(written..).unwrap_or_default();
                (result, _, _) = self.reader.read_field(b"\n", output);
            }
            let is_last = match result {
                ReadFieldResult::Field { record_end } => record_end,
                ReadFieldResult::End => true,
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => return Err((begin, Fault::Quote)),
            };
            self.fields.push((begin, written));
            if is_last {
                return Ok(());
            }
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.fields.len()
    }

    /// The text of a field, counted from 0, and where it begins in the line.
    pub(crate) fn field(&self, index: usize) -> Option<(usize, &str)> {
        let (begin, end) = self.fields.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.fields.get(before)).map_or(0, |(_, end)| *end);
        // A line of text stays text when it is cut at commas.
        let text = core::str::from_utf8(self.bytes.get(start..*end)?).ok()?;
        Some((*begin, text.trim()))
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|index| Some(self.field(index)?.1))
    }

    /// The fields as own texts.
    pub(crate) fn to_names(&self) -> Vec<String> {
        self.texts().map(Into::into).collect()
    }
}
