//! Text that a plugin wrote, in a form that can be stored and shown: cleaned, and within the length limit of its kind.
//!
//! Text for operators is cut and marked as cut. A name that something else looks up is never cut, because half a name
//! is another name. A verdict with such a name is malformed. The WIT states the lengths as well, for authors.

use std::borrow::Cow;

use ctwarden_model::text;

/// Bytes of a verdict's code, which is a label in metrics. A verdict with a longer code is malformed.
pub(crate) const CODE: usize = 64;
/// Bytes of a verdict's reason. A longer reason is cut.
pub(crate) const REASON: usize = 512;
/// Bytes of an alert's title. A longer title is cut.
pub(crate) const TITLE: usize = 256;
/// Bytes of an alert's key. A verdict with a longer key is malformed.
pub(crate) const KEY: usize = 256;
/// Fields of an alert or a log. A verdict with more fields is malformed.
pub(crate) const FIELDS: usize = 64;
/// Bytes of a field's name. A verdict with a longer name is malformed.
pub(crate) const FIELD_NAME: usize = 64;
/// Bytes of a field's value. A longer value is cut.
pub(crate) const FIELD_VALUE: usize = 1024;
/// Bytes of a set's name, the same limit as in the configuration. A verdict or filter with a longer name is malformed.
pub(crate) const SET_NAME: usize = 64;
/// Bytes of a refusal (of a message or of the configuration) and of the text of a fault. A longer text is cut.
pub(crate) const REFUSAL: usize = 1024;
/// Bytes of a reply's text: a list of some thousand bans. A longer text is cut.
pub(crate) const REPLY: usize = 256 << 10;

/// Returns the text on one line, without terminal control characters, with at most this many bytes.
pub(crate) fn line(words: String, bytes: usize) -> String {
    shown(words, bytes, text::line)
}

/// As `line`, but keeps line ends.
pub(crate) fn lines(words: String, bytes: usize) -> String {
    shown(words, bytes, text::lines)
}

/// Cuts before cleaning to bound the work, and again afterwards because a replacement may be longer than its character.
fn shown(words: String, bytes: usize, clean: impl Fn(&str) -> Cow<'_, str>) -> String {
    let short = text::cut(words, bytes);
    match clean(&short) {
        Cow::Borrowed(_) => short,
        Cow::Owned(cleaned) => text::cut(cleaned, bytes),
    }
}

/// Whether a code may have the character.
pub(crate) const fn fits_code(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

/// Whether the text is a code that a plugin may declare.
pub(crate) fn is_code(code: &str) -> bool {
    !code.is_empty() && code.len() <= CODE && code.chars().all(fits_code)
}

/// Returns the text in a form for errors.
pub(crate) fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_clean_and_short() {
        assert_eq!(line("\u{1b}[2J\r\nred\tä\u{9b}".to_owned(), 64), "\u{fffd}[2J\u{fffd}\u{fffd}red\tä\u{fffd}");
        assert_eq!(lines("one\ntwo\u{7}".to_owned(), 64), "one\ntwo\u{fffd}");
        let long = line("\u{1b}".repeat(1_000), REASON);
        assert!(long.len() <= REASON && long.ends_with(text::CUT_MARK), "{long}");
        assert_eq!(line("x".repeat(REASON), REASON).len(), REASON);
    }
}
