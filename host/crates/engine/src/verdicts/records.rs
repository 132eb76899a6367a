//! Records that wait to be written.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use ctwarden_model::{Notice, Record, Timestamp};

/// Records in their order, each with its size in bytes.
#[derive(Debug, Default)]
pub(crate) struct Records {
    waiting: VecDeque<(Record, usize)>,
    bytes: usize,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn notice(&mut self, at: Timestamp, notice: Notice) {
        self.push(Record::Notice(at, Box::new(notice)));
    }

    pub(crate) fn push(&mut self, record: Record) {
        let bytes = record.bytes();
        self.push_sized(record, bytes);
    }

    /// Adds a record whose size in bytes is known.
    pub(crate) fn push_sized(&mut self, record: Record, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waiting.push_back((record, bytes));
    }

    pub(crate) fn pop(&mut self) -> Option<Record> {
        let (record, bytes) = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(record)
    }
}
