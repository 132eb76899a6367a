//! Judges many command lines at once: collects the differences, compares them with the list of known differences, and
//! reports all of them together.
//!
//! A fault in one place shows in dozens of lines. The full list of lines shows where the fault is.

use std::collections::BTreeSet;
use std::path::Path;

use ctwarden_tests::{Built, Said, conntrack, conntrack_verb, difference, original, original_version};

use super::known::{KNOWN, Kind, Known};

/// A part of the test. The list of known differences refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Changing,
    Dying,
    Expecting,
    Legality,
    Listening,
    Reading,
    Words,
}

/// The command lines of one part, and the results.
pub(super) struct Grid {
    part: Part,
    /// A prefix for the next command lines, which names the table that they run on.
    state: String,
    older: bool,
    judged: BTreeSet<String>,
    faults: Vec<String>,
    stale: Vec<String>,
}

impl Grid {
    pub(super) fn new(part: Part) -> Self {
        let older = original_version() == "1.4.7";
        Self { part, state: String::new(), older, judged: BTreeSet::new(), faults: Vec::new(), stale: Vec::new() }
    }

    /// Names the table of the next command lines. The list of known differences writes them as `[name] line`.
    pub(super) fn next(&mut self, state: &str) {
        self.state = format!("[{state}] ");
    }

    /// Runs both programs with these arguments in the thread's namespace. Also runs the verb of the daemon's program,
    /// which is the same command. Only for commands that change nothing.
    pub(super) fn ask(&mut self, line: &str) {
        self.ask_about(line, Path::new("MAP"));
    }

    /// Runs the programs with the label map's path in place of `MAP`.
    pub(super) fn ask_about(&mut self, line: &str, map: &Path) {
        let map = map.display().to_string();
        let words: Vec<&str> = line.split_whitespace().map(|word| if word == "MAP" { &map } else { word }).collect();
        let theirs = Said::of(original(&words), "");
        let ours = Said::of(conntrack(&words), "");
        let verb = Said::of(conntrack_verb(&words), "");
        if let Some(difference) = difference(&nameless(&ours), &nameless(&verb), Built::Once) {
            self.faults.push(format!("{}{line}: the daemon's program says something else\n{difference}", self.state));
        }
        self.judge(line, &theirs, &ours, Built::Once);
    }

    /// Judges two answers to one command line.
    pub(super) fn judge(&mut self, line: &str, theirs: &Said, ours: &Said, built: Built) {
        self.judge_both(line, (theirs, ours, built), None);
    }

    /// Judges two answers to one command line, and the difference of the tables afterwards.
    pub(super) fn judge_both(&mut self, line: &str, said: (&Said, &Said, Built), tables: Option<String>) {
        let (theirs, ours, built) = said;
        let line = &format!("{}{line}", self.state);
        if !self.judged.insert(line.to_owned()) {
            self.faults.push(format!("conntrack {line} is asked twice"));
        }
        let tables = tables.map(|tables| format!("  the table afterwards:\n{tables}"));
        let difference = match (difference(theirs, ours, built), tables) {
            (Some(said), Some(tables)) => Some(said + &tables),
            (said, tables) => said.or(tables),
        };
        let known = KNOWN.iter().filter(|known| known.part == self.part && known.has(line));
        let known: Vec<&Known> = known.filter(|known| self.counts(known.kind)).collect();
        match (difference, known.as_slice()) {
            (None, []) => {}
            (Some(difference), []) => self.faults.push(format!("conntrack {line}\n{difference}")),
            (None, known) => self.stale.extend(known.iter().map(|known| format!("conntrack {line}: {}", known.why))),
            (Some(difference), known) => {
                for known in known.iter().filter(|known| !known.shows(theirs, ours)) {
                    self.faults.push(format!(
                        "conntrack {line}\n  differs otherwise than known ({})\n{difference}",
                        known.why
                    ));
                }
            }
        }
    }

    /// Whether differences of this kind are expected with this version of the original.
    fn counts(&self, kind: Kind) -> bool {
        match kind {
            Kind::Older => self.older,
            Kind::Newer => !self.older,
            Kind::Defect | Kind::Words => true,
        }
    }

    /// Fails if there is an unknown difference, or if a known difference did not occur.
    pub(super) fn finish(mut self) {
        for known in KNOWN.iter().filter(|known| known.part == self.part) {
            let absent = known.lines.iter().filter(|line| !self.judged.contains(**line));
            self.stale.extend(absent.map(|line| format!("conntrack {line}: no such case, but: {}", known.why)));
        }
        if self.faults.is_empty() && self.stale.is_empty() {
            return;
        }
        let [faults, stale] = [&self.faults, &self.stale].map(|lines| lines.join("\n"));
        panic!(
            "{:?}: of {} command lines {} differ (- the original, + ours):\n\n{faults}\n{} are known to differ but do not:\n\n{stale}",
            self.part,
            self.judged.len(),
            self.faults.len(),
            self.stale.len(),
        );
    }
}

/// The answer without the line of the help that names the program as it was called.
fn nameless(said: &Said) -> Said {
    let out = said.out.split_inclusive('\n').filter(|line| !line.starts_with("Usage: ")).collect();
    Said { out, ..said.clone() }
}
