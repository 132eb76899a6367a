//! The line of an expectation.
//!
//! The line differs from that of a flow: it has other fields, another timestamp and no name of the protocol.

use alloc::vec::Vec;

use ctwarden_model::{Expectation, Timestamp, Zone};

use crate::append::Append;
use crate::print_options::seconds;
use crate::{EventContext, PrintOptions};

use super::{write_number, write_tuple};

/// `NF_CT_EXPECT_*` bits (linux/netfilter/nf_conntrack_common.h) and their names, in the order in which they are
/// printed.
pub(crate) const FLAGS: [(u32, &str); 3] = [(1, "PERMANENT"), (1 << 1, "INACTIVE"), (1 << 2, "USERSPACE")];

/// Appends the line of an expectation.
pub fn expectation(
    out: &mut Vec<u8>,
    expectation: &Expectation,
    context: &EventContext<'_>,
    options: &PrintOptions<'_>,
) {
    if options.timestamp {
        write_moment(out, options.now);
    }
    context.write_prefix(out);
    if let Some(timeout) = expectation.timeout {
        out.decimal(timeout);
        out.push(b' ');
    }
    write_number(out, "proto=", u32::from(expectation.tuple.protocol.0));
    write_tuple(out, &expectation.tuple, ("src=", "dst="));
    write_tuple(out, &expectation.mask, ("mask-src=", "mask-dst="));
    write_tuple(out, &expectation.master, ("master-src=", "master-dst="));
    if expectation.zone != Zone(0) {
        write_number(out, "zone=", u32::from(expectation.zone.0));
    }
    if let Some(flags) = expectation.flags.filter(|flags| *flags != 0) {
        let mut first = true;
        for (_, name) in FLAGS.into_iter().filter(|(bit, _)| flags & bit != 0) {
            if !first {
                out.push(b',');
            }
            first = false;
            out.text(name);
        }
        out.push(b' ');
    }
    if let Some(class) = expectation.class {
        write_number(out, "class=", class);
    }
    if let Some(helper) = &expectation.helper {
        out.text("helper=");
        out.plain(helper);
    }
    out.drop_blank();
}

/// conntrack pads the numbers with blanks here, not with leading zeros.
fn write_moment(out: &mut Vec<u8>, moment: Timestamp) {
    let parts = [(b'[', seconds(moment), 8_usize), (b'.', moment.0 % 1_000_000_000 / 1_000, 6)];
    for (sign, number, width) in parts {
        out.push(sign);
        let begin = out.len();
        out.decimal(number);
        while out.len().saturating_sub(begin) < width {
            out.push(b' ');
        }
    }
    out.text("]\t");
}
