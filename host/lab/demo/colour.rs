//! Terminal colours: whether standard output uses them, and their escape sequences.

use std::fmt::Display;
use std::io::{IsTerminal, stdout};

use ctwarden_model::text;

/// Select Graphic Rendition parameters (ECMA-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

/// Whether output is coloured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Colour {
    is_on: bool,
}

impl Colour {
    /// On for a terminal, unless `NO_COLOR` has a value that is not empty (no-color.org) or the terminal is dumb.
    pub(super) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { is_on: stdout().is_terminal() && !refused && !dumb }
    }

    /// Wraps the text in the escape sequences. Control characters in the text itself have no effect.
    pub(super) fn paint(self, paint: Paint, text: impl Display) -> String {
        let text = text.to_string();
        let text = text::line(&text);
        let code = match paint {
            Paint::Bold => 1,
            Paint::Dim => 2,
            Paint::Red => 31,
            Paint::Green => 32,
            Paint::Yellow => 33,
        };
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_but_our_colours() {
        for is_on in [false, true] {
            let painted = Colour { is_on }.paint(Paint::Red, "\u{1b}[2J\u{9b}\u{202e}x\u{1b}]0;title\u{7}");
            assert_eq!(painted.matches('\u{1b}').count(), if is_on { 2 } else { 0 }, "{painted:?}");
            assert!(!painted.contains(['\u{9b}', '\u{202e}', '\u{7}']) && painted.contains('x'), "{painted:?}");
        }
    }
}
