//! Checks lines of tables that people paste: text, JSON and saved command lines.

use ctwarden_format::read::{self, Entry, Legend, LineForm};
use ctwarden_format::{command, json};

fn line(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|line| !line.contains('\n'))
}

/// Prints the content of a line as JSON and reads it back.
fn again(entry: &Entry) -> Entry {
    let mut out = Vec::new();
    json::flow(&mut out, &entry.flow, &entry.event_context(), None);
    let text = String::from_utf8(out).unwrap();
    read::line(&text, &Legend::PLAIN).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// If a text line can be read, its JSON form reads as the same flow.
pub(crate) fn text(bytes: &[u8]) {
    let Some(line) = line(bytes) else { return };
    if LineForm::of(line) == LineForm::Text {
        drop(read::expectation(line));
        if let Ok(entry) = read::line(line, &Legend::PLAIN) {
            assert_eq!(again(&entry).flow, entry.flow);
        }
    }
}

/// If a JSON line can be read, its printed form reads as the same flow and the same event.
pub(crate) fn json(bytes: &[u8]) {
    let Some(line) = line(bytes) else { return };
    if LineForm::of(line) == LineForm::Json {
        drop(read::expectation(line));
        if let Ok(entry) = read::line(line, &Legend::PLAIN) {
            let again = again(&entry);
            assert_eq!((again.flow, again.kind), (entry.flow, entry.kind));
        }
    }
}

/// Any saved line can be split and recognised.
pub(crate) fn saved(bytes: &[u8]) {
    let Some(line) = line(bytes) else { return };
    let words = command::words(line);
    assert!(words.iter().map(String::len).sum::<usize>() <= line.len());
    let _ = command::is_saved_entry(line);
}
