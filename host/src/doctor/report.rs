//! All findings: as lines for people, as one JSON object for programs.

use std::fmt::Write as _;

use ctwarden_control::{Colour, Paint};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::finding::{Finding, Verdict};
use super::{Facts, muting};

/// Columns of a line of text. Terminals have at least 80; commands are never broken.
const WIDTH: usize = 100;
/// Column in which the consequences begin.
const INDENT: usize = 6;

/// The findings of the doctor.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    facts: Facts,
}

impl Report {
    /// Judges the facts, without asking the kernel.
    pub(crate) fn of(facts: Facts) -> Self {
        let mut findings = vec![
            facts.kernel.judge(),
            facts.conntrack.judge(),
            facts.ctnetlink.judge(),
            facts.capability.judge(&facts.ctnetlink),
            facts.tracking.judge(facts.table.entries),
            facts.labels.judge(),
            facts.table.judge(),
            facts.buckets.judge(facts.table.maximum),
        ];
        findings.extend(facts.switches.judge());
        findings.push(muting::judge(facts.tracking.rules.as_ref()));
        findings.extend(facts.timeouts.judge());
        findings.push(facts.receive_buffer.judge());
        findings.push(facts.kills.judge());
        Self { findings, facts }
    }

    /// Whether the daemon could work: no finding is bad.
    pub(crate) fn is_fit(&self) -> bool {
        self.named(Verdict::Bad).is_empty()
    }

    fn named(&self, verdict: Verdict) -> Vec<&'static str> {
        self.findings.iter().filter(|finding| finding.verdict == verdict).map(|finding| finding.name).collect()
    }

    pub(crate) fn to_text(&self, colour: Colour) -> String {
        let mut text = String::new();
        let widest = self.findings.iter().map(|finding| finding.name.len()).max().unwrap_or_default();
        for finding in &self.findings {
            let paint = match finding.verdict {
                Verdict::Good => Paint::Green,
                Verdict::Note => Paint::Yellow,
                Verdict::Bad => Paint::Red,
            };
            let verdict = colour.paint(paint, format_args!("{:INDENT$}", finding.verdict.name()));
            let name = colour.paint(Paint::Bold, format_args!("{:widest$}", finding.name));
            // Writing into a String cannot fail.
            let _ = write!(text, "{verdict}{name}");
            let beside = INDENT.saturating_add(widest).saturating_add(2);
            for (number, line) in wrap(&finding.value, WIDTH.saturating_sub(beside)).into_iter().enumerate() {
                let _ = if number == 0 { writeln!(text, "  {line}") } else { writeln!(text, "{:beside$}{line}", "") };
            }
            for line in wrap(&finding.follows, WIDTH.saturating_sub(INDENT)) {
                let _ = writeln!(text, "{:INDENT$}{}", "", colour.paint(Paint::Dim, line));
            }
            if let Some(command) = &finding.change {
                let _ = writeln!(text, "{:INDENT$}# {command}", "");
            }
        }
        let _ = writeln!(text, "\n{}", wrap(&self.summary(), WIDTH).join("\n"));
        text
    }

    fn summary(&self) -> String {
        let (bad, notes) = (self.named(Verdict::Bad), self.named(Verdict::Note));
        let noted = if notes.is_empty() { String::new() } else { format!("; notes: {}", notes.join(", ")) };
        if bad.is_empty() {
            format!("This machine is fit{noted}.")
        } else {
            format!("This machine is not fit: {}{noted}.", bad.join(", "))
        }
    }
}

/// `{"fit": …, "checks": {NAME: {"verdict", "value", "follows", "change"}, …}, "facts": {…}}`.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Checks<'a>(&'a [Finding]);
        impl Serialize for Checks<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|finding| (finding.name, finding)))
            }
        }
        let mut object = serializer.serialize_struct("Report", 3)?;
        object.serialize_field("fit", &self.is_fit())?;
        object.serialize_field("checks", &Checks(&self.findings))?;
        object.serialize_field("facts", &self.facts)?;
        object.end()
    }
}

/// Breaks a text at blanks into lines of at most `width` characters. A longer word gets a longer line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_ascii_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_only() {
        assert_eq!(wrap("a bb ccc dddd", 6), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrap("incomprehensible", 3), ["incomprehensible"]);
        assert!(wrap("", 10).is_empty());
    }

    /// Checks that both forms contain every finding, and that lines of text stay within their width.
    fn is_told_in_both_forms(facts: Facts) {
        let report = Report::of(facts);
        let text = report.to_text(Colour::Off);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["fit"], report.is_fit());
        let checks = json["checks"].as_object().unwrap();
        assert_eq!(checks.len(), report.findings.len(), "names are told apart");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for finding in &report.findings {
            let line = format!("{} {} {}", finding.verdict.name(), finding.name, finding.value);
            assert!(words(&text).contains(&words(&line)), "{text}");
            let check = &checks[finding.name];
            assert_eq!(check["verdict"], finding.verdict.name());
            assert!(check["value"].is_string() && check["follows"].is_string() && check.get("change").is_some());
        }
        assert!(words(&text).ends_with(&words(&report.summary())), "{text}");
        assert!(!text.contains('\x1b') && report.to_text(Colour::On).contains('\x1b'));
        assert!(text.lines().all(|line| line.starts_with("      #") || line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn the_report_of_this_machine_is_told_in_both_forms() {
        is_told_in_both_forms(Facts::gather());
    }

    #[test]
    fn the_report_of_any_machine_is_told_in_both_forms() {
        is_told_in_both_forms(Facts::blank());
        // Eight million entries in 262,144 buckets: with this finding the list of notes is longer than a line.
        let mut wide = Facts::blank();
        wide.set_table(Some(8_000_000), Some(262_144));
        assert!(Report::of(wide.clone()).summary().contains("buckets"));
        is_told_in_both_forms(wide);
        for (maximum, buckets) in
            [(None, None), (Some(0), Some(0)), (Some(u64::MAX), Some(1)), (Some(1), Some(u64::MAX))]
        {
            let mut facts = Facts::blank();
            facts.set_table(maximum, buckets);
            is_told_in_both_forms(facts);
        }
    }
}
