//! Writes an option with a number.

use alloc::vec::Vec;

use crate::append::Append;

pub(super) fn option(out: &mut Vec<u8>, name: &str, number: impl Into<u64>) {
    out.text(name);
    out.push(b' ');
    out.decimal(number);
    out.push(b' ');
}
