//! Values that a configuration may write as a word or as a number.
//!
//! TOML has no hexadecimal-with-mask and no port range, so these are strings. If a plain number means the same, it is
//! accepted too. One visitor for all of them keeps the error texts clear (an untagged enum would only say "no
//! variant").

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A word, or a number that is not negative. The key gives it a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Word(String),
    Number(u64),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number that is not negative")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Scalar, E> {
        Ok(Scalar::Word(word.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
        u64::try_from(number).map(Scalar::Number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }
}
