//! Alerts: a word to people.

use crate::bindings::exports::ctwarden::policy::policy as wit;
use crate::verdict::{Action, Target, Verdict};

/// How bad it is, in syslog's words and numbers (RFC 5424).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The system is unusable.
    Emergency,
    /// Someone must act at once.
    Alert,
    /// Critical.
    Critical,
    /// An error.
    Error,
    /// May become one.
    #[default]
    Warning,
    /// Normal, but worth knowing.
    Notice,
    /// Information.
    Informational,
    /// For those who look for a fault.
    Debug,
}

/// A word to people; becomes a [`Verdict`] by itself or with [`because`](Self::because).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an alert is not raised until it is returned to the host"]
pub struct Alert {
    pub(crate) severity: Severity,
    pub(crate) title: String,
    pub(crate) key: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
}

/// A word to people: one line, a warning unless [`severity`](Alert::severity) says otherwise.
pub fn alert(title: impl Into<String>) -> Alert {
    Alert { severity: Severity::Warning, title: title.into(), key: None, fields: Vec::new() }
}

impl Alert {
    /// How bad it is.
    pub fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Alerts with the same key are one alert: repetitions within the operator's window are counted, not shown. Without a
    /// key the title is the key.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// A name and a value for machines.
    pub fn field(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.fields.push((name.into(), value.to_string()));
        self
    }

    /// See [`Verdict::because`].
    pub fn because(self, code: impl Into<String>, reason: impl Into<String>) -> Verdict {
        Verdict::from(self).because(code, reason)
    }

    /// See [`Verdict::on`].
    pub fn on(self, target: impl Into<Target>) -> Verdict {
        Verdict::from(self).on(target)
    }
}

impl From<Alert> for Verdict {
    fn from(alert: Alert) -> Self {
        Self::new(Action::Alert(alert))
    }
}

impl From<Alert> for wit::Alert {
    fn from(alert: Alert) -> Self {
        let key = alert.key.unwrap_or_else(|| alert.title.clone());
        Self { severity: alert.severity as u8, title: alert.title, key, fields: alert.fields }
    }
}
