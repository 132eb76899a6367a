//! Values that a configuration writes as one or as a list.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};

use super::scalar::Scalar;

/// One word or number, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scalars(pub Vec<Scalar>);

impl<'de> Deserialize<'de> for Scalars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarsVisitor)
    }
}

struct ScalarsVisitor;

impl<'de> Visitor<'de> for ScalarsVisitor {
    type Value = Scalars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number that is not negative, or a list of such values")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Scalars, E> {
        Ok(Scalars(vec![Scalar::Word(word.to_owned())]))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalars, E> {
        Ok(Scalars(vec![Scalar::Number(number)]))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalars, E> {
        let number = u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))?;
        self.visit_u64(number)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Scalars, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = values.next_element()? {
            all.push(value);
        }
        Ok(Scalars(all))
    }
}
