//! A short excerpt of an untrusted text for a message, safe to print on a terminal.

use alloc::string::String;

/// Number of characters shown.
const SHOWN: usize = 40;

/// The beginning of the text. Every character except printable ASCII is written as its code.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(SHOWN) {
        if character == ' ' || character.is_ascii_graphic() {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn it_is_short_and_harmless() {
        assert_eq!(excerpt("192.0.2.1 x"), "192.0.2.1 x");
        assert_eq!(excerpt("\0\u{1b}[2J\u{202e}é\n"), "\\u{0}\\u{1b}[2J\\u{202e}\\u{e9}\\u{a}");
        assert_eq!(excerpt(&"a".repeat(41)), format!("{}…", "a".repeat(40)));
        assert!(excerpt(&"\u{202e}".repeat(1_000_000)).len() < 500);
    }
}
