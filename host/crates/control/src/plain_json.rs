//! JSON that is safe to print on a terminal.
//!
//! JSON allows every character from U+0020 on in a string. Some of them move a cursor, reorder a line or, for some
//! readers, end it. This module writes each of them as an escape: a program reads the same text, and a person sees what
//! is there. Records, answers of the control socket and reports for programs use it.

use std::io::{self, Write};

use ctwarden_model::text::is_obeyed;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Formats the value on one line.
///
/// # Errors
/// As [`serde_json::to_string`].
pub fn to_string(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::with_capacity(512);
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Plain(CompactFormatter)))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Formats the value over several lines, for people.
///
/// # Errors
/// As [`serde_json::to_writer_pretty`].
pub fn to_writer_pretty(out: impl Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Plain(PrettyFormatter::new())))
}

/// A JSON formatter that also escapes the characters that terminals obey.
struct Plain<F>(F);

impl<F: Formatter> Formatter for Plain<F> {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        // serde_json has already escaped its own characters, but DEL is not among them.
        while let Some((place, obeyed)) = first_obeyed(rest) {
            let (before, after) = rest.split_at_checked(place).unwrap_or((rest, ""));
            out.write_all(before.as_bytes())?;
            for unit in obeyed.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = after.get(obeyed.len_utf8()..).unwrap_or_default();
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

fn first_obeyed(text: &str) -> Option<(usize, char)> {
    // Most strings are printable ASCII, for which one look at each byte is enough.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    text.char_indices().find(|(_, c)| is_obeyed(*c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_the_same_text() {
        let text = "a\"b\\c\n\u{1b}\u{7f}\u{9b}\u{202e}ä中\u{2028}\u{e0041}end";
        let line = to_string(&[text]).unwrap();
        assert!(!line.contains(is_obeyed), "{line:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&line).unwrap(), [text]);
        let mut pretty = Vec::new();
        to_writer_pretty(&mut pretty, &[text]).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<String>>(&pretty).unwrap(), [text]);
        assert!(!String::from_utf8(pretty).unwrap().contains(|c| is_obeyed(c) && c != '\n'));
    }

    #[test]
    fn the_form_is_that_of_serde_json() {
        let value = serde_json::json!({"a": [1, 2, {"b": null}], "c": {}, "d": [], "e": "text"});
        assert_eq!(to_string(&value).unwrap(), serde_json::to_string(&value).unwrap());
        let mut pretty = Vec::new();
        to_writer_pretty(&mut pretty, &value).unwrap();
        assert_eq!(String::from_utf8(pretty).unwrap(), serde_json::to_string_pretty(&value).unwrap());
    }
}
