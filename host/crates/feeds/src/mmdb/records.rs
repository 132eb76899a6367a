//! The values of the records, each record read once and each value kept once.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::damage::Damage;
use super::data::{Data, Steps};
use super::field::FieldPath;
use super::outline;

/// Longest value, as in a list of text.
const VALUE_BYTES_MAX: usize = 4096;
/// Bytes that all values may have together. Texts of a database can overlap, so its size does not bound them.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// What a record has at the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The number of the value.
    Value(usize),
    /// No field, or a value that the set does not take.
    Nothing,
    /// A map, an array or bytes.
    Container,
}

pub(super) struct Records<'d, 'r> {
    data: Data<'d>,
    field: &'r FieldPath,
    /// The values that the set takes; all if there are none.
    only: &'r [String],
    /// What is known of the records, by their place.
    known: BTreeMap<usize, Found>,
    last: Option<(usize, Found)>,
    numbers: BTreeMap<Arc<str>, usize>,
    values: Vec<Arc<str>>,
    text_bytes: usize,
    first: Vec<usize>,
    has_field: bool,
}

impl<'d, 'r> Records<'d, 'r> {
    pub(super) fn new(data: &Data<'d>, field: &'r FieldPath, only: &'r [String]) -> Self {
        Self {
            data: *data,
            field,
            only,
            known: BTreeMap::new(),
            last: None,
            numbers: BTreeMap::new(),
            values: Vec::new(),
            text_bytes: 0,
            first: Vec::new(),
            has_field: false,
        }
    }

    /// What the record at this place has.
    pub(super) fn find(&mut self, record: usize, steps: &mut Steps) -> Result<Found, Damage> {
        if let Some((_, found)) = self.last.filter(|(last, _)| *last == record) {
            return Ok(found);
        }
        let found = match self.known.get(&record) {
            Some(found) => *found,
            None => {
                if self.first.len() < outline::RECORDS {
                    self.first.push(record);
                }
                let found = self.read(record, steps)?;
                self.known.insert(record, found);
                found
            }
        };
        self.last = Some((record, found));
        Ok(found)
    }

    fn read(&mut self, record: usize, steps: &mut Steps) -> Result<Found, Damage> {
        let Some(value) = self.field.of_record(&self.data, record, steps)? else { return Ok(Found::Nothing) };
        let Some(text) = self.data.scalar(value)? else { return Ok(Found::Container) };
        self.has_field = true;
        if text.len() > VALUE_BYTES_MAX {
            return Err(Damage::Long(VALUE_BYTES_MAX));
        }
        let number = match self.numbers.get(text.as_str()) {
            Some(number) => *number,
            None => self.keep(text)?,
        };
        let is_wanted = self.only.is_empty()
            || self.values.get(number).is_some_and(|value| self.only.iter().any(|only| **only == **value));
        Ok(if is_wanted { Found::Value(number) } else { Found::Nothing })
    }

    fn keep(&mut self, text: String) -> Result<usize, Damage> {
        self.text_bytes = self.text_bytes.saturating_add(text.len());
        if self.text_bytes > TEXT_BYTES_MAX {
            return Err(Damage::Broken("its values together are too long"));
        }
        let (value, number): (Arc<str>, _) = (text.into(), self.values.len());
        self.numbers.insert(Arc::clone(&value), number);
        self.values.push(value);
        Ok(number)
    }

    /// Every value, by its number, also those that the set does not take.
    pub(super) fn values(&self) -> &[Arc<str>] {
        &self.values
    }

    /// The places of the first records.
    pub(super) fn first(&self) -> &[usize] {
        &self.first
    }

    pub(super) const fn has_records(&self) -> bool {
        !self.first.is_empty()
    }

    /// Whether any record has the field.
    pub(super) const fn has_field(&self) -> bool {
        self.has_field
    }

    /// The wanted values that no record has.
    pub(super) fn missing(&self) -> impl Iterator<Item = &String> {
        self.only.iter().filter(|only| !self.numbers.contains_key(only.as_str()))
    }
}
