//! One line back into an entry: text of `conntrack`, text of `/proc/net/nf_conntrack`, and JSON.
//!
//! So that whoever has nothing but a pasted table can filter it, print it in another form and try a plugin on it. What
//! a form does not carry stays none; what it carries and makes no sense is an error with its column.
//!
//! Text does not tell status bits beside `[UNREPLIED]`, `[ASSURED]` and the offload ones: a read entry is confirmed,
//! and translated where its tuples show it. `[start=…]` is local time and not read, `delta-time=` is [`Entry::lasted`].
//! A flow between two zones by direction has the zone of its original direction, as the kernel's own entries are known
//! here.

mod error;
mod json;
mod json_syntax;
mod text;
mod tuple;
mod words;

use alloc::string::String;

use ctwarden_model::{EventKind, Expectation, Flow, Timestamp};

use crate::{LabelMap, Occasion, Userspace};

pub use error::{LineError, Problem};

/// An entry as a line told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A row, or which event.
    pub kind: EventKind,
    /// Wall time in front of the line.
    pub time: Option<Timestamp>,
    /// The flow.
    pub flow: Flow,
    /// Seconds that the flow lasted (`delta-time=`), to the moment of the printing where it has not ended: whoever
    /// knows that moment knows its begin.
    pub lasted: Option<u64>,
    /// Netlink port of who caused the event.
    pub portid: Option<u32>,
    /// Its program.
    pub program: Option<String>,
}

impl Entry {
    /// How the entry came, for printing it again.
    #[must_use]
    pub fn occasion(&self) -> Occasion<'_> {
        let userspace = self.portid.map(|portid| Userspace { portid, program: self.program.as_deref() });
        Occasion { kind: self.kind, userspace }
    }
}

/// An expectation as a line told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationEntry {
    /// A row, or which event.
    pub kind: EventKind,
    /// Wall time in front of the line.
    pub time: Option<Timestamp>,
    /// The expectation.
    pub expectation: Expectation,
    /// Netlink port of who caused the event.
    pub portid: Option<u32>,
    /// Its program.
    pub program: Option<String>,
}

impl ExpectationEntry {
    /// How the entry came, for printing it again.
    #[must_use]
    pub fn occasion(&self) -> Occasion<'_> {
        let userspace = self.portid.map(|portid| Userspace { portid, program: self.program.as_deref() });
        Occasion { kind: self.kind, userspace }
    }
}

/// What a line looks like, by its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing, or a comment: `#` in front.
    Blank,
    /// An object of [`crate::json`].
    Json,
    /// A command line of [`crate::save`], to be read by whoever reads command lines.
    Save,
    /// XML, which is not read.
    Xml,
    /// Text of `conntrack` or of `/proc`.
    Text,
}

impl Form {
    /// Of a line.
    #[must_use]
    pub fn of(line: &str) -> Self {
        match line.trim_ascii_start().as_bytes().first() {
            None | Some(b'#') => Self::Blank,
            Some(b'{') => Self::Json,
            Some(b'-') => Self::Save,
            Some(b'<') => Self::Xml,
            Some(_) => Self::Text,
        }
    }
}

/// Reads a line of text or JSON. `labels` are the names of label bits: without them `labels=` of a text line is passed
/// over.
///
/// # Errors
/// What is wrong first, and its column. Save lines, XML and blank lines are not read here: look at [`Form::of`] before.
pub fn line(line: &str, labels: Option<&LabelMap>) -> Result<Entry, LineError> {
    match Form::of(line) {
        Form::Json => json::entry(line),
        Form::Text => text::entry(line, labels),
        form @ (Form::Blank | Form::Save | Form::Xml) => Err(not_read(line, form)),
    }
}

/// Reads a line of text or JSON of the expectation table. Text does not tell the id.
///
/// # Errors
/// As [`line()`]; the line of `/proc/net/nf_conntrack_expect` lacks mask and master.
pub fn expectation(line: &str) -> Result<ExpectationEntry, LineError> {
    match Form::of(line) {
        Form::Json => json::expectation(line),
        Form::Text => text::expectation(line),
        form @ (Form::Blank | Form::Save | Form::Xml) => Err(not_read(line, form)),
    }
}

fn not_read(line: &str, form: Form) -> LineError {
    let at = line.len().saturating_sub(line.trim_ascii_start().len());
    LineError::at(line, at, Problem::Form(form))
}
