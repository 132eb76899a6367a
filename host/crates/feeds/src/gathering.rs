//! What is gathered while a list is read: networks, counts and the first mistakes.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ctwarden_model::{ListCounts, Prefix, PrefixMap};

use crate::address::{self, Networks};
use crate::error::ListError;
use crate::excerpt::excerpt;
use crate::fault::Fault;
use crate::finding::{Finding, Place};
use crate::format::Format;
use crate::list::List;
use crate::reading::Reading;

/// Mistakes shown at most: more than a person reads.
const MISTAKES_SHOWN: usize = 20;

#[derive(Debug)]
pub(crate) struct Gathering<'r> {
    pub(crate) reading: &'r Reading,
    networks: PrefixMap<Arc<str>>,
    /// The value before. Neighbours often have the same, and share it.
    last_value: Arc<str>,
    ends: BTreeMap<Prefix, Duration>,
    counts: ListCounts,
    mistakes: Vec<Finding>,
    host_bits: Option<(Finding, usize)>,
}

impl<'r> Gathering<'r> {
    pub(crate) fn new(reading: &'r Reading) -> Self {
        Self {
            reading,
            networks: PrefixMap::new(),
            last_value: Arc::default(),
            ends: BTreeMap::new(),
            counts: ListCounts { lines: 0, entries: 0, bad: 0 },
            mistakes: Vec::new(),
            host_bits: None,
        }
    }

    /// Adds the entry `word`, or counts it as bad.
    pub(crate) fn entry(&mut self, place: Place<'_>, word: &str, value: String, end: Option<Duration>) {
        let checked = address::parse(word).and_then(|read| {
            self.reading.shortest.check(&read.networks)?;
            Ok(read)
        });
        match checked {
            Ok(read) => self.add(place, word, read, value, end),
            Err(fault) => self.bad(place, word, fault),
        }
    }

    /// Adds networks. If the list has one of them twice, the last value and the latest end count.
    pub(crate) fn add(&mut self, place: Place<'_>, word: &str, read: Networks, value: String, end: Option<Duration>) {
        self.counts.entries += 1;
        if read.host_bits {
            self.note_host_bits(place, word, read.networks.first());
        }
        if *self.last_value != *value {
            self.last_value = value.into();
        }
        for network in read.networks {
            self.insert(network, end);
        }
    }

    /// Inserts a network with the last value.
    fn insert(&mut self, network: Prefix, end: Option<Duration>) {
        let is_known = self.networks.insert(network, Arc::clone(&self.last_value)).is_some();
        match (end, is_known) {
            (Some(end), false) => drop(self.ends.insert(network, end)),
            (Some(end), true) => {
                // A network without an end has none later either.
                if let Some(before) = self.ends.get_mut(&network) {
                    *before = end.max(*before);
                }
            }
            (None, _) => drop(self.ends.remove(&network)),
        }
    }

    /// Counts a bad entry, and keeps the message if it is among the first.
    pub(crate) fn bad(&mut self, place: Place<'_>, word: &str, fault: Fault) {
        self.bad_with_hint(place, word, fault, None);
    }

    /// The same. The message says in which format the line would be valid.
    pub(crate) fn bad_with_hint(&mut self, place: Place<'_>, word: &str, fault: Fault, hint: Option<Format>) {
        self.counts.bad += 1;
        if self.mistakes.len() < MISTAKES_SHOWN {
            let mut what = self.quoted(word, fault);
            if let Some(format) = hint {
                what.push_str(&format!("; if the file is {format}, write format = \"{}\"", format.name()));
            }
            self.mistakes.push(Finding::new(place, what));
        }
    }

    /// Counts a bad line with a message that has no words of the file.
    pub(crate) fn bad_line(&mut self, finding: impl FnOnce() -> Finding) {
        self.counts.bad += 1;
        if self.mistakes.len() < MISTAKES_SHOWN {
            self.mistakes.push(finding());
        }
    }

    /// Whether any mistake was found so far.
    pub(crate) const fn has_mistakes(&self) -> bool {
        self.counts.bad > 0
    }

    /// The fault, after the word itself if everybody may read the file.
    fn quoted(&self, word: &str, fault: Fault) -> String {
        match (self.reading.secret, word.is_empty()) {
            (true, _) => format!("the entry {fault} (the text is not shown because not every user may read the file)"),
            (false, true) => format!("this {fault}"),
            (false, false) => format!("\"{}\" {fault}", excerpt(word)),
        }
    }

    fn note_host_bits(&mut self, place: Place<'_>, word: &str, network: Option<&Prefix>) {
        let Some(network) = network else { return };
        if let Some((_, more)) = &mut self.host_bits {
            *more += 1;
        } else {
            let what = if self.reading.secret {
                "bits after the prefix are ignored".to_owned()
            } else {
                format!("\"{}\" is taken as {network}", excerpt(word))
            };
            self.host_bits = Some((Finding::new(place, what), 0));
        }
    }

    /// The list, or why it is refused.
    pub(crate) fn finish(mut self, format: Format, lines: usize) -> Result<List, ListError> {
        self.counts.lines = lines.try_into().unwrap_or(u64::MAX);
        let ListCounts { entries, bad, .. } = self.counts;
        if bad > 0 && (entries == 0 || !self.reading.skips) {
            let nothing_left = self.reading.skips;
            return Err(ListError::Lines { first: self.mistakes, counts: self.counts, nothing_left });
        }
        if entries == 0 && !self.reading.may_be_empty {
            return Err(ListError::Empty { line: lines.max(1), counts: self.counts });
        }
        let note = self.host_bits.map(|(first, more)| match more {
            0 => first,
            more => {
                let what = format!("{}, and {more} more entries have such bits", first.what());
                Finding::at(first.line(), first.column(), &what)
            }
        });
        Ok(List::new(format, self.networks, self.ends, self.counts, self.mistakes, note))
    }
}
