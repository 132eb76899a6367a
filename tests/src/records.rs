//! The daemon's records, read from its file: one JSON object per line.
//!
//! Scenarios ask about plugin, action and outcome, so a change of the format affects this module only.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use jsonschema::Validator;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Record(pub Value);

impl Record {
    /// A text field of the record.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    /// Whether the record is about a verdict.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        self.text("record") == Some("verdict")
    }

    /// Whether the record is about a verdict of this action with this outcome.
    #[must_use]
    pub fn came(&self, action: &str, outcome: &str) -> bool {
        self.is_verdict() && self.text("action") == Some(action) && self.text("outcome") == Some(outcome)
    }

    /// Whether the record is this notice.
    #[must_use]
    pub fn is_notice(&self, name: &str) -> bool {
        self.text("record") == Some("notice") && self.text("notice") == Some(name)
    }

    /// Whether the record is a fault of this plugin.
    #[must_use]
    pub fn is_fault(&self, plugin: &str) -> bool {
        self.text("record") == Some("fault") && self.is_of(plugin)
    }

    /// Whether the record belongs to this plugin.
    #[must_use]
    pub fn is_of(&self, plugin: &str) -> bool {
        self.text("plugin") == Some(plugin)
    }

    /// Whether the flow of the record has this port in its original direction, as source or destination.
    #[must_use]
    pub fn has_port(&self, port: u16) -> bool {
        ["src_port", "dst_port"].iter().any(|name| self.0["flow"][name] == port)
    }

    /// A number inside the record, by the names of the path to it.
    #[must_use]
    pub fn number(&self, way: &[&str]) -> Option<u64> {
        way.iter().fold(&self.0, |value, name| &value[name]).as_u64()
    }
}

/// The file of records.
#[derive(Clone, Debug)]
pub struct Records {
    file: PathBuf,
    /// The bytes that an earlier daemon had written.
    begin: usize,
    /// The bytes whose records follow the schema. Scenarios read the same records again and again.
    checked: Arc<AtomicUsize>,
}

impl Records {
    /// The records that are written to the file from now on.
    pub(crate) fn from_now(file: PathBuf) -> Self {
        let begin = fs::read(&file).map_or(0, |bytes| bytes.len());
        Self { file, begin, checked: Arc::new(AtomicUsize::new(begin)) }
    }

    /// All complete lines so far.
    ///
    /// # Panics
    /// If a line does not follow `docs/records.schema.json`.
    #[must_use]
    pub fn all(&self) -> Vec<Record> {
        let Ok(text) = fs::read_to_string(&self.file) else { return Vec::new() };
        let complete = text.rfind('\n').and_then(|end| text.get(self.begin..=end)).unwrap_or_default();
        let records: Vec<Record> = complete.lines().map(read).collect();
        let mut place = self.begin;
        let checked = self.checked.load(Ordering::Relaxed);
        for (line, record) in complete.lines().zip(&records) {
            if place >= checked {
                follows_schema(record);
            }
            place += line.len() + 1;
        }
        self.checked.fetch_max(place, Ordering::Relaxed);
        records
    }

    /// The records for which `is` holds.
    #[must_use]
    pub fn which(&self, is: impl Fn(&Record) -> bool) -> Vec<Record> {
        self.all().into_iter().filter(|record| is(record)).collect()
    }
}

/// Asserts that the record is as the published schema describes it.
///
/// # Panics
/// If it is not.
pub fn follows_schema(record: &Record) {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(include_str!("../../docs/records.schema.json")).expect("the schema is JSON");
        jsonschema::draft202012::options().build(&schema).expect("the schema is one")
    });
    let faults: Vec<_> = VALIDATOR.iter_errors(&record.0).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "a record does not follow the schema: {}: {faults:?}", record.0);
}

fn read(line: &str) -> Record {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
    assert!(value["time"].is_string() && value["record"].is_string(), "no record: {line}");
    Record(value)
}
