//! Requests and answers of the control socket, shared by both ends.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::outcomes::Outcomes;
use super::status::StatusReport;

/// Longest line in bytes, including its end: a message of a plugin, or the status of many plugins.
pub(crate) const LINE_MAX: usize = 1 << 20;

/// A client's request: `"status"` or `{"send":{"plugin":"ban-follower","text":"ban 192.0.2.1"}}`, with `"no-wait":true`
/// after the text if the client does not wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Requests the status of the daemon and its plugins.
    Status,
    /// A message to a plugin.
    Send(Send),
}

/// A message to a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Send {
    /// Name of the plugin in the configuration.
    pub plugin: String,
    /// The text for the plugin's `message` function.
    pub text: String,
    /// Whether the answer comes as soon as the plugin has answered, without waiting for the outcomes of its verdicts.
    #[serde(default, rename = "no-wait", skip_serializing_if = "std::ops::Not::not")]
    pub no_wait: bool,
}

/// The daemon's answer: `{"status":{…}}`, `{"sent":{…}}` or `{"error":"…"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    /// The answer to [`Request::Status`].
    Status(Box<StatusReport>),
    /// The answer to [`Request::Send`].
    Sent(Sent),
    /// The daemon cannot fulfil the request. One line gives the reason and the remedy.
    Error(String),
}

/// The result of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// The plugin's reply. May be empty.
    pub text: String,
    /// Flows and verdicts: kind to outcome to count. For a verdict over a selection, each flow counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: Outcomes,
    /// Why verdicts, or flows of them, were refused. Each reason appears once; a long list is cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// The parts of the request that failed, in words. If the list is empty, the plugin's reply holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortfalls: Vec<String>,
    /// Whether the answer waited only for the plugin's reply, not for the outcomes of its verdicts.
    #[serde(default, rename = "taken-only", skip_serializing_if = "std::ops::Not::not")]
    pub taken_only: bool,
}

impl fmt::Display for Sent {
    /// Writes "192.0.2.1 banned (delete: 3 applied, 1 gone; block: 1 applied)" on one line. The plugin's reply appears
    /// only if its verdicts had the requested outcomes.
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
                write!(f, "taken, outcomes not awaited: ")?;
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
