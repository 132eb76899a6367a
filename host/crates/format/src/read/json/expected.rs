//! Names of the value types of members, for error messages.

pub(super) const U8: &str = "a whole number from 0 to 255";
pub(super) const U16: &str = "a whole number from 0 to 65535";
pub(super) const U32: &str = "a whole number from 0 to 4294967295";
pub(super) const U64: &str = "a whole number of at most 64 bits";
pub(super) const TEXT: &str = "a text in quotes";
