//! `-L --from FILE`: entries from a pasted or saved table, instead of the kernel's table.
//!
//! With it a table can be filtered, printed in another form and used to try a policy, without root and without the
//! kernel that the table came from. Events stay events: a flow that has ended is no row.

use std::fs::File;
use std::io::{self, Read};

use ctwarden_format::command::{self, Source};
use ctwarden_format::read::{self, Entry, Legend, before_summary};
use ctwarden_format::{LabelMap, xml};
use ctwarden_model::{EventKind, Filter, Flow, Timestamp};

use super::clock;
use super::environment::{HostEnvironment, NAME};
use super::failure::{FAILED, Failure, plain};
use super::local_time::LocalTime;
use super::output::{Output, count_line};
use super::printer::Printer;
use super::text_lines::{Complaints, TextLines};

/// Prints the matching entries, and reports unreadable lines by number on standard error. The exit status says whether
/// there was such a line.
pub(super) fn list(
    output: &mut Output,
    printer: &mut Printer<'_>,
    source: &Source,
    filter: &Filter,
    (machine, place): (&HostEnvironment, &LocalTime),
) -> Result<u8, Failure> {
    let mut shown = 0;
    let now = clock::wall();
    let unreadable = each(source, printer.labels(), (machine, place), |entry| {
        if filter.matches(&entry.flow) {
            printer.printed_at(entry.printed_at().unwrap_or(now));
            shown += u64::from(printer.flow(output.text(), &entry.flow, &entry.event_context()));
            output.drain_if_full()?;
        }
        Ok(())
    })?;
    printer.close(output.text(), xml::DocumentTable::Conntrack);
    output.drain()?;
    count_line(shown, "flow entries have been shown.");
    Ok(printer.tell_left_out().max(if unreadable { FAILED } else { 0 }))
}

/// Passes on the entries of a file, and reports unreadable lines by number on standard error. Returns whether there was
/// such a line.
pub(super) fn each(
    source: &Source,
    labels: Option<&LabelMap>,
    (machine, place): (&HostEnvironment, &LocalTime),
    mut hand: impl FnMut(Entry) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let (name, file) = open(source)?;
    let legend = Legend { labels, unix_seconds: &|time| place.seconds(time) };
    let (mut lines, mut complaints) = (TextLines::of(file, name), Complaints::about(name));
    let now = clock::wall();
    // The start of an entry that was interrupted by the command's summary.
    let mut begun = String::new();
    while let Some((number, line)) = lines.next()? {
        if let Some(before) = before_summary(&line) {
            begun.push_str(before);
            continue;
        }
        let line = if begun.is_empty() { line } else { (std::mem::take(&mut begun) + &line).into() };
        match entry(&line, &legend, machine) {
            Ok(Some(entry)) => {
                complaints.is_good();
                hand(since_when(entry, now))?;
            }
            Ok(None) => {}
            Err(why) => complaints.complain(number, &why)?,
        }
    }
    if !begun.trim_ascii().is_empty() {
        complaints.complain(0, "the last entry is incomplete")?;
    }
    Ok(complaints.finish())
}

fn open(source: &Source) -> Result<(&str, Box<dyn Read>), Failure> {
    match source {
        Source::StandardInput => Ok(("standard input", Box::new(io::stdin().lock()))),
        Source::File(name) => match File::open(name) {
            Ok(file) => Ok((name, Box::new(file))),
            Err(error) => Err(Failure::system(&format!("Can't open {name}"), &error)),
        },
    }
}

/// The entry of a line; `None` if the line carries none.
fn entry(line: &str, legend: &Legend<'_>, machine: &HostEnvironment) -> Result<Option<Entry>, String> {
    match read::LineForm::of(line) {
        read::LineForm::Blank | read::LineForm::Summary => Ok(None),
        read::LineForm::Save => saved(line, machine),
        read::LineForm::Json | read::LineForm::Text | read::LineForm::Xml => {
            read::line(line, legend).map(Some).map_err(|error| error.to_string())
        }
    }
}

/// Adds the start time of the flow if only its age is known: counted back from the time in front of the line, or from
/// now in a list, which has no times.
fn since_when(mut entry: Entry, now: Timestamp) -> Entry {
    let end = entry.time.or((entry.kind == EventKind::Row).then_some(now));
    if let (None, None, Some(end), Some(seconds)) = (entry.flow.started, entry.flow.stopped, end, entry.lasted) {
        entry.flow.started = Some(Timestamp(end.0.saturating_sub(seconds.saturating_mul(1_000_000_000))));
    }
    entry
}

/// Reads a saved entry: the command line that creates, changes or deletes the entry.
fn saved(line: &str, machine: &HostEnvironment) -> Result<Option<Entry>, String> {
    let saved = command::saved_entry(NAME, line, machine).map_err(|refused| plain(&refused.problem.to_string()))?;
    Ok(saved.map(|(kind, flow)| row(kind, flow)))
}

/// An entry with an event kind and a flow, and nothing else.
fn row(kind: EventKind, flow: Flow) -> Entry {
    Entry { kind, time: None, flow, lasted: None, portid: None, program: None }
}
