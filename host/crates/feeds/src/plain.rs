//! A plain list: one address, network or range a line, followed by a value, and comments.

use crate::finding::Place;
use crate::format::Format;
use crate::gathering::Gathering;
use crate::line;
use crate::text_lines::{self, SHORT, TextLine};

pub(crate) fn read(bytes: &[u8], gathering: &mut Gathering<'_>) {
    for TextLine { number, text, fault } in text_lines::of(bytes, SHORT) {
        if let Some(fault) = fault {
            gathering.bad(Place::in_line(number, text, text.len()), "", fault);
            continue;
        }
        let place = Place::in_line(number, text, text.len() - text.trim_start().len());
        match line::parse(text, gathering.reading.shortest) {
            Ok(Some(line)) => {
                let (networks, value) = line.into_parts();
                let word = text.split_whitespace().next().unwrap_or_default();
                gathering.add(place, word, networks, value, None);
            }
            Ok(None) => {}
            Err(mistake) => {
                let hint = if gathering.has_mistakes() { None } else { Format::of_line(text.trim()) };
                let (word, fault) = mistake.into_parts();
                gathering.bad_with_hint(place, word, fault, hint);
            }
        }
    }
}
