//! Text that a plugin wrote, as it may be kept and shown: cleaned, and no longer than its kind may be.
//!
//! A text for people is cut and says so. A name that something else has to find again is never cut, for half a name is
//! another name; a verdict with such a name is malformed. The lengths stand in the WIT as well, for authors.

use std::borrow::Cow;

use ctwarden_model::text;

/// Bytes of a verdict's reason; a longer one is cut.
pub(crate) const REASON: usize = 512;
/// Bytes of an alert's title; a longer one is cut.
pub(crate) const TITLE: usize = 256;
/// Bytes of an alert's key; a verdict with a longer one is malformed.
pub(crate) const KEY: usize = 256;
/// Fields of an alert or a log; a verdict with more is malformed.
pub(crate) const FIELDS: usize = 64;
/// Bytes of a field's name; a verdict with a longer one is malformed.
pub(crate) const FIELD_NAME: usize = 64;
/// Bytes of a field's value; a longer one is cut.
pub(crate) const FIELD_VALUE: usize = 1024;
/// Bytes of a set's name, as many as the configuration takes; what names a longer one is malformed.
pub(crate) const SET_NAME: usize = 64;
/// Bytes of a refusal (of a message or of the configuration) and of what is told of a fault; a longer one is cut.
pub(crate) const REFUSAL: usize = 1024;
/// Bytes of a reply's text: a list of some thousand bans. A longer one is cut.
pub(crate) const REPLY: usize = 256 << 10;

/// The text on one line, without characters that a terminal obeys, with at most so many bytes.
pub(crate) fn line(words: String, bytes: usize) -> String {
    shown(words, bytes, text::line)
}

/// The same, with ends of lines kept.
pub(crate) fn lines(words: String, bytes: usize) -> String {
    shown(words, bytes, text::lines)
}

/// Cut before it is cleaned, so that little is looked at, and after, because what stands for a character may be longer.
fn shown(words: String, bytes: usize, clean: impl Fn(&str) -> Cow<'_, str>) -> String {
    let short = text::cut(words, bytes);
    match clean(&short) {
        Cow::Borrowed(_) => short,
        Cow::Owned(cleaned) => text::cut(cleaned, bytes),
    }
}

/// The text as it can be shown in an error.
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
