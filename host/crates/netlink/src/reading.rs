//! Whether a dump may have skipped an entry.

/// How far a dump can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The dump has every entry, and none twice.
    Whole,
    /// The table was resized, or the kernel marked the dump as inconsistent. Entries may be missing, and others may
    /// appear twice.
    Interrupted,
}
