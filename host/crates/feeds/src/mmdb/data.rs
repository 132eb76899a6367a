//! Values in the data section: maps, arrays, texts and numbers, and pointers to them.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use super::damage::Damage;

/// Largest sizes that the control byte itself, one more byte and two more bytes can say.
const SIZES: [usize; 3] = [29, 285, 65_821];
/// The first values that pointers of two and three bytes can have.
const POINTERS: [usize; 2] = [2048, 526_336];
/// Steps for each byte of the section. A record of a real database needs a few for each of its bytes, and a few more for
/// what it points to.
const STEPS_A_BYTE: u64 = 64;
/// Steps that even the smallest section may take.
const STEPS_LEAST: u64 = 1 << 20;

/// A part of the file in which pointers count from its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'d>(&'d [u8]);

/// How many values may still be looked at. Values can overlap and point to each other, so their number has no bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Double,
    Bytes,
    Unsigned,
    Signed,
    Map,
    Array,
    Bool,
    Float,
}

/// A value behind its control byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) kind: Kind,
    /// Bytes; pairs of a map, elements of an array, or the truth of a bool.
    size: usize,
    /// Where its content begins.
    at: usize,
    /// Where the next value begins, if a pointer led to this one.
    behind_pointer: Option<usize>,
}

/// Takes a key of a map, and the place of its value.
pub(super) type EachField<'d, 't> = dyn FnMut(&'d [u8], usize, &mut Steps) -> Result<(), Damage> + 't;

enum Head {
    Pointer(usize),
    Value(Kind, usize),
}

impl Steps {
    pub(super) fn of(data: &Data<'_>) -> Self {
        Self(u64::try_from(data.0.len()).unwrap_or(u64::MAX).saturating_mul(STEPS_A_BYTE).saturating_add(STEPS_LEAST))
    }

    pub(super) const fn few(steps: u64) -> Self {
        Self(steps)
    }

    fn take(&mut self) -> Result<(), Damage> {
        self.0 = self.0.checked_sub(1).ok_or(Damage::Broken("its records point to each other too often"))?;
        Ok(())
    }
}

impl<'d> Data<'d> {
    pub(super) const fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    /// The value at a place. Follows one pointer; a pointer to a pointer is not allowed.
    pub(super) fn value(&self, at: usize, steps: &mut Steps) -> Result<Value, Damage> {
        steps.take()?;
        match self.head(at)? {
            (Head::Value(kind, size), at) => Ok(Value { kind, size, at, behind_pointer: None }),
            (Head::Pointer(target), behind) => match self.head(target)? {
                (Head::Value(kind, size), at) => Ok(Value { kind, size, at, behind_pointer: Some(behind) }),
                (Head::Pointer(_), _) => Err(Damage::Broken("a pointer points to a pointer")),
            },
        }
    }

    /// Where the value behind the one at this place begins.
    pub(super) fn skip(&self, mut at: usize, steps: &mut Steps) -> Result<usize, Damage> {
        let mut left = 1_usize;
        while let Some(others) = left.checked_sub(1) {
            steps.take()?;
            let (inner, behind) = match self.head(at)? {
                (Head::Pointer(_), behind) | (Head::Value(Kind::Bool, _), behind) => (0, behind),
                (Head::Value(Kind::Map, pairs), behind) => (pairs.saturating_mul(2), behind),
                (Head::Value(Kind::Array, elements), behind) => (elements, behind),
                (Head::Value(_, size), behind) => (0, behind.saturating_add(size)),
            };
            (left, at) = (others.saturating_add(inner), behind);
        }
        Ok(at)
    }

    /// Where the value of this key of a map is.
    pub(super) fn of_key(&self, map: Value, key: &[u8], steps: &mut Steps) -> Result<Option<usize>, Damage> {
        let mut at = map.at;
        for _ in 0..map.size {
            let (found, value) = self.key(at, steps)?;
            if found == key {
                return Ok(Some(value));
            }
            at = self.skip(value, steps)?;
        }
        Ok(None)
    }

    /// Where this element of an array is.
    pub(super) fn element(&self, array: Value, index: usize, steps: &mut Steps) -> Result<Option<usize>, Damage> {
        if index >= array.size {
            return Ok(None);
        }
        let mut at = array.at;
        for _ in 0..index {
            at = self.skip(at, steps)?;
        }
        Ok(Some(at))
    }

    /// Calls `take` with each key of a map and the place of its value.
    pub(super) fn each_key(&self, map: Value, steps: &mut Steps, take: &mut EachField<'d, '_>) -> Result<(), Damage> {
        let mut at = map.at;
        for _ in 0..map.size {
            let (key, value) = self.key(at, steps)?;
            take(key, value, steps)?;
            at = self.skip(value, steps)?;
        }
        Ok(())
    }

    /// A value as a text. `None` for maps, arrays and bytes.
    pub(super) fn scalar(&self, value: Value) -> Result<Option<String>, Damage> {
        Ok(Some(match value.kind {
            Kind::Text => {
                let text = core::str::from_utf8(self.content(value)?);
                text.map_err(|_| Damage::Broken("a text is not UTF-8"))?.to_owned()
            }
            Kind::Unsigned => self.unsigned(value)?.to_string(),
            Kind::Signed => {
                let bits = u32::try_from(self.unsigned(value)?).map_err(|_| Damage::Broken(NUMBER))?;
                bits.cast_signed().to_string()
            }
            Kind::Double => f64::from_be_bytes(self.exactly(value)?).to_string(),
            Kind::Float => f32::from_be_bytes(self.exactly(value)?).to_string(),
            Kind::Bool => (value.size != 0).to_string(),
            Kind::Map | Kind::Array | Kind::Bytes => return Ok(None),
        }))
    }

    /// An unsigned number.
    pub(super) fn unsigned(&self, value: Value) -> Result<u128, Damage> {
        let content = self.content(value)?;
        if content.len() > 16 {
            return Err(Damage::Broken(NUMBER));
        }
        Ok(content.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }

    fn exactly<const N: usize>(&self, value: Value) -> Result<[u8; N], Damage> {
        self.content(value)?.try_into().map_err(|_| Damage::Broken(NUMBER))
    }

    fn key(&self, at: usize, steps: &mut Steps) -> Result<(&'d [u8], usize), Damage> {
        let key = self.value(at, steps)?;
        if key.kind != Kind::Text {
            return Err(Damage::Broken("a key is not a text"));
        }
        let content = self.content(key)?;
        Ok((content, key.behind_pointer.unwrap_or(key.at.saturating_add(key.size))))
    }

    /// The bytes of a text or a number.
    pub(super) fn content(&self, value: Value) -> Result<&'d [u8], Damage> {
        self.bytes(value.at, value.size)
    }

    fn bytes(&self, at: usize, size: usize) -> Result<&'d [u8], Damage> {
        self.0.get(at..at.saturating_add(size)).ok_or(Damage::Broken("a value lies outside of the data section"))
    }

    fn number(&self, at: usize, size: usize) -> Result<usize, Damage> {
        Ok(self.bytes(at, size)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// The control byte and what belongs to it, and the place behind.
    fn head(&self, at: usize) -> Result<(Head, usize), Damage> {
        let control = self.number(at, 1)?;
        let mut behind = at.saturating_add(1);
        let kind = match control >> 5 {
            1 => return self.pointer(control, behind),
            0 => {
                let extended = self.number(behind, 1)?;
                behind = behind.saturating_add(1);
                extended.saturating_add(7)
            }
            kind => kind,
        };
        let kind = match kind {
            2 => Kind::Text,
            3 => Kind::Double,
            4 => Kind::Bytes,
            5 | 6 | 9 | 10 => Kind::Unsigned,
            7 => Kind::Map,
            8 => Kind::Signed,
            11 => Kind::Array,
            14 => Kind::Bool,
            15 => Kind::Float,
            _ => return Err(Damage::Broken("a value has a type that the format does not have")),
        };
        let [first, second, third] = SIZES;
        let (base, more) = match control & 0x1f {
            29 => (first, 1),
            30 => (second, 2),
            31 => (third, 3),
            size => (size, 0),
        };
        let size = base.saturating_add(self.number(behind, more)?);
        Ok((Head::Value(kind, size), behind.saturating_add(more)))
    }

    fn pointer(&self, control: usize, at: usize) -> Result<(Head, usize), Damage> {
        let [second, third] = POINTERS;
        let high = control & 0b111;
        let (bytes, high, base) = match control >> 3 & 0b11 {
            0 => (1, high << 8, 0),
            1 => (2, high << 16, second),
            2 => (3, high << 24, third),
            _ => (4, 0, 0),
        };
        let target = (high | self.number(at, bytes)?).saturating_add(base);
        Ok((Head::Pointer(target), at.saturating_add(bytes)))
    }
}

const NUMBER: &str = "a number has the wrong length";
