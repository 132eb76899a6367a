//! Grants memory, tables and instances up to the limits, and remembers denials.
//!
//! One sum covers everything that an instance takes: its linear memories, its tables, and what the host needs for its
//! core instances and declarations ([`Weight`]). A plugin that is denied memory sees a failed allocation and aborts.
//! The remembered denial distinguishes out of memory from any other trap.

use wasmtime::ResourceLimiter;

use crate::Limits;
use crate::weight::Weight;

/// A pointer for each element.
const TABLE_ELEMENT_BYTES: usize = 8;

/// What an instance has taken, and its limits.
pub(crate) struct Limiter {
    limit: usize,
    weight: usize,
    memory: usize,
    table_limit: usize,
    table: usize,
    instances: usize,
    denied: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits, weight: Weight) -> Self {
        Self {
            limit: usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX),
            weight: usize::try_from(weight.bytes).unwrap_or(usize::MAX),
            memory: 0,
            table_limit: usize::try_from(limits.table_elements).unwrap_or(usize::MAX),
            table: 0,
            instances: limits.instances,
            denied: false,
        }
    }

    pub(crate) const fn begin(&mut self) {
        self.denied = false;
    }

    /// Whether memory was denied in this call.
    pub(crate) const fn denied(&self) -> bool {
        self.denied
    }

    /// Bytes of linear memory in use.
    pub(crate) const fn memory(&self) -> usize {
        self.memory
    }

    /// Whether there is room for this much linear memory and this many table elements.
    fn has_room(&mut self, memory: usize, table: usize) -> bool {
        let tables = table.saturating_mul(TABLE_ELEMENT_BYTES);
        let room = self.weight.saturating_add(memory).saturating_add(tables) <= self.limit;
        self.denied |= !room;
        room
    }
}

/// Returns the amount in use after a growth.
fn grown(used: usize, current: usize, desired: usize) -> Option<usize> {
    used.checked_add(desired.checked_sub(current)?)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let sum = grown(self.memory, current, desired).unwrap_or(usize::MAX);
        let room = self.has_room(sum, self.table);
        if room {
            self.memory = sum;
        }
        Ok(room)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let sum = grown(self.table, current, desired).unwrap_or(usize::MAX);
        let room = sum <= self.table_limit && self.has_room(self.memory, sum);
        if room {
            self.table = sum;
        }
        Ok(room)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(memory_bytes: u64) -> Limiter {
        Limiter::new(&Limits { memory_bytes, ..Limits::default() }, Weight::default())
    }

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = limiter(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.denied());
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert!(limiter.denied());
        assert_eq!(limiter.memory(), 100);
    }

    #[test]
    fn a_denial_is_of_one_call() {
        let mut limiter = limiter(100);
        assert!(!limiter.memory_growing(0, 101, None).unwrap());
        limiter.begin();
        assert!(!limiter.denied());
        assert!(limiter.memory_growing(0, 100, None).unwrap());
    }

    #[test]
    fn tables_are_counted_together() {
        let mut limiter = Limiter::new(&Limits { table_elements: 10, ..Limits::default() }, Weight::default());
        assert!(limiter.table_growing(0, 6, None).unwrap());
        assert!(!limiter.table_growing(0, 5, None).unwrap());
        assert!(!limiter.denied(), "it is not memory that is short");
        assert!(limiter.table_growing(6, 10, None).unwrap());
    }

    #[test]
    fn memory_is_one_sum_of_all_that_there_is() {
        let weight = Weight { instances: 3, bytes: 40 };
        let mut limiter = Limiter::new(&Limits { memory_bytes: 100, ..Limits::default() }, weight);
        assert!(!limiter.memory_growing(0, 61, None).unwrap(), "the core instances are there already");
        assert!(limiter.memory_growing(0, 36, None).unwrap());
        assert!(limiter.table_growing(0, 3, None).unwrap());
        assert!(!limiter.table_growing(3, 4, None).unwrap());
        assert!(limiter.denied());
        assert!(!limiter.memory_growing(36, 37, None).unwrap());
        assert_eq!(limiter.memory(), 36);
    }
}
