//! `-S`: the counters of each processor.
//!
//! As in conntrack, the order is that of the counters' numbers in the kernel's header (nfnetlink_conntrack.h).

use std::fs;

use ctwarden_format::statistics;
use ctwarden_wire::{Content, CpuStatistics, ExpectationCpuStatistics, request};

use super::failure::Failure;
use super::kernel;
use super::output::Output;

const PROC_STATISTICS: &str = "/proc/net/stat/nf_conntrack";

/// Prints the counters of the conntrack table.
pub(super) fn flows(output: &mut Output) -> Result<(), Failure> {
    print(output, request::statistics_cpu, |content, text| {
        if let Content::CpuStatistics(cpu) = content {
            statistics::cpu(text, cpu.cpu.into(), known(counters(cpu)));
            text.push(b'\n');
        }
    })
}

/// Prints the counters of the expectation table.
pub(super) fn expectations(output: &mut Output) -> Result<(), Failure> {
    print(output, request::expectation_statistics_cpu, |content, text| {
        if let Content::ExpectationCpuStatistics(cpu) = content {
            statistics::cpu(text, cpu.cpu.into(), known(expectation_counters(cpu)));
            text.push(b'\n');
        }
    })
}

const fn counters(cpu: &CpuStatistics) -> [(&'static str, Option<u32>); 10] {
    [
        ("found", cpu.found),
        ("invalid", cpu.invalid),
        ("insert", cpu.insert),
        ("insert_failed", cpu.insert_failed),
        ("drop", cpu.drop),
        ("early_drop", cpu.early_drop),
        ("error", cpu.error),
        ("search_restart", cpu.search_restart),
        ("clash_resolve", cpu.clash_resolve),
        ("chaintoolong", cpu.chain_toolong),
    ]
}

const fn expectation_counters(cpu: &ExpectationCpuStatistics) -> [(&'static str, Option<u32>); 3] {
    [("expect_new", cpu.new), ("expect_create", cpu.create), ("expect_delete", cpu.delete)]
}

fn known<const N: usize>(counters: [(&'static str, Option<u32>); N]) -> impl Iterator<Item = (&'static str, u32)> {
    counters.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)))
}

/// Prints the counters. If the kernel refuses to report them to this process, prints the text of /proc, which every
/// user can read, and returns the refusal. The text of /proc is the same for both tables.
fn print(
    output: &mut Output,
    ask: fn(&mut Vec<u8>, u32),
    mut line: impl FnMut(&Content<'_>, &mut Vec<u8>),
) -> Result<(), Failure> {
    let answer = kernel::dump(ask, |content| {
        line(content, output.text());
        Ok(())
    });
    if answer.is_err() {
        let table = fs::read_to_string(PROC_STATISTICS).map_err(|_| Failure::other("Can't open /proc interface"))?;
        from_proc(&table, output.text());
    }
    output.drain()?;
    answer
}

/// Converts the text of /proc. Its first line has the names. Each further line has the counters of a processor in
/// hexadecimal.
fn from_proc(table: &str, text: &mut Vec<u8>) {
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    for (cpu, line) in (0..).zip(lines) {
        let values = line.split_ascii_whitespace().map(|word| u32::from_str_radix(word, 16).unwrap_or_default());
        statistics::cpu(text, cpu, names.iter().copied().zip(values));
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_has_a_line_of_names_and_one_for_each_processor() {
        let mut text = Vec::new();
        from_proc("entries  found\n00000003  0000001f\n00000003  00000000\n", &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), "cpu=0   \tentries=3 found=31 \ncpu=1   \tentries=3 found=0 \n");
    }
}
