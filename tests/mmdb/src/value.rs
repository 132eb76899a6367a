//! Values of records, and their bytes.

use std::collections::BTreeMap;

/// A value of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Bytes(Vec<u8>),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    I32(i32),
    Double(f64),
    Float(f32),
    Bool(bool),
    Map(Vec<(String, Value)>),
    Array(Vec<Value>),
    /// A pointer to this place of the data section, whatever is there.
    Pointer(u32),
}

#[must_use]
pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[must_use]
pub fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Value {
    /// Writes the value behind the others, and returns its place. Texts, keys and whole values are written once, and
    /// pointers lead to them.
    pub(crate) fn write(&self, data: &mut Vec<u8>, written: &mut BTreeMap<Vec<u8>, usize>) -> usize {
        let mut bytes = Vec::new();
        self.append(&mut bytes, &mut |value| place(value, data, written));
        once(bytes, data, written)
    }

    /// Writes the value without any pointer.
    pub fn write_whole(&self, out: &mut Vec<u8>) {
        self.append(out, &mut |_| None);
    }

    fn append(&self, out: &mut Vec<u8>, place: &mut dyn FnMut(&Self) -> Option<usize>) {
        match self {
            Self::Text(text) => {
                control(out, 2, text.len());
                out.extend(text.as_bytes());
            }
            Self::Bytes(bytes) => {
                control(out, 4, bytes.len());
                out.extend(bytes);
            }
            Self::U16(number) => unsigned(out, 5, (*number).into()),
            Self::U32(number) => unsigned(out, 6, (*number).into()),
            Self::U64(number) => unsigned(out, 9, (*number).into()),
            Self::U128(number) => unsigned(out, 10, *number),
            Self::I32(number) => {
                control(out, 8, 4);
                out.extend(number.to_be_bytes());
            }
            Self::Double(number) => {
                control(out, 3, 8);
                out.extend(number.to_be_bytes());
            }
            Self::Float(number) => {
                control(out, 15, 4);
                out.extend(number.to_be_bytes());
            }
            Self::Bool(truth) => control(out, 14, (*truth).into()),
            Self::Map(fields) => {
                control(out, 7, fields.len());
                for (key, value) in fields {
                    refer(&text(key), out, place);
                    refer(value, out, place);
                }
            }
            Self::Array(values) => {
                control(out, 11, values.len());
                values.iter().for_each(|value| refer(value, out, place));
            }
            Self::Pointer(target) => pointer(out, *target),
        }
    }
}

/// Writes a pointer to a value that is written already, or the value.
fn refer(value: &Value, out: &mut Vec<u8>, place: &mut dyn FnMut(&Value) -> Option<usize>) {
    match place(value) {
        Some(place) => pointer(out, place.try_into().expect("a small database")),
        None => value.append(out, place),
    }
}

/// Where the value is in the data section, for values to which pointers lead.
fn place(value: &Value, data: &mut Vec<u8>, written: &mut BTreeMap<Vec<u8>, usize>) -> Option<usize> {
    match value {
        Value::Text(_) | Value::Map(_) | Value::Array(_) => Some(value.write(data, written)),
        Value::Bytes(_)
        | Value::U16(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::U128(_)
        | Value::I32(_)
        | Value::Double(_)
        | Value::Float(_)
        | Value::Bool(_)
        | Value::Pointer(_) => None,
    }
}

fn once(bytes: Vec<u8>, data: &mut Vec<u8>, written: &mut BTreeMap<Vec<u8>, usize>) -> usize {
    if let Some(place) = written.get(&bytes) {
        return *place;
    }
    let place = data.len();
    data.extend(&bytes);
    written.insert(bytes, place);
    place
}

fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (low, more) = match size {
        0..29 => (size, &[][..]),
        29..285 => (29, &(size - 29).to_be_bytes()[7..]),
        285..65_821 => (30, &(size - 285).to_be_bytes()[6..]),
        _ => (31, &(size - 65_821).to_be_bytes()[5..]),
    };
    let low = u8::try_from(low).expect("five bits");
    match kind {
        0..=7 => out.push(kind << 5 | low),
        _ => out.extend([low, kind - 7]),
    }
    out.extend(more);
}

fn unsigned(out: &mut Vec<u8>, kind: u8, number: u128) {
    let bytes = number.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    control(out, kind, bytes.len() - first);
    out.extend(&bytes[first..]);
}

fn pointer(out: &mut Vec<u8>, target: u32) {
    let (size, number): (u8, u32) = match target {
        0..2048 => (0, target),
        2048..526_336 => (1, target - 2048),
        526_336..134_744_064 => (2, target - 526_336),
        _ => (3, target),
    };
    let bytes = number.to_be_bytes();
    let rest = &bytes[bytes.len() - usize::from(size) - 1..];
    let high = if size == 3 { 0 } else { bytes[bytes.len() - usize::from(size) - 2] };
    out.push(1 << 5 | size << 3 | high);
    out.extend(rest);
}
