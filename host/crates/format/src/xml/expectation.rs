//! The `<flow>` element of an expectation.
//!
//! It is ordered by layers, not by tuples like the element of a flow, and shows no id.

use alloc::vec::Vec;

use ctwarden_model::{Expectation, Tuple};

use crate::append::Append;
use crate::{EventContext, PrintOptions};

use super::{
    element, open, open_layer3, open_layer4, text_element, write_addresses, write_ports, write_when, write_zone,
};

/// Names of the elements of the `NF_CT_EXPECT_*` bits.
const FLAGS: [(u32, &str); 3] = [(1, "<permanent/>"), (1 << 1, "<inactive/>"), (1 << 2, "<userspace/>")];

/// Appends the element of an expectation, without a line end.
pub fn expectation(
    out: &mut Vec<u8>,
    expectation: &Expectation,
    context: &EventContext<'_>,
    options: &PrintOptions<'_>,
) {
    open(out, context);
    let write_tuples = |out: &mut Vec<u8>, write: fn(&mut Vec<u8>, &Tuple)| {
        let tuples = [("expected", &expectation.tuple), ("mask", &expectation.mask), ("master", &expectation.master)];
        for (name, tuple) in tuples {
            super::tag(out, name, |out| write(out, tuple));
        }
    };
    open_layer3(out, &expectation.tuple);
    write_tuples(out, write_addresses);
    out.text("</layer3>");
    open_layer4(out, &expectation.tuple);
    write_tuples(out, write_ports);
    out.text("</layer4><meta>");
    if let Some(helper) = &expectation.helper {
        text_element(out, "helper-name", helper);
    }
    if let Some(timeout) = expectation.timeout {
        element(out, "timeout", timeout);
    }
    if let Some(class) = expectation.class {
        element(out, "class", class);
    }
    write_zone(out, expectation.zone);
    if options.timestamp {
        write_when(out, options);
    }
    let flags = expectation.flags.unwrap_or_default();
    for (_, element) in FLAGS.into_iter().filter(|(bit, _)| flags & bit != 0) {
        out.text(element);
    }
    out.text("</meta></flow>");
}
