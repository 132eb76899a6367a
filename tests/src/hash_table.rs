//! The size of the kernel's hash table, which belongs to the whole machine.
//!
//! Debian's `conntrack` misses flows of a table that is resized while it reads, so that a test which resizes it runs alone.

use std::fs;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::namespace::Namespace;

const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

static TURN: RwLock<()> = RwLock::new(());

/// Whether other tests run meanwhile. It is held for as long as a scene is there.
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

/// The hash table; it has its size back when this is dropped.
#[derive(Debug)]
pub struct HashTable<'n> {
    namespace: &'n Namespace,
    before: u64,
}

impl<'n> HashTable<'n> {
    /// The table as it is; none where only the machine's first namespace, in which this process is not, may resize it.
    pub(crate) fn of(namespace: &'n Namespace) -> Option<Self> {
        let before = size();
        let table = Self { namespace, before };
        table.set(before).is_ok().then_some(table)
    }

    /// Gives it that part of its size: flows are then passed over by who has begun to read.
    pub fn shrink(&self, part: u64) {
        self.set(self.before / part).expect("it could be resized before");
        assert!(size() < self.before, "{} buckets can be less", self.before);
    }

    /// Gives it its size back.
    pub fn restore(&self) {
        self.set(self.before).expect("it could be resized before");
    }

    /// A process of another namespace may read the size and not write it.
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
