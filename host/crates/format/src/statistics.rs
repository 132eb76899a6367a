//! Counters of one processor as `conntrack -S` prints them.
//!
//! The caller gives names and values in output order, because the kernel decides which counters exist.

use alloc::vec::Vec;

use crate::append::Append;

/// Appends `cpu=0   \tfound=0 invalid=2 `, without a line end. conntrack prints the blank at the end, too.
pub fn cpu<'a>(out: &mut Vec<u8>, cpu: u32, counters: impl IntoIterator<Item = (&'a str, u32)>) {
    out.text("cpu=");
    let begin = out.len();
    out.decimal(cpu);
    while out.len().saturating_sub(begin) < 4 {
        out.push(b' ');
    }
    out.push(b'\t');
    for (name, value) in counters {
        out.text(name);
        out.push(b'=');
        out.decimal(value);
        out.push(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_conntrack_prints_it() {
        let mut out = Vec::new();
        cpu(&mut out, 1, [("expect_new", 0), ("expect_create", 12)]);
        assert_eq!(out, b"cpu=1   \texpect_new=0 expect_create=12 ");
        out.clear();
        cpu(&mut out, 12_345, [("found", 1)]);
        assert_eq!(out, b"cpu=12345\tfound=1 ");
    }
}
