//! Makes text from other parties safe to show.
//!
//! Text ends up in terminals, logs, records and alerts. A control character in it could move a cursor, forge a line or
//! reorder what a person reads. Every part of ctwarden uses this module, so all parts agree on these characters.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;

/// Marks the end of a text that was cut.
pub const CUT_MARK: &str = "… (cut)";

/// Whether a terminal, an editor or a line reader obeys the character instead of showing it.
///
/// These are the control characters (C0, DEL and C1), the line and paragraph separators, and the format characters that
/// reorder or hide text. The two joiners U+200C and U+200D belong to the spelling of several scripts, so they do not
/// count.
#[must_use]
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line. Every character that would be obeyed becomes U+FFFD, except tabs.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    without(text, |c| is_obeyed(c) && c != '\t')
}

/// The text with its line ends kept. Every other character that would be obeyed becomes U+FFFD, except tabs.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    without(text, |c| is_obeyed(c) && c != '\t' && c != '\n')
}

fn without(text: &str, unwanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Most texts are printable ASCII, and one pass over the bytes settles them.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.chars().any(&unwanted) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if unwanted(c) { char::REPLACEMENT_CHARACTER } else { c }).collect())
}

/// The text in at most `bytes` bytes. A cut text ends with [`CUT_MARK`], which counts towards the limit.
#[must_use]
pub fn cut(text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    let room = text.floor_char_boundary(bytes.saturating_sub(CUT_MARK.len()));
    let mut short = text.get(..room).unwrap_or_default().to_owned();
    short.push_str(CUT_MARK);
    short
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn nothing_in_it_is_obeyed() {
        assert_eq!(line("\u{1b}[2J\r\nred\tä\u{9b}"), "\u{fffd}[2J\u{fffd}\u{fffd}red\tä\u{fffd}");
        assert_eq!(lines("one\ntwo\u{7}"), "one\ntwo\u{fffd}");
        for obeyed in [
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert_eq!(line(&obeyed.to_string()), "\u{fffd}", "{obeyed:?}");
            assert_eq!(lines(&obeyed.to_string()), "\u{fffd}", "{obeyed:?}");
        }
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["plain \"text\" of 1 line", "größer", "中文", "می\u{200c}خواهم", "👩\u{200d}🚒", "tab\there"]
        {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn a_cut_text_says_so_and_ends_between_characters() {
        assert_eq!(cut("short".into(), 5), "short");
        for bytes in 0..40 {
            let short = cut("ä".repeat(20) + "!", bytes);
            assert!(short.ends_with(CUT_MARK) && short.len() <= bytes.max(CUT_MARK.len()), "{bytes}: {short}");
        }
        assert_eq!(cut("ä".repeat(20), 14), "ää… (cut)");
    }
}
