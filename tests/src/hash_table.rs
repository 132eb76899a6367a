//! The size of the kernel's hash table, which the whole machine shares.
//!
//! Debian's `conntrack` misses flows if the table is resized while it reads. A test that resizes the table therefore
//! runs alone.

use std::fs;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::namespace::Namespace;

const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

static TURN: RwLock<()> = RwLock::new(());

/// Whether other tests run at the same time. A scene holds its turn until it ends.
#[derive(Debug)]
#[expect(dead_code, reason = "held, not looked at")]
pub(crate) enum Turn {
    Among(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Turn {
    pub(crate) fn among_others() -> Self {
        Self::Among(TURN.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn alone() -> Self {
        Self::Alone(TURN.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The hash table. Dropping this value restores the size.
#[derive(Debug)]
pub struct HashTable<'n> {
    namespace: &'n Namespace,
    before: u64,
}

impl<'n> HashTable<'n> {
    /// The table with its present size. Returns `None` where this process may not resize the table: only a process in
    /// the machine's first network namespace may.
    pub(crate) fn of(namespace: &'n Namespace) -> Option<Self> {
        let before = size();
        let table = Self { namespace, before };
        table.set(before).is_ok().then_some(table)
    }

    /// Divides the size of the table by `part`. A program that reads the table meanwhile then misses flows.
    pub fn shrink(&self, part: u64) {
        self.set(self.before / part).expect("it could be resized before");
        assert!(size() < self.before, "{} buckets can be less", self.before);
    }

    /// Restores the size of the table.
    pub fn restore(&self) {
        self.set(self.before).expect("it could be resized before");
    }

    /// A process of another namespace may read the size, but may not write it.
    fn set(&self, buckets: u64) -> std::io::Result<()> {
        self.namespace.outside(|| fs::write(BUCKETS, buckets.to_string()))
    }
}

impl Drop for HashTable<'_> {
    fn drop(&mut self) {
        self.restore();
    }
}

fn size() -> u64 {
    let text = fs::read_to_string(BUCKETS).unwrap_or_else(|error| panic!("cannot read {BUCKETS}: {error}"));
    text.trim().parse().unwrap_or_else(|_| panic!("{BUCKETS} is {text:?}"))
}
