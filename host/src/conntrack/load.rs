//! `-R`: carries out the command lines of a file.
//!
//! Everything is read twice: once to see that each line makes sense, before anything is done, and once to do it. So a mistake
//! in the last line changes nothing, and the largest file needs no more memory than the smallest. What comes through a pipe
//! can be read once only and goes into a temporary file without a name first.
//!
//! Entries are made many in one send. The kernel stops at no error within a send; the first that it refused is told with the
//! number of its line, and what stood behind it in the same send was carried out all the same. Flows that another one
//! expected are made after the others, because the kernel wants that one to be there and a saved table has no order.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;

use ctwarden_format::command::{self, Command, Create, Parsed, Source};
use ctwarden_wire::Content;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::failure::{Failure, Operation};
use super::kernel::{Batch, Kernel};
use super::output::Output;
use super::printer::Printer;
use super::surroundings::Machine;
use super::{NAME, create, delete, flush, operation_of, say_all, update};

/// Entries that are made in one send: more gain nothing, and the kernel's refusals of all of them have to fit into the receive
/// buffer.
const IN_ONE_SEND: usize = 256;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// Checks all lines, then carries them out.
pub(super) fn file(output: &mut Output, source: &Source, machine: &Machine) -> Result<(), Failure> {
    let name = match source {
        Source::StandardInput => "/dev/stdin",
        Source::File(name) => name,
    };
    let mut file = open(source).map_err(|_| Failure::parameter(format!("Failed to open file {name} for reading")))?;
    each_command(&file, name, machine, |_, parsed| {
        say_all(&parsed.warnings);
        Ok(())
    })?;
    file.seek(SeekFrom::Start(0)).map_err(|error| Failure::system(&format!("Can't read {name}"), &error))?;
    let mut execution = Execution {
        output,
        kernel: Kernel::open_for_batches()?,
        batch: Batch::new(),
        lines: Vec::new(),
        late: Vec::new(),
    };
    each_command(&file, name, machine, |line, parsed| execution.carry_out(name, line, parsed.command))?;
    execution.make_all(name)?;
    output.drain()
}

/// Opens what can be read twice.
fn open(source: &Source) -> io::Result<File> {
    let file = match source {
        Source::StandardInput => File::from(rustix::io::dup(rustix::stdio::stdin())?),
        Source::File(name) => File::open(name)?,
    };
    if (&file).stream_position().is_ok() && file.metadata()?.is_file() { Ok(file) } else { copy(file) }
}

/// A copy that can be read from its begin, and that nobody else sees.
fn copy(mut from: impl Read) -> io::Result<File> {
    let mut copy = unnamed_file()?;
    io::copy(&mut from, &mut copy)?;
    copy.seek(SeekFrom::Start(0))?;
    Ok(copy)
}

fn unnamed_file() -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let on_disk = rustix::fs::open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR);
    // Not every file system can do it; memory can.
    let file: OwnedFd = match on_disk {
        Ok(file) => file,
        Err(_) => rustix::fs::memfd_create("conntrack-load", rustix::fs::MemfdFlags::CLOEXEC)?,
    };
    Ok(File::from(file))
}

/// Hands over each line's command with the number of the line. Empty lines and comments have none.
fn each_command(
    file: &File,
    name: &str,
    machine: &Machine,
    mut each: impl FnMut(u64, Parsed) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes);
        if read.map_err(|error| Failure::system(&format!("Can't read {name}"), &error))? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        let parsed = command::line(NAME, &text, machine)
            .map_err(|refused| Failure::Words(Box::new(refused)).at(name, line, Operation::Other))?;
        if let Some(parsed) = parsed {
            each(line, parsed)?;
        }
    }
    Ok(())
}

/// Commands while they are carried out, in their order.
struct Execution<'o> {
    output: &'o mut Output,
    kernel: Kernel,
    batch: Batch,
    /// Line of each entry in the batch, and how its making is called.
    lines: Vec<(u64, Operation)>,
    /// Flows that others expected.
    late: Vec<Late>,
}

