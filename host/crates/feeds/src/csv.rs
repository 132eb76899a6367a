//! Lists with columns that commas separate (RFC 4180), as abuse.ch publishes them.
//!
//! A header names the columns. It is the last comment before the first line of content, or that line itself.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::address;
use crate::column::{self, Column};
use crate::excerpt::excerpt;
use crate::fault::Fault;
use crate::finding::{Finding, Place};
use crate::gathering::Gathering;
use crate::line;
use crate::reading::Reading;
use crate::record::Record;
use crate::text_lines::{self, LONG, TextLine};

/// Which columns are read, counted from 0.
#[derive(Clone, Copy, Debug)]
struct Columns {
    address: usize,
    value: Option<usize>,
}

/// Reads the lines of a list with columns.
///
/// # Errors
/// [`Finding`] if the column of addresses is unknown, because then no line can be read.
pub(crate) fn read(bytes: &[u8], gathering: &mut Gathering<'_>) -> Result<(), Finding> {
    let mut record = Record::new();
    let mut header: Option<Vec<String>> = None;
    let mut columns: Option<Columns> = None;
    for TextLine { number, text, fault } in text_lines::of(bytes, LONG) {
        if let Some(fault) = fault {
            gathering.bad(Place::in_line(number, text, text.len()), "", fault);
            continue;
        }
        if text.trim().is_empty() {
            continue;
        }
        if let Some(comment) = line::comment(text) {
            // A comment of one field is a header only if it names that column.
            let names = columns.is_none() && record.read(comment).is_ok();
            if names && (record.len() > 1 || record.texts().any(column::is_of_addresses)) {
                header = Some(record.to_names());
            }
            continue;
        }
        if let Err((offset, fault)) = record.read(text) {
            gathering.bad(Place::in_line(number, text, offset), "", fault);
            continue;
        }
        let columns = match columns {
            Some(columns) => columns,
            None => {
                // A comment above the first line is a header only if it has the same columns.
                let above = header.take().filter(|names| names.len() == record.len());
                let is_header = above.is_none() && is_header(&record);
                let names = above.or_else(|| is_header.then(|| record.to_names()));
                let chosen = Columns::choose(names.as_deref(), &record, gathering.reading);
                let chosen = chosen.map_err(|what| Finding::at(number, 1, &what))?;
                columns = Some(chosen);
                if is_header {
                    continue;
                }
                chosen
            }
        };
        let Some((offset, word)) = record.field(columns.address) else {
            gathering.bad(Place::in_line(number, text, 0), "", Fault::Columns);
            continue;
        };
        let value = columns.value.and_then(|value| record.field(value)).map_or("", |(_, value)| value);
        gathering.entry(Place::in_line(number, text, offset), word, value.to_owned(), None);
    }
    Ok(())
}

/// Whether the first line of content names columns: no field begins with an address, and each one has a letter.
fn is_header(record: &Record) -> bool {
    let is_address = |field: &str| field.split_whitespace().next().is_some_and(|word| address::parse(word).is_ok());
    record.texts().all(|field| !is_address(field) && field.chars().any(char::is_alphabetic))
}

impl Columns {
    fn choose(header: Option<&[String]>, record: &Record, reading: &Reading) -> Result<Self, String> {
        let address = match &reading.address {
            Some(column) => find("address-column", column, header, record, reading)?,
            None => recognised(header, record, reading)?,
        };
        let value = reading.value.as_ref();
        let value = value.map(|column| find("value-column", column, header, record, reading)).transpose()?;
        Ok(Self { address, value })
    }
}

/// The column that a key names.
fn find(
    key: &str,
    column: &Column,
    header: Option<&[String]>,
    record: &Record,
    reading: &Reading,
) -> Result<usize, String> {
    let found = match column {
        Column::Number(number) => number.checked_sub(1).filter(|index| *index < record.len()),
        Column::Name(name) => {
            let names = header.unwrap_or_default();
            let exact = names.iter().position(|found| found == name);
            exact.or_else(|| names.iter().position(|found| column::is_named(found, name)))
        }
    };
    found.ok_or_else(|| match (column, header) {
        (Column::Number(number), _) => {
            format!("there is no column {number}; {key} is 1 to {}", record.len())
        }
        (Column::Name(name), Some(names)) => {
            format!("there is no column \"{name}\"{}; correct {key}", among(names, reading))
        }
        (Column::Name(name), None) => {
            format!("there is no header that names a column \"{name}\"; write the number of the column, {key} = 1")
        }
    })
}

/// The one column whose name says that it has addresses.
fn recognised(header: Option<&[String]>, record: &Record, reading: &Reading) -> Result<usize, String> {
    let names = header.unwrap_or_default();
    let mut known = names.iter().zip(0..).filter(|(name, _)| column::is_of_addresses(name));
    match (known.next(), known.next()) {
        (Some((_, index)), None) => Ok(index),
        (Some((first, _)), Some((second, _))) => {
            let these = if reading.secret {
                "several columns".to_owned()
            } else {
                format!("the columns \"{}\" and \"{}\"", excerpt(first), excerpt(second))
            };
            Err(format!("{these} may hold the addresses; write one of them, for example address-column = 1"))
        }
        (None, _) => {
            let looks_so = |index: &usize| record.field(*index).is_some_and(|(_, text)| address::parse(text).is_ok());
            let number = (0..record.len()).find(looks_so).map_or(1, |index| index + 1);
            let names = header.map(|names| among(names, reading)).unwrap_or_default();
            Err(format!(
                "this looks like columns with commas between (format \"csv\"), and none is known to hold the \
                 addresses{names}; write for example address-column = {number}"
            ))
        }
    }
}

/// The names of the columns, if everybody may read the file.
fn among(names: &[String], reading: &Reading) -> String {
    if reading.secret {
        return String::new();
    }
    format!(" among {}", excerpt(&names.join(", ")))
}
