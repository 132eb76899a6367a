//! Alerts: notifications for people.

use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::verdict::{Action, Target, Verdict};

/// Severity of an alert, with the names and numbers of syslog (RFC 5424).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// 0: the system is unusable.
    Emergency,
    /// 1: someone must act at once.
    Alert,
    /// 2: a critical condition.
    Critical,
    /// 3: an error condition.
    Error,
    /// 4: a condition that may become an error. This is the default.
    #[default]
    Warning,
    /// 5: normal, but worth knowing.
    Notice,
    /// 6: for information only.
    Informational,
    /// 7: for people who look for a fault.
    Debug,
}

/// A notification for people. It becomes a [`Verdict`] with `.into()` or with [`because`](Self::because).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an alert is not raised until it is returned to the host"]
pub struct Alert {
    pub(crate) severity: Severity,
    pub(crate) title: String,
    pub(crate) key: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
}

/// Raises an alert with this title: one line, which the host cuts after 256 bytes. The severity is a warning unless
/// [`severity`](Alert::severity) sets another.
pub fn alert(title: impl Into<String>) -> Alert {
    Alert { severity: Severity::Warning, title: title.into(), key: None, fields: Vec::new() }
}

impl Alert {
    /// Sets the severity. The default is [`Severity::Warning`].
    pub fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Sets the key, at most 256 bytes. Alerts with the same key are one alert: within the operator's window, the host
    /// counts repetitions and does not show them. Without a key, the title is the key.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Adds a name and a value for machines. The host refuses an alert with more than 64 fields or a name of more than
    /// 64 bytes, and cuts a value after 1,024 bytes.
    pub fn field(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.fields.push((name.into(), value.to_string()));
        self
    }

    /// Adds a code and a reason; see [`Verdict::because`].
    pub fn because(self, code: impl Into<String>, reason: impl Into<String>) -> Verdict {
        Verdict::from(self).because(code, reason)
    }

    /// Names the flow that the alert is about; see [`Verdict::on`].
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
