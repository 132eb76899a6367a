//! One line back into an entry: text of `conntrack`, text of `/proc/net/nf_conntrack`, and JSON.
//!
//! So that whoever has nothing but a pasted table can filter it, print it in another form and try a plugin on it. What
//! a form does not carry stays none; what it carries and makes no sense is an error with its column.
//!
//! Text does not tell status bits beside `[UNREPLIED]`, `[ASSURED]` and the offload ones: a read entry is confirmed,
//! and translated where its tuples show it. `[start=…]` and `[stop=…]` are local time, in whole seconds; `delta-time=` is
//! [`Entry::lasted`]. A flow between two zones by direction has the zone of its original direction, as the kernel's own
//! entries are known here.
//!
//! Vendors add fields, flags and bare words of their own, which are passed over. What is left of a line that was cut in its
//! middle is an error where it can be told from them: see `text/remnant.rs`.

mod error;
mod json;
mod json_syntax;
mod summary;
mod text;
mod tuple;
mod words;

use alloc::string::String;
use core::fmt;

use ctwarden_model::{EventKind, Expectation, Flow, Timestamp};

use crate::{CivilTime, EventContext, LabelMap, Userspace};

pub use error::{LineError, Problem};
pub use summary::before_summary;

/// What a line of text leaves to be known: which bits its labels are, and where its clock hung.
#[derive(Clone, Copy)]
pub struct Legend<'a> {
    /// Names of label bits: without them `labels=` is passed over.
    pub labels: Option<&'a LabelMap>,
    /// Unix seconds of a local time; none where there is no such time.
    pub unix_seconds: &'a dyn Fn(&CivilTime) -> Option<i64>,
}

impl Legend<'_> {
    /// Without names, and at Greenwich.
    pub const PLAIN: Self = Self { labels: None, unix_seconds: &CivilTime::utc_seconds };
}

impl fmt::Debug for Legend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Legend").field("labels", &self.labels).finish_non_exhaustive()
    }
}

/// An entry as a line told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A row, or which event.
    pub kind: EventKind,
    /// Wall time in front of the line.
    pub time: Option<Timestamp>,
    pub flow: Flow,
    /// Seconds that the flow lasted (`delta-time=`), to the moment of the printing where it has not ended: whoever
    /// knows that moment knows its begin.
    pub lasted: Option<u64>,
    /// Netlink port of who caused the event.
    pub portid: Option<u32>,
    pub program: Option<String>,
}

impl Entry {
    /// When the line was printed, as far as it tells: the time in front of it, or else the end of what a flow has lasted that
    /// has not ended.
    #[must_use]
    pub fn printed_at(&self) -> Option<Timestamp> {
        let lasted = self.lasted.filter(|_| self.flow.stopped.is_none());
        let end = || Some(Timestamp(self.flow.started?.0.checked_add(lasted?.checked_mul(1_000_000_000)?)?));
        self.time.or_else(end)
    }

    /// The event, for printing the entry again.
    #[must_use]
    pub fn event_context(&self) -> EventContext<'_> {
        let userspace = self.portid.map(|portid| Userspace { portid, program: self.program.as_deref() });
        EventContext { kind: self.kind, userspace }
    }
}

/// An expectation as a line told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationEntry {
    /// A row, or which event.
    pub kind: EventKind,
    /// Wall time in front of the line.
    pub time: Option<Timestamp>,
    pub expectation: Expectation,
    /// Netlink port of who caused the event.
    pub portid: Option<u32>,
    pub program: Option<String>,
}

impl ExpectationEntry {
    /// The event, for printing the entry again.
    #[must_use]
    pub fn event_context(&self) -> EventContext<'_> {
        let userspace = self.portid.map(|portid| Userspace { portid, program: self.program.as_deref() });
        EventContext { kind: self.kind, userspace }
    }
}

/// What a line looks like, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing, or a comment: `#` in front.
    Blank,
    /// What the command says behind a list: how many entries it has shown.
    Summary,
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
    #[must_use]
    pub fn of(line: &str) -> Self {
        match line.trim_ascii_start().as_bytes().first() {
            None | Some(b'#') => Self::Blank,
            Some(b'{') => Self::Json,
            Some(b'-') => Self::Save,
            Some(b'<') => Self::Xml,
            Some(b'c') if before_summary(line).is_some_and(|before| before.trim_ascii().is_empty()) => Self::Summary,
            Some(_) => Self::Text,
        }
    }
}

/// The text of a file without the mark of its encoding that some editors put in front (U+FEFF).
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Reads a line of text or JSON.
///
/// # Errors
/// What is wrong first, and its column. Save lines, XML and blank lines are not read here: look at [`Form::of`] before.
pub fn line(line: &str, legend: &Legend<'_>) -> Result<Entry, LineError> {
    match Form::of(line) {
        Form::Json => json::entry(line),
        Form::Text => text::entry(line, legend),
        form @ (Form::Blank | Form::Summary | Form::Save | Form::Xml) => Err(not_read(line, form)),
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
        form @ (Form::Blank | Form::Summary | Form::Save | Form::Xml) => Err(not_read(line, form)),
    }
}

fn not_read(line: &str, form: Form) -> LineError {
    let at = line.len().saturating_sub(line.trim_ascii_start().len());
    LineError::at(line, at, Problem::Form(form))
}
