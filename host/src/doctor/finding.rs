//! One finding: what was looked at, what it is, how good that is, what follows, and the command that changes it.

use serde::Serialize;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// The daemon works, and something is to be known.
    Note,
    /// The daemon could not do its work.
    Bad,
}

impl Verdict {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// A finding. Its name never changes once it is released: programs look for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    #[serde(skip)]
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    /// What it is, in words.
    pub(super) value: String,
    /// What follows for policies.
    pub(super) follows: String,
    /// Command line that changes it; none where there is nothing to change or no single command for it.
    pub(super) change: Option<String>,
}

impl Finding {
    pub(super) fn good(name: &'static str, value: impl Into<String>, follows: impl Into<String>) -> Self {
        Self::new(name, Verdict::Good, value, follows)
    }

    pub(super) fn note(name: &'static str, value: impl Into<String>, follows: impl Into<String>) -> Self {
        Self::new(name, Verdict::Note, value, follows)
    }

    pub(super) fn bad(name: &'static str, value: impl Into<String>, follows: impl Into<String>) -> Self {
        Self::new(name, Verdict::Bad, value, follows)
    }

    pub(super) fn new(
        name: &'static str,
        verdict: Verdict,
        value: impl Into<String>,
        follows: impl Into<String>,
    ) -> Self {
        Self { name, verdict, value: value.into(), follows: follows.into(), change: None }
    }

    /// With the command that changes it.
    pub(super) fn change(mut self, command: impl Into<String>) -> Self {
        self.change = Some(command.into());
        self
    }
}
