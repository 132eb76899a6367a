//! Lists with an object of JSON on each line, as Spamhaus publishes its DROP lists.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use serde_json::value::RawValue;

use crate::column::{self, Column};
use crate::fault::Fault;
use crate::finding::{Finding, Place};
use crate::gathering::Gathering;
use crate::json_place::offset_of;
use crate::line;
use crate::reading::Reading;
use crate::text_lines::{self, LONG, TextLine};

/// The field of Spamhaus' lists that names the listing.
const LISTING: &str = "sblid";

type Object<'a> = BTreeMap<String, &'a RawValue>;

pub(crate) fn read(bytes: &[u8], gathering: &mut Gathering<'_>) {
    for TextLine { number, text, fault } in text_lines::of(bytes, LONG) {
        if let Some(fault) = fault {
            gathering.bad(Place::in_line(number, text, text.len()), "", fault);
            continue;
        }
        let trimmed = text.trim();
        let place = |offset| Place::in_line(number, text, offset);
        let begin = text.len() - text.trim_start().len();
        if trimmed.is_empty() || line::comment(text).is_some() {
            continue;
        }
        let object: Object<'_> = match serde_json::from_str(trimmed) {
            Ok(object) => object,
            Err(error) if error.is_data() || !trimmed.starts_with('{') => {
                gathering.bad(place(begin), "", Fault::NoObject);
                continue;
            }
            Err(error) => {
                let column = text.chars().count() - text.trim_start().chars().count() + error.column().max(1);
                gathering.bad_line(|| Finding::at(number, column, &syntax(&error)));
                continue;
            }
        };
        let address = match address(&object, gathering.reading) {
            Ok(Some(address)) => address,
            Ok(None) if is_metadata(&object) => continue,
            Ok(None) => {
                gathering.bad(place(begin), "", Fault::NoField);
                continue;
            }
            Err(fault) => {
                gathering.bad(place(begin), "", fault);
                continue;
            }
        };
        let offset = offset_of(address, text);
        match serde_json::from_str::<String>(address.get()) {
            Ok(word) => gathering.entry(place(offset), word.trim(), value(&object, gathering.reading), None),
            Err(_) => gathering.bad(place(offset), address.get(), Fault::NoText),
        }
    }
}

/// The field with the address: the one that the set names, or the one whose name says so.
fn address<'a>(object: &Object<'a>, reading: &Reading) -> Result<Option<&'a RawValue>, Fault> {
    match &reading.address {
        Some(Column::Name(name)) => return Ok(object.get(name).copied()),
        // A field has no number.
        Some(Column::Number(_)) => return Ok(None),
        None => {}
    }
    let mut known = object.iter().filter(|(name, _)| column::is_of_addresses(name));
    match (known.next(), known.next()) {
        (Some(_), Some(_)) => Err(Fault::Fields),
        (found, _) => Ok(found.map(|(_, value)| *value)),
    }
}

/// Spamhaus ends a list with an object about the list.
fn is_metadata(object: &Object<'_>) -> bool {
    object.get("type").is_some_and(|kind| kind.get() == "\"metadata\"")
}

/// The value of the entry: a text as it is, anything else as it is written.
fn value(object: &Object<'_>, reading: &Reading) -> String {
    let name = match &reading.value {
        Some(Column::Name(name)) => name.as_str(),
        Some(Column::Number(_)) | None => LISTING,
    };
    let Some(value) = object.get(name) else { return String::new() };
    let text = || serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
    if value.get() == "null" { String::new() } else { text() }
}

/// The parser's message without its own place, which counts from the beginning of the line.
fn syntax(error: &serde_json::Error) -> String {
    let text = format!("{error}");
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    format!("no JSON: {text}; write one object on each line")
}
