//! Requests and answers of the control socket, shared by both ends.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::follow::{Follow, Following};
use crate::outcomes::Outcomes;
use crate::status::StatusReport;
use crate::steering::{ChangeMode, Pause, ReloadReport, Resume, SwitchedPlugin};

/// Longest line in bytes, including its end: a message of a plugin, or the status of many plugins.
pub const LINE_MAX: usize = 1 << 20;

/// A client's request: `"status"` or `{"send":{"plugin":"ban-follower","text":"ban 192.0.2.1"}}`, with `"no-wait":true`
/// after the text if the client does not wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Requests the status of the daemon and its plugins.
    Status,
    /// A message to a plugin.
    Send(Send),
    /// Adds networks to an address set.
    Add(AddToSet),
    /// Removes networks from an address set.
    Remove(RemoveFromSet),
    /// Requests the claims of people, programs and policies on an address set.
    Claims(ClaimsOfSet),
    /// Follows records. The answer is followed by records until the client closes the connection.
    Follow(Box<Follow>),
    /// Lets plugins only observe for a time.
    Pause(Pause),
    /// Ends a pause.
    Resume(Resume),
    /// Changes the mode of a plugin until the next reload or start.
    Mode(ChangeMode),
    /// Reloads the configuration.
    Reload,
}

/// Networks for an address set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddToSet {
    /// Name of the set in the configuration.
    pub set: String,
    /// Name of the person or program that claims the networks: 1 to 64 printable ASCII characters.
    pub source: String,
    /// Addresses and networks, as `192.0.2.1` or `2001:db8::/32`.
    pub networks: Vec<String>,
    /// One service of the networks, such as `tcp/22`; without it, all their traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How long the networks stay; without it, until they are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The value that policies read; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The reason for people; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Networks that are to leave an address set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveFromSet {
    pub set: String,
    /// Only the claims of this source are removed.
    pub source: String,
    pub networks: Vec<String>,
    /// As in [`AddToSet`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whether the claims of all people, programs and policies are removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// Which claims are listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimsOfSet {
    pub set: String,
}

/// A message to a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// Name of the plugin in the configuration.
    pub plugin: String,
    /// The text for the plugin's `message` function.
    pub text: String,
    /// Whether the answer comes as soon as the plugin has answered, without waiting for the outcomes of its verdicts.
    #[serde(default, rename = "no-wait", skip_serializing_if = "std::ops::Not::not")]
    pub no_wait: bool,
}

/// The daemon's answer: `{"status":{…}}`, `{"sent":{…}}`, `{"error":"…"}` and so on: the name of the answer,
/// then its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// The answer to [`Request::Status`].
    Status(Box<StatusReport>),
    /// The answer to [`Request::Send`].
    Sent(Sent),
    /// The answer to [`Request::Add`] and [`Request::Remove`], after the change is on the disk: one item for each
    /// network, in their order.
    Changed(Vec<ChangedNetwork>),
    /// The answer to [`Request::Claims`].
    Claims(ClaimsReport),
    /// The answer to [`Request::Follow`].
    Following(Following),
    /// The answer to [`Request::Pause`], [`Request::Resume`] and [`Request::Mode`]: one item for each plugin.
    Switched(Vec<SwitchedPlugin>),
    /// The answer to [`Request::Reload`]: what the new configuration changes.
    Reloaded(ReloadReport),
    /// The daemon cannot fulfil the request. One line gives the reason and the remedy.
    Error(String),
}

impl Response {
    /// The name in the protocol.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Sent(_) => "sent",
            Self::Changed(_) => "changed",
            Self::Claims(_) => "claims",
            Self::Following(_) => "following",
            Self::Switched(_) => "switched",
            Self::Reloaded(_) => "reloaded",
            Self::Error(_) => "error",
        }
    }
}

/// What a request has done with one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedNetwork {
    pub network: String,
    /// In words: "added until 2026-11-30T13:00:00Z".
    pub text: String,
    /// Whether the network is now in the set, or no longer in the set, as asked.
    pub done: bool,
}

/// The claims of people, programs and policies on one address set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsReport {
    /// By network, the wider first; IPv4 before IPv6.
    pub claims: Vec<ClaimReport>,
    /// Claims that did not fit into the answer.
    pub more: u64,
    /// Networks of the set, those of its list included.
    pub networks: u64,
}

/// One claim. Times are those of RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimReport {
    pub network: String,
    pub source: String,
    pub since: String,
    /// Absent if the claim stays until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The result of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
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
