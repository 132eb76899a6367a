//! `then`: what happens to a flow that a rule applies to.

use ctwarden_net::Masked;
use serde_json::{Map, Value};

use crate::matching::{label_bits, masked};
use crate::reader::{Reader, shown};
use crate::suggest::choices;
use crate::template::Template;

const KEYS: [&str; 8] = ["delete", "kill", "mark", "label", "timeout", "block", "alert", "log"];
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];

/// What a rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Then {
    /// End the tracking of the flow.
    pub delete: bool,
    /// End the connection of the flow, and its tracking.
    pub kill: bool,
    /// Change the mark.
    pub mark: Option<Masked>,
    /// Label bits to set, and to clear.
    pub labels: Option<(u128, u128)>,
    /// Let the flow expire in this many seconds.
    pub timeout: Option<u32>,
    /// Block an address or network.
    pub block: Option<Block>,
    /// Alert people.
    pub alert: Option<AlertText>,
    /// Write a record.
    pub log: bool,
}

/// A block that lasts longer each time that it is needed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Name of the set.
    pub set: String,
    /// Which end of the flow.
    pub end: End,
    /// Seconds of the first block.
    pub seconds: u32,
    /// Seconds of the longest block. Equal to `seconds` if the time is not doubled.
    pub at_most: u32,
    /// Seconds after the end of a block until it is forgotten.
    pub forget: u32,
}

/// An end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The sender of the first packet.
    Source,
    /// The receiver of the first packet.
    Destination,
}

/// An alert for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertText {
    /// The title.
    pub title: Template,
    /// Number of the severity, by syslog.
    pub severity: u8,
}

impl Then {
    /// Whether the rule changes or ends the flow itself.
    #[must_use]
    pub const fn touches_flow(&self) -> bool {
        self.delete || self.kill || self.mark.is_some() || self.labels.is_some() || self.timeout.is_some()
    }
}

/// Reads `then`: a word, a list of words, or a table.
pub(crate) fn read(reader: &mut Reader, value: &Value) -> Option<Then> {
    let mut then = Then::default();
    let before = reader.problems.len();
    match value {
        Value::String(word) => word_into(reader, word, &mut then)?,
        Value::Array(_) => {
            let words = reader.list(value, |reader, word| reader.text(word).map(str::to_owned))?;
            for word in words {
                word_into(reader, &word, &mut then)?;
            }
        }
        Value::Object(table) => table_into(reader, table, &mut then),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            reader.note(format!("{} is no action; write for example then = \"delete\"", shown(value)));
            return None;
        }
    }
    if then == Then::default() && reader.problems.len() == before {
        reader.note("nothing happens; write an action, such as then = \"alert\"");
    }
    let ends = [("delete", then.delete), ("kill", then.kill), ("timeout", then.timeout.is_some())];
    let given: Vec<&str> = ends.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
    if given.len() > 1 {
        reader
            .note(format!("{} exclude each other, because each ends the flow; keep one of them", given.join(" and ")));
    }
    Some(then)
}

fn word_into(reader: &mut Reader, word: &str, then: &mut Then) -> Option<()> {
    match word {
        "delete" => then.delete = true,
        "kill" => then.kill = true,
        "alert" => then.alert = Some(AlertText::default()),
        "log" => then.log = true,
        _ if KEYS.contains(&word) => {
            reader.note(format!("{word} needs a value; write [rule.then] and {}", example(word)));
            return None;
        }
        _ => {
            let choices = choices(word, &KEYS, "the actions are");
            reader.note(format!("\"{word}\" is no action{choices}"));
            return None;
        }
    }
    Some(())
}

fn example(key: &str) -> &'static str {
    match key {
        "mark" => "mark = \"0x10/0xff\"",
        "label" => "label = [3]",
        "timeout" => "timeout = \"30s\"",
        _ => "block = { set = \"drop\", for = \"10m\" }",
    }
}

