//! The output of `nft -j list set` and `nft -j list ruleset` (libnftables-json(5)).

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fault::Fault;
use crate::finding::{Finding, Place};
use crate::gathering::Gathering;
use crate::json_place::offset_of;
use crate::seen_lists::SeenLists;

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    nftables: Vec<Object<'a>>,
}

/// One object of the output. Objects other than sets are skipped.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    set: Option<Set<'a>>,
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    /// The elements, as they are written: their places are wanted. A set without elements has none.
    #[serde(borrow, default)]
    elem: Vec<&'a RawValue>,
}

/// Reads the sets of the output: all of them, or those that the set names.
///
/// # Errors
/// [`Finding`] if the text is no output of `nft -j`, or if a named set is not in it.
pub(crate) fn read(bytes: &[u8], gathering: &mut Gathering<'_>) -> Result<(), Finding> {
    let text = core::str::from_utf8(bytes).map_err(|error| {
        let good =
            bytes.get(..error.valid_up_to()).and_then(|good| core::str::from_utf8(good).ok()).unwrap_or_default();
        Finding::new(Place::in_text(good, good.len()), format!("this {}", Fault::NoUtf8))
    })?;
    // An empty file is an empty list.
    if text.trim().is_empty() {
        return SeenLists::default().check(gathering.reading);
    }
    let document: Document<'_> = serde_json::from_str(text).map_err(|error| not_from_nft(&error))?;
    let mut seen = SeenLists::default();
    for set in document.nftables.into_iter().filter_map(|object| object.set) {
        seen.note(&set.name);
        if gathering.reading.takes(&set.name) {
            for element in set.elem {
                read_element(text, element, gathering);
            }
        }
    }
    seen.check(gathering.reading)
}

/// The parser's message. A message about content has words of the file, so it is replaced.
fn not_from_nft(error: &serde_json::Error) -> Finding {
    let text = format!("{error}");
    let what = match text.rsplit_once(" at line ") {
        Some((text, _)) if !error.is_data() => format!("no JSON: {text}"),
        Some(_) | None => "this is not as nft prints a set".to_owned(),
    };
    let what = format!("{what}; write the output of `nft -j list set FAMILY TABLE SET`");
    Finding::at(error.line().max(1), error.column().max(1), &what)
}

fn read_element(text: &str, element: &RawValue, gathering: &mut Gathering<'_>) {
    let place = Place::in_text(text, offset_of(element, text));
    let parsed = serde_json::from_str(element.get()).map_err(|_| Fault::Element);
    match parsed.and_then(Element::of) {
        Ok(Element { address, comment, end }) => gathering.entry(place, &address, comment, end),
        Err(fault) => gathering.bad(place, element.get(), fault),
    }
}

/// An element of a set.
struct Element {
    address: String,
    comment: String,
    end: Option<Duration>,
}

impl Element {
    fn of(value: Value) -> Result<Self, Fault> {
        let Value::Object(mut object) = value else {
            return Ok(Self { address: address(&value)?, comment: String::new(), end: None });
        };
        let Some(Value::Object(mut inner)) = object.remove("elem") else {
            let address = address(&Value::Object(object))?;
            return Ok(Self { address, comment: String::new(), end: None });
        };
        let seconds = |name: &str| match inner.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or(Fault::Timeout),
        };
        let end = match (seconds("timeout")?, seconds("expires")?) {
            (_, Some(left)) => Some(left),
            (Some(0) | None, None) => None,
            (Some(timeout), None) => Some(timeout),
        };
        let comment = inner.get("comment").and_then(Value::as_str).unwrap_or_default().to_owned();
        let value = inner.remove("val").ok_or(Fault::Element)?;
        Ok(Self { address: address(&value)?, comment, end: end.map(Duration::from_secs) })
    }
}

/// The address, network or range of an element, in the words of a plain list.
fn address(value: &Value) -> Result<String, Fault> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    if let Some(prefix) = value.get("prefix") {
        let address = prefix.get("addr").and_then(Value::as_str).ok_or(Fault::Element)?;
        let length = prefix.get("len").and_then(Value::as_u64).ok_or(Fault::Element)?;
        return Ok(format!("{address}/{length}"));
    }
    if let Some(range) = value.get("range") {
        let bound = |index: usize| range.get(index).and_then(Value::as_str).ok_or(Fault::Element);
        return Ok(format!("{}-{}", bound(0)?, bound(1)?));
    }
    Err(if value.get("concat").is_some() { Fault::Concatenation } else { Fault::Element })
}
