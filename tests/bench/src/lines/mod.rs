//! The lines of the benchmark, one file each: our measurement, the peer's measurement, the goal, and the checks.

mod banlist;
mod bans;
mod bundled;
mod cold_start;
mod command;
mod deletes;
mod event_cost;
mod events;
mod latency;
mod listen;
mod marks;
mod memory;
mod rules;
mod selective;
mod sets;
mod sweep;

use anyhow::{Result, ensure};

use crate::options::Options;
use crate::row::Row;

#[derive(Debug)]
pub(crate) struct Line {
    /// The name of the line on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Measures the line, and passes on each row as soon as it is known.
    pub(crate) measure: fn(&Options, &mut dyn FnMut(Row)) -> Result<()>,
}

/// All lines, in the order of their measurement.
pub(crate) const LINES: &[Line] = &[
    sweep::LINE,
    bundled::LINE,
    rules::LINE,
    selective::LINE,
    command::LINE,
    deletes::LINE,
    marks::LINE,
    bans::LINE,
    banlist::LINE,
    sets::LINE,
    events::LINE,
    event_cost::LINE,
    latency::LINE,
    memory::LINE,
    cold_start::LINE,
    listen::LINE,
];

pub(crate) fn names() -> String {
    LINES.iter().map(|line| line.name).collect::<Vec<_>>().join(", ")
}

/// Checks that a program did all of the requested work.
fn check(what: &str, is: u64, wanted: u64) -> Result<String> {
    ensure!(is == wanted, "{what}: {is} instead of {wanted}");
    Ok(format!("{what}: {is}"))
}
