//! Requests and answers, as both ends know them.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::outcomes::Outcomes;
use super::status::StatusReport;

/// Longest line in bytes, its end included: a message of a plugin, or the status of many plugins.
pub(crate) const LINE_MAX: usize = 1 << 20;

/// What a client asks: `"status"` or `{"send":{"plugin":"ban-follower","text":"ban 192.0.2.1"}}`, where it may not wait with
/// `"no-wait":true` behind the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How the daemon and its plugins are.
    Status,
    /// A message to a plugin.
    Send(Send),
}

/// A message to a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Send {
    /// Its name in the configuration.
    pub plugin: String,
    /// What its `message` function gets.
    pub text: String,
    /// Whether it is answered as soon as the plugin has answered, and not when it is known what came of its verdicts.
    #[serde(default, rename = "no-wait", skip_serializing_if = "std::ops::Not::not")]
    pub no_wait: bool,
}

/// What the daemon answers: `{"status":{…}}`, `{"sent":{…}}` or `{"error":"…"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    /// To [`Request::Status`].
    Status(Box<StatusReport>),
    /// To [`Request::Send`].
    Sent(Sent),
    /// The request cannot be fulfilled; one line that says why and what to do.
    Error(String),
}

/// What came of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// What the plugin said; may be empty.
    pub text: String,
    /// Flows and verdicts: kind to outcome to count. Of a verdict over a selection each flow is counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: Outcomes,
    /// Why verdicts, or flows of them, were refused; each reason once, and not all where there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// What did not come out as it was asked for, in words; none: what the plugin said is so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortfalls: Vec<String>,
    /// Whether the plugin's answer was waited for, and not what came of its verdicts.
    #[serde(default, rename = "taken-only", skip_serializing_if = "std::ops::Not::not")]
    pub taken_only: bool,
}

impl fmt::Display for Sent {
    /// "192.0.2.1 banned (delete: 3 applied, 1 gone; block: 1 applied)", on one line. What the plugin says is said only where its
    /// verdicts have come to what they ask for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = String::new();
        for (kind, outcomes) in &self.outcomes {
            let counts: Vec<_> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
            let separator = if kinds.is_empty() { "" } else { "; " };
            write!(kinds, "{separator}{kind}: {}", counts.join(", "))?;
        }
        let text = match (self.text.trim_end(), self.taken_only) {
            _ if !self.shortfalls.is_empty() => "not done as asked",
            ("", true) => "taken",
            (text, true) if !kinds.is_empty() => {
                write!(f, "taken, and not waited for what comes of it: ")?;
                text
            }
            (text, _) => text,
        };
        match (text.is_empty(), kinds.is_empty()) {
            (true, true) => f.write_str("done, no verdicts"),
            (true, false) => f.write_str(&kinds),
            (false, true) => f.write_str(text),
            (false, false) => write!(f, "{text} ({kinds})"),
        }?;
        self.refusals.iter().try_for_each(|why| write!(f, "; refused: {why}"))
    }
}
