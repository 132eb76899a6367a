//! `-L --from FILE`: entries that somebody pasted or saved, instead of the kernel's.
//!
//! With it a table can be filtered, printed in another form and tried on a policy where there is neither root nor the kernel
//! that it came from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use ctwarden_format::command::{self, Command, Source};
use ctwarden_format::{LabelMap, Occasion, read, xml};
use ctwarden_model::{EventKind, Filter, Flow, Timestamp};

use super::failure::Failure;
use super::output::{Output, say};
use super::printer::Printer;
use super::surroundings::Machine;
use super::{FAILED, NAME, clock, count_line};

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// Prints the entries that match; names lines that are none by number on standard error. Gives the exit status: whether there
/// was such a line.
pub(super) fn list(
    output: &mut Output,
    printer: &mut Printer<'_>,
    source: &Source,
    filter: &Filter,
    machine: &Machine,
) -> Result<u8, Failure> {
    let mut shown = 0;
    let unreadable = each(source, printer.labels(), machine, |flow| {
        if filter.matches(&flow) {
            printer.flow(output.text(), &flow, &Occasion::of(EventKind::Row));
            shown += 1;
            output.drain_if_full()?;
        }
        Ok(())
    })?;
    printer.close(output.text(), xml::Table::Conntrack);
    output.drain()?;
    count_line(shown, "flow entries have been shown.");
    Ok(if unreadable { FAILED } else { 0 })
}

/// Hands over the entries of a file; names lines that are none by number on standard error. Gives whether there was such a
/// line.
pub(super) fn each(
    source: &Source,
    labels: Option<&LabelMap>,
    machine: &Machine,
    mut hand: impl FnMut(Flow) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let (name, file) = open(source)?;
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    let mut bytes = Vec::new();
    let mut unreadable = false;
    for number in 1_u64.. {
        bytes.clear();
        let got = reader.read_until(b'\n', &mut bytes);
        if got.map_err(|error| Failure::system(&format!("Can't read {name}"), &error))? == 0 {
            break;
        }
        match entry(String::from_utf8_lossy(&bytes).trim_end(), labels, machine) {
            Ok(Some(flow)) => hand(flow)?,
            Ok(None) => {}
            Err(why) => {
                unreadable = true;
                say(&format!("{name}, line {number}: {why}"));
            }
        }
    }
    Ok(unreadable)
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

/// The entry of a line; none where the line is blank.
fn entry(line: &str, labels: Option<&LabelMap>, machine: &Machine) -> Result<Option<Flow>, String> {
    match read::Form::of(line) {
        read::Form::Blank => Ok(None),
        read::Form::Save => saved(line, machine),
        read::Form::Json | read::Form::Text | read::Form::Xml => {
            read::line(line, labels).map(|entry| Some(begun(entry))).map_err(|error| error.to_string())
        }
    }
}

/// The flow, with its begin where only its age was told.
fn begun(entry: read::Entry) -> Flow {
    let mut flow = entry.flow;
    if let (None, Some(seconds)) = (flow.started, entry.lasted) {
        let age = seconds.saturating_mul(1_000_000_000);
        flow.started = Some(Timestamp(clock::wall().0.saturating_sub(age)));
    }
    flow
}

/// A saved entry is the command line that makes it.
fn saved(line: &str, machine: &Machine) -> Result<Option<Flow>, String> {
    let parsed = command::line(NAME, line, machine).map_err(|refused| refused.problem.to_string())?;
    let Some(parsed) = parsed else { return Ok(None) };
    match parsed.command {
        Command::Create(create) => Ok(Some(create.flow)),
        Command::List(_)
        | Command::Get(_)
        | Command::Delete(_)
        | Command::Update(_)
        | Command::Events(_)
        | Command::Flush { .. }
        | Command::Count
        | Command::Statistics
        | Command::ListExpectations { .. }
        | Command::GetExpectation { .. }
        | Command::CreateExpectation(_)
        | Command::DeleteExpectation { .. }
        | Command::FlushExpectations
        | Command::ExpectationEvents { .. }
        | Command::CountExpectations
        | Command::ExpectationStatistics
        | Command::Load { .. }
        | Command::Help { .. }
        | Command::Version => Err("a command that makes no entry: only -A and -I are saved entries".to_owned()),
    }
}
