//! Whether a dump can have passed over an entry.

/// How far a dump can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Every entry came, and none of them twice.
    Whole,
    /// The table was resized, or the kernel calls the dump inconsistent: entries may be missing, and others come twice.
    Interrupted,
}
