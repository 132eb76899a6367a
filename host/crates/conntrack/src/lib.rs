//! The conntrack command: the program `conntrack`, and `ctwarden conntrack …` inside of the daemon's program.
//!
//! `ctwarden-format` provides the grammar and the texts, `ctwarden-wire` the bytes, `ctwarden-netlink` the requests.
//! This crate sends the requests and prints the answers, strictly in sequence. It has no runtime and no code of the
//! daemon, so the command starts at once.
//!
//! ```
//! use std::process::ExitCode;
//!
//! // `conntrack --version` asks no kernel.
//! let exit = ctwarden_conntrack::run("conntrack", ["--version".into()].into_iter());
//! assert_eq!(exit, ExitCode::SUCCESS);
//!
//! // Entries of a saved table, in any form that the command prints.
//! # let directory = std::env::temp_dir();
//! # let path = directory.join(format!("ctwarden-conntrack-example-{}", std::process::id()));
//! let line = "udp 17 30 src=192.0.2.1 dst=192.0.2.2 sport=1 dport=53 src=192.0.2.2 dst=192.0.2.1 sport=53 dport=1\n";
//! std::fs::write(&path, line)?;
//! let (entries, some_unreadable) = ctwarden_conntrack::entries_of(&path.to_string_lossy())?;
//! assert_eq!((entries.len(), some_unreadable), (1, false));
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Deliberate differences from conntrack 1.4.9. Each one avoids a defect of that version:
//! - `-D` sends tuple, zone and id of a flow, and the kernel compares all three. A new flow with the same tuple is safe
//!   unless the kernel gave it the same id. For a change the kernel does not compare the id: `-U` sends the change
//!   right after it lists the entry, and prints and counts only flows that still have the id afterwards. `-U` reaches
//!   flows in zones, and the kernel itself changes the mark under its mask.
//! - `-u` with `!` or `UNREPLIED` works for every command that selects, and combines with bits that must be set. In
//!   1.4.9 `-D -u UNREPLIED` deletes every flow.
//! - `-n`, `-g` and `-j` compare IPv6 addresses, too. In 1.4.9 any translation of the family matches, and `-D` deletes
//!   the flow.
//! - `-L dying` respects networks (`-s 10.0.0.0/8`), and closes the document of its XML.
//! - `-F -f` empties one family, and a refused `-F` does not report that the table is empty.
//! - `-E -b` sizes the socket that receives the events. Without `-b` the socket holds some six thousand events; in
//!   1.4.9 it holds 166. After an overrun the command reports the kernel's count of lost events.
//! - `-L`, `-D` and `-U` read the table again if it was resized during the dump, and report if no dump was complete.
//! - `-o save` leaves out entries that no line could create again, and reports their number.
//! - `-R` names the line of a mistake, creates expected flows after their masters, and keeps nothing of the file in
//!   memory.
//!
//! Compatibility quirk, kept because scripts may depend on it: `-D -t` accepts the seconds but does not select by them,
//! so `-D -t 5` alone deletes every flow.

mod clock;
mod count;
mod create;
mod delete;
mod environment;
mod events;
mod expectations;
mod failure;
mod flush;
mod from;
mod get;
mod kernel;
mod list;
mod load;
mod local_time;
mod netlink_sockets;
mod output;
mod printer;
mod program_name;
mod readings;
mod signals;
mod statistics;
mod sys;
mod tally;
mod text_lines;
mod update;

use std::ffi::OsString;
use std::process::ExitCode;

use ctwarden_format::command::{self, Command, NOTHING_MATCHED, Refused, Source, Table};
use ctwarden_format::read::Entry;
use ctwarden_model::{EventKind, Family, Flow};
use ctwarden_netlink::Reading;
use thiserror::Error;

use environment::HostEnvironment;
use failure::{FAILED, Failure, Operation, TITLE};
use local_time::LocalTime;
use output::{Output, count_line, say, say_all};
use printer::Printer;
use tally::Tally;

