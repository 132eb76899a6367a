//! `-C`: the number of entries in a table.

use std::fs;

use ctwarden_model::Family;
use ctwarden_wire::{Content, request};

use super::failure::Failure;
use super::kernel;
use super::output::Output;

const PROC_COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Prints the number of flows. If the kernel refuses to report it, the number comes from /proc, which every process can
/// read; the refusal is reported as well.
pub(super) fn flows(output: &mut Output) -> Result<(), Failure> {
    let mut entries = None;
    let answer = kernel::open()?.ask(request::statistics, |content| {
        if let Content::Statistics(global) = content {
            entries = global.entries;
        }
    });
    if let Err(refused) = answer {
        let count = fs::read_to_string(PROC_COUNT).map_err(|_| Failure::other(format!("Can't open {PROC_COUNT}")))?;
        output.text().extend_from_slice(count.as_bytes());
        output.drain()?;
        return Err(refused.into());
    }
    if let Some(entries) = entries {
        number(output, entries.into());
    }
    output.drain()
}

/// Prints the number of expectations.
pub(super) fn expectations(output: &mut Output, family: Family) -> Result<(), Failure> {
    let mut count = 0_u64;
    kernel::dump(
        |buffer, sequence| request::expectation::dump(buffer, sequence, Some(family)),
        |content| {
            count += u64::from(matches!(content, Content::Expectation(_)));
            Ok(())
        },
    )?;
    number(output, count);
    output.drain()
}

fn number(output: &mut Output, number: u64) {
    output.text().extend_from_slice(number.to_string().as_bytes());
    output.text().push(b'\n');
}
