//! A remark about a place in a list.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// A remark about a place in a list, or about the whole file. It is shown as `LINE:COLUMN: text`, behind the name of the
/// file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// 0 if the remark is about the whole file.
    line: usize,
    column: usize,
    what: String,
}

impl Finding {
    pub(crate) fn new(place: Place<'_>, what: String) -> Self {
        let (line, column) = place.line_and_column();
        Self { line, column, what }
    }

    pub(crate) fn at(line: usize, column: usize, what: &str) -> Self {
        Self { line, column, what: what.to_owned() }
    }

    /// A remark about a file without lines.
    pub(crate) const fn whole(what: String) -> Self {
        Self { line: 0, column: 0, what }
    }

    /// The line, from 1; 0 if the remark is about the whole file.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// The remark: what is wrong, and what to do.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, " {}", self.what),
            line => write!(f, "{line}:{}: {}", self.column, self.what),
        }
    }
}

/// A place in a text. Its column is counted only if it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Number of the line with which `text` begins, from 1.
    first_line: usize,
    text: &'a str,
    offset: usize,
}

impl<'a> Place<'a> {
    /// The place `offset` bytes behind the beginning of that line.
    pub(crate) const fn in_line(number: usize, text: &'a str, offset: usize) -> Self {
        Self { first_line: number, text, offset }
    }

    /// The place `offset` bytes behind the beginning of a whole file.
    pub(crate) const fn in_text(text: &'a str, offset: usize) -> Self {
        Self { first_line: 1, text, offset }
    }

    fn line_and_column(self) -> (usize, usize) {
        let before = self.text.get(..self.offset).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or(before);
        (self.first_line + before.matches('\n').count(), line.chars().count() + 1)
    }
}
