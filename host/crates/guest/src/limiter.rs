//! Grants memory, tables and instances up to the limits, and remembers that it denied.
//!
//! A plugin that is denied memory sees an allocation fail and aborts; that it was denied is what tells out of memory
//! from any other trap.

use wasmtime::ResourceLimiter;

use crate::Limits;

/// What an instance has taken of what it may.
pub(crate) struct Limiter {
    memory_limit: usize,
    memory: usize,
    table_limit: usize,
    table: usize,
    instances: usize,
    denied: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX),
            memory: 0,
            table_limit: usize::try_from(limits.table_elements).unwrap_or(usize::MAX),
            table: 0,
            instances: limits.instances,
            denied: false,
        }
    }

    /// A call begins.
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
}

/// What is in use after a growth, where it is allowed.
fn grown(used: usize, current: usize, desired: usize, limit: usize) -> Option<usize> {
    used.checked_add(desired.checked_sub(current)?).filter(|sum| *sum <= limit)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let sum = grown(self.memory, current, desired, self.memory_limit);
        match sum {
            Some(sum) => self.memory = sum,
            None => self.denied = true,
        }
        Ok(sum.is_some())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let sum = grown(self.table, current, desired, self.table_limit);
        if let Some(sum) = sum {
            self.table = sum;
        }
        Ok(sum.is_some())
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

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = Limiter::new(&Limits { memory_bytes: 100, ..Limits::default() });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.denied());
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert!(limiter.denied());
        assert_eq!(limiter.memory(), 100);
    }

    #[test]
    fn a_denial_is_of_one_call() {
        let mut limiter = Limiter::new(&Limits { memory_bytes: 100, ..Limits::default() });
        assert!(!limiter.memory_growing(0, 101, None).unwrap());
        limiter.begin();
        assert!(!limiter.denied());
        assert!(limiter.memory_growing(0, 100, None).unwrap());
    }

    #[test]
    fn tables_are_counted_together() {
        let mut limiter = Limiter::new(&Limits { table_elements: 10, ..Limits::default() });
        assert!(limiter.table_growing(0, 6, None).unwrap());
        assert!(!limiter.table_growing(0, 5, None).unwrap());
        assert!(limiter.table_growing(6, 10, None).unwrap());
    }
}
