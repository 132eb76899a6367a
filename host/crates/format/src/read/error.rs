//! Why a line was not read, and the position of the mistake.
//!
//! People paste tables of a thousand lines: the column shows them where to look.

use alloc::string::{String, ToString};
use core::fmt;

use thiserror::Error;

use super::form::LineForm;

/// Maximum characters of the line that an error repeats.
const EXCERPT: usize = 32;

/// A mistake in a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column}: {problem}")]
pub struct LineError {
    /// Column of the mistake in characters, counted from 1.
    pub column: usize,
    pub problem: LineProblem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineProblem {
    /// The line has something else at this position.
    Expected {
        expected: &'static str,
        /// The text at this position; empty at the end of the line.
        found: String,
    },
    /// A field has an invalid value.
    Value {
        /// Name of the field.
        field: &'static str,
        /// The valid values, as words for the error.
        expected: &'static str,
        found: String,
    },
    /// A required field is missing.
    Missing(&'static str),
    /// A word is the rest of a field: the line was cut there.
    Cut(String),
    /// Addresses of different families in one entry.
    TwoFamilies,
    /// A form that is not read here.
    LineForm(LineForm),
}

impl LineError {
    /// A mistake at that byte of the line.
    pub(super) fn at(line: &str, at: usize, problem: LineProblem) -> Self {
        let column = line.get(..at).map_or(at, |before| before.chars().count()).saturating_add(1);
        Self { column, problem }
    }
}

impl LineProblem {
    /// Something else was expected.
    pub(super) fn expected(expected: &'static str, found: &str) -> Self {
        Self::Expected { expected, found: excerpt(found) }
    }

    /// The line was cut at this word.
    pub(super) fn cut(word: &str) -> Self {
        Self::Cut(excerpt(word))
    }

    /// The field has an invalid value.
    pub(super) fn value(field: &'static str, expected: &'static str, found: &str) -> Self {
        Self::Value { field, expected, found: excerpt(found) }
    }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_string() + "…",
        None => text.to_string(),
    }
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected { expected, found } if found.is_empty() => {
                write!(f, "the line ends where {expected} should be; was it cut?")
            }
            Self::Expected { expected, found } => write!(f, "expected {expected}, found {found:?}"),
            Self::Value { field, expected, found } => write!(f, "{field} is {found:?}; it can be {expected}"),
            Self::Missing(field) => write!(f, "{field} is missing; was the line cut?"),
            Self::Cut(word) => write!(f, "{word:?} is what is left of a field; the line was cut"),
            Self::TwoFamilies => f.write_str("IPv4 and IPv6 addresses are mixed in one entry"),
            Self::LineForm(LineForm::Blank) => f.write_str("there is nothing in the line"),
            Self::LineForm(LineForm::Summary) => f.write_str("this is what the command says of a list, and no entry"),
            Self::LineForm(LineForm::Save) => f.write_str("this is a command line; load it with -R"),
            Self::LineForm(LineForm::Xml) => f.write_str("XML is not read; print the table as text, save or json"),
            Self::LineForm(LineForm::Json | LineForm::Text) => f.write_str("the line is not of this form"),
        }
    }
}
