//! Reads a value that a configuration may write as a number or as text, so that one list can hold `80` and
//! `"8000-8999"`.

use alloc::string::ToString;
use core::fmt;
use core::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Passes text unchanged to `parse`, and a whole number as decimal text. `expected` describes the accepted forms in the
/// error.
///
/// # Errors
/// Returns the error of `parse`, and an error for values that are neither text nor a whole number.
pub fn deserialize<'de, D, T, E>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    deserializer.deserialize_any(NumberOrText { expected, parse, value: PhantomData })
}

struct NumberOrText<T, E> {
    expected: &'static str,
    parse: fn(&str) -> Result<T, E>,
    value: PhantomData<T>,
}

impl<T, E: fmt::Display> Visitor<'_> for NumberOrText<T, E> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<F: Error>(self, text: &str) -> Result<T, F> {
        (self.parse)(text).map_err(F::custom)
    }

    fn visit_u64<F: Error>(self, number: u64) -> Result<T, F> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<F: Error>(self, number: i64) -> Result<T, F> {
        self.visit_str(&number.to_string())
    }
}
