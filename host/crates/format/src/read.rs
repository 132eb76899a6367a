//! Parses one line into an entry: text of `conntrack`, text of `/proc/net/nf_conntrack`, and JSON.
//!
//! A pasted table can thus be filtered, printed in another form and used to try a plugin. Parts that a form does not
//! carry are `None`. A part with an invalid value is an error with the column of the value.
//!
//! Text shows no status bits except `[UNREPLIED]`, `[ASSURED]` and the offload ones. An entry read from text is
//! confirmed, and translated if its tuples show a translation. `[start=…]` and `[stop=…]` are local time, in whole
//! seconds; `delta-time=` is [`Entry::lasted`]. A flow with a zone per direction gets the zone of its original
//! direction, as for entries from the kernel.
//!
//! Vendors add fields, flags and bare words of their own, and the reader skips them. A line that was cut in the middle
//! is an error if the rest can be distinguished from such words: see `text/remnant.rs`.

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
pub use error::{LineError, LineProblem};
pub use form::LineForm;
pub use legend::Legend;
pub use summary::before_summary;

/// The text of a file without the byte order mark (U+FEFF) that some editors put in front.
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Reads a line of text or JSON.
///
/// # Errors
/// The first mistake and its column. Save lines, XML and blank lines are not read here: check [`LineForm::of`] first.
pub fn line(line: &str, legend: &Legend<'_>) -> Result<Entry, LineError> {
    match LineForm::of(line) {
        LineForm::Json => json::entry(line),
        LineForm::Text => text::entry(line, legend),
        form @ (LineForm::Blank | LineForm::Summary | LineForm::Save | LineForm::Xml) => Err(not_read(line, form)),
    }
}

/// Reads a line of text or JSON of the expectation table. Text does not show the id.
///
/// # Errors
/// As for [`line()`]. A line of `/proc/net/nf_conntrack_expect` is an error, because it lacks mask and master.
pub fn expectation(line: &str) -> Result<ExpectationEntry, LineError> {
    match LineForm::of(line) {
        LineForm::Json => json::expectation(line),
        LineForm::Text => text::expectation(line),
        form @ (LineForm::Blank | LineForm::Summary | LineForm::Save | LineForm::Xml) => Err(not_read(line, form)),
    }
}

fn not_read(line: &str, form: LineForm) -> LineError {
    let at = line.len().saturating_sub(line.trim_ascii_start().len());
    LineError::at(line, at, LineProblem::LineForm(form))
}
