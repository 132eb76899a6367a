//! A line of text and the words that its forms have in common.

use ctwarden_model::{EventKind, Timestamp};

use super::super::error::{LineError, LineProblem};
use super::super::words::Words;
use super::field::{U32, digits};

pub(super) struct Reader<'a> {
    line: &'a str,
    pub(super) words: Words<'a>,
}

impl<'a> Reader<'a> {
    pub(super) const fn of(line: &'a str) -> Self {
        Self { line, words: Words::of(line) }
    }

    pub(super) fn fail(&self, at: usize, problem: LineProblem) -> LineError {
        LineError::at(self.line, at, problem)
    }

    /// The content of the next brackets, and the position after them.
    pub(super) fn bracketed(&mut self) -> Option<(&'a str, usize)> {
        let inside = self.words.rest().strip_prefix('[')?;
        let (inside, _) = inside.split_once(']').filter(|(inside, _)| !inside.contains('['))?;
        Some((inside, inside.len().saturating_add(2)))
    }

    /// `[seconds.microseconds]`, with zeros or with blanks.
    pub(super) fn moment(&mut self) -> Result<Option<Timestamp>, LineError> {
        let Some((inside, length)) = self.bracketed() else { return Ok(None) };
        let Some((seconds, microseconds)) = inside.split_once('.') else { return Ok(None) };
        let at = self.words.at();
        let nanoseconds = digits::<u64>(seconds.trim_ascii())
            .and_then(|seconds| seconds.checked_mul(1_000_000_000))
            .zip(digits::<u32>(microseconds.trim_ascii()).filter(|microseconds| *microseconds < 1_000_000))
            .and_then(|(seconds, microseconds)| seconds.checked_add(u64::from(microseconds) * 1_000));
        let nanoseconds = nanoseconds
            .ok_or_else(|| self.fail(at, LineProblem::value("the time in front", "[seconds.microseconds]", inside)))?;
        self.words.pass(length);
        Ok(Some(Timestamp(nanoseconds)))
    }

    pub(super) fn kind(&mut self) -> EventKind {
        let kind = match self.bracketed() {
            Some(("NEW", _)) => EventKind::New,
            Some(("UPDATE", _)) => EventKind::Update,
            Some(("DESTROY", _)) => EventKind::Destroy,
            Some(_) | None => return EventKind::Row,
        };
        self.words.take();
        kind
    }

    /// The next word as a number.
    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        field: &'static str,
        expected: &'static str,
    ) -> Result<T, LineError> {
        let at = self.words.at();
        let word = self.words.take().ok_or_else(|| self.fail(at, LineProblem::Missing(field)))?;
        digits(word.text).ok_or_else(|| self.fail(word.at, LineProblem::value(field, expected, word.text)))
    }

    pub(super) fn timeout(&mut self) -> Result<Option<u32>, LineError> {
        match self.words.peek() {
            Some(word) if word.text.starts_with(|c: char| c.is_ascii_digit()) => {
                self.number("the timeout", U32).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }
}
