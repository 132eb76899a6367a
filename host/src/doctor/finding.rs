//! One finding: the subject, its value, the verdict, the consequence, and the command that changes it.

use serde::Serialize;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// The daemon works, but the operator should know the finding.
    Note,
    /// The daemon could not work.
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

/// A finding. Its name never changes after a release, because programs search for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    #[serde(skip)]
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    /// The value, in words.
    pub(super) value: String,
    /// The consequence for policies.
    pub(super) follows: String,
    /// Command line that changes it; `None` if nothing needs a change or no single command does it.
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

    /// Adds the command that changes it.
    pub(super) fn change(mut self, command: impl Into<String>) -> Self {
        self.change = Some(command.into());
        self
    }
}