/// Executes a command line, given without the program's name. `called` is the name that the help shows.
pub fn run(called: &str, words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let machine = HostEnvironment::default();
    let mut output = Output::new();
    match command::parse(called, &words, &machine) {
        Ok(parsed) => {
            say_all(&parsed.warnings);
            let operation = Operation::of(&parsed.command);
            let outcome = carry_out(called, parsed.command, &machine, &mut output);
            match outcome {
                Ok(status) => ExitCode::from(status),
                Err(failure) => {
                    // The output so far must appear before the error message.
                    drop(output.drain());
                    ExitCode::from(tell(failure, operation))
                }
            }
        }
        Err(refused) => ExitCode::from(refuse(&refused)),
    }
}

/// Why the entries of a file could not be read.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct EntriesError(String);

/// Maximum number of entries kept from a file: as many as a large table has.
const ENTRIES: usize = 1 << 23;

/// Reads the entries of a file in any form that `-L --from` reads; `-` is standard input. Each entry comes with its
/// kind: a row, or an event. Unreadable lines are reported on standard error. The returned flag is true if there was
/// such a line.
pub fn entries_of(file: &str) -> Result<(Vec<(EventKind, Flow)>, bool), EntriesError> {
    let source = if file == "-" { Source::StandardInput } else { Source::File(file.to_owned()) };
    let mut entries = Vec::new();
    let keep = |entry: Entry| {
        if entries.len() >= ENTRIES {
            return Err(Failure::other(format!("{file}: more than {ENTRIES} entries")));
        }
        entries.push((entry.kind, entry.flow));
        Ok(())
    };
    match from::each(&source, None, (&HostEnvironment::default(), &LocalTime::default()), keep) {
        Ok(unreadable) => Ok((entries, unreadable)),
        Err(failure) => Err(EntriesError(failure.text())),
    }
}

/// Reports what is wrong with the command line. Returns the exit status.
fn refuse(refused: &Refused) -> u8 {
    say_all(&refused.warnings);
    say(&format!("{TITLE}{}", refused.problem));
    if let Some(hint) = refused.problem.hint() {
        say(hint);
    }
    refused.problem.exit_status()
}

/// Reports why the command failed. Returns the exit status.
fn tell(failure: Failure, operation: Operation) -> u8 {
    match failure {
        Failure::Refused(errno) => {
            say(&format!("{TITLE}Operation failed: {}", failure::meaning(errno, operation)));
            FAILED
        }
        Failure::Said { status, text } => {
            say(&format!("{TITLE}{text}"));
            status
        }
        Failure::Words(refused) => refuse(&refused),
    }
}

