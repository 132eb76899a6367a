//! The words of a line and their positions.
//!
//! They are separate from their meaning, because an error has to name a column.

#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    /// The byte at which the word starts.
    pub(super) at: usize,
    pub(super) text: &'a str,
}

impl<'a> Word<'a> {
    /// The text before the first `=` and the text after it.
    pub(super) fn field(&self) -> Option<(&'a str, &'a str)> {
        let (key, rest) = self.text.split_at_checked(self.text.bytes().position(|byte| byte == b'=')?)?;
        Some((key, rest.get(1..)?))
    }
}

/// The rest of a line.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    /// All words of the line.
    pub(super) const fn of(line: &'a str) -> Self {
        Self { line: line.trim_ascii_end(), at: 0 }
    }

    /// The byte at which the rest starts.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The rest, without blanks around it.
    pub(super) fn rest(&mut self) -> &'a str {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_ascii_start();
        self.at = self.at.saturating_add(rest.len().saturating_sub(trimmed.len()));
        trimmed
    }

    /// Skips that many bytes. If this ends in the middle of a character, nothing is left.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// The next word, without taking it.
    pub(super) fn peek(&mut self) -> Option<Word<'a>> {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| byte.is_ascii_whitespace()).unwrap_or(rest.len());
        let text = rest.get(..end).filter(|word| !word.is_empty())?;
        Some(Word { at: self.at, text })
    }

    pub(super) fn take(&mut self) -> Option<Word<'a>> {
        let word = self.peek()?;
        self.pass(word.text.len());
        Some(word)
    }
}
