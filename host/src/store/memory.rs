//! The keys of one plugin in memory, with the ends of their lifetimes.

use std::collections::{BTreeMap, BTreeSet};

use ctwarden_model::Timestamp;

use super::Quota;

/// One plugin's keys, and those that are not yet in the database.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) values: BTreeMap<String, Stored>,
    /// Keys with an end, the earliest end first.
    ends: BTreeSet<(Timestamp, String)>,
    pub(super) bytes: usize,
    pub(super) quota: Quota,
    pub(super) dirty: BTreeSet<String>,
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) value: Vec<u8>,
    /// When the key is removed. `None`: it stays.
    pub(super) end: Option<Timestamp>,
}

impl Memory {
    pub(super) fn new(values: BTreeMap<String, Stored>, quota: Quota) -> Self {
        let bytes = values.iter().map(|(key, stored)| key.len() + stored.value.len()).sum();
        let ends = values.iter().filter_map(|(key, stored)| Some((stored.end?, key.clone()))).collect();
        Self { values, ends, bytes, quota, dirty: BTreeSet::new() }
    }

    pub(super) fn insert(&mut self, key: &str, stored: Stored) {
        self.take(key);
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(stored.value.len());
        self.ends.extend(stored.end.map(|end| (end, key.to_owned())));
        self.values.insert(key.to_owned(), stored);
        self.dirty.insert(key.to_owned());
    }

    pub(super) fn remove(&mut self, key: &str) {
        if self.take(key) {
            self.dirty.insert(key.to_owned());
        }
    }

    /// Removes a key. Returns whether it was there.
    fn take(&mut self, key: &str) -> bool {
        let Some(Stored { value, end }) = self.values.remove(key) else { return false };
        self.bytes = self.bytes.saturating_sub(key.len() + value.len());
        if let Some(end) = end {
            self.ends.remove(&(end, key.to_owned()));
        }
        true
    }

    /// Removes the keys whose lifetime is over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((end, key)) = self.ends.first()
            && *end <= now
        {
            let key = key.clone();
            self.remove(&key);
        }
    }
}