/// Executes the command. Returns the exit status.
fn carry_out(called: &str, command: Command, machine: &HostEnvironment, output: &mut Output) -> Result<u8, Failure> {
    let place = LocalTime::default();
    let local_time = |seconds| place.at(seconds);
    match command {
        Command::List(list) => {
            let mut printer = Printer::of_document(&list.output, &local_time);
            if let Some(source) = &list.from {
                return from::list(output, &mut printer, source, &list.filter, (machine, &place));
            }
            let source = match (list.table, list.zero) {
                (Table::Conntrack, false) => list::Source::Table,
                (Table::Conntrack, true) => list::Source::TableAndZero,
                (Table::Dying, _) => list::Source::Dying,
                (Table::Unconfirmed, _) => list::Source::Unconfirmed,
            };
            let shown = list::flows(output, &mut printer, source, &list.filter)?;
            count_line(shown.count, "flow entries have been shown.");
            Ok(status_of(shown.reading).max(printer.tell_left_out()))
        }
        Command::Get(get) => {
            let mut printer = Printer::of_document(&get.output, &local_time);
            let shown = get::flow(output, &mut printer, &get)?;
            Ok(counted(shown, "flow entries have been shown.").max(printer.tell_left_out()))
        }
        Command::Delete(delete) => {
            let mut printer = Printer::of_deleted(&delete.output);
            let deleted = delete::flows(output, &mut printer, &delete.filter)?;
            // The entries are deleted, with or without a line for them, so this does not change the exit status.
            printer.tell_left_out();
            Ok(matched(deleted, "flow entries have been deleted.", delete.exit_code))
        }
        Command::Update(update) => {
            let mut printer = Printer::of_entries(&update.output);
            let updated = update::flows(output, &mut printer, &update.filter, &update.change)?;
            printer.tell_left_out();
            Ok(matched(updated, "flow entries have been updated.", update.exit_code))
        }
        Command::Create(create) => {
            create::flow(&create)?;
            let done = if create.exclusive { "created" } else { "added" };
            Ok(counted(1, &format!("flow entries have been {done}.")))
        }
        Command::Events(events) => {
            let mut printer = Printer::of_document(&events.output, &local_time);
            let listening = events::Listening {
                table: events::Table::Conntrack,
                kinds: events.kinds,
                buffer: events.buffer,
                filter: Some(&events.filter),
            };
            listen(output, &mut printer, &listening)
        }
        Command::ExpectationEvents { output: how } => {
            let mut printer = Printer::of_document(&how, &local_time);
            listen(output, &mut printer, &events::Listening::EXPECTATIONS)
        }
        Command::Flush { family } => {
            flush::flows(&mut kernel::open()?, family)?;
            Ok(0)
        }
        Command::FlushExpectations => flush::expectations(&mut kernel::open()?).map(|()| 0),
        Command::Count => count::flows(output).map(|()| 0),
        // As in conntrack, the family is IPv4 if the command takes none.
        Command::CountExpectations => count::expectations(output, Family::Ipv4).map(|()| 0),
        Command::Statistics => statistics::flows(output).map(|()| 0),
        Command::ExpectationStatistics => statistics::expectations(output).map(|()| 0),
        Command::ListExpectations { family, output: how } => {
            let mut printer = Printer::of_document(&how, &local_time);
            let shown = list::expectations(output, &mut printer, family)?;
            count_line(shown, "expectations have been shown.");
            Ok(0)
        }
        Command::GetExpectation { master } => {
            let how = command::Output::default();
            get::expectation(output, &mut Printer::of_entries(&how), &master).map(|()| 0)
        }
        Command::CreateExpectation(template) => expectations::create(&template.expectation).map(|()| 0),
        Command::DeleteExpectation { tuple } => {
            expectations::delete(&tuple)?;
            // Scripts know this line and this status: conntrack never counted the expectations that it flushed.
            Ok(counted(0, "expectations have been shown."))
        }
        Command::Load { file } => load::file(output, &file).map(|()| 0),
        Command::Help { protocol, given: _ } => {
            output.text().extend_from_slice(command::help(called, protocol.as_ref()).as_bytes());
            output.drain().map(|()| 0)
        }
        Command::Version => {
            output.text().extend_from_slice(format!("conntrack v{} (conntrack-tools)\n", command::VERSION).as_bytes());
            output.drain().map(|()| 0)
        }
    }
}

/// Reports the count. Returns the exit status: zero entries are a failure.
fn counted(count: u64, what: &str) -> u8 {
    count_line(count, what);
    if count == 0 { FAILED } else { 0 }
}

/// Like `counted`, but `exit_code` lets the caller distinguish "nothing matched" from a failure.
fn matched(tally: Tally, what: &str, exit_code: bool) -> u8 {
    let status = counted(tally.count, what);
    match (status_of(tally.reading), status) {
        (0, FAILED) if exit_code => NOTHING_MATCHED,
        (0, status) => status,
        (failed, _) => failed,
    }
}

/// Exit status of a command that read the table. If the reading may have missed entries, reports this as a failure.
fn status_of(reading: Reading) -> u8 {
    match reading {
        Reading::Whole => 0,
        Reading::Interrupted => {
            say(&format!("{TITLE}Operation failed: {}", readings::interrupted()));
            FAILED
        }
    }
}

fn listen(output: &mut Output, printer: &mut Printer<'_>, listening: &events::Listening<'_>) -> Result<u8, Failure> {
    let shown = events::listen(output, printer, listening)?;
    let what = match listening.table {
        events::Table::Conntrack => "flow events have been shown.",
        events::Table::Expect => "expectation events have been shown.",
    };
    count_line(shown, what);
    Ok(printer.tell_left_out())
}
