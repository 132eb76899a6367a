//! Why a list was refused.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ctwarden_model::ListCounts;

use crate::finding::Finding;

/// Why a list was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListError {
    /// Lines of the list are wrong.
    Lines {
        first: Vec<Finding>,
        counts: ListCounts,
        /// Whether bad lines would be skipped, and no other line is left.
        nothing_left: bool,
    },
    /// The list as a whole cannot be read.
    Whole(Finding),
    /// The list has no entry.
    Empty { line: usize, counts: ListCounts },
}

impl ListError {
    /// The message for people, in which each line begins with the name of the file.
    #[must_use]
    pub fn told(&self, file: &str) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut text, &format!("{file}:"));
        text
    }

    /// What the list had in it, as far as it was read.
    #[must_use]
    pub const fn counts(&self) -> Option<ListCounts> {
        match self {
            Self::Lines { counts, .. } | Self::Empty { counts, .. } => Some(*counts),
            Self::Whole(_) => None,
        }
    }

    fn write(&self, out: &mut impl fmt::Write, before: &str) -> fmt::Result {
        match self {
            Self::Whole(finding) => write!(out, "{before}{finding}"),
            Self::Empty { line, .. } => {
                let fix = "write at least one, or allow-empty = true if the list may have none";
                write!(out, "{before}{line}:1: the list has no entry; {fix}")
            }
            Self::Lines { first, counts, nothing_left } => {
                for (index, finding) in first.iter().enumerate() {
                    let end = if index > 0 { "\n" } else { "" };
                    write!(out, "{end}{before}{finding}")?;
                }
                let more = counts.bad.saturating_sub(first.len().try_into().unwrap_or(u64::MAX));
                if more > 0 {
                    write!(out, "\n{before} {more} more lines are wrong")?;
                }
                if *nothing_left {
                    write!(
                        out,
                        "\n{before} no line is left when the bad ones are skipped; correct the list or its format"
                    )?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

impl core::error::Error for ListError {}
