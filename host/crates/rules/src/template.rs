//! Titles of alerts, with names in braces: `{src} scans ports`.

use std::fmt::Write;

use crate::flow::Flow;
use crate::suggest::choices;

/// The names, and what they stand for.
const NAMES: [(&str, Part); 8] = [
    ("rule", Part::Rule),
    ("src", Part::Src),
    ("dst", Part::Dst),
    ("src-port", Part::SrcPort),
    ("dst-port", Part::DstPort),
    ("protocol", Part::Protocol),
    ("key", Part::Key),
    ("value", Part::Value),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Rule,
    Src,
    Dst,
    SrcPort,
    DstPort,
    Protocol,
    /// What the number is counted for.
    Key,
    /// The number.
    Value,
}

/// A title with names to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

impl Template {
    /// Reads a title.
    ///
    /// # Errors
    /// A name in braces is unknown, or a brace is not closed.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.contains(['\n', '\r']) {
            return Err("a title is one line of text; write for example \"{src} scans ports\"".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, next)) = behind.split_once('}') else {
                return Err("a { is not closed; close it with }".to_owned());
            };
            let part = NAMES.iter().find(|(known, _)| *known == name).map(|(_, part)| part.clone());
            let known = NAMES.map(|(known, _)| known);
            parts.push(Part::Text(before.to_owned()));
            parts.push(part.ok_or_else(|| format!("{{{name}}} is unknown{}", choices(name, &known, "the names are")))?);
            rest = next;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// Returns the title for a flow.
    #[must_use]
    pub fn fill(&self, rule: &str, flow: &Flow, reached: Option<(&str, u64)>) -> String {
        let mut title = String::new();
        let ends = &flow.original;
        for part in &self.0 {
            // Writing to a text cannot fail.
            let _ = match part {
                Part::Text(text) => title.write_str(text),
                Part::Rule => title.write_str(rule),
                Part::Src => write!(title, "{}", ends.src),
                Part::Dst => write!(title, "{}", ends.dst),
                Part::SrcPort => write!(title, "{}", ends.src_port),
                Part::DstPort => write!(title, "{}", ends.dst_port),
                Part::Protocol => write!(title, "{}", flow.protocol),
                Part::Key => title.write_str(reached.map_or("", |(key, _)| key)),
                Part::Value => match reached {
                    Some((_, value)) => write!(title, "{value}"),
                    None => Ok(()),
                },
            };
        }
        title
    }
}

impl Default for Template {
    /// The rule and the two addresses.
    fn default() -> Self {
        let text = |text: &str| Part::Text(text.to_owned());
        Self(vec![Part::Rule, text(": "), Part::Src, text(" to "), Part::Dst])
    }
}
