//! Whether a dump may have skipped an entry.

/// How far a dump can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Every entry came, and none came twice.
    Whole,
    /// The table was resized, or the kernel marked the dump as inconsistent. Entries may be missing, and others may come
    /// twice.
    Interrupted,
}
