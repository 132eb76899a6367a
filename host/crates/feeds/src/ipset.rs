//! The output of `ipset save`: `create NAME TYPE …` and `add NAME ENTRY [timeout SECONDS] [comment "…"]`.

use alloc::borrow::ToOwned;
use core::time::Duration;

use crate::fault::Fault;
use crate::finding::{Finding, Place};
use crate::gathering::Gathering;
use crate::line;
use crate::seen_lists::SeenLists;
use crate::text_lines::{self, SHORT, TextLine};

/// Commands that `ipset restore` takes and `ipset save` does not write.
const COMMANDS: [&str; 6] = ["del", "destroy", "flush", "rename", "swap", "test"];

/// Reads the sets of a file: all of them, or those that the set names.
///
/// # Errors
/// [`Finding`] if a named set is not in the file.
pub(crate) fn read(bytes: &[u8], gathering: &mut Gathering<'_>) -> Result<(), Finding> {
    let mut seen = SeenLists::default();
    for TextLine { number, text, fault } in text_lines::of(bytes, SHORT) {
        if let Some(fault) = fault {
            gathering.bad(Place::in_line(number, text, text.len()), "", fault);
            continue;
        }
        let mut words = Words { line: text, at: 0 };
        let Some((begin, command)) = words.next() else { continue };
        if line::comment(text).is_some() || command == "COMMIT" {
            continue;
        }
        let place = |offset| Place::in_line(number, text, offset);
        let list = words.next();
        if let (Some((_, list)), true) = (list, matches!(command, "create" | "add")) {
            seen.note(list);
        }
        match (command, list) {
            ("create", Some(_)) => {}
            ("add", Some((_, list))) => {
                if gathering.reading.takes(list) {
                    match words.next() {
                        Some((offset, entry)) => add(place(offset), entry, words, gathering),
                        None => gathering.bad(place(begin), command, Fault::NoEntry),
                    }
                }
            }
            _ if COMMANDS.contains(&command) => gathering.bad(place(begin), command, Fault::Command),
            _ => gathering.bad(place(begin), command, Fault::NoCommand),
        }
    }
    seen.check(gathering.reading)
}

fn add(place: Place<'_>, entry: &str, mut options: Words<'_>, gathering: &mut Gathering<'_>) {
    // `198.51.100.7,tcp:443`, `192.0.2.0/24,eth0`, `192.0.2.1,0x1`.
    if entry.contains(',') {
        return gathering.bad(place, entry, Fault::Parts);
    }
    let (mut end, mut value) = (None, "");
    while let Some((_, option)) = options.next() {
        match option {
            "timeout" => match options.next().and_then(|(_, seconds)| seconds.parse().ok()) {
                Some(0) => end = None,
                Some(seconds) => end = Some(Duration::from_secs(seconds)),
                None => return gathering.bad(place, entry, Fault::Timeout),
            },
            "comment" => value = options.next().map_or("", |(_, comment)| comment),
            "nomatch" => return gathering.bad(place, entry, Fault::Exception),
            // Counters and other options, some of them with a value.
            _ => {}
        }
    }
    gathering.entry(place, entry, value.to_owned(), end);
}

/// The words of a line, each with its place. A text in quotes is one word.
struct Words<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.line.get(self.at..)?;
        let begin = self.at + rest.find(|character: char| !character.is_whitespace())?;
        let rest = self.line.get(begin..)?;
        if let Some(quoted) = rest.strip_prefix('"') {
            let length = quoted.find('"').unwrap_or(quoted.len());
            self.at = begin + 1 + length + 1;
            return Some((begin, quoted.get(..length)?));
        }
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        self.at = begin + length;
        Some((begin, rest.get(..length)?))
    }
}
