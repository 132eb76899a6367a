//! Effects on their way: handed out, answered, or given up.

/// What came of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The kernel did it.
    Done,
    /// The flow, expectation or element was not there (ENOENT).
    Gone,
    /// Another flow has taken the tuple.
    Replaced,
    /// The kernel said no, with this `errno` (positive).
    Refused(i32),
    /// The request or its answer was lost.
    NoAnswer,
}
