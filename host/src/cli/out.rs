//! Standard output of a verb, without control characters and without errors about a closed pipe.
//!
//! All output of verbs goes through this module. Text from a daemon, a plugin, a file or the kernel cannot move the
//! cursor of a terminal. A reader that closes the pipe (`ctwarden check | head -1`) ends the output but not the verb,
//! so the exit status still gives the result of the verb.

use std::borrow::Cow;
use std::io::{self, ErrorKind, StdoutLock, Write};

use ctwarden_control::Colour;
use ctwarden_model::text;

/// Standard output.
pub(super) struct Out<W = StdoutLock<'static>> {
    to: W,
    colour: Colour,
    /// Whether the reader has closed the pipe.
    is_closed: bool,
}

impl Out {
    /// Standard output without colours.
    pub(super) fn plain() -> Self {
        Self::to(io::stdout().lock(), Colour::Off)
    }

    /// Standard output with colours, if the terminal supports them and the user does not disable them.
    pub(super) fn coloured() -> Self {
        Self::to(io::stdout().lock(), Colour::of(&io::stdout()))
    }
}

impl<W: Write> Out<W> {
    const fn to(to: W, colour: Colour) -> Self {
        Self { to, colour, is_closed: false }
    }

    /// Whether the reader has closed the pipe, so that no more output is wanted.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether colours are used.
    pub(super) const fn colour(&self) -> Colour {
        self.colour
    }

    fn or_closed<T>(&mut self, outcome: io::Result<T>, otherwise: T) -> io::Result<T> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(otherwise)
            }
            outcome => outcome,
        }
    }
}

impl<W: Write> Write for Out<W> {
    /// Expects whole characters in each call, which `write!` guarantees.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_closed {
            let given = String::from_utf8_lossy(bytes);
            let shown = shown(&given, self.colour);
            let outcome = self.to.write_all(shown.as_bytes());
            self.or_closed(outcome, ())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.to.flush();
        self.or_closed(outcome, ())
    }
}

/// The text without control characters. If colours are on, the sequences that switch colours stay.
fn shown(given: &str, colour: Colour) -> Cow<'_, str> {
    match colour {
        Colour::Off => text::lines(given),
        Colour::On => {
            let mut parts = given.split('\u{1b}');
            let mut shown = text::lines(parts.next().unwrap_or_default()).into_owned();
            for part in parts {
                let is_ours = Colour::SEQUENCES.iter().any(|sequence| part.starts_with(sequence));
                shown.push(if is_ours { '\u{1b}' } else { char::REPLACEMENT_CHARACTER });
                shown.push_str(&text::lines(part));
            }
            Cow::Owned(shown)
        }
    }
}

#[cfg(test)]
mod tests {
    use ctwarden_control::Paint;

    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_but_our_colours() {
        let evil = "\u{1b}[2J\u{9b}\u{202e}x\u{1b}]0;title\u{7}";
        for colour in [Colour::Off, Colour::On] {
            let mut out = Out::to(Vec::new(), colour);
            writeln!(out, "{} {evil}", colour.paint(Paint::Red, "red")).unwrap();
            let text = String::from_utf8(out.to).unwrap();
            let ours = text.matches("\u{1b}[31m").count() + text.matches("\u{1b}[0m").count();
            assert_eq!(text.matches('\u{1b}').count(), ours, "{text:?}");
            assert_eq!(ours, if colour == Colour::On { 2 } else { 0 });
            assert!(!text.contains(['\u{9b}', '\u{202e}', '\u{7}']) && text.ends_with('\n'), "{text:?}");
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is() {
        struct Fails(ErrorKind);
        impl Write for Fails {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        let mut gone = Out::to(Fails(ErrorKind::BrokenPipe), Colour::Off);
        assert!(writeln!(gone, "a").and_then(|()| writeln!(gone, "b")).and_then(|()| gone.flush()).is_ok());
        let mut full = Out::to(Fails(ErrorKind::StorageFull), Colour::Off);
        assert_eq!(writeln!(full, "a").unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
