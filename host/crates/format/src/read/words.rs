//! The words of a line and where they begin.
//!
//! Kept apart from what they mean, because an error has to name a column.

#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    /// The byte at which it begins.
    pub(super) at: usize,
    pub(super) text: &'a str,
}

impl<'a> Word<'a> {
    /// What stands in front of the first `=` and what behind.
    pub(super) fn field(&self) -> Option<(&'a str, &'a str)> {
        let (key, rest) = self.text.split_at_checked(self.text.bytes().position(|byte| byte == b'=')?)?;
        Some((key, rest.get(1..)?))
    }
}

/// What is left of a line.
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

    /// The byte at which what is left begins.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// What is left, without blanks around it.
    pub(super) fn rest(&mut self) -> &'a str {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_ascii_start();
        self.at = self.at.saturating_add(rest.len().saturating_sub(trimmed.len()));
        trimmed
    }

    /// Goes on behind so many bytes; in the middle of a character nothing is left.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// The next word, which stays.
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