fn table_into(reader: &mut Reader, table: &Map<String, Value>, then: &mut Then) {
    reader.only(table, &KEYS);
    then.delete = reader.key(table, "delete", Reader::flag).unwrap_or(false);
    then.kill = reader.key(table, "kill", Reader::flag).unwrap_or(false);
    then.log = reader.key(table, "log", Reader::flag).unwrap_or(false);
    then.mark = reader.key(table, "mark", masked);
    then.labels = reader.key(table, "label", label);
    then.timeout = reader.key(table, "timeout", Reader::seconds);
    then.block = reader.key(table, "block", block);
    then.alert = reader.key(table, "alert", alert);
}

fn label(reader: &mut Reader, value: &Value) -> Option<(u128, u128)> {
    let Some(table) = value.as_object() else { return label_bits(reader, value).map(|set| (set, 0)) };
    reader.only(table, &["set", "clear"]);
    let set = reader.key(table, "set", label_bits).unwrap_or(0);
    let clear = reader.key(table, "clear", label_bits).unwrap_or(0);
    if set & clear != 0 {
        reader.note("a bit is in both set and clear; remove it from one of them");
    }
    if set | clear == 0 {
        reader.note("no bit is given; write for example label = { set = [3] }");
    }
    Some((set, clear))
}

fn block(reader: &mut Reader, value: &Value) -> Option<Block> {
    const HOW: &str = "write for example block = { set = \"drop\", for = \"10m\", at-most = \"1d\" }";
    let Some(table) = value.as_object() else {
        reader.note(format!("{} is not a table; {HOW}", shown(value)));
        return None;
    };
    reader.only(table, &["set", "for", "at-most", "forget-after", "who"]);
    for key in ["set", "for"] {
        if !table.contains_key(key) {
            reader.note(format!("{key} is missing; {HOW}"));
        }
    }
    let set = reader.key(table, "set", |reader, value| reader.text(value).map(str::to_owned));
    let seconds = reader.key(table, "for", Reader::seconds);
    let at_most = reader.key(table, "at-most", Reader::seconds);
    let forget = reader.key(table, "forget-after", Reader::seconds);
    let end = match table.contains_key("who") {
        true => reader.key(table, "who", |reader, value| match reader.text(value)? {
            "source" => Some(End::Source),
            "destination" => Some(End::Destination),
            other => {
                reader.note(format!("\"{other}\" is unknown; write \"source\" or \"destination\""));
                None
            }
        }),
        false => Some(End::Source),
    };
    let seconds = seconds?;
    let at_most = at_most.unwrap_or(seconds);
    if at_most < seconds {
        reader.note("at-most is shorter than for; make it longer, or remove it");
    }
    // A return within the longest block is a return. Later, everything is as it was at first.
    Some(Block { set: set?, end: end?, seconds, at_most, forget: forget.unwrap_or(at_most) })
}

fn alert(reader: &mut Reader, value: &Value) -> Option<AlertText> {
    match value {
        Value::Bool(true) => Some(AlertText::default()),
        Value::Bool(false) => None,
        Value::String(text) => {
            let title = Template::read(text);
            Some(AlertText { title: reader.keep(title)?, ..AlertText::default() })
        }
        Value::Object(table) => {
            reader.only(table, &["title", "severity"]);
            let title = reader.key(table, "title", |reader, value| {
                let text = reader.text(value)?;
                reader.keep(Template::read(text))
            });
            let severity = reader.key(table, "severity", |reader, value| {
                let word = reader.text(value)?;
                let number = SEVERITIES.iter().position(|known| *known == word);
                if number.is_none() {
                    let choices = choices(word, &SEVERITIES, "write one of");
                    reader.note(format!("\"{word}\" is no severity{choices}"));
                }
                number.and_then(|number| u8::try_from(number).ok())
            });
            let otherwise = AlertText::default();
            Some(AlertText {
                title: title.unwrap_or(otherwise.title),
                severity: severity.unwrap_or(otherwise.severity),
            })
        }
        Value::Null | Value::Number(_) | Value::Array(_) => {
            reader.note(format!("{} is not a title; write for example alert = \"{{src}} scans ports\"", shown(value)));
            None
        }
    }
}

impl Default for AlertText {
    /// A warning that names the rule and the flow.
    fn default() -> Self {
        Self { title: Template::default(), severity: 4 }
    }
}
