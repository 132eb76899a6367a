//! Which field of a record is the value of a network.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::damage::Damage;
use super::data::{Data, Kind, Steps, Value};
use crate::excerpt::excerpt;

/// The way to a field: keys of maps, and numbers of the elements of arrays, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// The path with these steps. `None` if there is none, or if one is empty.
    #[must_use]
    pub fn new(steps: Vec<String>) -> Option<Self> {
        (!steps.is_empty() && steps.iter().all(|step| !step.is_empty())).then_some(Self(steps))
    }

    /// A path with dots between its steps: `subdivisions.0.iso_code`.
    #[must_use]
    pub fn dotted(text: &str) -> Option<Self> {
        Self::new(text.split('.').map(ToOwned::to_owned).collect())
    }

    /// The field that the databases of this type are for.
    pub(super) fn of_kind(kind: &str) -> Option<Self> {
        let has = |word: &str| kind.split(['-', ' ', '_']).any(|part| part == word);
        if has("ASN") {
            return Self::dotted("autonomous_system_number");
        }
        if has("Country") || has("City") || has("Enterprise") {
            return Self::dotted("country.iso_code");
        }
        None
    }

    /// The field of the record at this place. `None` if the record has no such field.
    pub(super) fn of_record(&self, data: &Data<'_>, record: usize, steps: &mut Steps) -> Result<Option<Value>, Damage> {
        let mut value = data.value(record, steps)?;
        for step in &self.0 {
            let place = match value.kind {
                Kind::Map => data.of_key(value, step.as_bytes(), steps)?,
                Kind::Array => match step.parse() {
                    Ok(index) => data.element(value, index, steps)?,
                    Err(_) => None,
                },
                Kind::Text | Kind::Double | Kind::Bytes | Kind::Unsigned | Kind::Signed | Kind::Bool | Kind::Float => {
                    None
                }
            };
            let Some(place) = place else { return Ok(None) };
            value = data.value(place, steps)?;
        }
        Ok(Some(value))
    }
}

/// As the configuration writes it.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(steps) = self;
        if steps.iter().any(|step| step.contains('.')) {
            let steps: Vec<String> = steps.iter().map(|step| format!("\"{}\"", excerpt(step))).collect();
            return write!(f, "[{}]", steps.join(", "));
        }
        let steps: Vec<String> = steps.iter().map(|step| excerpt(step)).collect();
        write!(f, "\"{}\"", steps.join("."))
    }
}
