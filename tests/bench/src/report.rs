//! All rows: printed as they are measured, as a table at the end, and as JSON.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use crate::figure::Amount;
use crate::lines::Line;
use crate::machine::Machine;
use crate::options::Options;
use crate::row::{Of, Row, goal, ratio, word};

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    entries: u64,
    runs: usize,
    lines: Vec<Measured>,
    #[serde(skip)]
    json: Option<std::path::PathBuf>,
}

/// The result of a line.
#[derive(Debug, Serialize)]
struct Measured {
    line: &'static str,
    title: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows: Vec<Row>,
    /// The reason why the line could not be measured, or only in part.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl Report {
    pub(crate) fn new(machine: Machine, options: &Options) -> Self {
        let Options { entries, runs, json, .. } = options;
        Self { machine, entries: *entries, runs: *runs, lines: Vec::new(), json: json.clone() }
    }

    /// Measures a line and prints the result. A line that fails does not end the others.
    pub(crate) fn run(&mut self, line: &'static Line, options: &Options) {
        println!("\n{}: {}", line.name, line.title);
        let mut rows = Vec::new();
        let mut tell = |row: Row| {
            print!("{row}");
            rows.push(row);
        };
        // The test harness panics when one of its steps fails.
        let outcome = catch_unwind(AssertUnwindSafe(|| (line.measure)(options, &mut tell)));
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow!("a step of the harness failed; see its message above")));
        let failed = outcome.err().map(|error| format!("{error:#}"));
        if let Some(why) = &failed {
            println!("  FAILED: {why}");
        }
        self.lines.push(Measured { line: line.name, title: line.title, rows, failed });
    }

    /// Whether every line could be measured.
    pub(crate) fn is_whole(&self) -> bool {
        self.lines.iter().all(|line| line.failed.is_none())
    }

    /// The whole table, as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("\n| what | ctwarden | beside | ratio | goal | |\n|---|---|---|---|---|---|\n");
        for line in &self.lines {
            for row in &line.rows {
                text.push_str(&rows_of(row));
            }
            if let Some(why) = &line.failed {
                text.push_str(&format!("| {} | | | | | FAILED: {why} |\n", line.line));
            }
        }
        text
    }

    /// Writes the JSON file, if one was requested.
    pub(crate) fn write(&self) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// One line of the table for each peer and each bound.
fn rows_of(row: &Row) -> String {
    let mut lines = Vec::new();
    let mut ours = row.ours.to_string();
    let mut what = row.what.clone();
    let mut line = |beside: String, ratio: String, goal: String, reached: Option<bool>| {
        let reached = reached.map_or("", word);
        lines.push(format!("| {what} | {ours} | {beside} | {ratio} | {goal} | {reached} |\n"));
        // Only the first line of a row has these columns.
        what.clear();
        ours.clear();
    };
    for peer in &row.peers {
        let beside = format!("{}: {}", peer.name, peer.figure);
        line(beside, ratio(peer.ratio, peer.goal), peer.goal.map_or_else(String::new, goal), peer.reached());
    }
    for limit in &row.limits {
        let unit = row.ours.unit;
        let of = if limit.of == Of::P99 { "p99 " } else { "" };
        let sign = if limit.at_least { "≥" } else { "≤" };
        let is = Amount(unit, limit.is).to_string();
        line(String::new(), is, format!("{of}{sign} {}", Amount(unit, limit.goal)), Some(limit.reached()));
    }
    if row.peers.is_empty() && row.limits.is_empty() {
        line(String::new(), String::new(), String::new(), None);
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figure, Unit};

    #[test]
    fn a_row_of_the_table_says_what_once() {
        let of = |value| Figure::of(Unit::Seconds, vec![value]).unwrap();
        let row = Row::new("sweep", of(2.0)).beside("conntrack -L", of(4.0), 1.6).at_most(Of::P99, 1.0);
        assert_eq!(
            rows_of(&row),
            "| sweep | 2.00 s (2.00 s to 2.00 s) | conntrack -L: 4.00 s (4.00 s to 4.00 s) | 2.00 × | ≥ 1.6 × | reached |\n\
             |  |  |  | 2.00 s | p99 ≤ 1.00 s | NOT REACHED |\n"
        );
    }
}
