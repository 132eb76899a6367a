//! Colours of a terminal: whether output uses them, and their sequences.

use std::fmt::Display;
use std::io::IsTerminal;

/// Whether output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Off,
    On,
}

/// Select Graphic Rendition parameters (ECMA-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Colour {
    /// What follows the escape character in all output of [`Colour::paint`].
    pub const SEQUENCES: [&str; 6] = ["[0m", "[1m", "[2m", "[31m", "[32m", "[33m"];

    /// On for a terminal, unless `NO_COLOR` is set to anything (no-color.org) or the terminal is dumb.
    #[must_use]
    pub fn of(output: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if output.is_terminal() && !refused && !dumb { Self::On } else { Self::Off }
    }

    /// The text in the colour or weight of `paint`.
    pub fn paint(self, paint: Paint, text: impl Display) -> String {
        let code = match paint {
            Paint::Bold => 1,
            Paint::Dim => 2,
            Paint::Red => 31,
            Paint::Green => 32,
            Paint::Yellow => 33,
        };
        match self {
            Self::Off => text.to_string(),
            Self::On => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}
