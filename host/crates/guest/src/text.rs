//! Text that a plugin wrote, as it may be shown to people.
//!
//! It ends in terminals, logs and alerts: a control character in it could move a cursor, forge a line or start a
//! sequence that the terminal obeys.

/// The text on one line and without control characters but tabs; each is shown as U+FFFD.
pub(crate) fn line(text: String) -> String {
    without(text, |c| c.is_control() && c != '\t')
}

/// The text without control characters but tabs and ends of lines.
pub(crate) fn lines(text: String) -> String {
    without(text, |c| c.is_control() && c != '\t' && c != '\n')
}

fn without(text: String, unwanted: impl Fn(char) -> bool) -> String {
    if text.chars().any(&unwanted) {
        text.chars().map(|c| if unwanted(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_is_obeyed() {
        assert_eq!(line("\u{1b}[2J\r\nred\tä\u{9b}".to_owned()), "\u{fffd}[2J\u{fffd}\u{fffd}red\tä\u{fffd}");
        assert_eq!(lines("one\ntwo\u{7}".to_owned()), "one\ntwo\u{fffd}");
    }
}