/// A flow whose master has to be made before it.
#[derive(Clone)]
struct Late {
    line: u64,
    operation: Operation,
    creation: Create,
}

impl Execution<'_> {
    fn carry_out(&mut self, name: &str, line: u64, command: Command) -> Result<(), Failure> {
        let operation = operation_of(&command);
        if let Command::Create(creation) = command {
            if creation.flow.rare.as_ref().is_some_and(|rare| rare.master.is_some()) {
                self.late.push(Late { line, operation, creation });
                return Ok(());
            }
            self.batch.push(|buffer, sequence| create::write(buffer, sequence, false, &creation));
            self.lines.push((line, operation));
            return if self.lines.len() < IN_ONE_SEND { Ok(()) } else { self.make(name) };
        }
        self.make_all(name)?;
        self.change(&command).map_err(|failure| failure.at(name, line, operation))
    }

    /// Makes everything that waits to be made.
    fn make_all(&mut self, name: &str) -> Result<(), Failure> {
        self.make(name)?;
        // A master may itself be one that was expected: as long as some could be made, others may be.
        loop {
            let waiting = std::mem::take(&mut self.late);
            let mut without_master = None;
            for part in waiting.chunks(IN_ONE_SEND) {
                for (late, errno) in part.iter().zip(self.make_late(part)?) {
                    let failure = Failure::Refused(errno);
                    if errno == Errno::NOENT.raw_os_error() {
                        without_master = without_master.or(Some(failure.at(name, late.line, late.operation)));
                        self.late.push(late.clone());
                    } else if errno != 0 {
                        return Err(failure.at(name, late.line, late.operation));
                    }
                }
            }
            match without_master {
                None => return Ok(()),
                Some(failure) if self.late.len() == waiting.len() => return Err(failure),
                Some(_) => {}
            }
        }
    }

    /// Tries to make them. Gives an errno for each, 0 where it was made.
    fn make_late(&mut self, part: &[Late]) -> Result<Vec<i32>, Failure> {
        for late in part {
            self.batch.push(|buffer, sequence| create::write(buffer, sequence, false, &late.creation));
        }
        let mut errors = vec![0; part.len()];
        self.kernel.carry_out(&mut self.batch, |place, content| {
            if let (Content::Answer(answer), Some(error)) = (content, errors.get_mut(place)) {
                *error = answer.errno;
            }
        })?;
        Ok(errors)
    }

    /// Makes what is in the batch.
    fn make(&mut self, name: &str) -> Result<(), Failure> {
        let lines = &self.lines;
        let mut first: Option<Failure> = None;
        self.kernel.carry_out(&mut self.batch, |place, content| {
            if let (Content::Answer(answer), Some((line, operation))) = (content, lines.get(place))
                && !answer.is_ack()
                && first.is_none()
            {
                first = Some(Failure::Refused(answer.errno).at(name, *line, *operation));
            }
        })?;
        self.lines.clear();
        first.map_or(Ok(()), Err)
    }

    fn change(&mut self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Delete(delete) => {
                delete::flows(self.output, &mut Printer::of_deleted(&delete.output), &delete.filter).map(drop)
            }
            Command::Update(update) => {
                let mut printer = Printer::of_entries(&update.output);
                update::flows(self.output, &mut printer, &update.filter, &update.change).map(drop)
            }
            Command::Flush { family } => flush::flows(&mut self.kernel, *family),
            // No line is read as one of these.
            Command::Create(_)
            | Command::List(_)
            | Command::Get(_)
            | Command::Events(_)
            | Command::Version
            | Command::Help { .. }
            | Command::ListExpectations { .. }
            | Command::CreateExpectation(_)
            | Command::DeleteExpectation { .. }
            | Command::GetExpectation { .. }
            | Command::FlushExpectations
            | Command::ExpectationEvents { .. }
            | Command::Count
            | Command::CountExpectations
            | Command::Statistics
            | Command::ExpectationStatistics
            | Command::Load { .. } => Err(Failure::parameter("Cannot use this command with --load-file")),
        }
    }
}
