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

mod entry;
mod error;
mod form;
mod json;
mod json_syntax;
mod legend;
mod summary;
mod text;
mod tuple;
mod words;

pub use entry::{Entry, ExpectationEntry};
pub use error::{LineError, Problem};
pub use form::Form;
pub use legend::Legend;
pub use summary::before_summary;

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
