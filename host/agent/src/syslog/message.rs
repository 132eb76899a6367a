//! One record as a message of RFC 5424.
//!
//! The content is the JSON line. The structured data has what collectors select by, under the number that RFC 5612
//! reserves for documentation, because this project has none.

use std::fmt::Write as _;
use std::fs;

use ctwarden_control::RecordLine;

/// Facility 3 (daemon) times eight.
const FACILITY: u8 = 24;

pub(crate) struct Form {
    host: String,
}

impl Form {
    pub(crate) fn new() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { host: printable(host.trim(), 255) }
    }

    /// The message in at most `most` bytes. A longer line is cut, and is then no JSON any more.
    pub(crate) fn message(&self, record: &RecordLine, line: &str, most: usize) -> Vec<u8> {
        let mut message = String::with_capacity(line.len() + 256);
        let priority = FACILITY + record.severity().min(7);
        // RFC 5424 allows at most six digits of a second.
        let time = match record.time.split_at_checked(26) {
            Some((time, _)) => format!("{time}Z"),
            None => "-".to_owned(),
        };
        let kind = printable(record.kind(), 32);
        // Writing into a string cannot fail.
        let _ = write!(message, "<{priority}>1 {time} {} ctwarden - {kind} [ctwarden@32473", self.host);
        for (name, value) in [
            ("plugin", &record.plugin),
            ("outcome", &record.outcome),
            ("code", &record.code),
            ("notice", &record.notice),
            ("fault", &record.fault),
        ] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                let _ = write!(message, " {name}=\"{}\"", escaped(value));
            }
        }
        message.push_str("] ");
        message.push_str(line);
        message.truncate(message.floor_char_boundary(most));
        message.into_bytes()
    }
}

/// A field of the header: printable ASCII without blanks, or the sign for nothing.
fn printable(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// The value of a parameter (RFC 5424, 6.3.3).
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in ctwarden_model::text::line(value).chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"2026-11-30T12:00:00.123456789Z","record":"verdict","plugin":"a","action":"delete","outcome":"refused","code":"x\"]\\"}"#;

    #[test]
    fn a_message_is_that_of_the_rfc() {
        let form = Form { host: "router".into() };
        let record = RecordLine::read(LINE).unwrap();
        let message = String::from_utf8(form.message(&record, LINE, 8_192)).unwrap();
        let head = r#"<29>1 2026-11-30T12:00:00.123456Z router ctwarden - delete "#;
        let data = r#"[ctwarden@32473 plugin="a" outcome="refused" code="x\"\]\\"] "#;
        assert_eq!(message, format!("{head}{data}{LINE}"));
        assert_eq!(form.message(&record, LINE, 100).len(), 100);
    }

    #[test]
    fn a_header_has_no_blank_and_is_never_empty() {
        assert_eq!(printable("a b\u{1b}c", 255), "abc");
        assert_eq!(printable(" ä", 255), "-");
    }
}
