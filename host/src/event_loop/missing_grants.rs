//! Grants that plugins lack: those that a check would have found missing, and the first verdict that was refused
//! because a grant was missing.
//!
//! A policy whose verdicts are refused looks as if it works. The records report each refusal, but operators may not
//! read them. So the first refusal is also reported in the log and in the status.

use std::collections::BTreeMap;

use ctwarden_model::{Action, Outcome, PluginName, Record, VerdictRecord};

/// Facts about one plugin, besides the engine's counts.
#[derive(Debug, Default)]
pub(super) struct PluginGrants {
    /// The version that the plugin reports.
    pub(super) version: String,
    /// Grants that its configuration needs and does not have.
    missing: Vec<String>,
    /// The first verdict of the plugin that was refused because a grant was missing.
    refused: Option<String>,
}

impl PluginGrants {
    /// Grants that its configuration needs and does not have.
    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    pub(super) fn not_granted(&self) -> Vec<String> {
        self.missing.iter().chain(&self.refused).cloned().collect()
    }
}

#[derive(Debug, Default)]
pub(super) struct MissingGrants(BTreeMap<PluginName, PluginGrants>);

impl MissingGrants {
    /// Adds a plugin that the loop has taken over.
    pub(super) fn put(&mut self, name: PluginName, version: String, missing: Vec<String>) {
        self.0.insert(name, PluginGrants { version, missing, refused: None });
    }

    pub(super) fn of(&self, name: &PluginName) -> Option<&PluginGrants> {
        self.0.get(name)
    }

    /// Inspects a record. Returns a line to report if the record is the plugin's first refusal.
    pub(super) fn hear(&mut self, record: &Record) -> Option<String> {
        let Record::Verdict(verdict) = record else { return None };
        if verdict.outcome != Outcome::NotGranted {
            return None;
        }
        let about = self.0.get_mut(&verdict.plugin).filter(|about| about.refused.is_none())?;
        let told = told(verdict);
        about.refused = Some(told.clone());
        Some(format!("warning: plugin {}: {told}; later refusals are not logged", verdict.plugin))
    }
}

fn told(record: &VerdictRecord) -> String {
    let action = &record.verdict.action;
    let kind = action.kind().name();
    let what = match action {
        Action::Mark(mark) => {
            format!("changes the mark bits {:#x}, which need allow = [\"mark\"] and mark-mask", mark.mask())
        }
        Action::Labels(_) => "changes label bits that need allow = [\"labels\"] and label-bits".to_owned(),
        Action::Block(block) => format!("names the set {}, which needs allow = [\"block\"] and block-sets", block.set),
        Action::Unblock(unblock) => {
            format!("names the set {}, which needs allow = [\"unblock\"] and block-sets", unblock.set)
        }
        Action::Delete
        | Action::Kill
        | Action::Timeout(_)
        | Action::Alert(_)
        | Action::Log(_)
        | Action::Protect(_)
        | Action::Sweep
        | Action::Malformed(..) => format!("needs allow = [\"{kind}\"]"),
    };
    format!("a verdict was refused for lack of a grant: {kind} ({}) {what} in its [[plugin]]", record.verdict.code)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ctwarden_model::{Masked, Mode, Target, Timestamp, Verdict};

    use super::*;

    fn record(plugin: &str, action: Action, outcome: Outcome) -> Record {
        Record::Verdict(Box::new(VerdictRecord {
            at: Timestamp(1),
            plugin: PluginName::new(plugin).unwrap(),
            mode: Mode::Enforce,
            verdict: Verdict { target: Target::None, action, code: "why".to_owned(), reason: String::new() },
            flow: None,
            outcome,
            tally: None,
            took: Duration::ZERO,
        }))
    }

    #[test]
    fn the_first_refusal_of_each_plugin_is_told() {
        let mut granting = MissingGrants::default();
        for name in ["a", "b"] {
            granting.put(PluginName::new(name).unwrap(), "1.0.0".to_owned(), Vec::new());
        }
        let mark = || Action::Mark(Masked::new(0x10, 0x30).unwrap());
        assert_eq!(granting.hear(&record("a", mark(), Outcome::Applied)), None);
        let told = granting.hear(&record("a", mark(), Outcome::NotGranted)).unwrap();
        assert!(told.contains("plugin a") && told.contains("0x30") && told.contains("mark-mask"), "{told}");
        assert_eq!(granting.hear(&record("a", Action::Delete, Outcome::NotGranted)), None);
        let told = granting.hear(&record("b", Action::Delete, Outcome::NotGranted)).unwrap();
        assert!(told.contains("plugin b") && told.contains("allow = [\"delete\"]"), "{told}");
        let a = granting.of(&PluginName::new("a").unwrap()).unwrap();
        assert_eq!(a.not_granted().len(), 1);
    }
}
