//! What is wrong with a configuration: one line for each finding, with file, line, key and the repair.
//!
//! A person who repairs a configuration wants to see every mistake at once, not one after each attempt. So checking
//! does not stop at the first finding, and this module collects them all.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ctwarden_model::text;
use thiserror::Error;

/// The sections of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Daemon,
    Protect,
    Sets,
    Block,
    Plugin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file at fault.
    pub file: PathBuf,
    /// The line at fault, from 1; `None` if the whole file is at fault.
    pub line: Option<usize>,
    /// The column at fault, from 1, if it is known.
    pub column: Option<usize>,
    /// The section at fault; `None` if the finding is about no section, or about the system.
    pub section: Option<Section>,
    /// What is wrong and how to repair it, on one line.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if let Some(column) = self.column {
            write!(f, "{column}:")?;
        }
        // A parser's message may span lines; a finding is one line. Quoted text comes from outside and is made safe to
        // print.
        write!(f, " {}", text::line(&self.what.trim_end().replace('\n', "; ")))
    }
}

/// Every finding, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Gathers findings about one configuration file.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    file: &'a Path,
    text: &'a str,
    section: Option<Section>,
    problems: Vec<Problem>,
    /// Findings that do not prevent a start.
    tolerated: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(super) const fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, section: None, problems: Vec::new(), tolerated: Vec::new() }
    }

    /// Assigns the following findings to that section.
    pub(super) const fn enter(&mut self, section: Option<Section>) {
        self.section = section;
    }

    /// Notes a finding at a range of the configuration file.
    pub(super) fn at(&mut self, place: &Range<usize>, what: impl fmt::Display) {
        let problem = self.problem(place, what);
        self.problems.push(problem);
    }

    /// How many findings prevent a start so far.
    pub(super) const fn count(&self) -> usize {
        self.problems.len()
    }

    /// Notes a finding that does not prevent a start. If another finding does, both are reported.
    pub(super) fn tolerate(&mut self, place: &Range<usize>, what: impl fmt::Display) {
        let problem = self.problem(place, what);
        self.tolerated.push(problem);
    }

    /// The findings so far that do not prevent a start.
    pub(super) fn tolerated(&self) -> Vec<Problem> {
        self.tolerated.clone()
    }

    fn problem(&self, place: &Range<usize>, what: impl fmt::Display) -> Problem {
        let line = self.text.bytes().take(place.start).filter(|b| *b == b'\n').count() + 1;
        Problem {
            file: self.file.to_path_buf(),
            line: Some(line),
            column: None,
            section: self.section,
            what: what.to_string(),
        }
    }

    /// Notes a finding about another file.
    pub(super) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Returns the good value, or notes what is wrong with it.
    pub(super) fn keep<T, E: fmt::Display>(
        &mut self,
        place: &Range<usize>,
        key: &str,
        checked: Result<T, E>,
    ) -> Option<T> {
        checked.map_err(|error| self.at(place, format_args!("{key}: {error}"))).ok()
    }

    /// All findings: those of the configuration file in the order of its lines, then those of other files. Empty if a
    /// start would succeed.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        let file = self.file;
        if !self.problems.is_empty() {
            self.problems.append(&mut self.tolerated);
        }
        self.problems.sort_by_key(|p| (p.file != file, p.line, p.column));
        self.problems.dedup();
        self.problems
    }

    /// The good value, if there are no findings.
    pub(super) fn into_result<T>(self, good: Option<T>) -> Result<T, Problems> {
        match (good, self.into_problems()) {
            (Some(good), problems) if problems.is_empty() => Ok(good),
            (_, problems) => Err(Problems(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one_and_findings_are_ordered() {
        let mut findings = Findings::new(Path::new("c.toml"), "a\nb\nc\n");
        findings.at(&(4..5), "third");
        findings.at(&(0..1), "first");
        findings.push(Problem {
            file: "set.txt".into(),
            line: None,
            column: None,
            section: None,
            what: "two\nlines\u{1b}[2J".into(),
        });
        let problems = findings.into_result(Some(())).unwrap_err();
        assert_eq!(problems.to_string(), "c.toml:1: first\nc.toml:3: third\nset.txt: two; lines\u{fffd}[2J");
    }
}
