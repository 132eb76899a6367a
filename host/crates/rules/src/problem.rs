//! What is wrong with a rule, and where.

use std::fmt;

/// A step from the whole configuration to the value at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// An element of a list.
    Index(usize),
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the rule; `None` if the mistake is not in a rule.
    pub rule: Option<String>,
    /// Where the value is.
    pub path: Vec<Step>,
    /// Line and column within the text of the value, from 1. `None` if the whole value is at fault.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and how to fix it.
    pub what: String,
}

impl Problem {
    /// Returns the key within the rule: `match.dst-ports`.
    #[must_use]
    pub fn key(&self) -> String {
        let keys = self.path.iter().skip(2).filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for Problem {
    /// Writes one line: rule, key, column, what is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.rule, self.path.get(1)) {
            (Some(name), _) => write!(f, "rule \"{name}\": ")?,
            (None, Some(Step::Index(index))) => write!(f, "rule {}: ", index.saturating_add(1))?,
            (None, Some(Step::Key(_)) | None) => {}
        }
        let key = self.key();
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        match self.place {
            Some((1, column)) => write!(f, "column {column}: ")?,
            Some((line, column)) => write!(f, "line {line}, column {column}: ")?,
            None => {}
        }
        f.write_str(&self.what)
    }
}

/// All mistakes of a configuration: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    /// Writes all mistakes on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
